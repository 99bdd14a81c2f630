// The lab page, and that of a recording (recording/page.ts), which is made of the same parts.

import { effect } from "@preact/signals";
import { Refused } from "./api.ts";
import { defineBar } from "./bar.tsx";
import { defineDock } from "./dock.tsx";
import { startKeyboard } from "./keyboard.ts";
import { enter, startLesson } from "./lesson.ts";
import { connect, watch } from "./live.ts";
import { watchLit } from "./lit.ts";
import { definePhase } from "./phase.tsx";
import { defineSplit } from "./split.ts";
import { paused, recorded, session, step } from "./store.ts";
import type { Problem } from "./types.ts";
import { startTabs } from "./tabs.ts";
import { startLanguage, startTheme } from "./theme.ts";
import { defineToasts, failed } from "./toasts.tsx";
import { defineView } from "./view.tsx";

startTheme();
startLanguage();
defineToasts();
defineSplit();
defineBar();
startLesson();
enter(false);
startTabs();
defineView();
watchLit();
startKeyboard();
if (document.body.classList.contains("replay-page")) void import("./recording/page.ts").then((m) => m.start(enter));
else live();

function live(): void {
  definePhase();
  defineDock();
  watch();
  const recordings = document.getElementById("recordings");
  recordings?.addEventListener("beforetoggle", () => void import("./recording/own.ts").then((m) => m.start(recordings)), { once: true });
  effect(() => {
    if (paused.value) void import("./recording/back.ts").then((m) => m.back());
  });
  effect(() => {
    document.body.toggleAttribute("data-recording", Boolean(session.value?.recording));
  });
  effect(() => {
    if (recorded.value) failed(new Refused(JSON.parse(recorded.value) as Problem), "recorded");
  });
  effect(() => {
    step.value;
    connect();
  });

  // htmx comes after the first picture: until then the links of the lesson are links.
  const later = () => void import("htmx.org");
  if (document.readyState === "complete") later();
  else window.addEventListener("load", later);
}
