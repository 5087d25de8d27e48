"use strict";
// Numbers and times in words, as the log and the reports have them (`vitals::words`).

function percent(ratio) {
  if (ratio == null) return "";
  const value = ratio * 100;
  const whole = (value >= 1 && value < 99) || value === 0 || value === 100;
  return `${value.toFixed(whole ? 0 : 1)} %`;
}

function scaled(value, step, units) {
  if (value == null) return "";
  let unit = 0;
  while (Math.abs(value) >= step - 0.5 && unit < units.length - 1) {
    value /= step;
    unit += 1;
  }
  const decimals = Math.abs(value) < 9.95 && !Number.isInteger(value) ? 1 : 0;
  return `${value.toFixed(decimals)} ${units[unit]}`;
}

const bytes = (value) => scaled(value, 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]);
const rate = (value) => scaled(value, 1000, ["B/s", "kB/s", "MB/s", "GB/s", "TB/s"]);
const degrees = (celsius) => (celsius == null ? "" : `${celsius.toFixed(0)} °C`);
const pages = (value) => (value == null ? "" : `${value.toFixed(0)} pages/s`);

/** A span of time in its largest units, two unless told otherwise. */
function span(seconds, most = 2) {
  if (seconds == null) return "";
  let rest = Math.round(Math.abs(seconds));
  const parts = [];
  for (const [length, unit] of [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]]) {
    const number = Math.floor(rest / length);
    rest %= length;
    if (number > 0 || parts.length > 0) parts.push(number > 0 ? `${number} ${unit}` : "");
    if (parts.length === most) break;
  }
  return parts.filter(Boolean).join(" ") || "0 s";
}

/** A time of this day, or with its date. */
function clock(milliseconds) {
  const time = new Date(milliseconds);
  const two = (number) => String(number).padStart(2, "0");
  const hours = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
  const isToday = time.toDateString() === new Date().toDateString();
  return isToday ? hours : `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${hours}`;
}

/** Text with what can't be seen, or turns the text around it, made visible. */
function plain(text, longest = Infinity) {
  const visible = text.replace(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, "\ufffd");
  return visible.length > longest ? `${visible.slice(0, longest)}…` : visible;
}
