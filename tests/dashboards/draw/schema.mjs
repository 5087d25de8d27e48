// Checks the dashboards against a JSON Schema made from the TypeScript types of @grafana/schema.
import { readFile, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import Ajv from "ajv";
import { createGenerator } from "ts-json-schema-generator";

const here = dirname(fileURLToPath(import.meta.url));
const types = join(here, "node_modules/@grafana/schema/dist/types/raw");
const folder = join(here, "../../../grafana/dashboards");

// Fields that Grafana writes and reads although its types leave them out, and where.
const unnamed = [
  // The Prometheus data source's own part of an annotation.
  { place: /^\/annotations\/list\/\d+$/, fields: ["expr", "step", "tagKeys", "textFormat", "titleFormat", "useValueForTime"] },
  // The query of a variable as text.
  { place: /^\/templating\/list\/\d+$/, fields: ["definition"] },
  // Whether state timelines bridge gaps.
  { place: /^state-timeline custom$/, fields: ["spanNulls"] },
];

const ajv = new Ajv({ allErrors: true, strict: false });

function validator(path, type) {
  const generator = createGenerator({ path: join(types, path), tsconfig: join(here, "tsconfig.json"), type, skipTypeCheck: true, additionalProperties: false, expose: "all" });
  return ajv.compile(generator.createSchema(type));
}

async function options(kind) {
  const file = `composable/${kind.replaceAll("-", "")}/panelcfg/x/types.gen.d.ts`;
  const text = await readFile(join(types, file), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const type = (name) => new RegExp(`export interface ${name}\\b`).test(text);
  return {
    options: type("Options") ? validator(file, "Options") : undefined,
    custom: type("FieldConfig") ? validator(file, "FieldConfig") : undefined,
  };
}

const dashboard = validator("dashboard/x/types.gen.d.ts", "Dashboard");
const kinds = new Map();
let failed = 0;

function report(file, place, validate, value, title) {
  if (!validate || validate(value)) return;
  for (const { instancePath, keyword, message, params } of validate.errors) {
    const path = place + instancePath;
    // What panels leave out gets its default.
    if (title !== undefined && keyword === "required") continue;
    if (unnamed.some((exception) => exception.place.test(path) && exception.fields.includes(params.additionalProperty))) continue;
    const detail = params.additionalProperty ?? params.allowedValues ?? "";
    console.error(`${file}: ${title === undefined ? "" : `panel "${title}": `}${path}: ${message} ${detail}`);
    failed += 1;
  }
}

const files = process.argv.length > 2 ? process.argv.slice(2) : (await readdir(folder)).filter((name) => name.endsWith(".json")).map((name) => join(folder, name));
if (!files.length) throw new Error(`no dashboards in ${folder}`);
for (const file of files) {
  const content = JSON.parse(await readFile(file, "utf8"));
  const before = failed;
  report(file, "", dashboard, content);
  for (const panel of content.panels.flatMap((each) => [each, ...(each.panels ?? [])])) {
    if (panel.type === "row") continue;
    if (!kinds.has(panel.type)) kinds.set(panel.type, await options(panel.type));
    const kind = kinds.get(panel.type);
    if (!kind) {
      console.error(`${file}: panel "${panel.title}": no types for the kind ${panel.type}`);
      failed += 1;
      continue;
    }
    report(file, `${panel.type} options`, kind.options, panel.options ?? {}, panel.title);
    report(file, `${panel.type} custom`, kind.custom, panel.fieldConfig?.defaults?.custom ?? {}, panel.title);
  }
  console.log(`${file}: ${failed - before} errors`);
}
process.exitCode = failed ? 1 : 0;
