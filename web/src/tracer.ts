// Where the kernel's moments come from, and what they do not tell of, each in a sentence that is empty while there is nothing to say.

import { tracer, untold } from "./store.ts";
import { joinAnd, t } from "./words.ts";

export const sayTracer = (): string => (tracer.value ? t(`tracer.${tracer.value}`) : "");

export const sayUntold = (): string => (untold.value.length ? t("tracer.untold", { kinds: joinAnd(untold.value.map((kind) => t(`untold.${kind}`))) }) : "");
