// Runs in the page: how the texts and controls of a view lie.

/** What is wrong with the view that is in front, in words. */
export function misplaced(view) {
  const root = document.querySelector(`#view-${view}`);
  const wrong = [];
  const over = document.documentElement.scrollWidth - innerWidth;
  if (over > 0) wrong.push(`the page is ${over} px too wide`);

  /** The part of a box that its ancestors show, and how much of it can only be seen by scrolling sideways, or not at all. */
  const seen = (el, box) => {
    let { left, top, right, bottom } = box;
    let cut = 0;
    for (let at = el; at && at !== root.parentElement; at = at.parentElement) {
      const style = getComputedStyle(at);
      if (style.overflowX === "visible" && style.overflowY === "visible") continue;
      const b = at.getBoundingClientRect();
      if (style.overflowX !== "visible") cut = Math.max(cut, right - b.right, b.left - left);
      if (/hidden|clip/.test(style.overflowY)) cut = Math.max(cut, Math.min(bottom - b.bottom, bottom - top), Math.min(b.top - top, bottom - top));
      [left, top, right, bottom] = [Math.max(left, b.left), Math.max(top, b.top), Math.min(right, b.right), Math.min(bottom, b.bottom)];
    }
    return { left, top, right, bottom, cut };
  };

  const texts = [];
  const walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode;
    const el = node.parentElement;
    if (!node.data.trim() || !el.checkVisibility({ visibilityProperty: true, opacityProperty: true }) || el.closest(".vh, title, svg, .moments caption"))
      continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const text = node.data.trim().slice(0, 40);
    for (const box of range.getClientRects()) {
      if (box.width < 1 || box.height < 1) continue;
      const part = seen(el, box);
      if (part.cut > 1.5) wrong.push(`"${text}" is cut by ${part.cut.toFixed(1)} px (${el.className || el.tagName})`);
      if (part.right - part.left > 1 && part.bottom - part.top > 1) texts.push({ text, node, sticky: sticky(el), ...part });
    }
  }

  /** Whether an element stays in sight while what is below it scrolls under its ground. */
  function sticky(el) {
    for (let at = el; at !== root; at = at.parentElement) if (getComputedStyle(at).position === "sticky") return true;
    return false;
  }

  // A text's box has some room above and below its letters.
  for (let i = 0; i < texts.length; i++) {
    for (let j = i + 1; j < texts.length; j++) {
      const [a, b] = [texts[i], texts[j]];
      if (a.sticky !== b.sticky || a.node === b.node) continue; // a text that is shortened has two boxes
      const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (wide > 1.5 && high > 2.5 && high > 0.3 * Math.min(a.bottom - a.top, b.bottom - b.top))
        wrong.push(`"${a.text}" lies over "${b.text}" by ${wide.toFixed(1)} × ${high.toFixed(1)} px`);
    }
  }

  // A line may touch what it joins; nothing that is read is below or above it.
  for (const path of root.querySelectorAll(".wires path")) {
    if (!path.checkVisibility()) continue;
    const screen = path.getScreenCTM();
    for (let at = 4, end = path.getTotalLength() - 4; at < end; at += 4) {
      const { x, y } = path.getPointAtLength(at).matrixTransform(screen);
      const met = texts.find((t) => x > t.left + 1 && x < t.right - 1 && y > t.top + 3 && y < t.bottom - 3);
      if (met) wrong.push(`a line (${path.getAttribute("class")}) and "${met.text}" are in one place`);
    }
  }

  const nav = document.querySelector(".nav");
  const beyond = nav
    ? nav.lastElementChild.getBoundingClientRect().right - nav.getBoundingClientRect().right + parseFloat(getComputedStyle(nav).paddingRight)
    : 0;
  if (beyond > 1) wrong.push(`the way to the next step is ${beyond.toFixed(1)} px too far right`);

  for (const control of document.querySelectorAll(".bar2 :is(button, a, input, select), .views :is(button, a, input, select, summary)")) {
    if (!control.checkVisibility()) continue;
    const { width, height } = (control.closest("label") ?? control).getBoundingClientRect();
    if (width < 23.9 || height < 23.9)
      wrong.push(`control "${(control.ariaLabel ?? control.textContent).trim().slice(0, 40)}" is ${width.toFixed(1)} × ${height.toFixed(1)} px`);
  }
  return [...new Set(wrong)];
}
