// Field options, overrides and transformations: all Grafana's own code but for the list of options that exist.
import {
  FieldConfigOptionsRegistry,
  applyFieldOverrides,
  createTheme,
  standardFieldConfigEditorRegistry,
  standardTransformers,
  standardTransformersRegistry,
  transformDataFrame,
} from "@grafana/data";
import { lastValueFrom } from "rxjs";
import { interpolate } from "../interpolate.js";

const { given } = window;
export const theme = createTheme({ colors: { mode: given.theme } });

// Some are listed under an old name as well.
const transformers = new Map(Object.values(standardTransformers).map((transformer) => [transformer.id, transformer]));
standardTransformersRegistry.setInit(() =>
  [...transformers].map(([id, transformer]) => ({ id, name: transformer.name, transformation: () => Promise.resolve(transformer) })),
);
standardFieldConfigEditorRegistry.setInit(() => []);

export function replace(text, scoped = {}, format = "text") {
  if (typeof text !== "string") return text;
  return interpolate(text, given.variables, format, (name, path) => special(name, path, scoped));
}

function special(name, path, scoped) {
  const { from, to } = given.range;
  if (name === "__url_time_range") return `from=${Math.round(from * 1000)}&to=${Math.round(to * 1000)}`;
  if (name === "__from") return String(Math.round(from * 1000));
  if (name === "__to") return String(Math.round(to * 1000));
  const context = scoped.__dataContext?.value;
  if (!context) return undefined;
  const { frame, field, rowIndex = 0 } = context;
  const key = path.replace(/^\.(fields|labels)?\.?|^\["|"\]$/g, "").replace(/^\["|"\]$/g, "");
  if (name === "__data") {
    const found = frame.fields.find((each) => each.name === key || each.state?.displayName === key || each.config.displayName === key);
    if (!found) console.error(`a link asks for the column ${key}, which is not there`);
    return String(found?.values[rowIndex] ?? "");
  }
  if (name === "__value") return String(field.values[rowIndex]);
  if (name === "__field" || name === "__series") return key.startsWith("name") ? field.name : (field.labels?.[key] ?? "");
  return undefined;
}

export async function transform(frames, transformations = []) {
  const used = transformations.filter(({ disabled }) => !disabled);
  for (const { id } of used) if (!standardTransformersRegistry.getIfExists(id)) throw new Error(`transformation ${id} is not known here`);
  return lastValueFrom(transformDataFrame(used, frames, { interpolate: replace }));
}

// In files the first threshold has no number.
const restore = (value) => ({
  ...value,
  steps: value.steps.map((step) => ({ ...step, value: step.value ?? -Infinity })),
});

function optionRegistry({ defaults, overrides }) {
  const paths = new Set(["unit", "decimals", "min", "max", "thresholds", "mappings", "noValue", "color", "displayName", "links", "description", "fieldMinMax", "filterable", "actions"]);
  for (const key of Object.keys(defaults.custom ?? {})) paths.add(`custom.${key}`);
  for (const { id } of overrides.flatMap(({ properties }) => properties)) paths.add(id);
  for (const key of Object.keys(defaults)) if (key !== "custom" && !paths.has(key)) console.error(`unknown field option ${key}`);
  const items = [...paths].map((id) => ({
    id,
    name: id,
    path: id.replace(/^custom\./, ""),
    isCustom: id.startsWith("custom."),
    process: (value, context) => (id === "thresholds" && value ? restore(value) : id === "displayName" ? replace(value, context.field?.state?.scopedVars) : value),
    shouldApply: () => true,
  }));
  return new FieldConfigOptionsRegistry(() => items);
}

export function withOptions(frames, panel) {
  const source = { defaults: {}, overrides: [], ...panel.fieldConfig };
  const fieldConfig = { ...source, defaults: { ...source.defaults } };
  if (fieldConfig.defaults.thresholds) fieldConfig.defaults.thresholds = restore(fieldConfig.defaults.thresholds);
  const data = applyFieldOverrides({
    data: frames,
    fieldConfig,
    fieldConfigRegistry: optionRegistry(fieldConfig),
    replaceVariables: replace,
    theme,
    timeZone: "utc",
  });
  return { data, fieldConfig };
}
