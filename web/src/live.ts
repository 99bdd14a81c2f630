// The live socket: keeps one open to the step that the page shows, with back-off and jitter, and hands frames to the store.

import { link, lostAt, step, take } from "./store.ts";
import type { Frame } from "./types.ts";

const FIRST = 300; // ms until the first try
const LONGEST = 10_000;
const SILENT = 40_000; // the server pings more often; a socket without a word for so long is dead

let socket: WebSocket | null = null;
let tries = 0;
let retry = 0;
let heard = 0;

/** Opens the socket for the current step; a step change opens another and drops the one before. */
export function connect(): void {
  clearTimeout(retry);
  drop();
  const { lab, step: id } = step.peek();
  if (!lab) return;
  const url = new URL(`/ws/live?lab=${encodeURIComponent(lab)}&step=${encodeURIComponent(id)}`, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const ws = new WebSocket(url);
  socket = ws;
  ws.onopen = () => {
    heard = Date.now();
    sendHidden();
  };
  ws.onmessage = (e) => {
    if (ws !== socket) return;
    heard = Date.now();
    tries = 0;
    link.value = "live";
    take(JSON.parse(e.data as string) as Frame, id);
  };
  ws.onclose = () => {
    if (ws === socket) again();
  };
}

function drop(): void {
  const old = socket;
  socket = null;
  old?.close();
}

function again(): void {
  socket = null;
  if (link.peek() === "live" || link.peek() === "connecting") lostAt.value = Date.now();
  link.value = navigator.onLine ? "reconnecting" : "offline";
  const wait = Math.min(LONGEST, FIRST * 2 ** tries++);
  retry = window.setTimeout(connect, wait / 2 + Math.random() * (wait / 2));
}

function sendHidden(): void {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ hidden: document.hidden }));
}

/** Watches the tab and the network; call once. */
export function watch(): void {
  document.addEventListener("visibilitychange", () => {
    sendHidden();
    heard = Date.now(); // a hidden page is sent nothing
    if (!document.hidden && !socket) connect();
  });
  window.addEventListener("online", () => {
    tries = 0;
    connect();
  });
  window.addEventListener("offline", () => {
    if (!socket) link.value = "offline";
  });
  // A machine that slept finds a socket that is open in name only.
  let tick = Date.now();
  setInterval(() => {
    const slept = Date.now() - tick > 30_000;
    tick = Date.now();
    if (slept || (document.hidden === false && socket && heard && Date.now() - heard > SILENT)) connect();
  }, 5000);
}
