// The front page: a recorded pod is built before the reader's eyes.

import { startLanguage, startTheme } from "./theme.ts";
import { defineReplay } from "./replay.tsx";

startTheme();
startLanguage();
defineReplay();
