//! Plots as SVG. Colours stand for what is drawn: the style sheet of the page gives them others in the dark.

use std::error::Error;
use std::ops::Range;

use plotters::backend::SVGBackend;
use plotters::chart::ChartBuilder;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::drawing::IntoDrawingArea;
use plotters::element::{PathElement, Polygon, Rectangle};
use plotters::style::{Color, IntoFont, RGBColor, ShapeStyle};

use super::buckets::Bucket;
use super::clock::Clock;
use super::columns::{Column, Unit};
use super::forecast::Forecast;
use super::history::{Span, Spans};
use crate::scrape_log::files::TimeRange;
use crate::vitals::Severity;

/// Twice as large as it is shown: the library draws on whole pixels.
const SIZE: (u32, u32) = (960, 320);
const FONT_SIZE: f64 = 26.0;
/// Points that differ by less than this share of the height are on one line.
const EVEN: f32 = 1.0 / 240.0;
const MARKS: usize = 8;

pub(super) const LINES: [RGBColor; 6] = [
    RGBColor(0x00, 0x62, 0xa8),
    RGBColor(0xc2, 0x4e, 0x00),
    RGBColor(0x00, 0x80, 0x5a),
    RGBColor(0xa8, 0x4b, 0x8c),
    RGBColor(0x9a, 0x78, 0x00),
    RGBColor(0x3d, 0x8c, 0xb8),
];
const GRID: RGBColor = RGBColor(0xe2, 0xe2, 0xe2);
const TEXT: RGBColor = RGBColor(0x5a, 0x5a, 0x5a);
const GAP: RGBColor = RGBColor(0xec, 0xec, 0xec);
const OUTAGE: RGBColor = RGBColor(0xf6, 0xcf, 0xcb);
const RESTART: RGBColor = RGBColor(0xb0, 0x00, 0x20);
const LIMIT: RGBColor = RGBColor(0xd0, 0x3a, 0x2a);
const CRITICAL: RGBColor = RGBColor(0xd0, 0x02, 0x1b);
const WARNING: RGBColor = RGBColor(0xe0, 0x8e, 0x00);
const INFO: RGBColor = RGBColor(0x88, 0x92, 0x9c);

/// What all plots of a host have in common.
pub(super) struct Frame<'a> {
    pub(super) range: TimeRange,
    pub(super) clock: &'a Clock,
    pub(super) gaps: &'a Spans,
    pub(super) outages: &'a Spans,
    /// When the machine was booted, or went.
    pub(super) restarts: Vec<i64>,
}

/// What is in one plot.
pub(super) struct Panel<'a> {
    pub(super) unit: Unit,
    pub(super) lines: Vec<&'a Column>,
    pub(super) forecasts: &'a [Forecast],
    /// Spans of what was wrong.
    pub(super) problems: Vec<(Severity, Span)>,
}

struct TimeAxis {
    range: Range<i64>,
    marks: Vec<i64>,
    clock: Clock,
}

impl Ranged for TimeAxis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = i64;

    fn map(&self, at: &i64, (left, right): (i32, i32)) -> i32 {
        let share = (at - self.range.start) as f64 / (self.range.end - self.range.start).max(1) as f64;
        #[expect(clippy::cast_possible_truncation, reason = "a pixel")]
        let pixels = (share.clamp(0.0, 1.0) * f64::from(right - left)).round() as i32;
        left + pixels
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<i64> {
        self.marks.clone()
    }

    fn range(&self) -> Range<i64> {
        self.range.clone()
    }
}

impl ValueFormatter<i64> for TimeAxis {
    fn format_ext(&self, at: &i64) -> String {
        self.clock.mark(*at, self.range.end - self.range.start)
    }
}

impl Panel<'_> {
    /// The lowest and the highest value of the vertical axis.
    fn limits(&self) -> (f32, f32) {
        let extreme = |of: fn(&Column) -> Option<f32>, choose: fn(f32, f32) -> f32| {
            self.lines.iter().filter_map(|column| of(column)).reduce(choose)
        };
        let highest = extreme(|column| column.buckets.max(), f32::max).unwrap_or(1.0);
        match self.unit {
            Unit::Ratio if highest > 0.25 => (0.0, 1.0),
            Unit::Ratio => (0.0, (highest * 1.25).max(0.05)),
            Unit::Celsius => {
                let lowest = extreme(|column| column.buckets.min(), f32::min).unwrap_or(0.0);
                let limit = extreme(|column| column.limit, f32::min).unwrap_or(highest);
                ((lowest - 5.0).min(20.0), highest.max(limit) + 5.0)
            }
            Unit::BytesPerSecond | Unit::PagesPerSecond => (0.0, (highest * 1.1).max(1_000.0)),
            Unit::Load | Unit::Events => (0.0, (highest * 1.1).max(1.0)),
        }
    }

    /// The time axis goes on for as long as a forecast tells of, but no longer than a third of the range.
    fn end(&self, range: TimeRange) -> i64 {
        let most = (range.end - range.start) / 3;
        #[expect(clippy::cast_possible_truncation, reason = "saturates")]
        let ahead = |forecast: &Forecast| ((forecast.seconds_to_full * 1050.0) as i64).min(most);
        range.end + self.forecasts.iter().map(ahead).max().unwrap_or(0)
    }

    /// Draws it.
    ///
    /// # Errors
    /// As the library tells them; drawing into memory has none.
    pub(super) fn svg(&self, frame: &Frame<'_>) -> Result<String, Box<dyn Error>> {
        let (low, high) = self.limits();
        let (start, end) = (frame.range.start, self.end(frame.range));
        let mut svg = String::new();
        {
            // Above all lines is a strip for problems.
            let top = high + (high - low) * 0.07;
            let strip = (high + (high - low) * 0.025, top);
            let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            let axis = TimeAxis {
                range: start..end,
                marks: frame.clock.marks(start, end, MARKS),
                clock: frame.clock.clone(),
            };
            let mut chart = ChartBuilder::on(&root)
                .margin(4)
                .margin_top(14)
                .margin_right(24)
                .x_label_area_size(40)
                .y_label_area_size(112)
                .build_cartesian_2d(axis, low..top)?;
            let mut block = |span: Span, (from, to): (f32, f32), color: RGBColor| {
                let corners = [(span.start, from), (span.end, to)];
                chart.draw_series([Rectangle::new(corners, color.filled())]).map(drop)
            };
            for (spans, color) in [(frame.gaps, GAP), (frame.outages, OUTAGE)] {
                for span in thinned(spans.list().iter().copied(), end - start) {
                    block(span, (low, top), color)?;
                }
            }
            if end > frame.range.end {
                block(Span { start: frame.range.end, end }, (low, top), GAP)?;
            }
            chart
                .configure_mesh()
                .disable_x_mesh()
                .light_line_style(GRID.mix(0.0))
                .bold_line_style(GRID)
                .axis_style(GRID)
                .y_labels(5)
                .y_label_formatter(&|value| self.unit.say(*value))
                .label_style(("sans-serif", FONT_SIZE).into_font().color(&TEXT))
                .draw()?;
            for (column, color) in self.lines.iter().zip(LINES) {
                for part in parts(column, frame, high - low) {
                    if part.iter().any(|(_, bucket)| bucket.max > bucket.min) {
                        let upper = part.iter().map(|(at, bucket)| (*at, bucket.max));
                        let lower = part.iter().rev().map(|(at, bucket)| (*at, bucket.min));
                        let outline: Vec<(i64, f32)> = upper.chain(lower).collect();
                        chart.draw_series([Polygon::new(outline, color.mix(0.22))])?;
                    }
                    let mut points: Vec<(i64, f32)> =
                        part.iter().map(|(at, bucket)| (*at, bucket.mean)).collect();
                    if let [(at, value)] = points[..] {
                        points.push((at + (end - start) / i64::from(SIZE.0), value));
                    }
                    chart.draw_series([PathElement::new(points, line(color, 3))])?;
                }
                if let Some(limit) = column.limit {
                    let points = vec![(start, limit), (end, limit)];
                    chart.draw_series([PathElement::new(points, line(LIMIT, 2))])?;
                }
            }
            for forecast in self.forecasts {
                let Some(index) = self.lines.iter().position(|column| column.about == forecast.mountpoint)
                else {
                    continue;
                };
                let Some(color) = LINES.get(index) else { continue };
                let points = vec![forecast.point(forecast.since), forecast.point(end)];
                chart.draw_series([PathElement::new(points, line(dashed(*color), 3))])?;
            }
            for severity in [Severity::Info, Severity::Warning, Severity::Critical] {
                let spans = self.problems.iter().filter(|(known, _)| *known == severity);
                for span in thinned(spans.map(|(_, span)| *span), end - start) {
                    let corners = [(span.start, strip.0), (span.end, strip.1)];
                    chart.draw_series([Rectangle::new(corners, color_of(severity).filled())])?;
                }
            }
            for at in frame.restarts.iter().filter(|at| frame.range.contains(**at)) {
                let points = vec![(*at, low), (*at, top)];
                chart.draw_series([PathElement::new(points, line(RESTART, 2))])?;
            }
            root.present()?;
        }
        Ok(svg)
    }
}

fn line(color: RGBColor, width: u32) -> ShapeStyle {
    color.stroke_width(width)
}

fn color_of(severity: Severity) -> RGBColor {
    match severity {
        Severity::Info => INFO,
        Severity::Warning => WARNING,
        Severity::Critical => CRITICAL,
    }
}

/// A colour that looks the same, for which the style sheet draws dashes.
fn dashed(color: RGBColor) -> RGBColor {
    RGBColor(color.0, color.1, color.2 + 1)
}

/// Colours as the style sheet finds them.
pub(super) fn hex(color: RGBColor) -> String {
    format!("#{:02X}{:02X}{:02X}", color.0, color.1, color.2)
}

/// The rules of the style sheet that give the colours of plots their names.
pub(super) fn style() -> String {
    let mut rules = String::new();
    let mut rule = |color: RGBColor, name: &str| {
        let color = hex(color);
        rules.push_str(&format!(
            "[stroke=\"{color}\"]{{stroke:var(--{name})}}[fill=\"{color}\"]{{fill:var(--{name})}}\n"
        ));
    };
    for (index, color) in LINES.into_iter().enumerate() {
        rule(color, &format!("line{index}"));
        rule(dashed(color), &format!("line{index}"));
    }
    for (color, name) in [
        (GRID, "grid"),
        (TEXT, "dim"),
        (GAP, "gap"),
        (OUTAGE, "outage"),
        (RESTART, "critical"),
        (LIMIT, "critical"),
        (CRITICAL, "critical"),
        (WARNING, "warning"),
        (INFO, "info"),
    ] {
        rule(color, name);
    }
    let dashed = LINES.map(|color| format!("[stroke=\"{}\"]", hex(dashed(color))));
    rules.push_str(&format!("{},[stroke=\"{}\"]{{stroke-dasharray:10 8}}\n", dashed.join(","), hex(LIMIT)));
    rules
}

impl Forecast {
    /// Where its line is at a time; it ends where the filesystem is full.
    fn point(&self, at: i64) -> (i64, f32) {
        #[expect(clippy::cast_possible_truncation, reason = "a pixel")]
        let full = self.end + (self.seconds_to_full * 1000.0) as i64;
        let at = at.min(full);
        #[expect(clippy::cast_possible_truncation, reason = "a pixel")]
        let value = (self.level + self.slope_per_second * (at - self.end) as f64 / 1000.0) as f32;
        (at, value.min(1.0))
    }
}

/// Spans so short that they would not be seen are made as wide as a pixel, and those that are then one are joined.
fn thinned(spans: impl Iterator<Item = Span>, length: i64) -> Vec<Span> {
    let pixel = length / i64::from(SIZE.0) * 2;
    let mut thinned: Vec<Span> = Vec::new();
    for span in spans {
        let end = span.end.max(span.start + pixel);
        match thinned.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(end),
            _ => thinned.push(Span { start: span.start, end }),
        }
    }
    thinned
}

/// The points of a line, apart where there is a gap between them, without those that a straight line goes through anyway.
fn parts<'a>(column: &'a Column, frame: &Frame<'_>, height: f32) -> Vec<Vec<(i64, &'a Bucket)>> {
    let is_even = |one: &Bucket, other: &Bucket| {
        [one.min - other.min, one.mean - other.mean, one.max - other.max]
            .into_iter()
            .all(|step| step.abs() <= height * EVEN)
    };
    let mut parts: Vec<Vec<(i64, &Bucket)>> = Vec::new();
    for (at, bucket) in column.buckets.filled() {
        let is_apart = |last: i64| frame.gaps.lies_between(last, at) || frame.outages.lies_between(last, at);
        match parts.last_mut() {
            Some(part) if part.last().is_some_and(|(last, _)| !is_apart(*last)) => {
                if let [.., (_, before), (_, last)] = part[..]
                    && is_even(before, last)
                    && is_even(before, bucket)
                {
                    part.pop();
                }
                part.push((at, bucket));
            }
            _ => parts.push(vec![(at, bucket)]),
        }
    }
    parts
}
