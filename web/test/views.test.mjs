// Every view, held to the same: nothing is cut or lies over something else, at every width, in both languages and themes; a table has a row
// for each thing; a pause stops it; who wants no motion gets none; a sentence says what it shows; what arrives moves nothing else.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { axe, launch, open, serve, views } from "./browser.mjs";
import { misplaced } from "./geometry.mjs";
import { drawn, golden, staged } from "./staged.mjs";

const change = golden("change");
const [plain] = golden("plain");
const [sides] = golden("sides");
const [roles] = golden("roles");
const [volumes] = golden("volumes");
const [sockets] = golden("sockets");

let site, browser;
before(async () => {
  site = await serve();
  browser = await launch();
});
after(async () => {
  await browser.close();
  await site.stop();
});

/** A lab page whose frames the test sends. */
const lab = (options) => staged(browser, site.base, options);

/** Animations that run, but for those that a scroll position drives. */
const running = () =>
  document
    .getAnimations()
    .filter((a) => a.timeline === document.timeline && a.playState === "running")
    .map((a) => a.animationName ?? "scripted");

const widths = [
  ["en", "light", 390, 844],
  ["zh", "dark", 390, 844],
  ["en", "dark", 1440, 900],
  ["zh", "light", 1440, 900],
  ["en", "light", 1920, 1080],
  ["zh", "dark", 1920, 1080],
];

describe("nothing is cut, nothing lies over something else, controls can be hit, axe finds nothing", { concurrency: 2 }, () => {
  for (const [lang, theme, width, height] of widths) {
    test(`${lang}, ${theme}, ${width}`, async () => {
      const page = await lab({ lang, theme, width, height });
      const wrong = new Set();
      const look = async (view, state) => {
        for (const w of await page.evaluate(misplaced, view)) wrong.add(`${view}, ${state}: ${w}`);
      };
      for (const [name, frame] of Object.entries({ sides, ...(width < 400 && { roles, volumes }) })) {
        // longer names, less room
        await page.send(frame);
        for (const view of views) {
          await page.show(view);
          await look(view, name);
        }
      }
      await page.send(sockets);
      await page.show("network");
      await look("network", "sockets");
      for (const frame of change.slice(0, 4)) await page.send(frame);
      for (const [i, view] of views.entries()) {
        await page.show(view);
        await page.send(change[4 - (i % 2)]); // what has just come is marked
        await look(view, "changing");
        const moving = await page.evaluate(running);
        if (moving.length) wrong.add(`${view} moves though no motion is wanted: ${moving}`);
        if (width === 1440) for (const w of await axe(page, `#view-${view}`)) wrong.add(`${view}: ${w}`);
      }
      assert.deepEqual([...wrong], []);
      assert.deepEqual(page.wrongs, []);
      await page.context().close();
    });
  }
});

/** All of an element that can be seen, as one text. */
const picture = (el) =>
  [...el.querySelectorAll("*")]
    .map(
      (x) =>
        `${x.localName} ${[...x.attributes]
          .map((a) => `${a.name}=${a.value}`)
          .sort()
          .join(" ")}: ${[...x.childNodes]
          .filter((n) => n.nodeType === Node.TEXT_NODE)
          .map((n) => n.data)
          .join("|")}`,
    )
    .join("\n");

const cells = (page, view) =>
  page
    .locator(`#view-${view} table.plain`)
    .evaluateAll((tables) => tables.map((t) => [...t.tBodies[0].rows].map((r) => [...r.cells].map((c) => c.textContent))));

/** What a view's tables must have rows for: a list of rows for each, of which each row is words that stand in it. */
const things = {
  namespaces: ({ containers, ipc }) => [["node", ...containers.map((c) => c.id)].map((id) => [id]), ipc.map((o) => [String(o.ns), String(o.id)])],
  processes: ({ processes }) => [processes.map((p) => [String(p.pid)])],
  network: ({ networks }) => [
    networks.flatMap((n) => n.interfaces.map((i) => [n.owner || "node", i.name])),
    networks.flatMap((n) => (n.sockets ?? []).map((k) => [k.local, k.remote])),
  ],
  volumes: ({ volumes, containers }) => [
    volumes.flatMap((v) =>
      containers.flatMap((c) => (c.mounts ?? []).filter((m) => c.pod === v.pod && m.volume === v.name).map((m) => [v.path, c.name, m.path])),
    ),
    [...new Set(containers.flatMap((c) => (c.layers ?? []).map((l) => l.digest.slice(0, 19) || c.id)))].map((x) => [x]),
    containers.flatMap((c) => (c.layers ?? []).flatMap((l) => (l.changes ?? []).map((x) => [c.id, x.path]))),
    volumes.flatMap((v) => v.files.map((f) => [v.name, f.path])),
  ],
  resources: ({ containers }) => [["node", ...containers.map((c) => c.id)].map((id) => [id]), ["node", ...containers.map((c) => c.id)].map((id) => [id])],
  timeline: (_, moments) => [moments.map((m) => [m.pid ? String(m.pid) : m.pod])],
  compare: () => [["net", "ipc", "uts", "pid", "mnt"].map((kind) => [kind])],
};

test("a table has a row for each thing that a view shows", async () => {
  const page = await lab();
  const past = change.slice(0, 4);
  for (const frame of past) await page.send(frame);
  const node = past.at(-1).snapshot;
  const moments = past.flatMap((f) => f.moments ?? []).filter((m) => !m.thread);
  await page.click(".legend button");
  for (const view of views) {
    await page.show(view);
    const tables = await cells(page, view);
    for (const [i, rows] of things[view](node, moments).entries()) {
      assert.ok(rows.length, `${view}: the frame has something for table ${i}`);
      assert.equal(tables[i]?.length, view === "compare" ? 9 : rows.length, `${view}: rows of table ${i}`);
      for (const words of rows) {
        const there = tables[i].some((row) => words.every((word) => row.some((cell) => cell.includes(word))));
        assert.ok(there, `${view}: a row for ${words} in\n${tables[i].map((r) => r.join(" | ")).join("\n")}`);
      }
    }
    assert.deepEqual(await axe(page, `#view-${view}`), [], `${view} as table`);
  }
  assert.deepEqual(page.wrongs, []);
  await page.context().close();
});

test("a sentence says what each view shows, and changes with it", async () => {
  const page = await lab();
  const said = async () => {
    const all = {};
    for (const view of views) {
      await page.show(view);
      all[view] = await page.locator(`#view-${view} [role=status]`).innerText();
      assert.equal(all[view], await page.locator(`#view-${view} .saying`).innerText(), `${view}: seen and heard`);
      assert.match(all[view], /\w.*\./, `${view} says nothing`);
    }
    return all;
  };
  await page.send(plain);
  const before = await said();
  for (const frame of change.slice(0, 4)) await page.send(frame);
  const now = await said();
  for (const view of views) assert.notEqual(now[view], before[view], view);
  await page.show("resources");
  await page.send(change[4]); // in front: heard when it has come to rest
  await page.waitForFunction(() => /OOM kills: 1/.test(document.querySelector("#view-resources [role=status]").textContent), null, { timeout: 10_000 });
  await page.context().close();
});

test("Network: as many sockets are said to listen as are drawn, and two at one port are told apart", async () => {
  const page = await lab();
  const both = structuredClone(sides);
  const nets = both.snapshot.networks;
  const pod = nets.find((n) => n.owner === "demo");
  const web = pod.sockets.find((k) => k.container === "demo/web" && k.state === "LISTEN");
  pod.sockets.push({ ...web, proto: "tcp6", local: `[::]:${web.local.split(":").at(-1)}`, inode: web.inode + 900_000 });
  const agent = { proto: "unix", type: "stream", local: "/run/podlab/agent.sock", remote: "", state: "LISTEN", inode: 77, pids: [], container: "" };
  const node = nets.find((n) => n.owner === "");
  node.sockets = [...(node.sockets ?? []), agent]; // the node's own: in the table alone
  const on = both.snapshot.containers.find((c) => c.id === "demo/web");
  const host = { ...on, id: "agent/agent", name: "agent", pod: "agent", ns: { ...on.ns, net: node.inode } }; // hostNetwork: it has no card of its own
  both.snapshot.containers.push(host);
  node.sockets.push({ ...web, local: "0.0.0.0:9100", inode: 78, container: host.id });
  await page.send(both);
  await page.show("network");
  const said = Number((await page.locator("#view-network .saying").innerText()).match(/listening sockets of containers: (\d+)/)[1]);
  const chips = await page.locator("#view-network .sock.listen").allInnerTexts();
  assert.equal(chips.length, said, chips.join("\n"));
  assert.deepEqual(
    chips.filter((text) => /IPv/.test(text)).map((text) => text.replace(/\s+/g, " ")),
    [":80 tcp listens · IPv4", ":80 tcp listens · IPv6"],
  );
  assert.match(await page.locator("#view-network .nodebar .holder").innerText(), /agent\s+:9100 tcp listens/);
  for (const width of [1440, 390]) {
    await page.setViewportSize({ width, height: 844 });
    await drawn(page);
    assert.deepEqual(await page.evaluate(misplaced, "network"), [], String(width));
  }
  await page.context().close();
});

test("Compare: of one that runs alone what is known of it, of the other what became of it; nothing to compare is said once", async () => {
  const page = await lab({ lang: "en" });
  const alone = structuredClone(sides);
  for (const c of alone.snapshot.containers)
    if (c.name === "cache") Object.assign(c, { pid: 0, ...(c.pod ? { state: "waiting", reason: "CrashLoopBackOff" } : { state: "exited", reason: "Error" }) });
  await page.send(alone);
  await page.show("compare");
  const heads = await page.locator("#view-compare thead th").allInnerTexts();
  assert.match(heads[1], /web[^]*cache: waiting · CrashLoopBackOff/);
  assert.match(heads[2], /web[^]*cache: exited · Error/);
  const [row] = await page
    .locator("#view-compare tbody")
    .evaluateAll((all) => all.map((b) => Object.fromEntries([...b.rows].map((r) => [...r.cells].map((c) => c.innerText.trim())).map(([k, ...v]) => [k, v]))));
  for (const side of [0, 1]) {
    for (const kind of ["net", "ipc", "uts", "pid", "mnt"])
      assert.ok(
        Object.values(row).some((v) => v[side] === `one ${kind} namespace for web`),
        `${kind}, ${JSON.stringify(row)}`,
      );
    assert.match(row["IP address"][side], /^web: 10\.\d+\.\d+\.\d+$/);
    for (const key of ["127.0.0.1", "Signals"]) assert.equal(row[key][side], "–", "what it takes two for");
  }
  await page.click(".legend button");
  assert.ok((await cells(page, "compare"))[0].some(([, pod, apart]) => pod === apart && pod === "one uts namespace for web"));
  await page.click(".legend button");
  assert.deepEqual(await axe(page, "#view-compare"), []);

  await page.send({ ...sides, snapshot: { ...sides.snapshot, pods: [], containers: [] } });
  await page.show("compare");
  const said = await page.locator("#view-compare").innerText(); // with what is spoken
  const sentences = said.split(/(?<=\.)\s+/);
  assert.equal(sentences.filter((s) => /two containers or more/.test(s)).length, 1, said);
  await page.context().close();
});

test("paused views stand still, whatever comes", async () => {
  const page = await lab();
  for (const frame of change.slice(0, 3)) await page.send(frame);
  await page.click("pod-pause button");
  await page.waitForSelector('pod-pause [aria-pressed="true"]');
  const pictures = async () => {
    const all = {};
    for (const view of views) {
      await page.show(view);
      all[view] = await page.locator(`#view-${view}`).evaluate(picture);
    }
    return all;
  };
  const before = await pictures();
  for (const [i, view] of views.entries()) {
    await page.show(view);
    await page.evaluate((view) => {
      window.changed = 0;
      window.watcher = new MutationObserver((all) => (window.changed += all.length));
      window.watcher.observe(document.querySelector(`#view-${view}`), { subtree: true, childList: true, attributes: true, characterData: true });
    }, view);
    await page.send(change[3 + (i % 3)]);
    if (view === "timeline" || view === "resources") await page.waitForTimeout(1100); // they draw each second while live
    assert.equal(await page.evaluate(() => (window.watcher.disconnect(), window.changed)), 0, view);
  }
  const still = await pictures();
  for (const view of views) assert.equal(still[view], before[view], view);
  await page.click("pod-pause button");
  await page.show("resources");
  await page.waitForFunction(() => /OOM/.test(document.querySelector("#view-resources").textContent));
  await page.context().close();
});

test("charts of the last minutes, looked back on: until the moment, and nothing after it", async () => {
  const page = await lab();
  for (const frame of change) await page.send(frame);
  await page.show("resources");
  const marks = () => page.locator("#view-resources .chart .mark").count();
  assert.equal(await marks(), 2, "the node's and the container's own");
  await page.click("pod-pause button");
  const range = page.locator(".timebar input");
  await range.waitFor();
  await range.focus();
  await page.keyboard.press("Home");
  await drawn(page);
  assert.equal(await marks(), 0);
  await page.keyboard.press("End");
  await drawn(page);
  assert.equal(await marks(), 2);
  await page.context().close();
});

// Rows of the tree come and go, and with them goes what stands below it; a joined block shrinks when one of its containers ends.
test("frames that arrive move nothing but what they are about", async () => {
  const page = await lab({ reducedMotion: "no-preference" });
  await page.send(change[0]);
  await page.evaluate(() => {
    window.shifts = [];
    const what = (node) => (node?.nodeType === Node.TEXT_NODE ? node.parentElement : node);
    const name = (el) => `${el.localName}.${el.className?.baseVal ?? el.className} "${el.textContent.slice(0, 30)}"`;
    const watch = new PerformanceObserver((list) => {
      for (const e of list.getEntries()) {
        const moved = e.sources.map((s) => what(s.node)).filter((el) => el?.closest(".views") && !el.closest("[role=tree], .ipc, .mx .c"));
        if (moved.length) window.shifts.push(`${e.value.toFixed(4)} ${moved.map(name).join(", ")}`);
      }
    });
    watch.observe({ type: "layout-shift" });
  });
  const wrong = [];
  for (const view of views) {
    await page.show(view);
    await page.evaluate(() => (window.shifts.length = 0));
    for (const frame of change.slice(1)) await page.send(frame);
    for (const shift of await page.evaluate(() => window.shifts)) wrong.push(`${view}: ${shift}`);
    await page.send(change[0]);
  }
  assert.deepEqual(wrong, []);
  await page.context().close();
});

test("a page that opens moves nothing, whatever sizes its reader has chosen", async () => {
  for (const [width, sizes] of [
    [1350, {}],
    [1350, { "split.lesson": 560, "split.dock": 400 }],
    [390, {}],
  ]) {
    const prepare = (page) =>
      page.addInitScript((sizes) => {
        for (const [name, px] of Object.entries(sizes)) localStorage.setItem(name, px);
        window.shifted = 0;
        new PerformanceObserver((list) => list.getEntries().forEach((e) => (window.shifted += e.value))).observe({ type: "layout-shift", buffered: true });
      }, sizes);
    const page = await open(browser, site.base, "/en/l/sample/share?frames=none", { width, prepare });
    await page.waitForSelector("pod-phase button.pri");
    await drawn(page);
    const shifted = await page.evaluate(() => window.shifted);
    assert.ok(shifted < 0.01, `${width}, ${JSON.stringify(sizes)}: ${shifted}`); // less is a font that came
    await page.context().close();
  }
});
