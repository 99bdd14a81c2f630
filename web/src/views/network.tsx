// Network: a pod owns one card (interfaces, address, routes once); sockets hang under the container that holds them. The node's
// bridge joins the cards; connections are drawn, those over localhost too.

import { HOST, Role, Shape, Tag, markOf, marks, named } from "../identity.tsx";
import type { Container, Interface, Network as Net, Snapshot, Socket } from "../types.ts";
import { bytes, t } from "../words.ts";
import { type Link, connected, family, host, links, listens, local, plain, port } from "./sockets.ts";
import { type Wire, Wires } from "./wires.tsx";
import type { ViewProps } from "./props.ts";
import { Tables, columns } from "./table.tsx";

export function summary(s: Snapshot): string {
  return t("net.summary", {
    n: s.networks.length,
    listening: s.networks.reduce((n, x) => n + x.sockets.filter((k) => k.state === "LISTEN" && k.container).length, 0),
    connections: links(s.networks).length,
  });
}

export function Network({ s, table }: ViewProps) {
  if (table) return <NetworkTables s={s} />;
  const node = s.networks.find((n) => n.owner === "");
  const others = s.networks.filter((n) => n.owner !== "").slice(0, 12);
  const pairs = links(s.networks);
  const wires = [
    ...plugs(node, others),
    ...pairs.map((l): Wire => ({ key: `c${l.client.inode}`, from: endOf(l.client), to: listenEnd(s, l), cls: local(l.client) ? "lo" : "tcp" })),
  ];
  return (
    <div class="netview" tabIndex={0} role="region" aria-label={t("view.network")}>
      <div class="netbox">
        {node && <NodeBar s={s} net={node} others={others} pairs={pairs} />}
        <div class={`netcards n${Math.min(others.length, 3)}`}>
          {others.map((n) => (
            <NetCard key={n.inode} s={s} net={n} pairs={pairs} />
          ))}
          {others.length === 0 && <p class="empty">{t("net.none")}</p>}
        </div>
        <Wires wires={wires} vertical />
      </div>
    </div>
  );
}

const endOf = (k: Socket): string => `s${k.inode}`;

/** A connection ends at the listening socket it came to, where there is one: that is what people know by its port. */
function listenEnd(s: Snapshot, l: Link): string {
  const all = s.networks.flatMap((n) => n.sockets);
  const at = all.find((k) => listens(k) && k.container === l.server.container && port(k.local) === port(l.server.local));
  return at ? endOf(at) : endOf(l.server);
}

const loopbackLast = (a: Interface, b: Interface): number => Number(a.kind === "loopback") - Number(b.kind === "loopback");

/** Class of a network in which more than one container has sockets. */
const several = (s: Snapshot, n: Net): string => (s.containers.filter((c) => c.ns.net === n.inode && c.kind !== "infra").length > 1 ? "several" : "");

/** The cables: a bridge's port here, a pod's card there. */
function plugs(node: Net | undefined, others: Net[]): Wire[] {
  return others.flatMap((n) =>
    n.interfaces
      .filter((i) => i.kind === "veth" && node?.interfaces.some((p) => p.index === i.peer))
      .map((i): Wire => ({ key: `v${n.inode}${i.index}`, from: `p${i.peer}`, to: `n${n.inode}`, cls: i.up ? "veth" : "veth off" })),
  );
}

/** The node's network: its bridge, the containers that are in it (hostNetwork), and over each card below the port that its cable is in. */
function NodeBar({ s, net, others, pairs }: { s: Snapshot; net: Net; others: Net[]; pairs: Link[] }) {
  const members = s.containers.filter((c) => c.ns.net === net.inode && c.kind !== "infra");
  const bridge = net.interfaces.find((i) => i.kind === "bridge");
  const ports = others.map((n) => ({ n, at: net.interfaces.filter((p) => n.interfaces.some((i) => i.kind === "veth" && i.peer === p.index)) }));
  return (
    <section class="card nodebar" data-o="node net:node" aria-label={t("who.node")}>
      <div class="who">
        <Tag mark={HOST} />
        <b>{t("who.node")}</b>
        <small class="mono">net …{String(net.inode).slice(-4)}</small>
      </div>
      {bridge ? (
        <span class="cap">
          <b class="mono">{bridge.name}</b> <span class="mono">{bridge.addrs[0] ?? ""}</span> {t("net.bridge")}
        </span>
      ) : (
        <span class="hint">{t("net.nobridge")}</span>
      )}
      {members.length > 0 && <Holders net={net} members={members} pairs={pairs} />}
      {others.length > 0 && (
        <ul class={`ports n${Math.min(others.length, 3)}`}>
          {ports.map(({ n, at }) => (
            <li key={n.inode} class={several(s, n)} data-o={`net:${n.owner}`}>
              {at.map((p) => (
                <span key={p.index} class="mono" data-end={`p${p.index}`}>
                  {p.name}
                </span>
              ))}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function NetCard({ s, net, pairs }: { s: Snapshot; net: Net; pairs: Link[] }) {
  const pod = s.pods.find((p) => p.metadata.name === net.owner);
  const mark = pod ? (marks.value.pods.get(net.owner) ?? HOST) : markOf(net.owner);
  const members = s.containers.filter((c) => c.ns.net === net.inode);
  return (
    <section
      class={`card netcard ${mark.tone} ${several(s, net)}`}
      data-end={`n${net.inode}`}
      data-o={`net:${net.owner} ns:${net.inode}${pod ? ` pod:${net.owner}` : ` container:${net.owner}`}`}
      aria-label={net.owner}
    >
      <header>
        <Tag mark={mark} />
        <h3>{pod ? t("ns.pod", { name: net.owner }) : net.owner}</h3>
        <span class="mono">net …{String(net.inode).slice(-4)}</span>
      </header>
      <ul class="ifs">
        {[...net.interfaces].sort(loopbackLast).map((i) => (
          <li key={i.index} class={`if ${i.kind}${i.up ? "" : " off"}`}>
            <b class="mono">{i.name}</b>
            <span class="mono addr">
              {i.addrs.map((a) => (
                <span key={a}>{a}</span>
              ))}
            </span>
            {i.kind !== "loopback" && (
              <small class="mono">
                {i.mac}
                <span>
                  ↓ {bytes(i.rxBytes)} ↑ {bytes(i.txBytes)}
                </span>
              </small>
            )}
          </li>
        ))}
      </ul>
      {net.routes.length > 0 && (
        <p class="routes mono">
          {net.routes.slice(0, 4).map((r) => (
            <span key={r.dst + r.dev}>
              {r.dst} → {r.gateway || r.dev}
            </span>
          ))}
        </p>
      )}
      <Holders net={net} members={members} pairs={pairs} />
    </section>
  );
}

/** The containers of a network, each with its sockets. */
function Holders({ net, members, pairs }: { net: Net; members: Container[]; pairs: Link[] }) {
  return (
    <div class="holders" style={{ "--n": Math.min(3, Math.max(1, members.filter((c) => c.kind !== "infra").length)) }}>
      {members.map((c) => {
        const m = markOf(c.id);
        const mine = net.sockets.filter((k) => k.container === c.id && (listens(k) || connected(k)));
        return (
          <div key={c.id} class={`holder ${m.tone} ${c.kind}`} data-column data-o={`container:${c.id}`}>
            <b>
              <Shape mark={m} /> {c.name} <Role id={c.id} />
            </b>
            {mine.length === 0 && <small class="hint">{c.kind === "infra" ? t("net.holds") : t("net.quiet")}</small>}
            <ul>
              {mine.slice(0, 14).map((k) => (
                <SocketLine key={k.inode} k={k} of={family(k, mine)} paired={pairs.some((l) => l.client === k || l.server === k)} />
              ))}
            </ul>
            {mine.length > 14 && <small class="hint">{t("net.more", { n: mine.length - 14 })}</small>}
          </div>
        );
      })}
    </div>
  );
}

/** The other end; where both have one address, it is said once. */
const remote = (k: Socket): string => (host(k.remote) === host(k.local) ? `:${port(k.remote)}` : plain(k.remote));

function SocketLine({ k, of, paired }: { k: Socket; of: string; paired: boolean }) {
  if (listens(k)) {
    return (
      <li class="sock listen" data-end={endOf(k)} title={`${k.proto} ${k.local}`}>
        <b class="mono">{k.proto === "unix" ? k.local : `:${port(k.local)}`}</b>{" "}
        <small>
          {t(k.state === "LISTEN" ? "net.listens" : "net.receives", { proto: k.proto.replace(/6$/, "") })}
          {of && ` · ${of}`}
          {local(k) && k.proto !== "unix" ? ` · ${host(k.local)}` : ""}
        </small>
      </li>
    );
  }
  return (
    <li class={`sock conn${paired ? "" : " away"}`} data-end={endOf(k)} title={`${k.proto} ${k.local} → ${k.remote}`}>
      <span class="mono">{k.proto === "unix" ? (k.remote ? `→ ${k.remote}` : k.local) : `${plain(k.local)} →\u00a0${remote(k)}`}</span>
      {!!(k.rxBytes || k.txBytes) && (
        <small class="mono">
          ↓ {bytes(k.rxBytes ?? 0)} ↑ {bytes(k.txBytes ?? 0)}
        </small>
      )}
    </li>
  );
}

const counted = (size: number, packets: number): [string, number] => [bytes(size), packets];

function NetworkTables({ s }: { s: Snapshot }) {
  const owner = (n: Net) => n.owner || t("who.node");
  const cards = s.networks.flatMap((n) =>
    n.interfaces.map((i) => ({
      key: `${n.inode}.${i.index}`,
      o: `net:${n.owner}`,
      cells: [owner(n), i.name, i.addrs.join(", "), i.mac, ...counted(i.rxBytes, i.rxPackets), ...counted(i.txBytes, i.txPackets)],
    })),
  );
  const sockets = s.networks.flatMap((n) =>
    n.sockets.slice(0, 200).map((k) => ({
      key: `${n.inode}.${k.inode}.${k.local}`,
      cells: [owner(n), k.container ? named(k.container) : "–", k.proto, k.local, k.remote, k.state, bytes(k.rxBytes ?? 0), bytes(k.txBytes ?? 0)],
    })),
  );
  return (
    <Tables
      label={t("view.network")}
      tables={[
        {
          caption: t("table.cards"),
          columns: columns("owner", "=card", "=address", "=mac", "received", "packetsin", "sent", "packetsout"),
          rows: cards,
          empty: t("net.none"),
        },
        { caption: t("table.sockets"), columns: columns("owner", "container", "proto", "=local", "=remote", "state", "received", "sent"), rows: sockets },
      ]}
    />
  );
}
