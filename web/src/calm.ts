// While output streams nobody reads it, and drawing it takes as long as understanding it: it is drawn less often then, and what a
// program prints by and by at once. xterm has no setting for that, so its queue of pictures is asked to wait (xterm 6: RenderDebouncer; its own
// addons reach what is inside by the same way). A version without it draws as it likes.

import type { Terminal } from "@xterm/xterm";

const GAP = 50; // ms between pictures of output that streams
const STREAM = 32 << 10; // bytes since the last picture that make a stream

interface Pictures {
  refresh(first: number | undefined, last: number | undefined, rows: number): void;
}

/** Returns what is to be told of every piece that is written: how many bytes it has. */
export function calm(term: Terminal): (bytes: number) => void {
  const inside = (term as unknown as { _core?: { _renderService?: { _renderDebouncer?: Pictures } } })._core?._renderService?._renderDebouncer;
  if (!inside?.refresh) return () => {};
  const draw = inside.refresh.bind(inside);
  let written = 0; // since the last picture
  let last = 0;
  let timer = 0;
  let wanted: [number, number, number] | null = null;
  const now = () => {
    const what = wanted;
    [timer, wanted, written, last] = [0, null, 0, performance.now()];
    if (what) draw(...what);
  };
  inside.refresh = (first, end, rows) => {
    wanted = [Math.min(first ?? 0, wanted?.[0] ?? rows), Math.max(end ?? rows - 1, wanted?.[1] ?? 0), rows];
    if (timer) return;
    const wait = written < STREAM ? 0 : last + GAP - performance.now();
    if (wait > 0) timer = window.setTimeout(now, wait);
    else now();
  };
  term.onData(() => (last = 0)); // who types waits for what comes of it
  term.onResize(() => {
    clearTimeout(timer);
    now();
  });
  return (bytes) => (written += bytes);
}
