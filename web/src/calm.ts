// While output streams nobody reads it, and drawing it takes as long as understanding it: it is drawn less often then, and what a
// program prints by and by at once. xterm has no setting for that, so its queue of pictures is asked to wait, and with it the text field that
// follows the cursor. Each line that scrolls away makes xterm draw every row once more, for the sake of a selection: only where there is one.
// (xterm 6: RenderDebouncer, SelectionService, Viewport, CoreBrowserTerminal; its own addons reach what is inside by the same way.) A version
// without these draws as it likes.

import type { Terminal } from "@xterm/xterm";

const GAP = 50; // ms between pictures of output that streams
const STREAM = 32 << 10; // bytes within one or two gaps that make a stream
const TYPED = 200; // ms for which who typed is shown at once what comes of it

interface Inside {
  _renderService?: { _renderDebouncer?: { refresh(first: number | undefined, last: number | undefined, rows: number): void } };
  _selectionService?: Selection;
  _viewport?: Viewport;
  _onScroll?: Emitter;
  _syncTextArea?(): void;
}

interface Selection {
  refresh(byMouse?: boolean): void;
}

interface Viewport {
  _sync(top?: number): void;
}

interface Emitter {
  fire(event: { position: number }): void;
}

/** Returns what is to be told of every piece that is written: how many bytes it has. */
export function calm(term: Terminal): (bytes: number) => void {
  const inside = (term as unknown as { _core?: Inside })._core;
  const pictures = inside?._renderService?._renderDebouncer;
  const { _selectionService: selection, _viewport: viewport, _onScroll: scrolled } = inside ?? {};
  if (!pictures?.refresh || !inside?._syncTextArea || !selection?.refresh || !viewport?._sync || !scrolled?.fire) return () => {};

  const { bytes, streams } = stream();
  let last = 0; // picture
  let typed = -TYPED;
  let timer = 0;
  let rows: [number, number, number] | null = null; // to be drawn
  let moved = false; // the cursor

  const draw = pictures.refresh.bind(pictures);
  const place = inside._syncTextArea.bind(inside);
  const now = () => {
    const what = rows;
    clearTimeout(timer);
    [timer, rows, last] = [0, null, performance.now()];
    if (moved) place();
    moved = false;
    if (what) draw(...what);
  };
  const soon = () => {
    if (timer || (!rows && !moved)) return;
    const at = performance.now();
    const wait = at - typed < TYPED || !streams(at) ? 0 : last + GAP - at;
    if (wait > 0) timer = window.setTimeout(now, wait);
    else now();
  };
  inside._syncTextArea = () => {
    if (!moved) queueMicrotask(soon); // most often rows are drawn with it
    moved = true;
  };
  pictures.refresh = (first, end, count) => {
    rows = [Math.min(first ?? 0, rows?.[0] ?? count), Math.max(end ?? count - 1, rows?.[1] ?? 0), count];
    soon();
  };
  term.onData(() => {
    typed = performance.now();
    if (timer) now();
  });
  term.onResize(now);
  selected(term, selection);
  together(viewport, scrolled);
  return bytes;
}

/** Tells of bytes that come whether they stream. */
function stream() {
  let [since, recent, before] = [0, 0, 0];
  const turn = (at: number) => {
    if (at - since < GAP) return;
    [since, recent, before] = [at, 0, at - since < 2 * GAP ? recent : 0];
  };
  return {
    bytes: (n: number) => {
      turn(performance.now());
      recent += n;
    },
    streams: (at: number) => {
      turn(at);
      return recent + before >= STREAM;
    },
  };
}

/** Draws for a selection's sake where there is one, or was until now. */
function selected(term: Terminal, selection: Selection): void {
  const refresh = selection.refresh.bind(selection);
  let shown = false;
  selection.refresh = (byMouse) => {
    const has = term.hasSelection();
    if (has || shown) refresh(byMouse);
    shown = has;
  };
}

/** Tells of all lines at once that scrolled away in one go: xterm tells of each, and looks after its scroll bar then. */
function together(viewport: Viewport, scrolled: Emitter): void {
  const bar = viewport._sync.bind(viewport);
  const fire = scrolled.fire.bind(scrolled);
  let last: { position: number } | null = null;
  const tell = () => {
    const event = last!;
    last = null;
    fire(event);
    bar();
  };
  scrolled.fire = (event) => {
    if (!last) queueMicrotask(tell);
    last = event;
  };
  viewport._sync = (top) => {
    if (!last || top !== undefined) bar(top);
  };
}
