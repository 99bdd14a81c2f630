// Namespaces: one joined block is one shared namespace. Containers on the left, a pod on the right, each with its processes.

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { HOST, Shape, marks, named, roleOf } from "../identity.tsx";
import type { Snapshot } from "../types.ts";
import { gap, join, joinAnd, load, t } from "../words.ts";
import { type Cell, KINDS, type Kind, type Row, column, digits, ofNode, rowsOf, sharing, there } from "./matrix.ts";
import { type Side, sides } from "./sides.ts";
import type { ViewProps } from "./props.ts";
import { Tables, columns } from "./table.tsx";
import { Tree } from "./tree.tsx";
import { processesOf } from "./processes.ts";

export function Namespaces({ s, table }: ViewProps) {
  if (table) return <NamespaceTable s={s} />;
  const all = sides.value;
  return (
    <>
      <div class={`two n${Math.min(all.length, 3)}`}>
        {all.map((side) => (
          <Card key={side.key + side.pod} s={s} side={side} />
        ))}
      </div>
    </>
  );
}

const ipc = signal<typeof import("./ipc.tsx") | null>(null);

/** Loads what shows System V IPC objects, with its words. */
export const loadIpc = async (): Promise<void> => void ([ipc.value] = await Promise.all([import("./ipc.tsx"), load("ipc")]));

/** What shows System V IPC objects: loaded when there are any. */
function useIpc(wanted: boolean) {
  useEffect(() => {
    if (wanted && !ipc.value) void loadIpc();
  }, [wanted]);
  return ipc.value;
}

function Card({ s, side }: { s: Snapshot; side: Side }) {
  if (side.waiting) return <Waiting side={side} />;
  const rows = rowsOf(s, side.ids, side.node);
  const list = processesOf(s, side);
  const objects = s.ipc.filter((o) => rows.some((r) => r.ns?.ipc === o.ns));
  const Objects = useIpc(objects.length > 0)?.Objects;
  const o = side.pod ? `pod:${side.pod}` : "";
  const title = titleOf(side, rows);
  return (
    <section class="card nscard" tabIndex={list.length ? undefined : 0} data-o={o} aria-label={title}>
      <header>
        <h3>{title}</h3>
        <span>{subtitle(s, rows)}</span>
      </header>
      <div class="nsbody">
        <Matrix s={s} rows={rows} label={title} />
        {list.length > 0 && <hr />}
        {list.length > 0 && <Tree list={list} label={t("tree.label", { name: title })} />}
        {Objects && objects.length > 0 && <Objects s={s} rows={rows} list={objects} />}
      </div>
    </section>
  );
}

/** What will be here, drawn before it is. */
function Waiting({ side }: { side: Side }) {
  return (
    <section class="card waiting">
      <header>
        <h3>{titleOf(side, [])}</h3>
        <span>{t("ns.waiting")}</span>
      </header>
      <p class="hint">{t("ns.waiting.pod", { name: side.waiting })}</p>
    </section>
  );
}

export function titleOf(side: Side, rows: Row[]): string {
  if (side.pod) return t("ns.pod", { name: side.pod });
  const n = there(rows);
  return n ? t("ns.containers", { n }) : t("ns.node");
}

/** The short sentence beside the title. The user namespace is everybody's on a node and so not worth a word here. */
function subtitle(s: Snapshot, rows: Row[]): string {
  const common = ofNode(s, rows);
  const { shared, some } = sharing(rows);
  const together = shared.filter((k) => !common.has(k));
  if (rows.filter((r) => r.id && r.ns).length < 2) return "";
  if (together.length) return t("ns.shared", { kinds: join(together) });
  if (some.length) return t("ns.some", { kinds: join(some) });
  return t("ns.nothing");
}

/** What differs between the sides, in one sentence. */
export function sentence(s: Snapshot): string {
  const parts: string[] = [];
  for (const side of sides.value) {
    const rows = rowsOf(s, side.ids, side.node);
    const common = ofNode(s, rows);
    const { shared, some } = sharing(rows);
    const running = rows.filter((r) => r.id && r.ns).length;
    if (running < 2) continue;
    const together = shared.filter((k) => !common.has(k));
    const who = side.pod ? t("ns.say.pod", { name: side.pod }) : t("ns.say.containers", { n: running });
    if (together.length) parts.push(t("ns.say.shares", { who, kinds: joinAnd(together) }));
    else if (some.length) parts.push(t("ns.say.some", { who, kinds: joinAnd(some) }));
    else parts.push(t("ns.say.nothing", { who }));
  }
  return parts.join(gap);
}

function Matrix({ s, rows, label }: { s: Snapshot; rows: Row[]; label: string }) {
  const columns = new Map(KINDS.map((k) => [k, column(s, rows, k)]));
  const n = digits(rows.flatMap((r) => (r.ns ? KINDS.map((k) => r.ns![k]) : [])));
  return (
    <table class={`mx${rows.some((r) => r.name.length > 11) ? " long" : ""}`} aria-label={t("ns.table", { name: label })}>
      <thead>
        <tr>
          <td />
          {KINDS.map((k) => (
            <th scope="col" key={k} title={t(`kind.${k}`)}>
              {k}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row, i) => (
          <tr key={row.id} data-o={row.id ? `container:${row.id}` : "node"}>
            <th scope="row" title={row.name}>
              {row.id ? row.name : t("who.node")}
              <small>{noteText(row)}</small>
            </th>
            {KINDS.map((k) => {
              const cell = columns.get(k)![i];
              const objects = k === "ipc" && cell ? s.ipc.filter((o) => o.ns === cell.inode).length : 0;
              return cell ? <Block key={k} cell={cell} kind={k} row={row} digits={n} objects={objects} /> : null;
            })}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** What stands below a name: its role in the pod, as "infra" does for pause, else what runs there; and why nothing does. */
function noteText(row: Row): string {
  if (!row.id) return row.note === t("who.node") ? "" : row.note;
  const role = roleOf(row.id);
  const state = row.ns ? "" : t(`state.${row.state}`);
  return role ? [role, state].filter(Boolean).join(" · ") : state || row.note;
}

function Block({ cell, kind, row, digits, objects }: { cell: Cell; kind: Kind; row: Row; digits: number; objects: number }) {
  if (!cell.inode) {
    return (
      <td>
        <span class="c off">–</span>
      </td>
    );
  }
  const mark = cell.owner ? (marks.value.of.get(cell.owner) ?? HOST) : HOST;
  const host = cell.owner === "";
  const title = `${kind}:[${cell.inode}]${cell.rows > 1 ? ` · ${t("ns.joined", { n: cell.rows })}` : ""}`;
  const o = `ns:${cell.inode}${cell.shared ? "" : row.id ? ` container:${row.id}` : ""}`;
  return (
    <td rowSpan={cell.rows} title={title}>
      <span class={`c ${mark.tone}${cell.shared && !host ? " sh" : ""}${host ? " host" : ""}`} data-o={o}>
        <span class="k">
          <Shape mark={mark} />
          {mark.letter}
        </span>
        <small aria-hidden="true">…{String(cell.inode).slice(-digits)}</small>
        <span class="vh">{cell.inode}</span>
        {objects > 0 && <small class="held">{t("ns.objects", { n: objects })}</small>}
      </span>
    </td>
  );
}

function NamespaceTable({ s }: { s: Snapshot }) {
  const rows = rowsOf(
    s,
    s.containers.map((c) => c.id),
    true,
  ).map((r) => ({
    key: r.id,
    o: r.id ? `container:${r.id}` : "node",
    cells: [r.id ? named(r.id) : t("who.node"), ...KINDS.map((k) => r.ns?.[k] || "–")],
  }));
  const heads = [...columns("container"), ...KINDS.map((k) => ({ head: k, mono: true }))];
  const more = useIpc(s.ipc.length > 0);
  return (
    <Tables label={t("view.namespaces")} tables={[{ caption: t("view.namespaces"), columns: heads, rows }, ...(more && s.ipc.length ? [more.table(s)] : [])]} />
  );
}
