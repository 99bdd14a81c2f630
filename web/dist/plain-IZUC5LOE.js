import{a,b as t}from"/assets/chunk-U3PRI6FN.js";a();t();var e=Number(document.querySelector("[data-again]")?.dataset.again);e>0&&setTimeout(()=>location.reload(),e*1e3);
