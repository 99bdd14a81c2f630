// Sockets as the network view draws them: who listens, and which two ends are one connection.

import type { Network, Socket } from "../types.ts";

export const port = (address: string): string => address.slice(address.lastIndexOf(":") + 1);
export const host = (address: string): string => address.slice(0, address.lastIndexOf(":")).replace(/^\[|\]$/g, "").replace(/^::ffff:/, "");

export const listens = (s: Socket): boolean => s.state === "LISTEN" || (s.proto.startsWith("udp") && s.state !== "ESTABLISHED");
export const connected = (s: Socket): boolean => s.state === "ESTABLISHED" && (s.proto.startsWith("tcp") || !!s.peer);
export const local = (s: Socket): boolean => s.proto === "unix" || host(s.local).startsWith("127.") || host(s.local) === "::1";

/** host:port without the dress of IPv6. */
export const plain = (address: string): string => `${host(address)}:${port(address)}`;

export interface Link {
  client: Socket;
  server: Socket;
}

/** Pairs of sockets of which each is the other's remote: both ends of one connection, anywhere on the node. */
export function links(networks: Network[]): Link[] {
  const all = networks.flatMap((n) => n.sockets.filter(connected));
  const byInode = new Map(all.map((s) => [s.inode, s]));
  const open = all.filter((s) => s.proto !== "unix");
  const out: Link[] = all.filter((s) => s.proto === "unix" && !s.local).flatMap((client) => {
    const server = byInode.get(client.peer ?? 0);
    return server ? [{ client, server }] : [];
  });
  const listening = new Set(networks.flatMap((n) => n.sockets.filter(listens).map((s) => `${s.container} ${port(s.local)}`)));
  const byEnds = new Map(open.map((s) => [`${plain(s.local)}>${plain(s.remote)}`, s]));
  for (const s of open) {
    const other = byEnds.get(`${plain(s.remote)}>${plain(s.local)}`);
    if (other && other !== s && listening.has(`${other.container} ${port(other.local)}`)) out.push({ client: s, server: other });
  }
  return out.slice(0, 60);
}
