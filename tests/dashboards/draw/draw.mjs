// Draws a dashboard with Grafana's own components: node draw.mjs --help
import { mkdir, readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import puppeteer from "puppeteer-core";
import { interpolate } from "./interpolate.js";
import { Prometheus, annotations, options, parseDuration, parseTime, resolution } from "./prometheus.js";

const here = dirname(fileURLToPath(import.meta.url));
const usage = `node draw.mjs [options] DASHBOARD.json...
  --prometheus URL        default http://127.0.0.1:9090
  --from T --to T         default: the dashboard's own range
  --var NAME=VALUE        may be repeated; default All, and one host where the dashboard offers no All
  --scrape-interval D     of the data source, default 1m
  --theme light|dark      default dark
  --panel TEXT            only panels whose title contains TEXT
  --width PIXELS          default 1600
  --out FILE.png          default out/DASHBOARD.png
  --chromium FILE         default /usr/bin/chromium`;

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    prometheus: { type: "string", default: "http://127.0.0.1:9090" },
    from: { type: "string" },
    to: { type: "string" },
    var: { type: "string", multiple: true, default: [] },
    "scrape-interval": { type: "string", default: "1m" },
    theme: { type: "string", default: "dark" },
    panel: { type: "string" },
    width: { type: "string", default: "1600" },
    out: { type: "string" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
    help: { type: "boolean" },
  },
});
if (flags.help || !positionals.length) {
  console.log(usage);
  process.exit(flags.help ? 0 : 2);
}

const address = "http://dashboard.invalid/";
const margin = 16;
const gap = 8;
const cell = 30;

/** All panels with their places in pixels, rows opened. */
function layOut(panels, width) {
  const column = (width - 2 * margin + gap) / 24;
  const placed = [];
  let shift = 0;
  const place = (panel) => {
    const { x, y, w, h } = panel.gridPos;
    placed.push({
      panel,
      left: margin + x * column,
      top: margin + (y + shift) * (cell + gap),
      width: Math.floor(w * column - gap),
      height: h * (cell + gap) - gap,
    });
  };
  for (const panel of panels) {
    place(panel);
    if (!panel.panels?.length) continue;
    const first = Math.min(...panel.panels.map(({ gridPos }) => gridPos.y));
    const last = Math.max(...panel.panels.map(({ gridPos }) => gridPos.y + gridPos.h));
    const down = panel.gridPos.y + 1 - first;
    shift += down;
    panel.panels.forEach(place);
    shift += last - first - down;
  }
  return placed;
}

async function choose(prometheus, dashboard, range, problems) {
  const variables = {};
  for (const variable of dashboard.templating.list) {
    const { name, multi } = variable;
    if (variable.type === "datasource") {
      variables[name] = { name, values: ["prometheus"], multi: false };
      continue;
    }
    const offered = await options(prometheus, variable, variables, range);
    console.log(`${name}: ${offered.map(({ text, value }) => (text === value ? text : `${text} (${value})`)).join(", ")}`);
    if (!offered.length) problems.push(`variable ${name} offers nothing`);
    const asked = flags.var.filter((pair) => pair.startsWith(`${name}=`)).map((pair) => pair.slice(name.length + 1));
    const values = asked.map((wish) => (offered.find(({ text, value }) => wish === text || wish === value) ?? { value: wish }).value);
    const all = !values.length && variable.includeAll;
    if (!values.length) values.push(...(all ? offered : offered.slice(0, 1)).map(({ value }) => value));
    variables[name] = { name, values, multi, all, allValue: all ? variable.allValue : undefined };
  }
  return variables;
}

async function runPanel(prometheus, placed, variables, range, problems) {
  const { panel, width } = placed;
  const least = panel.interval ? parseDuration(panel.interval.replace(/^>/, "")) : 0;
  const scrapeInterval = parseDuration(flags["scrape-interval"]);
  const { step, variables: builtIn } = resolution({ ...range, width, scrapeInterval, least, maxDataPoints: panel.maxDataPoints });
  const results = [];
  for (const target of panel.targets ?? []) {
    if (target.hide) continue;
    const query = interpolate(target.expr, { ...variables, ...builtIn }, "promql");
    try {
      const result = target.instant ? await prometheus.instant(query, range.to) : await prometheus.range(query, { ...range, step });
      results.push({ target, query, step, result });
    } catch (error) {
      problems.push(`panel "${panel.title}", query ${target.refId}: ${error.message}`);
    }
  }
  return results;
}

async function draw(browser, script, style, file) {
  const problems = [];
  const dashboard = JSON.parse(await readFile(file, "utf8"));
  const prometheus = new Prometheus(flags.prometheus);
  const now = Date.now() / 1000;
  const range = { from: parseTime(flags.from ?? dashboard.time.from, now), to: parseTime(flags.to ?? dashboard.time.to, now) };
  const width = Number(flags.width);
  const variables = await choose(prometheus, dashboard, range, problems);
  const placed = layOut(dashboard.panels, width).filter(({ panel }) => !flags.panel || panel.title.includes(flags.panel));
  if (flags.panel && placed.length) {
    const up = Math.min(...placed.map(({ top }) => top)) - margin;
    placed.forEach((each) => (each.top -= up));
  }
  for (const each of placed) each.results = await runPanel(prometheus, each, variables, range, problems);
  const events = await annotations(prometheus, dashboard.annotations.list, variables, range);
  const height = Math.max(...placed.map(({ top, height: tall }) => top + tall)) + margin;

  const page = await browser.newPage();
  await page.setViewport({ width, height });
  page.on("pageerror", (error) => problems.push(`script: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(message.text().split("\n    at ")[0]);
    else if (message.text().startsWith("note: ")) console.log(message.text());
  });
  // The page comes from a made-up address, as scripts may not use storage without one. Icons are not part of the
  // package, nor is the font. Nothing else is asked for.
  await page.setRequestInterception(true);
  page.on("request", (request) => {
    if (request.url() === address) {
      request.respond({ contentType: "text/html", body: `<!doctype html><meta charset="utf-8"><style>${style}</style><div id="root"></div>` });
    } else if (request.url().startsWith(`${address}public/fonts/`)) {
      const weight = request.url().includes("Medium") ? 500 : 400;
      const font = join(here, `node_modules/@fontsource/inter/files/inter-latin-${weight}-normal.woff2`);
      readFile(font).then((body) => request.respond({ contentType: "font/woff2", body }));
    } else if (/\.(svg|ico)$/.test(request.url())) {
      request.respond({ contentType: "image/svg+xml", body: '<svg xmlns="http://www.w3.org/2000/svg"/>' });
    } else if (/^(data|about|blob):/.test(request.url())) request.continue();
    else {
      problems.push(`the page asked for ${request.url()}`);
      request.abort();
    }
  });
  const given = { placed, events, variables, range, theme: flags.theme };
  await page.goto(address);
  await page.evaluate((content) => (window.given = content), given);
  await page.addScriptTag({ content: script });
  await page.waitForFunction("window.drawn === true", { timeout: 45000 }).catch((error) => problems.push(error.message));
  const out = flags.out ?? join(here, "out", `${basename(file, ".json")}.png`);
  await mkdir(dirname(out), { recursive: true });
  await page.screenshot({ path: out, fullPage: true });
  await page.close();

  const empty = placed.filter(({ panel, results }) => panel.targets?.length && !results.some(({ result }) => result.length));
  const queries = placed.flatMap(({ results }) => results);
  console.log(`${out}: ${placed.length} panels, ${queries.length} queries, ${queries.filter(({ result }) => !result.length).length} without data`);
  for (const { panel } of empty) console.log(`empty: ${panel.title}`);
  for (const problem of new Set(problems)) console.error(`error: ${problem}`);
  return problems.length;
}

const bundle = await build({
  entryPoints: [join(here, "page/main.jsx")],
  bundle: true,
  write: false,
  outdir: "out",
  format: "iife",
  jsx: "automatic",
  loader: { ".ttf": "empty", ".svg": "dataurl" },
  define: { "process.env.NODE_ENV": '"production"', global: "window" },
  logLevel: "error",
});
const output = (end) => bundle.outputFiles.filter(({ path }) => path.endsWith(end)).map(({ text }) => text).join("\n");
const browser = await puppeteer.launch({
  executablePath: flags.chromium,
  args: ["--no-sandbox", "--disable-gpu", "--force-device-scale-factor=1"],
  env: { ...process.env, TZ: "UTC" },
});
let failed = 0;
try {
  for (const file of positionals) failed += await draw(browser, output(".js"), output(".css"), file);
} finally {
  await browser.close();
}
process.exitCode = failed ? 1 : 0;
