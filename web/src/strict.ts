// xterm under a strict Content-Security-Policy: its <style> elements get the page's nonce, and setAttribute("style", …), which the
// policy refuses, goes through cssText, which it allows. Import this before xterm.

const nonce = document.querySelector<HTMLScriptElement>("script[nonce]")?.nonce ?? "";

const create = document.createElement.bind(document);
document.createElement = ((tag: string, options?: ElementCreationOptions): HTMLElement => {
  const el = create(tag, options);
  if (tag === "style") el.nonce = nonce;
  return el;
}) as typeof document.createElement;

const set = Element.prototype.setAttribute;
Element.prototype.setAttribute = function (this: Element, name: string, value: string): void {
  if (name === "style" && this instanceof HTMLElement) this.style.cssText = value;
  else set.call(this, name, value);
};

export { nonce };
