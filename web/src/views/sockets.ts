// Sockets as the network view draws them: who listens, and which two ends are one connection.

import type { Network, Socket } from "../types.ts";

export const port = (address: string): string => address.slice(address.lastIndexOf(":") + 1);
export const host = (address: string): string =>
  address
    .slice(0, address.lastIndexOf(":"))
    .replace(/^\[|\]$/g, "")
    .replace(/^::ffff:/, "");

/** It has an address that anyone may connect or send to. */
export const listens = (s: Socket): boolean => s.state === "LISTEN" || (datagrams(s) && s.state !== "ESTABLISHED");
export const connected = (s: Socket): boolean => s.state === "ESTABLISHED" && (s.proto !== "unix" || !!s.peer);
export const local = (s: Socket): boolean => s.proto === "unix" || host(s.local).startsWith("127.") || host(s.local) === "::1";

/** Which Internet protocol a listening socket is for, where the same container listens at the same port on both; "" else. */
export function family(s: Socket, all: Socket[]): string {
  const [is, other] = s.proto.endsWith("6") ? ["IPv6", s.proto.slice(0, -1)] : ["IPv4", `${s.proto}6`];
  return all.some((x) => x.proto === other && listens(x) && x.container === s.container && port(x.local) === port(s.local)) ? is : "";
}

const udp = (s: Socket): boolean => s.proto.startsWith("udp");
const datagrams = (s: Socket): boolean => udp(s) || s.type === "dgram";

/** host:port without the dress of IPv6. */
export const plain = (address: string): string => `${host(address)}:${port(address)}`;

export interface Link {
  client: Socket;
  server: Socket;
}

/**
 * Who is connected to whom, anywhere on the node: two sockets of which each is the other's remote, or one for datagrams and the one that
 * it sends to.
 */
export function links(networks: Network[]): Link[] {
  return [...unixLinks(networks), ...tcpLinks(networks), ...udpLinks(networks)].slice(0, 60);
}

/** The server is who listens under its name; of two for datagrams, who is not connected, or was there first. */
function unixLinks(networks: Network[]): Link[] {
  const all = networks.flatMap((n) => n.sockets.filter((s) => s.proto === "unix"));
  const byInode = new Map(all.map((s) => [s.inode, s]));
  const listening = new Set(all.filter((s) => s.state === "LISTEN").map((s) => s.local));
  return all.filter(connected).flatMap((client) => {
    const server = byInode.get(client.peer!);
    if (!server) return [];
    const mutual = server.peer === client.inode;
    if (mutual && listening.has(client.local) && !listening.has(server.local)) return []; // from the other end
    if (mutual && listening.has(client.local) === listening.has(server.local) && client.local && client.inode < server.inode) return [];
    return [{ client, server }];
  });
}

function tcpLinks(networks: Network[]): Link[] {
  const open = networks.flatMap((n) => n.sockets.filter((s) => s.proto.startsWith("tcp") && connected(s)));
  const listening = new Set(networks.flatMap((n) => n.sockets.filter(listens).map((s) => `${s.container} ${port(s.local)}`)));
  const byEnds = new Map(open.map((s) => [ends(s.local, s.remote), s]));
  return open.flatMap((client) => {
    const server = byEnds.get(ends(client.remote, client.local));
    return server && server !== client && listening.has(`${server.container} ${port(server.local)}`) ? [{ client, server }] : [];
  });
}

/** Most who serve UDP are not connected themselves: then it is the socket at the address that the client sends to. */
function udpLinks(networks: Network[]): Link[] {
  const open = networks.flatMap((n) => n.sockets.filter((s) => udp(s) && connected(s)).map((client) => ({ n, client })));
  const byEnds = new Map(open.map(({ client }) => [ends(client.local, client.remote), client]));
  return open.flatMap(({ n, client }) => {
    const other = byEnds.get(ends(client.remote, client.local));
    if (other) return other !== client && other.inode < client.inode ? [{ client, server: other }] : [];
    const at = local(client) ? [n] : networks.filter((x) => x.interfaces.some((i) => i.addrs.some((a) => a.startsWith(`${host(client.remote)}/`))));
    const there = at.flatMap((x) => x.sockets.filter((s) => udp(s) && listens(s) && port(s.local) === port(client.remote)));
    const server = there.find((s) => host(s.local) === host(client.remote)) ?? there.find((s) => ["0.0.0.0", "::"].includes(host(s.local)));
    return server ? [{ client, server }] : [];
  });
}

const ends = (from: string, to: string): string => `${plain(from)}>${plain(to)}`;
