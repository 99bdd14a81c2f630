// What every view is given.

import type { Snapshot } from "../types.ts";

export interface ViewProps {
  s: Snapshot;
  /** Show it as a table. */
  table: boolean;
}
