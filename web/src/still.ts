// On a narrow screen the lesson stands above the views and the terminals, and all of it scrolls as one. What the lesson shows by itself must
// not push away what the learner is at. Some browsers see to that (CSS scroll anchoring), not all of them and not always.

const narrow = matchMedia("(max-width: 900px)");

/** What is at the middle of the screen, or nearest below it, of the views and terminals; null while the lesson fills the screen. */
function held(): Element | null {
  const focused = document.activeElement?.closest(".stage [data-pane-id], .stage .views");
  const all = focused ? [focused] : [...document.querySelectorAll(".stage .views, .stage .term")];
  return all.find((el) => seen(el)) ?? null;
}

const seen = (el: Element): boolean => {
  const at = el.getBoundingClientRect();
  return at.height > 0 && at.bottom > 0 && at.top < innerHeight;
};

/** Makes a change of the lesson, and keeps views and terminals where they are on the screen. Returns whether that took scrolling. */
export function still(change: () => void): boolean {
  const el = narrow.matches ? held() : null;
  if (!el) {
    change();
    return false;
  }
  const page = document.documentElement;
  const before = el.getBoundingClientRect().top;
  page.style.overflowAnchor = "none"; // or the browser would scroll, too
  change();
  const moved = el.getBoundingClientRect().top - before;
  if (moved) scrollBy({ top: moved, behavior: "instant" });
  requestAnimationFrame(() => requestAnimationFrame(() => page.style.removeProperty("overflow-anchor")));
  return moved !== 0;
}
