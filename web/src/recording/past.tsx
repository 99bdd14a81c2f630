// A terminal of the lab page as it was, over the one that goes on below.

import { moment } from "../store.ts";
import type { Terminal } from "../terminal.ts";
import { Picture } from "./screens.tsx";

/** Draws the terminal of a name as it was at the page's moment. */
export const pastOf =
  (terminal: (name: string) => Terminal | undefined) =>
  ({ name }: { name: string }) => {
    const term = terminal(name);
    return term && moment.value ? (
      <div class="past">
        <Picture s={term.at(moment.value)} />
      </div>
    ) : null;
  };
