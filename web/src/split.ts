// <pod-split>: the bar between two panes. Drag it, or focus it and use the arrow keys (Shift: bigger steps), Home and End for the
// presets, Enter or a double click for the default. Sizes are custom properties of the page and remembered.

import { t } from "./words.ts";

interface Axis {
  property: string;
  min: number;
  max: () => number;
  usual: () => number;
  vertical: boolean; // the bar is drawn upright: it moves left and right
  sign: 1 | -1; // whether moving right or down makes the pane bigger
}

const axes: Record<string, Axis> = {
  lesson: {
    property: "--lesson",
    min: 280,
    max: () => Math.min(900, innerWidth - 420),
    usual: () => Math.round(Math.min(innerWidth > 2200 ? 680 : 520, Math.max(340, innerWidth * 0.272))),
    vertical: true,
    sign: 1,
  },
  dock: {
    property: "--dock",
    min: 120,
    max: () => innerHeight - 220,
    usual: () => Math.round(Math.max(200, (innerHeight - 56) * 0.31)),
    vertical: false,
    sign: -1,
  },
};

class Split extends HTMLElement {
  private axis!: Axis;
  private name = "";

  connectedCallback(): void {
    this.name = this.dataset["split"] ?? "";
    this.axis = axes[this.name]!;
    this.tabIndex = 0;
    this.setAttribute("role", "separator");
    this.setAttribute("aria-label", t(`split.${this.name}`));
    this.setAttribute("aria-orientation", this.axis.vertical ? "vertical" : "horizontal");
    this.addEventListener("pointerdown", (e) => this.drag(e));
    this.addEventListener("keydown", (e) => this.key(e));
    this.addEventListener("dblclick", () => this.set(this.axis.usual(), false));
    window.addEventListener("resize", () => this.set(this.stored() ?? this.axis.usual(), false, false));
    this.set(this.stored() ?? this.axis.usual(), false, false);
  }

  private stored(): number | null {
    const n = Number(localStorage.getItem(`split.${this.name}`));
    return n > 0 ? n : null;
  }

  private size = 0;

  private set(px: number, keep = true, forget = !keep): void {
    const { min, max, property } = this.axis;
    this.size = Math.round(Math.max(min, Math.min(max(), px)));
    document.documentElement.style.setProperty(property, `${this.size}px`);
    this.setAttribute("aria-valuenow", String(this.size));
    this.setAttribute("aria-valuemin", String(min));
    this.setAttribute("aria-valuemax", String(max()));
    if (keep) localStorage.setItem(`split.${this.name}`, String(this.size));
    else if (forget) localStorage.removeItem(`split.${this.name}`);
  }

  private drag(e: PointerEvent): void {
    e.preventDefault();
    this.focus();
    this.setPointerCapture(e.pointerId);
    const { vertical, sign } = this.axis;
    const start = vertical ? e.clientX : e.clientY;
    const size = this.size;
    const move = (m: PointerEvent) => this.set(size + sign * ((vertical ? m.clientX : m.clientY) - start));
    const stop = () => {
      this.removeEventListener("pointermove", move);
      this.removeEventListener("pointerup", stop);
      this.removeEventListener("pointercancel", stop);
    };
    this.addEventListener("pointermove", move);
    this.addEventListener("pointerup", stop);
    this.addEventListener("pointercancel", stop);
  }

  private key(e: KeyboardEvent): void {
    const { vertical, sign, min, max, usual } = this.axis;
    const by = (e.shiftKey ? 80 : 16) * sign;
    const moves: Record<string, number | undefined> = {
      [vertical ? "ArrowRight" : "ArrowDown"]: this.size + by,
      [vertical ? "ArrowLeft" : "ArrowUp"]: this.size - by,
      Home: min,
      End: max(),
    };
    const to = moves[e.key];
    if (to !== undefined) this.set(to);
    else if (e.key === "Enter") this.set(usual(), false);
    else return;
    e.preventDefault();
  }
}

export const defineSplit = (): void => customElements.define("pod-split", Split);
