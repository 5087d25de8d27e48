// Runs the queries of a dashboard against Prometheus the way Grafana's data source does.
import { interpolate } from "./interpolate.js";

const seconds = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86400, w: 604800, y: 31536000 };

export function parseDuration(text) {
  const parts = [...text.matchAll(/(\d+)(ms|[smhdwy])/g)];
  if (!parts.length || parts.map((part) => part[0]).join("") !== text) throw new Error(`not a duration: ${text}`);
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * seconds[unit], 0);
}

export function parseTime(text, now) {
  const relative = /^now(?:-(.+))?$/.exec(text);
  if (relative) return now - (relative[1] ? parseDuration(relative[1]) : 0);
  const absolute = Number(text) || Date.parse(text) / 1000;
  if (!absolute) throw new Error(`not a time: ${text} (examples: now-6h, 1750000000, 2026-01-31T12:00:00Z)`);
  return absolute;
}

const steps = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400];

function text(duration) {
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["m", 60]]) {
    if (duration % size === 0) return `${duration / size}${unit}`;
  }
  return `${duration}s`;
}

/** Step and built-in variables of one panel: as coarse as its width allows, no finer than the scrapes. */
export function resolution({ from, to, width, scrapeInterval, least = 0, maxDataPoints }) {
  const wanted = (to - from) / (maxDataPoints ?? width);
  // Grafana rounds to the nearer of its steps.
  const rounded = steps.find((step, i) => wanted < (step + (steps[i + 1] ?? Infinity)) / 2);
  let step = Math.max(rounded, least || scrapeInterval);
  step = Math.max(step, Math.ceil((to - from) / 11000));
  const range = Math.round(to - from);
  return {
    step,
    variables: {
      __interval: text(step),
      __interval_ms: String(step * 1000),
      __rate_interval: text(Math.max(step + scrapeInterval, 4 * scrapeInterval)),
      __range: `${range}s`,
      __range_s: String(range),
      __range_ms: String(range * 1000),
    },
  };
}

export class Prometheus {
  constructor(url) {
    this.url = url.replace(/\/$/, "");
  }

  async get(path, parameters) {
    const response = await fetch(`${this.url}/api/v1/${path}`, { method: "POST", body: new URLSearchParams(parameters) });
    const body = await response.json();
    if (body.status !== "success") throw new Error(`${body.error} in: ${parameters.query}`);
    return body.data;
  }

  async instant(query, time) {
    return (await this.get("query", { query, time })).result;
  }

  async range(query, { from, to, step }) {
    const align = (time) => Math.floor(time / step) * step;
    return (await this.get("query_range", { query, start: align(from), end: align(to), step })).result;
  }

  async labelValues(selector, label, { from, to }) {
    const query = new URLSearchParams({ start: from, end: to });
    if (selector) query.set("match[]", selector);
    const body = await (await fetch(`${this.url}/api/v1/label/${label}/values?${query}`)).json();
    if (body.status !== "success") throw new Error(`${body.error} in: ${selector}`);
    return body.data;
  }
}

/** The choices that a variable of a dashboard offers, as {text, value}. */
export async function options(prometheus, variable, variables, range) {
  const { variables: builtIn } = resolution({ ...range, width: 1000, scrapeInterval: 60 });
  const asked = typeof variable.query === "string" ? variable.query : variable.query.query;
  const query = interpolate(asked, { ...variables, ...builtIn }, "promql");
  const labels = /^label_values\((?:(.+),\s*)?(\w+)\)$/s.exec(query);
  const result = /^query_result\((.+)\)$/s.exec(query);
  let choices;
  if (labels) {
    choices = await prometheus.labelValues(labels[1], labels[2], range);
  } else if (result) {
    choices = (await prometheus.instant(result[1], range.to)).map(({ metric, value }) => {
      const { __name__: name = "", ...rest } = metric;
      const inner = Object.entries(rest).map(([label, content]) => `${label}="${content}"`).join(",");
      return `${name}{${inner}} ${value[1]} ${value[0] * 1000}`;
    });
  } else {
    throw new Error(`variable ${variable.name}: this kind of query is not known here: ${asked}`);
  }
  return applyRegex(choices, variable.regex);
}

function applyRegex(choices, regex) {
  if (!regex) return choices.map((choice) => ({ text: choice, value: choice }));
  const [, body, flags] = /^\/(.*)\/(\w*)$/s.exec(regex) ?? [null, `^${regex}$`, ""];
  const seen = new Map();
  for (const choice of choices) {
    const found = [...choice.matchAll(new RegExp(body, flags.includes("g") ? flags : flags + "g"))];
    if (!found.length) continue;
    const group = (name) => found.find((match) => match.groups?.[name])?.groups[name];
    const value = group("value") ?? group("text") ?? found[0][1] ?? found[0][0];
    if (!seen.has(value)) seen.set(value, { text: group("text") ?? value, value });
  }
  return [...seen.values()];
}

/** Events to draw as lines or spans, in milliseconds. */
export async function annotations(prometheus, list, variables, range) {
  const events = [];
  for (const annotation of list) {
    if (!annotation.expr || !annotation.enable) continue;
    const least = annotation.step ? parseDuration(annotation.step) : 60;
    const { step, variables: builtIn } = resolution({ ...range, width: 1500, scrapeInterval: 60, least });
    const query = interpolate(annotation.expr, { ...variables, ...builtIn }, "promql");
    const byTime = new Map();
    for (const { values } of await prometheus.range(query, { ...range, step })) {
      let latest;
      for (const [time, value] of values) {
        if (annotation.useValueForTime) {
          byTime.set(value, { time: Math.floor(Number(value)), end: Math.floor(Number(value)) });
        } else if (Number(value)) {
          if (latest && time * 1000 <= latest.end + step * 1000) latest.end = time * 1000;
          else events.push((latest = { time: time * 1000, end: time * 1000, color: annotation.iconColor }));
        }
      }
    }
    for (const event of byTime.values()) events.push({ ...event, color: annotation.iconColor });
  }
  return events.filter(({ time, end }) => end >= range.from * 1000 && time <= range.to * 1000);
}
