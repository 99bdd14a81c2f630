// Words of the page's language. The page loads them before any other script (web/words, shared with Go).

type Text = string | { one: string; other: string };

declare global {
  var podlabWords: Record<string, Text>;
}

export type Params = Record<string, string | number>;

/** Language of this page, "en" or "zh". */
export const lang = document.documentElement.dataset["lang"] ?? "en";

export type Part = keyof typeof later.en;

/** Loads the words of a part that is shown later (web/build). */
export const load = (part: Part): Promise<unknown> => (lang === "zh" ? later.zh : later.en)[part]();

const later = {
  en: {
    ask: () => import("words:en/ask"),
    compare: () => import("words:en/compare"),
    ipc: () => import("words:en/ipc"),
    key: () => import("words:en/key"),
    net: () => import("words:en/net"),
    res: () => import("words:en/res"),
    timeline: () => import("words:en/timeline"),
    vol: () => import("words:en/vol"),
  },
  zh: {
    ask: () => import("words:zh/ask"),
    compare: () => import("words:zh/compare"),
    ipc: () => import("words:zh/ipc"),
    key: () => import("words:zh/key"),
    net: () => import("words:zh/net"),
    res: () => import("words:zh/res"),
    timeline: () => import("words:zh/timeline"),
    vol: () => import("words:zh/vol"),
  },
};

/** Whether there is a text for a key. */
export const has = (key: string): boolean => Object.hasOwn(globalThis.podlabWords, key);

/** The text of a key with its {params}; `n` chooses between one and other. A key without a text is returned itself. */
export function t(key: string, params?: Params): string {
  const text = has(key) ? globalThis.podlabWords[key] : undefined;
  if (text === undefined) return key;
  const form = typeof text === "string" ? text : params?.["n"] === 1 ? text.one : text.other;
  if (!params) return form;
  return form.replace(/\{(\w+)\}/g, (whole, name: string) => (Object.hasOwn(params, name) ? String(params[name]) : whole));
}

/** What an error code means, and what to do next. */
export function sayError(problem: { code: string; params?: Record<string, string> }): { what: string; next: string } {
  const code = has(`error.${problem.code}`) ? problem.code : "internal";
  const detail = `error.${code}.${problem.params?.["detail"] ?? problem.params?.["reason"] ?? problem.params?.["kind"] ?? ""}`;
  const what = has(detail) && !detail.endsWith(".do") ? detail : `error.${code}`;
  const next = has(`${what}.do`) ? what : `error.${code}`;
  return { what: t(what, problem.params ?? {}), next: t(`${next}.do`, problem.params ?? {}) };
}

/** What stands between two sentences. */
export const gap = lang === "zh" ? "" : " ";

/** "net, ipc, uts" */
export const join = (items: string[]): string => items.join(lang === "zh" ? "、" : ", ");

/** "net, ipc and uts" */
export const joinAnd = (items: string[]): string => (items.length < 2 ? join(items) : t("list.and", { some: join(items.slice(0, -1)), last: items.at(-1)! }));

const units = ["B", "KiB", "MiB", "GiB"];

/** Bytes as people read them: 1.5 MiB. */
export function bytes(n: number): string {
  let i = 0;
  while (n >= 1024 && i < units.length - 1) {
    n /= 1024;
    i++;
  }
  return `${n < 10 && i > 0 ? n.toFixed(1).replace(/\.0$/, "") : Math.round(n)}\u00a0${units[i]}`;
}
