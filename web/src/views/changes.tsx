// What each container's own layer lays over its image: new files, copies of the image's files, whiteouts.

import { Icon, type IconName } from "../icons.tsx";
import { Role, Shape, markOf, named } from "../identity.tsx";
import type { Change, Container, Snapshot } from "../types.ts";
import { bytes, t } from "../words.ts";
import { useFresh } from "./fresh.ts";
import { type TableProps, columns } from "./table.tsx";

const SHOWN = 12; // of one container; the table has all
const KINDS = ["added", "copied", "deleted", "opaque"] as const;
type Kind = (typeof KINDS)[number];

const isKind = (kind: string): kind is Kind => (KINDS as readonly string[]).includes(kind);

/** Changes of a container's own layer. */
export const changesOf = (c: Container): Change[] => c.layers.filter((l) => l.writable).flatMap((l) => l.changes ?? []);

export function Changes({ s }: { s: Snapshot }) {
  const changed = s.containers.filter((c) => changesOf(c).length).slice(0, 24);
  if (!changed.length) return null;
  const kinds = KINDS.filter((kind) => kind !== "added" && changed.some((c) => changesOf(c).some((x) => x.kind === kind)));
  return (
    <section class="card changes" aria-label={t("vol.changes")}>
      <header>
        <h3>{t("vol.changes")}</h3>
        <span>{t("vol.changes.say")}</span>
      </header>
      <div class="uppers">
        {changed.map((c) => (
          <Upper key={c.id} c={c} />
        ))}
      </div>
      {kinds.length > 0 && (
        <ul class="hint whys">
          {kinds.map((kind) => (
            <li key={kind}>
              <Badge kind={kind} /> {t(`vol.why.${kind}`)}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Upper({ c }: { c: Container }) {
  const list = changesOf(c);
  const fresh = useFresh(list.map((x) => [x.path, `${x.kind}:${x.bytes}`]));
  const mark = markOf(c.id);
  return (
    <div class={`upper ${mark.tone}`} data-o={`container:${c.id}`}>
      <b>
        <Shape mark={mark} /> {c.name} <Role id={c.id} />
      </b>
      <ul class="files">
        {list.slice(0, SHOWN).map((x) => (
          <li key={x.path} class={`${x.kind}${fresh.has(x.path) ? " new" : ""}`}>
            <Icon name={iconOf(x)} />
            <span class="mono">{x.path}</span>
            <Badge kind={x.kind} />
            <small>{x.dir || x.kind === "deleted" ? "" : bytes(x.bytes)}</small>
          </li>
        ))}
      </ul>
      {list.length > SHOWN && <p class="hint">{t("vol.rest", { n: list.length - SHOWN })}</p>}
    </div>
  );
}

const iconOf = (x: Change): IconName => (x.kind === "deleted" ? "cross" : x.kind === "copied" ? "copy" : x.dir ? "folder" : "file");

/** A node may say anything: what is no kind is shown as it is. */
const Badge = ({ kind }: { kind: string }) => <span class={`bdg k-${isKind(kind) ? kind : ""}`}>{isKind(kind) ? t(`vol.kind.${kind}`) : kind}</span>;

export function changeTable(s: Snapshot): TableProps {
  const rows = s.containers.flatMap((c) =>
    changesOf(c).map((x) => ({
      key: `${c.id} ${x.path}`,
      cells: [named(c.id), x.path, isKind(x.kind) ? t(`vol.kind.${x.kind}`) : x.kind, x.dir ? "" : bytes(x.bytes)],
    })),
  );
  return { caption: t("vol.changes"), columns: columns("container", "=file", "what", "size"), rows };
}
