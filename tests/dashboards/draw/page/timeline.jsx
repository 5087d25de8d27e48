// Grafana's packages do not export the state timeline, so this one is drawn here, from the same values and colours.
import { FieldType, getFieldDisplayName } from "@grafana/data";
import { theme } from "./fields.js";
import { NoData } from "./panels.jsx";

const axis = 20;
const legend = 24;

/** Spans in which the shown value stays the same; a gap longer than the distance of samples ends one. */
function spans(times, field, interval, merge) {
  const found = [];
  times.forEach((time, i) => {
    const value = field.values[i];
    if (value === null || Number.isNaN(value)) return;
    const shown = field.display(value);
    const last = found.at(-1);
    if (last && merge && last.text === shown.text && last.color === shown.color && time - last.end <= interval * 0.5) last.end = time + interval;
    else found.push({ start: time, end: time + interval, text: (shown.prefix ?? "") + shown.text + (shown.suffix ?? ""), color: shown.color });
  });
  return found;
}

function ticks(from, to) {
  const step = [60, 300, 900, 1800, 3600, 10800, 21600, 43200, 86400, 172800].map((s) => s * 1000).find((s) => (to - from) / s <= 6) ?? 604800000;
  const label = (time) => new Date(time).toISOString().slice(...(step < 86400000 ? [11, 16] : [5, 10]));
  const first = Math.ceil(from / step) * step;
  return Array.from({ length: Math.floor((to - first) / step) + 1 }, (_, i) => ({ time: first + i * step, label: label(first + i * step) }));
}

export function StateTimeline({ data, width, height, options, range }) {
  const rows = data.flatMap((frame) => {
    const time = frame.fields.find(({ type }) => type === FieldType.time);
    return frame.fields
      .filter((field) => time && field !== time && !field.config.custom?.hideFrom?.viz)
      .map((field) => ({ fill: field.config.custom?.fillOpacity, name: getFieldDisplayName(field, frame, data), spans: spans(time.values, field, time.config.interval, options.mergeValues ?? true) }));
  });
  if (!rows.length) return <NoData />;
  const [from, to] = [range.from * 1000, range.to * 1000];
  const left = Math.min(width * 0.4, 12 + 6.6 * Math.max(...rows.map(({ name }) => name.length)));
  const at = (time) => left + ((Math.min(Math.max(time, from), to) - from) / (to - from)) * (width - left);
  const tall = (height - axis - (options.legend?.showLegend ? legend : 0)) / rows.length;
  const thick = tall * (options.rowHeight ?? 0.9);
  const states = [...new Map(rows.flatMap(({ spans }) => spans).map(({ text, color }) => [text, color]))];
  const words = { fontSize: 12, fill: theme.colors.text.primary, fontFamily: theme.typography.fontFamily };
  return (
    <svg width={width} height={height}>
      {rows.map(({ name, fill, spans }, i) => (
        <g key={i} transform={`translate(0 ${i * tall + (tall - thick) / 2})`}>
          <svg width={left - 6} height={thick}>
            <text x={left - 10} y={thick / 2 + 4} textAnchor="end" {...words}>{name}</text>
          </svg>
          {spans.map(({ start, end, text, color }, j) => (
            <g key={j}>
              <rect x={at(start)} width={Math.max(at(end) - at(start), 1)} height={thick} fill={color} fillOpacity={(fill ?? 70) / 100} />
              {options.showValue !== "never" && at(end) - at(start) > 7 * text.length + 8 && thick > 12 && (
                <text x={at(start) + 4} y={thick / 2 + 4} {...words} fill={theme.colors.getContrastText(color)}>{text}</text>
              )}
            </g>
          ))}
        </g>
      ))}
      {ticks(from, to).map(({ time, label }) => (
        <text key={time} x={at(time)} y={tall * rows.length + 15} textAnchor="middle" {...words}>{label}</text>
      ))}
      {options.legend?.showLegend &&
        states.map(([text, color], i) => (
          <g key={text} transform={`translate(${i * 110} ${height - 14})`}>
            <rect width={14} height={4} y={4} fill={color} />
            <text x={19} y={10} {...words}>{text}</text>
          </g>
        ))}
    </svg>
  );
}
