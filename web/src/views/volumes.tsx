// Volumes and layers: a directory stands once; lines lead to where each container sees it. Below, the layers of each container's
// root: joined blocks are one layer on disk.

import { Icon } from "../icons.tsx";
import { Role, Shape, Tag, markOf, marks, named, roleOf } from "../identity.tsx";
import type { Container, File, Layer, Snapshot, Volume } from "../types.ts";
import { bytes, join, t } from "../words.ts";
import { Changes, changeTable, changesOf } from "./changes.tsx";
import { shortName } from "./facts.ts";
import { useFresh } from "./fresh.ts";
import { levels, together } from "./layers.ts";
import type { ViewProps } from "./props.ts";
import { type TableProps, Tables, columns } from "./table.tsx";
import { type Wire, Wires } from "./wires.tsx";

export function summary(s: Snapshot): string {
  const count = (kind: string) => s.containers.reduce((n, c) => n + changesOf(c).filter((x) => x.kind === kind).length, 0);
  const [copied, deleted] = [count("copied"), count("deleted")];
  return (
    t("vol.summary", { n: s.volumes.length, files: s.volumes.reduce((n, v) => n + v.files.length, 0) }) +
    (copied || deleted ? t("vol.summary.changes", { copied, deleted }) : "")
  );
}

const idOf = (v: Volume): string => `${v.pod}/${v.name}`;

interface MountPoint {
  container: Container;
  path: string;
  readOnly: boolean;
  same: boolean; // device and inode are the directory's own
}

function mountsOf(s: Snapshot, v: Volume): MountPoint[] {
  return s.containers
    .filter((c) => c.pod === v.pod)
    .flatMap((c) =>
      c.mounts
        .filter((m) => m.volume === v.name)
        .map((m) => ({ container: c, path: m.path, readOnly: m.readOnly, same: m.inode === v.inode && m.dev === v.dev })),
    );
}

export function Volumes({ s, table }: ViewProps) {
  if (table) return <VolumeTables s={s} />;
  return (
    <div class="volview" tabIndex={0} role="region" aria-label={t("view.volumes")}>
      {s.volumes.length === 0 && <p class="empty">{t("vol.none")}</p>}
      {s.volumes.slice(0, 12).map((v) => (
        <One key={idOf(v)} s={s} v={v} />
      ))}
      <Layers s={s} />
      <Changes s={s} />
    </div>
  );
}

function One({ s, v }: { s: Snapshot; v: Volume }) {
  const mounts = mountsOf(s, v);
  const wires = mounts.map((m): Wire => ({
    key: m.container.id + m.path,
    from: "dir",
    to: `m${m.container.id}${m.path}`,
    cls: `vol ${markOf(m.container.id).tone}`,
  }));
  return (
    <section class="card volume" data-o={`volume:${idOf(v)} pod:${v.pod}`} aria-label={v.name}>
      <header>
        <h3>{v.name}</h3>
        <span>
          {v.kind} · {t("vol.of", { pod: v.pod })}
        </span>
      </header>
      <div class="volbox">
        <div class="dir" data-end="dir">
          <p class="path mono">
            <Icon name="folder" />
            <span>{v.path.split(/(?<=.\/)/).map((part, i) => [i ? <wbr /> : null, part])}</span>
          </p>
          <p class="hint">
            {t("vol.inode", { inode: v.inode })} · {bytes(v.bytes)}
          </p>
          <Files list={v.files} />
        </div>
        <ul class="mounts">
          {mounts.map((m) => {
            const mark = markOf(m.container.id);
            return (
              <li
                key={m.container.id + m.path}
                class={`mount ${mark.tone}${m.container.state === "exited" ? " ended" : ""}`}
                data-end={`m${m.container.id}${m.path}`}
                data-o={`container:${m.container.id}`}
              >
                <b>
                  <Shape mark={mark} /> {m.container.name} <Role id={m.container.id} />
                </b>
                <span class="mono">{m.path}</span>
                <small>
                  {m.container.state !== "running"
                    ? `${t(`state.${m.container.state}`)}${m.container.reason ? ` · ${m.container.reason}` : ""}`
                    : m.same
                      ? t("vol.same", { inode: v.inode })
                      : ""}
                  {m.readOnly ? ` · ${t("vol.readonly")}` : ""}
                </small>
              </li>
            );
          })}
          {mounts.length === 0 && <li class="hint">{t("vol.unmounted")}</li>}
        </ul>
        <Wires wires={wires} />
      </div>
    </section>
  );
}

/** Files of a volume; one that has just been written is marked for a moment. */
function Files({ list }: { list: File[] }) {
  const fresh = useFresh(list.map((f) => [f.path, `${f.inode}:${f.size}:${f.mtime}`]));
  if (!list.length) return <p class="hint">{t("vol.empty")}</p>;
  return (
    <ul class="files">
      {list.slice(0, 40).map((f) => (
        <li key={f.path} class={fresh.has(f.path) ? "new" : ""}>
          <Icon name={f.dir ? "folder" : "file"} />
          <span class="mono">{f.path}</span>
          {fresh.has(f.path) && <span class="bdg">{t("vol.written")}</span>}
          <small>{f.dir ? "" : bytes(f.size)}</small>
        </li>
      ))}
    </ul>
  );
}

function Layers({ s }: { s: Snapshot }) {
  const list = together(s.containers.filter((c) => c.layers.length && c.kind !== "infra")).slice(0, 24);
  if (!list.length) return null;
  const cells = levels(list);
  const width = Math.max(...list.map((c) => c.layers.filter((l) => !l.writable).length));
  const seen = new Map<string, number>();
  for (const c of list) for (const l of c.layers) if (!l.writable) seen.set(l.digest, l.bytes);
  const stored = [...seen.values()].reduce((a, b) => a + b, 0);
  const summed = list.reduce((n, c) => n + c.layers.filter((l) => !l.writable).reduce((m, l) => m + l.bytes, 0), 0);
  return (
    <section class="card layers" aria-label={t("vol.layers.title")}>
      <header>
        <h3>{t("vol.layers.title")}</h3>
        <span>{t("vol.layers.say", { stored: bytes(stored), summed: bytes(summed) })}</span>
      </header>
      <div class="scroll">
        <table class="mx lay">
          <thead>
            <tr>
              <td />
              {Array.from({ length: width }, (_, i) => (
                <th scope="col" key={i}>
                  {t("vol.layers.level", { n: i + 1 })}
                </th>
              ))}
              <th scope="col">{t("vol.layers.own")}</th>
            </tr>
          </thead>
          <tbody>
            {list.map((c, row) => {
              const mark = marks.value.of.get(c.id)!;
              const own = c.layers.find((l) => l.writable);
              return (
                <tr key={c.id} data-o={`container:${c.id}`}>
                  <th scope="row">
                    {shortName(s, c.id)}
                    <small>{[c.image, roleOf(c.id)].filter(Boolean).join(" · ")}</small>
                  </th>
                  {Array.from({ length: width }, (_, i) => {
                    const cell = cells[row]![i];
                    if (cell === null) return null;
                    if (!cell || cell.layer.writable) return <td key={i} />;
                    return (
                      <td key={i} rowSpan={cell.rows} title={[cell.layer.digest, cell.layer.createdBy].filter(Boolean).join("\n")}>
                        <span class={`c ${cell.rows > 1 ? "P sh" : "H"}`}>
                          <span class="k">{bytes(cell.layer.bytes)}</span>
                          <small>{cell.layer.digest.replace("sha256:", "").slice(0, 8)}</small>
                        </span>
                      </td>
                    );
                  })}
                  <td>
                    {own && (
                      <span class={`c ${mark.tone}`}>
                        <span class="k">
                          <Shape mark={mark} />
                          {bytes(own.bytes)}
                        </span>
                      </span>
                    )}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </section>
  );
}

/** Each layer once, lowest first, with who stands on it. */
function layerTable(s: Snapshot): TableProps {
  const users = new Map<string, { layer: Layer; ids: string[] }>();
  for (const c of s.containers) {
    for (const layer of c.layers) {
      const key = layer.digest || `own ${c.id}`;
      (users.get(key) ?? users.set(key, { layer, ids: [] }).get(key)!).ids.push(named(c.id));
    }
  }
  return {
    caption: t("vol.layers.title"),
    columns: [{ head: t("vol.layers.layer"), mono: true }, { head: t("vol.layers.users") }, ...columns("size"), { head: t("vol.layers.made"), mono: true }],
    rows: [...users].map(([key, { layer, ids }]) => ({
      key,
      cells: [layer.digest.slice(0, 19) || t("vol.layers.own"), join(ids), bytes(layer.bytes), layer.createdBy ?? ""],
    })),
  };
}

function VolumeTables({ s }: { s: Snapshot }) {
  const volumes = s.volumes.flatMap((v) => {
    const mounts = mountsOf(s, v);
    return (mounts.length ? mounts : [null]).map((m, i) => ({
      key: `${idOf(v)}${i}`,
      o: `volume:${idOf(v)}`,
      cells: [
        idOf(v),
        v.kind,
        v.path,
        v.inode,
        m ? (
          <>
            <Tag mark={markOf(m.container.id)}>{m.container.name}</Tag> <Role id={m.container.id} />
          </>
        ) : (
          "–"
        ),
        m?.path ?? "–",
      ],
    }));
  });
  const files = s.volumes.flatMap((v) => v.files.slice(0, 100).map((f) => ({ key: idOf(v) + f.path, cells: [idOf(v), f.path, bytes(f.size), f.inode] })));
  return (
    <Tables
      label={t("view.volumes")}
      tables={[
        { caption: t("view.volumes"), columns: columns("volume", "kind", "=path", "=inode", "container", "=mountpath"), rows: volumes, empty: t("vol.none") },
        layerTable(s),
        changeTable(s),
        { caption: t("table.files"), columns: columns("volume", "=file", "size", "=inode"), rows: files },
      ]}
    />
  );
}
