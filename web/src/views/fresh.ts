// What has just come or changed in a list is marked for a moment.

import { useEffect, useReducer, useRef } from "preact/hooks";
import { jumps } from "../store.ts";
import { LINGER } from "./tree.ts";

/** Keys of a list's entries that are not what they were, or were not there, a moment ago. */
export function useFresh(entries: [key: string, state: string][]): ReadonlySet<string> {
  const seen = useRef<Map<string, string> | null>(null);
  const fresh = useRef(new Map<string, number>()).current;
  const jumped = useRef(jumps.value);
  const [, redraw] = useReducer((n: number) => n + 1, 0);
  const now = performance.now();
  const before = jumped.current === jumps.value ? seen.current : null; // another moment: nothing in it is new
  jumped.current = jumps.value;
  seen.current = new Map(entries);
  if (!before) fresh.clear();
  else for (const [key, state] of entries) if (before.get(key) !== state) fresh.set(key, now);
  for (const [key, at] of fresh) if (now - at > LINGER) fresh.delete(key);
  useEffect(() => {
    if (!fresh.size) return;
    const timer = setTimeout(() => redraw(undefined as never), LINGER);
    return () => clearTimeout(timer);
  });
  return new Set(fresh.keys());
}
