// Processes: everything on the node in one tree, as pstree sees it there, with the pid inside each container beside it.

import { useState } from "preact/hooks";
import { named } from "../identity.tsx";
import type { Snapshot } from "../types.ts";
import { bytes, t } from "../words.ts";
import { command } from "./processes.ts";
import type { ViewProps } from "./props.ts";
import { Tables, columns } from "./table.tsx";
import { Tree } from "./tree.tsx";

export function Processes({ s, table }: ViewProps) {
  const [threads, setThreads] = useState(false);
  if (table) return <ProcessTable s={s} />;
  return (
    <section class="card fill" aria-label={t("view.processes")}>
      <header>
        <h3>{t("proc.title", { n: s.processes.length })}</h3>
        <span>{t("proc.subtitle", { host: s.node.hostname })}</span>
        <span class="sp" />
        <label class="check">
          <input type="checkbox" checked={threads} onChange={(e) => setThreads(e.currentTarget.checked)} /> {t("proc.threads")}
        </label>
      </header>
      <div class="scroll">
        <Tree list={s.processes} label={t("view.processes")} wide threads={threads} />
      </div>
    </section>
  );
}

function ProcessTable({ s }: { s: Snapshot }) {
  const rows = s.processes.slice(0, 400).map((p) => ({
    key: `${p.pid}:${p.start}`,
    o: `process:${p.pid}`,
    cells: [
      p.pid,
      p.ppid,
      p.inside,
      p.container ? named(p.container) : t(`role.${p.role || "node"}`),
      command(p),
      p.state,
      p.uid,
      bytes(p.rss),
      p.threads.length + 1,
    ],
  }));
  const heads = columns("=pid", "=ppid", "=inside", "container", "=process", "state", "=user", "memory", "threads");
  return <Tables label={t("view.processes")} tables={[{ caption: t("proc.title", { n: s.processes.length }), columns: heads, rows }]} />;
}
