globalThis.podlabWords=Object.assign(globalThis.podlabWords??{},{});
