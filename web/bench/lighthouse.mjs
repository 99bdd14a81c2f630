// Lighthouse's four figures of the home page and a lab's page, in both languages, on its phone and its desktop. It is no package of ours: npx
// fetches it into npm's cache.
//
//	node web/bench/lighthouse.mjs BASE LAB

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { flags } from "../test/browser.mjs";
import { figure } from "./figure.mjs";

const program = "lighthouse@12.8.2";
const [base, lab] = process.argv.slice(2);

async function look(path, kind) {
  const { url } = await fetch(base + path); // a lab's page is that of a step
  const args = ["--yes", program, url, "--quiet", "--output=json", `--chrome-flags=--headless=new ${flags.join(" ")}`];
  if (kind === "desktop") args.push("--preset=desktop");
  const env = { CHROME_PATH: "/usr/bin/chromium", ...process.env };
  const { stdout } = await promisify(execFile)("npx", args, { env, maxBuffer: 64 << 20 }).catch(({ stderr }) => {
    throw new Error(stderr);
  });
  return JSON.parse(stdout).categories;
}

for (const language of ["en", "zh"])
  for (const [page, path] of [
    ["home", ""],
    ["lab", `l/${lab}`],
  ])
    for (const kind of ["phone", "desktop"]) {
      const categories = await look(`/${language}/${path}`, kind);
      for (const [name, { score }] of Object.entries(categories)) figure(`lighthouse.${page}.${language}.${kind}.${name}`, 100 * score, "of 100");
    }
