// Processes: everything on the node in one tree, as pstree sees it there, with the pid inside each container beside it.

import { useState } from "preact/hooks";
import type { Snapshot } from "../types.ts";
import { bytes, t } from "../words.ts";
import { command } from "./processes.ts";
import { Tree } from "./tree.tsx";

export function Processes({ s, table }: { s: Snapshot; table: boolean }) {
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
  return (
    <div class="card tablecard" tabIndex={0} role="region" aria-label={t("view.processes")}>
      <table class="plain">
        <thead>
          <tr>
            {["pid", "ppid", "inside", "container", "process", "state", "user", "memory", "threads"].map((c) => (
              <th scope="col" key={c}>
                {t(`col.${c}`)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {s.processes.slice(0, 400).map((p) => (
            <tr key={`${p.pid}:${p.start}`}>
              <td class="mono">{p.pid}</td>
              <td class="mono">{p.ppid}</td>
              <td class="mono">{p.inside}</td>
              <td>{p.container || t(`role.${p.role || "node"}`)}</td>
              <td class="mono">{command(p)}</td>
              <td>{p.state}</td>
              <td class="mono">{p.uid}</td>
              <td>{bytes(p.rss)}</td>
              <td>{p.threads.length + 1}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
