// Compare: one workload as a pod and as separate containers, side by side, and what that changes. All of it is computed.

import { useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { post } from "../api.ts";
import { Icon } from "../icons.tsx";
import { Role, Shape, Tag, markOf } from "../identity.tsx";
import { moment, ready, step } from "../store.ts";
import { failed } from "../toasts.tsx";
import type { Container, Snapshot } from "../types.ts";
import { join, joinAnd, t } from "../words.ts";
import { type Compared, type Pair, addresses, common, directories, groups, pairOf, reaches, running } from "./facts.ts";
import type { ViewProps } from "./props.ts";
import { Tables } from "./table.tsx";

const names = (list: Container[]): string => joinAnd(list.map((c) => c.name));

/** What the containers share in each way, in a sentence. */
export function summary(s: Snapshot): string {
  const pair = pairOf(s, step.value.right);
  if (!pair) return t("compare.none");
  const [pod, apart] = [shared(pair.inside), shared(pair.apart)];
  if (!pod && running(pair.inside).length < 2) return t("compare.few");
  const said = { names: joinAnd(pair.names), pod: pod || t("compare.nothing"), apart: apart || t("compare.nothing") };
  if (running(pair.apart).length < 2) return t("compare.summary.pod", said);
  return t(pod && !apart ? "compare.summary.none" : "compare.summary", said);
}

function shared(list: Container[]): string {
  const { kinds, volumes } = common(list);
  return joinAnd([...kinds, ...volumes.map((name) => t("compare.volume", { name }))]);
}

interface Fact {
  key: string;
  /** It is true of containers that have ended, too: a directory outlives who writes there, a namespace does not. */
  lasts?: boolean;
  /** It is about what two have in common: of one there is nothing to say. */
  two?: boolean;
  /** It usually takes two or three lines. */
  tall?: boolean;
  /** What a side has: the containers by what they have in common, and the same in words. */
  of: (list: Container[]) => { blocks: Container[][]; says: string[] };
}

/** The containers that a fact is about; none when there are too few. */
function about(fact: Fact, list: Container[]): Container[] {
  const those = fact.lasts ? list : running(list);
  return fact.two && those.length < 2 ? [] : those;
}

function facts(s: Snapshot): Fact[] {
  const kind = (k: Compared): Fact => ({
    key: k,
    tall: true,
    of: (list) => {
      const blocks = groups(list, (c) => c.ns[k]);
      const form =
        list.length === 1 ? "compare.only" : blocks.length === 1 ? "compare.together" : blocks.length === list.length ? "compare.each" : "compare.some";
      return { blocks, says: [t(form, { n: blocks.length, all: list.length, kind: k, names: names(list) })] };
    },
  });
  return [
    kind("net"),
    { key: "address", of: (list) => ({ blocks: [], says: addressSays(s, list) }) },
    { key: "loopback", tall: true, two: true, of: (list) => ({ blocks: [], says: loopbackSays(s, list) }) },
    kind("ipc"),
    kind("uts"),
    kind("pid"),
    { key: "signals", two: true, of: (list) => ({ blocks: [], says: signalSays(list) }) },
    kind("mnt"),
    { key: "dirs", lasts: true, two: true, of: (list) => ({ blocks: [], says: dirSays(list) }) },
  ];
}

function addressSays(s: Snapshot, list: Container[]): string[] {
  const of = groups(list, (c) => addresses(s, c));
  if (list.length > 1 && of.length === 1) return [t("compare.address.one", { address: addresses(s, list[0]!) || t("compare.address.none") })];
  return list.map((c) => t("compare.address.each", { name: c.name, address: addresses(s, c) || t("compare.address.none") }));
}

function loopbackSays(s: Snapshot, list: Container[]): string[] {
  const says = reaches(s, list).map((r) => t("compare.reach", { from: names(r.from), to: r.to.name, port: r.port }));
  return says.length ? says : [t("compare.reach.none")];
}

function signalSays(list: Container[]): string[] {
  const together = groups(list, (c) => c.ns.pid).filter((g) => g.length > 1);
  return together.length ? together.map((g) => t("compare.signal.yes", { names: names(g) })) : [t("compare.signal.no")];
}

function dirSays(list: Container[]): string[] {
  const says = directories(list).flatMap((d) =>
    d.groups.every((g) => g.length === 1)
      ? [t("compare.dir.each", { volume: d.volume, n: d.groups.length })]
      : d.groups.filter((g) => g.length > 1).map((g) => t("compare.dir.one", { volume: d.volume, names: names(g) })),
  );
  return says.length ? says : [t("compare.dir.none")];
}

export function Compare({ s, table }: ViewProps) {
  const pair = pairOf(s, step.value.right);
  if (!pair) return <p class="empty">{t("compare.none.do")}</p>;
  if (table) return <AsTable s={s} pair={pair} />;
  const { inside, apart } = pair;
  return (
    <section class="card compare" tabIndex={0} aria-label={t("compare.title")}>
      <table class="cmp">
        <thead>
          <tr>
            <th scope="col">{t("compare.question")}</th>
            <th scope="col" data-o={`pod:${pair.pod}`}>
              <Head title={t("compare.pod", { name: pair.pod })} list={pair.inside} all={pair.names} />
            </th>
            <th scope="col">
              <Head title={t("compare.apart")} list={pair.apart} all={pair.names} />
            </th>
          </tr>
        </thead>
        <tbody>
          {facts(s).map((fact, i) => (
            <tr key={fact.key} class={`${fact.tall ? "tall" : ""} ${differs(fact, inside, apart) ? "differs" : ""}`}>
              <th scope="row">{t(`compare.${fact.key}`)}</th>
              <td>
                <Has fact={fact} list={inside} />
              </td>
              {apart.length > 0 ? (
                <td>
                  <Has fact={fact} list={apart} />
                </td>
              ) : (
                i === 0 && (
                  <td rowSpan={facts(s).length} class="offer">
                    {moment.value ? "–" : <Offer pair={pair} />}
                  </td>
                )
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** Whether a fact is another one on the other side. Inodes and addresses differ always; how many share them is what counts. */
function differs(fact: Fact, inside: Container[], apart: Container[]): boolean {
  if (about(fact, inside).length < 2 || about(fact, apart).length < 2) return false;
  const [a, b] = [fact.of(about(fact, inside)), fact.of(about(fact, apart))];
  return a.blocks.length ? a.blocks.length !== b.blocks.length : join(a.says) !== join(b.says);
}

/** Why a container does not run. */
const stateOf = (c: Container | undefined): string => `${t(`state.${c?.state ?? "absent"}`)}${c?.reason ? ` · ${c.reason}` : ""}`;

function Head({ title, list, all }: { title: string; list: Container[]; all: string[] }) {
  const on = running(list);
  const off = list.length > 0 ? all.filter((name) => !on.some((c) => c.name === name)) : [];
  return (
    <>
      {title}
      <small>
        {on.map((c) => (
          <Tag key={c.id} mark={markOf(c.id)}>
            {c.name} <Role id={c.id} />
          </Tag>
        ))}
        {off.map((name) => (
          <span key={name} class="hint">
            {t("compare.off", { name, state: stateOf(list.find((c) => c.name === name)) })}
          </span>
        ))}
      </small>
    </>
  );
}

/** One cell: containers that have something in common stand in one block. */
function Has({ fact, list }: { fact: Fact; list: Container[] }) {
  const those = about(fact, list);
  if (!those.length) return <span class="hint">–</span>;
  const { blocks, says } = fact.of(those);
  return (
    <>
      {blocks.length > 0 && (
        <span class="blocks" aria-hidden="true">
          {blocks.map((block) => (
            <span key={block[0]!.id} class={`block ${block.length > 1 ? "P sh" : markOf(block[0]!.id).tone}`}>
              {block.map((c) => (
                <Shape key={c.id} mark={markOf(c.id)} />
              ))}
            </span>
          ))}
        </span>
      )}
      {says.map((line) => (
        <span key={line} class="line">
          {line}
        </span>
      ))}
    </>
  );
}

/** The one click. */
function Offer({ pair }: { pair: Pair }): ComponentChildren {
  const [busy, setBusy] = useState(false);
  const run = async (): Promise<void> => {
    setBusy(true);
    try {
      await post("apart", { pod: pair.pod });
    } catch (e) {
      failed(e);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <button type="button" class="btn pri" disabled={busy || !ready.value} onClick={() => void run()}>
        <Icon name="play" />
        {t("compare.run")}
      </button>
      <p class="hint">{t("compare.run.hint", { first: pair.names[0]! })}</p>
    </>
  );
}

function AsTable({ s, pair }: { s: Snapshot; pair: Pair }) {
  const { inside, apart } = pair;
  const cell = (fact: Fact, list: Container[]): string => (about(fact, list).length ? join(fact.of(about(fact, list)).says) : "–");
  return (
    <Tables
      label={t("view.compare")}
      tables={[
        {
          caption: t("compare.title"),
          columns: [{ head: t("compare.question") }, { head: t("compare.pod", { name: pair.pod }) }, { head: t("compare.apart") }],
          rows: facts(s).map((fact) => ({ key: fact.key, cells: [t(`compare.${fact.key}`), cell(fact, inside), cell(fact, apart)] })),
        },
      ]}
    />
  );
}
