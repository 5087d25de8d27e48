// Replaces dashboard variables in text, in the forms that Grafana knows and these dashboards use.

const pattern = /\$(\w+)|\$\{(\w+)((?:\.\w+|\["[^"]+"\])*)(?::(\w+))?\}/g;

const escapeRegex = (value) => value.replace(/[\\^$*+?.()|[\]{}]/g, "\\$&");

// A regular expression inside a PromQL string literal, where a backslash is written twice.
const escapePromQl = (value) => escapeRegex(value).replaceAll("\\", "\\\\");

const oneOf = (values) => (values.length === 1 ? values[0] : `(${values.join("|")})`);

const formats = {
  queryparam: ({ name, values, all }) =>
    (all ? ["$__all"] : values).map((value) => `var-${name}=${encodeURIComponent(value)}`).join("&"),
  regex: ({ values, allValue }) => allValue ?? oneOf(values.map(escapeRegex)),
  pipe: ({ values, allValue }) => allValue ?? values.join("|"),
  csv: ({ values, allValue }) => allValue ?? values.join(","),
  raw: ({ values, allValue }) => allValue ?? values.join(","),
  text: ({ values, all }) => (all ? "All" : values.join(" + ")),
  promql: ({ values, multi, allValue }) => allValue ?? (multi ? oneOf(values.map(escapePromQl)) : values[0]),
};

/**
 * `variables` maps names to strings (taken as they are) or to {name, values, multi, all, allValue}.
 * Names that are not in it stay as they are, so that what is not known is seen.
 */
export function interpolate(text, variables, defaultFormat, lookup = () => undefined) {
  return text.replace(pattern, (whole, plain, braced, path, format) => {
    const special = lookup(plain ?? braced, path ?? "");
    if (special !== undefined) return special;
    const variable = variables[plain ?? braced];
    if (variable === undefined) return whole;
    if (typeof variable === "string") return variable;
    const asked = formats[format ?? defaultFormat];
    if (!asked) throw new Error(`unknown format of a variable: ${whole}`);
    return asked(variable);
  });
}
