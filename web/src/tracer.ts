// Where the kernel's moments come from, and what they do not tell of, in a sentence.

import { tracer, untold } from "./store.ts";
import { joinAnd, t } from "./words.ts";

/** Empty until the server has said it. */
export function sayTracer(): string {
  if (!tracer.value) return "";
  const said = t(`tracer.${tracer.value}`);
  return untold.value.length ? t("tracer.untold", { said, kinds: joinAnd(untold.value.map((kind) => t(`untold.${kind}`))) }) : said;
}
