// What the page tests share: the development server, a browser, a page that keeps what went wrong in it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

export const axeSource = readFileSync(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

export const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** The names of all views, in the order of their tabs: labs.ViewNames. */
export const views = [...readFileSync(new URL("../../labs/lab.go", import.meta.url), "utf8").matchAll(/^\tView\w+ += "(\w+)"$/gm)].map(([, name]) => name);

async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}

/** Builds and starts the development server; stop() ends it. */
export async function serve() {
  const dir = mkdtempSync(join(tmpdir(), "podlab-web-"));
  const build = spawn("go", ["build", "-o", join(dir, "dev"), "./dev"], { cwd: new URL("..", import.meta.url), stdio: "inherit" });
  const [code] = await once(build, "exit");
  if (code !== 0) throw new Error("go build ./web/dev failed");
  const addr = `127.0.0.1:${await freePort()}`;
  const child = spawn(join(dir, "dev"), ["-addr", addr], { stdio: "ignore" });
  const base = `http://${addr}`;
  for (let i = 0; ; i++) {
    const up = await fetch(base).then(
      (r) => r.ok,
      () => false,
    );
    if (up) break;
    if (i > 50) throw new Error("the development server does not answer");
    await new Promise((done) => setTimeout(done, 100));
  }
  const stop = async () => {
    child.kill();
    await once(child, "exit");
    rmSync(dir, { recursive: true });
  };
  return { base, stop };
}

export const launch = () => chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: flags });

/** A page at a size, in a theme; page.wrongs holds errors of scripts, violations of the policy and requests to elsewhere. */
export async function open(browser, base, path, { width = 1440, height = 900, theme = "light", reducedMotion = "reduce", prepare = async () => {} } = {}) {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: theme,
    reducedMotion,
    permissions: ["clipboard-read", "clipboard-write"],
  });
  const page = await context.newPage();
  page.wrongs = [];
  page.on("pageerror", (e) => page.wrongs.push(`error: ${e.message}`));
  page.on("console", (m) => m.type() === "error" && !/status of 422/.test(m.text()) && page.wrongs.push(`console: ${m.text()}`));
  page.on("request", (r) => !r.url().startsWith(base) && !r.url().startsWith("data:") && page.wrongs.push(`elsewhere: ${r.url()}`));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (e) => console.error(`CSP ${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`));
  });
  await prepare(page);
  await page.goto(base + path);
  return page;
}

/** Stands between browser and site; cut() drops every connection and refuses new ones for a while, as a network does. */
export async function cable(site) {
  const to = new URL(site);
  const open = new Set();
  let down = false;
  const server = createServer((from) => {
    if (down) return from.destroy();
    const other = connect(Number(to.port), to.hostname);
    for (const s of [from, other]) {
      open.add(s);
      s.on("close", () => (open.delete(s), from.destroy(), other.destroy())).on("error", () => {});
    }
    from.pipe(other).pipe(from);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = (yes) => {
    down = yes;
    if (yes) for (const s of open) s.destroy();
  };
  return { base: `http://127.0.0.1:${server.address().port}`, cut, close: () => (cut(true), server.close()) };
}

/** Violations of WCAG 2.2 AA that axe finds in the page, or in a part of it, in words. */
export async function axe(page, part = "html") {
  await page.evaluate(axeSource);
  return page.evaluate(async (part) => {
    const found = await axe.run(part, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] });
    return found.violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target.join(" ")} ${n.failureSummary?.split("\n")[1] ?? ""}`));
  }, part);
}
