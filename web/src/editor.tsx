// The manifest editor: CodeMirror with YAML. Errors of the server stand at their line; Apply (or Ctrl+Enter) saves and applies.

import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import { HighlightStyle, bracketMatching, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { type Diagnostic, lintGutter, setDiagnostics } from "@codemirror/lint";
import { EditorState } from "@codemirror/state";
import { EditorView, drawSelection, highlightActiveLine, highlightActiveLineGutter, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { useEffect, useRef, useState } from "preact/hooks";
import { Refused, post, readFile } from "./api.ts";
import { failed } from "./toasts.tsx";
import type { Applied, Problem } from "./types.ts";
import { gap, join, sayError, t } from "./words.ts";

const nonce = document.querySelector<HTMLScriptElement>("script[nonce]")?.nonce ?? "";

const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "#8fbaff" },
  { tag: [tags.string, tags.content], color: "#dbe4ee" },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], color: "#ffc878" },
  { tag: tags.comment, color: "#93a1b1", fontStyle: "italic" },
  { tag: [tags.punctuation, tags.separator], color: "#a7b5c4" },
]);

/** Texts that were edited and not yet applied outlive the pane. */
const drafts = new Map<string, string>();

function extensions(apply: () => void, changed: (text: string) => void) {
  return [
    lineNumbers(),
    history(),
    drawSelection(),
    bracketMatching(),
    highlightActiveLine(),
    highlightActiveLineGutter(),
    lintGutter(),
    indentUnit.of("  "),
    yaml(),
    syntaxHighlighting(colours),
    EditorView.cspNonce.of(nonce),
    EditorView.lineWrapping,
    EditorView.contentAttributes.of({ "aria-label": t("edit.label"), tabindex: "0" }),
    EditorView.domEventHandlers({ beforeinput: replace }),
    EditorView.updateListener.of((u) => u.docChanged && changed(u.state.doc.toString())),
    keymap.of([{ key: "Mod-Enter", run: () => (apply(), true) }, { key: "Escape", run: leave }, indentWithTab, ...defaultKeymap, ...historyKeymap]),
  ];
}

/**
 * Typing over a selection is done here: Chromium would keep the colour of what was selected in a style attribute, which the page's
 * policy refuses.
 */
function replace(e: InputEvent, view: EditorView): boolean {
  if (e.inputType !== "insertText" || e.data === null || e.isComposing || view.state.selection.main.empty) return false;
  e.preventDefault();
  view.dispatch(view.state.replaceSelection(e.data));
  return true;
}

/** Escape leaves the editor, since Tab indents in it. */
function leave(view: EditorView): boolean {
  view.contentDOM.blur();
  view.dom.closest(".term")?.querySelector<HTMLElement>("[data-apply]")?.focus();
  return true;
}

/** The number of the line that a problem is at: as the server says, or where the image stands that is not there; 0 when it is at none. */
function lineOf(view: EditorView, problem: Problem): number {
  const { line, image } = problem.params ?? {};
  if (line) return Math.min(Math.max(1, Number(line)), view.state.doc.lines);
  if (!image) return 0;
  const lines = view.state.doc.toString().split("\n");
  return 1 + lines.findIndex((text) => /^[\s-]*image:\s*["']?([^\s"']*)/.exec(text)?.[1] === image);
}

function mark(view: EditorView, problem: Problem): void {
  const n = lineOf(view, problem);
  if (n === 0) return;
  const line = view.state.doc.line(n);
  const from = line.from + Math.max(0, line.text.search(/\S/));
  const said = sayError(problem);
  const d: Diagnostic = { from, to: Math.max(from, line.to), severity: "error", message: `${said.what}${gap}${said.next}` };
  view.dispatch(setDiagnostics(view.state, [d]));
  view.dispatch({ selection: { anchor: from }, effects: EditorView.scrollIntoView(from, { y: "center" }) });
}

export function Editor({ name }: { name: string }) {
  const box = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [done, setDone] = useState<Applied[] | null>(null);
  const [busy, setBusy] = useState(false);
  const [dirty, setDirty] = useState(drafts.has(name));

  const apply = async () => {
    const v = view.current;
    if (!v || busy) return;
    setBusy(true);
    setProblem(null);
    setDone(null);
    v.dispatch(setDiagnostics(v.state, []));
    const text = v.state.doc.toString();
    try {
      const answer = await post<{ applied: Applied[] }>("apply", { name, text });
      drafts.delete(name);
      setDirty(false);
      setDone(answer?.applied ?? []);
    } catch (e) {
      if (!(e instanceof Refused)) return failed(e);
      setProblem(e.problem);
      mark(v, e.problem);
    } finally {
      setBusy(false);
    }
  };
  const latest = useRef(apply);
  latest.current = apply;

  const load = async (fresh: boolean) => {
    const text = (!fresh && drafts.get(name)) || (await readFile(name));
    if (fresh) drafts.delete(name);
    setDirty(drafts.has(name));
    if (!box.current) return;
    view.current?.destroy();
    const changed = (now: string) => {
      drafts.set(name, now);
      setDirty(true);
    };
    view.current = new EditorView({
      parent: box.current,
      state: EditorState.create({ doc: text, extensions: extensions(() => void latest.current(), changed) }),
    });
  };
  useEffect(() => {
    load(false).catch((e) => failed(e, "file"));
    return () => view.current?.destroy();
  }, [name]);

  const said = problem && sayError(problem);
  return (
    <div class="edit">
      <div class="cm" ref={box} />
      <div class="ebar">
        <button type="button" class="btn sm pri" data-apply disabled={busy} onClick={() => void apply()}>
          {t("edit.apply")}
        </button>
        <kbd>Ctrl+Enter</kbd>
        <button type="button" class="btn sm gh" disabled={busy} title={t("edit.reload.title")} onClick={() => void load(true).catch((e) => failed(e, "file"))}>
          {t("edit.reload")}
        </button>
        <p class={`esay ${problem ? "er" : ""}`} role="status">
          {said ? (
            <>
              {problem?.params?.["line"] && (
                <b>
                  {t("edit.line", { n: problem.params["line"] })}
                  {gap}
                </b>
              )}
              {said.what}
              {gap}
              {said.next}
            </>
          ) : done ? (
            join(done.map((a) => t(`applied.${a.action}`, { kind: a.kind, name: a.name })))
          ) : dirty ? (
            t("edit.dirty")
          ) : (
            ""
          )}
        </p>
      </div>
    </div>
  );
}
