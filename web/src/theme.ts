// Light or dark: the reader's choice, kept in a cookie so that the server draws the page in it from the first byte.

export function startTheme(): void {
  document.querySelector("[data-theme-switch]")?.addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset["theme"] ? root.dataset["theme"] === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset["theme"] = dark ? "light" : "dark";
    document.cookie = `theme=${root.dataset["theme"]}; path=/; max-age=31536000; samesite=lax`;
  });
}

/** The language switch leads to the step that is shown now, not to the one the page was opened at. */
export function startLanguage(): void {
  for (const a of document.querySelectorAll<HTMLAnchorElement>("[data-langswitch]")) {
    a.addEventListener("click", () => {
      a.href = `/${a.hreflang.slice(0, 2)}${location.pathname.slice(3)}${location.search}`;
    });
  }
}
