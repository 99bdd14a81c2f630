// A moment in words, and in which lane it stands.

import type { Moment, Snapshot } from "../types.ts";
import { has, join, t } from "../words.ts";
import { signalName } from "./signals.ts";

/** Which container a moment belongs to, "" for the node: by its own word, else by the pid namespace it happened in. */
export function laneOf(m: Moment, byNS: ReadonlyMap<number, string>): string {
  if (m.container) return m.container;
  return (m.pidns && byNS.get(m.pidns)) || "";
}

/** pid namespace → container, where only one container lives in it. Remembers those that have ended. */
export function learnNamespaces(s: Snapshot, known: Map<number, string>): void {
  const here = new Map<number, string[]>();
  for (const c of s.containers) if (c.ns.pid && c.ns.pid !== s.node.ns.pid) (here.get(c.ns.pid) ?? here.set(c.ns.pid, []).get(c.ns.pid)!).push(c.id);
  for (const [ns, ids] of here) if (ids.length === 1) known.set(ns, ids[0]!);
}

/**
 * Steps of the container runtime on its way to a program: real, and seldom what one looks for. So is a question of the C library: it asks for
 * each name of a user a cache that our images do not have (nscd(8)), twice in every start of bash.
 */
export const ofRuntime = (m: Moment): boolean =>
  m.source === "kernel" &&
  (/^runc:/.test(m.name ?? "") || /^\/proc\/self\/(fd|exe)/.test(m.path ?? "") || (/^podlab-/.test(m.name ?? "") && !lives.has(m.kind)) || ofLibrary(m));

const ofLibrary = (m: Moment): boolean => m.kind === "connect" && m.params?.error === "ENOENT" && m.params.remote === "/var/run/nscd/socket";

/** What every process does; of the node's own programs the rest is the runtime's work. */
const lives: ReadonlySet<string> = new Set(["fork", "exec", "exit"]);

const file = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

/** What mount(2) did, by its reason. */
const mounts: Record<string, string> = { "": "moment.mounted", Bind: "moment.bound", Move: "moment.bound" };

/** What the sentence of a kernel's moment needs. */
const about = (m: Moment): Record<string, string | number> => ({
  ...m.params,
  kinds: join((m.params?.kinds ?? "").split(" ")),
  who: m.name || String(m.pid ?? ""),
  pid: m.pid ?? 0,
  ppid: m.ppid ?? 0,
  path: m.path ?? "",
});

/** What was closed: a UDP port, a connection, or what others could connect or send to. */
function closed(ends: Record<string, string>, reason = ""): string {
  if (ends["proto"] === "udp") return "moment.close.udp";
  if (ends["remote"]) return "moment.close";
  if (reason === "Accepted") return "moment.close.at";
  return ends["proto"] === "unix" ? "moment.close.unix" : "moment.close.listen";
}

/** A connection that was none, and why, as far as the kernel said. */
function refused(m: Moment): string {
  const { error: name, remote } = m.params ?? {};
  const params = { ...about(m), remote: remote || t("moment.connect.nowhere") };
  if (!name) return t("moment.connect.Failed", params);
  return t("moment.connect.Failed.why", { ...params, why: has(`moment.errno.${name}`) ? t(`moment.errno.${name}`, { name }) : name });
}

/** One moment in a sentence. */
export function say(m: Moment): string {
  const who = m.name || (m.path ? file(m.path) : "") || String(m.pid ?? "");
  switch (m.kind) {
    case "fork":
      return t(m.thread ? "moment.thread" : "moment.fork", { who, pid: m.pid ?? 0, ppid: m.ppid ?? 0 });
    case "exec":
      return t("moment.exec", { pid: m.pid ?? 0, path: m.path || who });
    case "exit":
      return m.signal
        ? t("moment.killed", { who, pid: m.pid ?? 0, signal: signalName(m.signal) })
        : t("moment.exit", { who, pid: m.pid ?? 0, code: m.code ?? 0 });
    case "reparent":
    case "unshare":
    case "unmount":
    case "listen":
      return t(`moment.${m.kind}`, about(m));
    case "bind":
      return t(`moment.bind.${m.params?.proto === "unix" ? "unix" : "udp"}`, about(m));
    case "accept":
      return t(m.params?.remote ? "moment.accept" : "moment.accept.at", about(m));
    case "setns":
      return t(m.params?.kinds ? "moment.setns" : "moment.setns.unnamed", about(m));
    case "connect":
      return m.reason ? refused(m) : t(m.params?.proto === "udp" ? "moment.connect.udp" : "moment.connect", about(m));
    case "close":
      return t(closed(m.params ?? {}, m.reason), about(m));
    default: {
      if (m.source === "kernel" && m.kind === "oom") return t("moment.oom.kernel", about(m));
      if (m.source === "kernel" && m.kind === "mount") return t(mounts[m.reason ?? ""] ?? "moment.remounted", about(m));
      const name = m.container || m.pod || (m.kind === "throttle" ? t("who.node") : "");
      const params = { ...(m.params ?? {}), name, pod: m.pod ?? "", container: m.container ?? "" };
      if (m.reason && has(`reason.${m.kind}.${m.reason}`)) return t(`reason.${m.kind}.${m.reason}`, params);
      if (m.reason && has(`reason.${m.reason}`)) return t(`reason.${m.reason}`, params);
      if (has(`moment.${m.kind}`)) return `${t(`moment.${m.kind}`, params)}${m.reason ? ` ${m.reason}` : ""}`;
      return `${name} ${m.reason ?? m.kind}`;
    }
  }
}
