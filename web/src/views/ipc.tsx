// System V IPC objects: what an IPC namespace holds besides processes. Loaded with the first of them.

import { HOST, Shape, marks, named } from "../identity.tsx";
import type { IPCObject, Snapshot } from "../types.ts";
import { bytes, t } from "../words.ts";
import { KINDS, type Row, digits, ownerOf } from "./matrix.ts";
import { type TableProps, columns } from "./table.tsx";

const SHOWN = 24;

const key = (o: IPCObject): string => `0x${(o.key >>> 0).toString(16).padStart(8, "0")}`;

/** Objects of the namespaces that a card shows. */
export function Objects({ s, rows, list }: { s: Snapshot; rows: Row[]; list: IPCObject[] }) {
  const n = digits(rows.flatMap((r) => (r.ns ? KINDS.map((k) => r.ns![k]) : []))); // as many as in the blocks above
  return (
    <section class="ipc">
      <h4>{t("ipc.title")}</h4>
      <ul>
        {list.slice(0, SHOWN).map((o) => {
          const mark = marks.value.of.get(ownerOf(s, "ipc", o.ns)) ?? HOST;
          return (
            <li key={`${o.ns} ${o.kind} ${o.id}`} class={mark.tone} data-o={`ns:${o.ns}`}>
              <span class="k">
                <Shape mark={mark} />
                {mark.letter}
                <small aria-hidden="true"> …{String(o.ns).slice(-n)}</small>
                <span class="vh">{o.ns}</span>
              </span>
              <b>{t(`ipc.${o.kind}`, { id: o.id })}</b>
              <span class="mono">{key(o)}</span>
              <small>{o.bytes ? bytes(o.bytes) : ""}</small>
            </li>
          );
        })}
      </ul>
      {list.length > SHOWN && <p class="hint">{t("ipc.rest", { n: list.length - SHOWN })}</p>}
    </section>
  );
}

export const table = (s: Snapshot): TableProps => ({
  caption: t("ipc.title"),
  columns: [{ head: t("ipc.object") }, ...columns("=inode", "container"), { head: t("ipc.key"), mono: true }, ...columns("size")],
  rows: s.ipc.map((o) => ({
    key: `${o.ns} ${o.kind} ${o.id}`,
    o: `ns:${o.ns}`,
    cells: [t(`ipc.${o.kind}`, { id: o.id }), o.ns, named(ownerOf(s, "ipc", o.ns)) || t("who.node"), key(o), bytes(o.bytes)],
  })),
});
