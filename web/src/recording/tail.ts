// The end of what a terminal printed, which makes its screen and what is above it: to go to a moment is to draw that, and not all that was
// ever printed.

/** Lines above a recorded screen that one can scroll to. */
export const SCROLLBACK = 1000;
const LETTERS = 256 << 10; // that rebuild a screen at most, as a node keeps
const MODES = 64; // of a terminal that are remembered
const COMMANDS = /\x1bc|\x1b\[(\??)([\d;]{0,40})([hlr])/g; // RIS, DECSET, DECRST, DECSTBM

/** How commands have left a terminal. */
class Modes {
  private readonly all: Map<string, string>; // what sets each, by its number or "margins"

  constructor(before?: Modes) {
    this.all = new Map(before?.all);
  }

  take([all, own, params, final]: RegExpMatchArray): void {
    if (all === "\x1bc") this.all.clear();
    else if (final === "r" && !own) this.all.set("margins", all);
    else if (final !== "r" && own) for (const n of params!.split(";")) this.all.set(n, `\x1b[?${n}${final}`);
    while (this.all.size > MODES) this.all.delete(this.all.keys().next().value!);
  }

  /** Lines follow each other down the whole of the usual screen: who knows the last of them knows it. */
  get plain(): boolean {
    const own = ["1049", "1047", "47"].some((n) => this.all.get(n)?.endsWith("h"));
    return !own && (this.all.get("margins") ?? "\x1b[r") === "\x1b[r";
  }

  get text(): string {
    return [...this.all.values()].join("");
  }
}

/** What a terminal printed until a time: as much of it as rebuilds the screen, and how what was before has left the terminal. */
export class Tail {
  text = "";
  printed = 0; // letters in all
  private modes = new Modes();

  add(text: string): void {
    this.text += text;
    this.printed += text.length;
    if (this.text.length <= 2 * LETTERS) return;
    const most = this.text.length - LETTERS;
    const cut = this.text.lastIndexOf("\n", most) + 1 || most; // no command is cut
    this.modes = this.modesAt(cut);
    this.text = this.text.slice(cut);
  }

  copy(): Tail {
    return Object.assign(new Tail(), this);
  }

  /** What draws a screen of so many rows anew. Depends on what was printed, and not on when that was asked. */
  screen(rows: number): string {
    const at = this.begins(rows);
    return at ? this.modesAt(at).text + this.text.slice(at) : this.modes.text + this.text;
  }

  /** Where the lines begin that the screen and what is above it hold; a program that has the screen to itself from its beginning on. */
  private begins(rows: number): number {
    const least = Math.max(0, this.text.length - LETTERS);
    let at = this.text.length;
    for (let n = SCROLLBACK + 2 * rows; n > 0 && at > least; n--) at = this.text.lastIndexOf("\n", at - 1);
    at = at > least ? at + 1 : least && this.text.indexOf("\n", least) + 1; // no letter and no command is cut
    let since = this.modes.plain ? -1 : 0;
    this.modesAt(at, (plain, place) => (since = plain ? -1 : since < 0 ? place : since));
    return since >= least && since > 0 ? since : at;
  }

  private modesAt(at: number, each: (plain: boolean, place: number) => void = () => {}): Modes {
    const modes = new Modes(this.modes);
    for (const m of this.text.slice(0, at).matchAll(COMMANDS)) {
      modes.take(m);
      each(modes.plain, m.index);
    }
    return modes;
  }
}
