// The lab page.

import { effect } from "@preact/signals";
import { defineBar } from "./bar.tsx";
import { defineDock } from "./dock.tsx";
import { startKeyboard } from "./keyboard.ts";
import { enter, startLesson } from "./lesson.ts";
import { connect, watch } from "./live.ts";
import { watchLit } from "./lit.ts";
import { definePhase } from "./phase.tsx";
import { defineSplit } from "./split.ts";
import { session, step } from "./store.ts";
import { startTabs } from "./tabs.ts";
import { startLanguage, startTheme } from "./theme.ts";
import { defineToasts } from "./toasts.tsx";
import { defineView } from "./view.tsx";

startTheme();
startLanguage();
defineToasts();
defineSplit();
defineBar();
definePhase();
startLesson();
enter(false);
startTabs();
defineView();
defineDock();
watchLit();
startKeyboard();
watch();
const recordings = document.getElementById("recordings");
recordings?.addEventListener("beforetoggle", () => void import("./recording/own.ts").then((m) => m.start(recordings)), { once: true });
effect(() => {
  document.body.toggleAttribute("data-recording", Boolean(session.value?.recording));
});
effect(() => {
  step.value;
  connect();
});

// htmx comes after the first picture: until then the links of the lesson are links.
const later = () => void import("htmx.org");
if (document.readyState === "complete") later();
else window.addEventListener("load", later);
