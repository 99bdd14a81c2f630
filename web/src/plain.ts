// Pages that stand still: errors, the queue.

import { startLanguage, startTheme } from "./theme.ts";

startTheme();
startLanguage();

const again = Number(document.querySelector<HTMLElement>("[data-again]")?.dataset["again"]);
if (again > 0) setTimeout(() => location.reload(), again * 1000);
