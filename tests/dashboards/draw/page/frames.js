// Results of Prometheus as data frames, shaped as Grafana's data source shapes them.
import { FieldType } from "@grafana/data";

function legend(format, labels, query) {
  if (format === "__auto") return Object.keys(labels).length ? undefined : query;
  if (format) return format.replace(/\{\{\s*(.+?)\s*\}\}/g, (_, label) => labels[label] ?? "");
  const { __name__: name = "", ...rest } = labels;
  const inner = Object.entries(rest).map(([label, value]) => `${label}="${value}"`).join(", ");
  return name + (inner ? `{${inner}}` : "") || query;
}

const samples = ({ value, values }) => (values ?? [value]).map(([time, text]) => [time * 1000, Number(text.replace("Inf", "Infinity"))]);

function series({ target, query, step, result }) {
  return result.map((each) => {
    const pairs = samples(each);
    return {
      refId: target.refId,
      name: legend(target.legendFormat, each.metric, query),
      length: pairs.length,
      meta: { type: "timeseries-multi", executedQueryString: query },
      fields: [
        { name: "Time", type: FieldType.time, config: { interval: step * 1000 }, values: pairs.map(([time]) => time) },
        {
          name: "Value",
          type: FieldType.number,
          labels: each.metric,
          config: { displayNameFromDS: legend(target.legendFormat, each.metric, query) },
          values: pairs.map(([, value]) => value),
        },
      ],
    };
  });
}

function table({ target, result }, valueName) {
  const names = [...new Set(result.flatMap(({ metric }) => Object.keys(metric)))].sort();
  const rows = result.flatMap((each) => samples(each).map(([time, value]) => ({ time, value, metric: each.metric })));
  const column = (name, type, values) => ({ name, type, config: { filterable: true }, values });
  return {
    refId: target.refId,
    length: rows.length,
    fields: [
      column("Time", FieldType.time, rows.map(({ time }) => time)),
      ...names.map((name) => column(name, FieldType.string, rows.map(({ metric }) => metric[name] ?? ""))),
      column(valueName, FieldType.number, rows.map(({ value }) => value)),
    ],
  };
}

export function toFrames(results) {
  const tables = results.filter(({ target }) => target.format === "table");
  return results.flatMap((each) => {
    if (each.target.format !== "table") return series(each);
    if (!each.result.length) return [];
    return [table(each, tables.length > 1 ? `Value #${each.target.refId}` : "Value")];
  });
}
