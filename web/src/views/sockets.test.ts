import assert from "node:assert/strict";
import { test } from "node:test";
import { wholeSnapshot } from "../frame.ts";
import type { Frame, Network, Socket } from "../types.ts";
import frames from "../../testdata/frames/sockets.json";
import { family, links, listens } from "./sockets.ts";

const edges = (networks: Network[]) =>
  links(networks).map((l) => `${l.client.proto} ${l.client.container || l.client.inode} → ${l.server.container || l.server.inode}`);

test("each connection is one line, from who connected", () => {
  const s = (frames as unknown as Frame[])[0]!.snapshot!;
  wholeSnapshot(s);
  assert.deepEqual(
    edges(s.networks).filter((e) => !e.startsWith("tcp")),
    ["unix demo/cache → demo/web", "unix demo/web → demo/cache", "udp demo/cache → demo/web"],
  );
  const listening = s.networks.flatMap((n) => n.sockets.filter((k) => listens(k) && !k.proto.startsWith("tcp")));
  assert.deepEqual(
    listening.map((k) => k.local),
    ["0.0.0.0:514", "/shared/app.sock", "/shared/log.sock"],
  );
});

const socket = (inode: number, rest: Partial<Socket>): Socket => ({
  proto: "udp",
  local: "",
  remote: "",
  state: "ESTABLISHED",
  inode,
  pids: [],
  container: "",
  ...rest,
});
const net = (addr: string, sockets: Socket[]): Network => ({
  inode: sockets[0]!.inode,
  owner: addr,
  routes: [],
  sockets,
  interfaces: [
    {
      name: "eth0",
      kind: "veth",
      index: 2,
      peer: 3,
      master: "",
      mac: "",
      addrs: [`${addr}/24`],
      up: true,
      mtu: 1500,
      rxBytes: 0,
      txBytes: 0,
      rxPackets: 0,
      txPackets: 0,
    },
  ],
});

test("UDP: the exact address before any, in the network it is of, and two that are connected once", () => {
  const client = socket(1, { local: "10.0.0.2:4000", remote: "10.0.0.3:53" });
  const any = socket(2, { local: "0.0.0.0:53", remote: "0.0.0.0:0", state: "UNCONN" });
  const exact = socket(3, { local: "10.0.0.3:53", remote: "0.0.0.0:0", state: "UNCONN" });
  assert.deepEqual(edges([net("10.0.0.2", [client]), net("10.0.0.3", [any, exact])]), ["udp 1 → 3"]);
  assert.deepEqual(edges([net("10.0.0.2", [client, any])]), []);
  const back = socket(4, { local: "10.0.0.3:53", remote: "10.0.0.2:4000" });
  assert.deepEqual(edges([net("10.0.0.2", [client]), net("10.0.0.3", [back])]), ["udp 4 → 1"]);
});

test("Unix: a client that has a name of its own, and datagrams both ways", () => {
  const unix = (inode: number, rest: Partial<Socket>) => socket(inode, { proto: "unix", type: "stream", ...rest });
  const listener = unix(1, { local: "/s", state: "LISTEN" });
  const server = unix(2, { local: "/s", peer: 3 });
  const client = unix(3, { local: "/c", remote: "", peer: 2 });
  assert.deepEqual(edges([net("10.0.0.2", [listener, server, client])]), ["unix 3 → 2"]);
  const one = unix(4, { type: "dgram", local: "@a", peer: 5 });
  const two = unix(5, { type: "dgram", local: "@b", peer: 4 });
  assert.deepEqual(edges([net("10.0.0.2", [one, two])]), ["unix 5 → 4"]);
});

test("two sockets at one port, for IPv4 and IPv6, are told apart; one alone is not named", () => {
  const listen = (proto: string, local: string, container = "demo/web") => socket(1, { proto, local, container, state: "LISTEN" });
  const all = [listen("tcp", "0.0.0.0:80"), listen("tcp6", "[::]:80"), listen("tcp6", "[::]:443"), listen("tcp", "0.0.0.0:443", "demo/cache")];
  assert.deepEqual(
    all.map((s) => family(s, all)),
    ["IPv4", "IPv6", "", ""],
  );
  const sends = [socket(2, { proto: "udp", local: "0.0.0.0:53", state: "" }), socket(3, { proto: "udp6", local: "[::]:53", state: "" })];
  assert.deepEqual(
    sends.map((s) => family(s, sends)),
    ["IPv4", "IPv6"],
  );
});
