// One component for each kind of panel, as Grafana's own panel of that kind puts the parts together.
import { useLayoutEffect } from "react";
import {
  FieldType,
  VizOrientation,
  applyNullInsertThreshold,
  dateTime,
  getDisplayValueAlignmentFactors,
  getFieldDisplayName,
  getFieldDisplayValues,
  renderTextPanelMarkdown,
} from "@grafana/data";
import { BarGauge, BigValue, TimeSeries, VizRepeater } from "@grafana/ui";
import { TableNG } from "@grafana/ui/unstable";
import { replace, theme } from "./fields.js";
import { StateTimeline } from "./timeline.jsx";

const { given } = window;
const from = dateTime(given.range.from * 1000);
const to = dateTime(given.range.to * 1000);
const timeRange = { from, to, raw: { from, to } };

const displayValues = ({ panel, data, fieldConfig, options }) =>
  getFieldDisplayValues({
    fieldConfig,
    reduceOptions: options.reduceOptions,
    replaceVariables: replace,
    theme,
    data,
    sparkline: panel.type === "stat" && options.graphMode !== "none",
    percentChange: options.showPercentChange,
    timeZone: "utc",
  });

function Stat(props) {
  const { options, width, height, data } = props;
  return (
    <VizRepeater
      getValues={() => displayValues(props)}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderValue={({ value, alignmentFactors, width, height, count }) => (
        <BigValue
          value={value.display}
          count={count}
          sparkline={value.sparkline && { ...value.sparkline, timeRange }}
          colorMode={options.colorMode}
          graphMode={options.graphMode}
          justifyMode={options.justifyMode}
          textMode={options.textMode}
          alignmentFactors={alignmentFactors}
          text={options.text}
          width={width}
          height={height}
          theme={theme}
          wideLayout={options.wideLayout}
          percentChangeColorMode={options.percentChangeColorMode}
        />
      )}
      width={width}
      height={height}
      source={data}
      itemSpacing={3}
      renderCounter={0}
      autoGrid
      orientation={options.orientation}
    />
  );
}

function Bars(props) {
  const { options, width, height, data } = props;
  const horizontal = options.orientation === "horizontal" || (options.orientation === "auto" && width > height);
  return (
    <VizRepeater
      getValues={() => displayValues(props)}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderValue={({ value, alignmentFactors, width, height, orientation }) => (
        <BarGauge
          value={value.display}
          width={width}
          height={height}
          orientation={orientation}
          field={value.field}
          display={value.view?.getFieldDisplayProcessor(value.colIndex)}
          theme={theme}
          itemSpacing={8}
          displayMode={options.displayMode}
          alignmentFactors={alignmentFactors}
          showUnfilled={options.showUnfilled}
          valueDisplayMode={options.valueMode}
          namePlacement={options.namePlacement}
        />
      )}
      width={width}
      height={height}
      source={data}
      itemSpacing={8}
      minVizWidth={options.minVizWidth ?? 8}
      minVizHeight={options.minVizHeight ?? 16}
      maxVizHeight={options.maxVizHeight ?? 300}
      renderCounter={0}
      orientation={horizontal ? VizOrientation.Horizontal : VizOrientation.Vertical}
    />
  );
}

function Events({ config }) {
  useLayoutEffect(() => {
    config.addHook("draw", (plot) => {
      const { ctx, bbox } = plot;
      ctx.save();
      ctx.beginPath();
      ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
      ctx.clip();
      for (const { time, end, color } of given.events) {
        const x = plot.valToPos(time, "x", true);
        const w = plot.valToPos(end, "x", true) - x;
        const shade = theme.visualization.getColorByName(color);
        ctx.globalAlpha = 0.1;
        ctx.fillStyle = shade;
        if (w > 1) ctx.fillRect(x, bbox.top, w, bbox.height);
        ctx.globalAlpha = 1;
        ctx.strokeStyle = shade;
        ctx.lineWidth = 1;
        ctx.setLineDash([5, 5]);
        for (const edge of w > 1 ? [x, x + w] : [x]) {
          ctx.beginPath();
          ctx.moveTo(edge, bbox.top);
          ctx.lineTo(edge, bbox.top + bbox.height);
          ctx.stroke();
        }
      }
      ctx.restore();
    });
  }, [config]);
  return null;
}

function Lines({ data, width, height, options }) {
  const frames = data
    .filter(({ fields }) => fields.some(({ type }) => type === FieldType.time) && fields.some(({ type }) => type === FieldType.number))
    .map((frame) => applyNullInsertThreshold({ frame }) ?? frame);
  if (!frames.length) return <NoData />;
  return (
    <TimeSeries frames={frames} structureRev={1} width={width} height={height} timeRange={timeRange} timeZone="utc" legend={options.legend} options={options}>
      {(config) => <Events config={config} />}
    </TimeSeries>
  );
}

function Table({ panel, data, width, height, options, fieldConfig }) {
  const [frame] = data;
  if (data.length > 1) console.log(`note: ${panel.title}: the table has ${data.length} frames and shows the first`);
  if (!frame?.fields.length) return <NoData text={fieldConfig.defaults.noValue} />;
  for (const { matcher } of fieldConfig.overrides) {
    if (matcher.id !== "byName" || frame.fields.some((field) => [field.name, getFieldDisplayName(field, frame, data)].includes(matcher.options))) continue;
    console.log(`note: ${panel.title}: an override is for the column ${matcher.options}, which is not there`);
  }
  return (
    <TableNG
      data={frame}
      width={width}
      height={height}
      noHeader={!options.showHeader}
      showTypeIcons={options.showTypeIcons}
      sortBy={options.sortBy}
      cellHeight={options.cellHeight}
      frozenColumns={options.frozenColumns?.left}
      enablePagination={options.enablePagination ?? options.footer?.enablePagination}
      fieldConfig={fieldConfig}
      noValue={fieldConfig.defaults.noValue}
      timeRange={timeRange}
      getActions={() => []}
      structureRev={1}
    />
  );
}

const Text = ({ options }) => <div className="markdown-html" dangerouslySetInnerHTML={{ __html: renderTextPanelMarkdown(replace(options.content)) }} />;

export const NoData = ({ text }) => (
  <div style={{ display: "flex", height: "100%", alignItems: "center", justifyContent: "center", color: theme.colors.text.secondary }}>{text ?? "No data"}</div>
);

const kinds = {
  timeseries: Lines,
  stat: Stat,
  bargauge: Bars,
  table: Table,
  "state-timeline": (props) => <StateTimeline {...props} range={given.range} />,
  text: Text,
};

export function Panel(props) {
  const Kind = kinds[props.panel.type];
  if (!Kind) throw new Error(`panel "${props.panel.title}": the kind ${props.panel.type} can't be drawn here`);
  if (!props.data.length && !["text", "stat"].includes(props.panel.type)) return <NoData text={props.fieldConfig.defaults.noValue} />;
  return <Kind {...props} options={props.panel.options} />;
}
