// Light-DOM custom elements that render a Preact component: pages place them, signals keep them current.

import { type ComponentType, h, render } from "preact";

export function element(name: string, component: ComponentType<{ host: HTMLElement }>): void {
  customElements.define(
    name,
    class extends HTMLElement {
      connectedCallback(): void {
        render(h(component, { host: this }), this);
      }
      disconnectedCallback(): void {
        render(null, this);
      }
    },
  );
}
