// The page as a whole: it asks, puts the hosts into their order, counts and filters them, and says how old it all is.

const program = document.body.dataset.program;
const table = document.getElementById("hosts");
const filter = document.getElementById("filter");
const input = filter.elements.text;
const banner = document.getElementById("banner");
const counts = document.getElementById("counts");
const updated = document.getElementById("updated");
const icon = document.querySelector("link[rel=icon]");
/** The program and where it runs. */
const place = document.title;

/** The worst last. */
const LEVELS = ["up", "unknown", "stale", "info", "warning", "critical", "down"];
/** Milliseconds between two updates, at least and at most. */
const FASTEST = 2000;
const SLOWEST = 5000;
/** Milliseconds until the first numbers are followed by others: rates are between two of them. */
const FIRST = 1000;
/** Milliseconds after which an answer is not waited for any more. */
const PATIENCE = 10000;

/** Rows by the job and instance of their hosts. */
const rows = new Map();
let pace = FASTEST;
/** The time of the last answer, by the clock of the program and by ours. */
let answered = null;
/** The moment of the first answer. */
let firstAnswer = null;
/** What is wrong with the program, if anything. */
let trouble = "";
/** What is wrong with the hosts, in a few words. */
let summary = "";
let timer = 0;
let asking = false;
let askAgain = false;

/** The time now by the clock of the program. */
function hostTime() {
  return answered ? answered.theirs + Date.now() - answered.ours : Date.now();
}

// ---- Asking.

async function ask() {
  clearTimeout(timer);
  if (asking) {
    askAgain = true;
    return;
  }
  asking = true;
  let wait = pace;
  try {
    const began = await receive();
    firstAnswer ??= began;
    wait = began - firstAnswer < FIRST ? FIRST : Math.max(pace, 10 * (performance.now() - began));
    trouble = "";
  } catch (error) {
    trouble = error instanceof Answer ? error.message : "does not answer";
  }
  asking = false;
  tick();
  if (document.hidden) return;
  timer = setTimeout(ask, askAgain ? 0 : wait);
  askAgain = false;
}

/** What an answer is that is of no use. */
class Answer extends Error {}

/** Asks for the state and shows it. Gives the moment when the answer was there. */
async function receive() {
  const opened = [...rows.values()].filter((row) => row.detail);
  const query = new URLSearchParams(opened.map((row) => ["recent", row.host.instance]));
  const url = `api/v1/vitals${opened.length > 0 ? `?${query}` : ""}`;
  const response = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
  if (!response.ok) throw new Answer(`answers with ${response.status}`);
  const text = await response.text();
  const began = performance.now();
  try {
    show(JSON.parse(text));
  } catch (error) {
    console.error(error);
    throw new Answer("gives an answer that can't be read");
  }
  return began;
}

// ---- Showing.

/** Brings the table up to date. */
function show(status) {
  answered = { theirs: status.time_milliseconds, ours: Date.now() };
  const intervals = status.hosts.map((host) => (host.interval_seconds ?? 0) * 1000);
  pace = Math.min(SLOWEST, Math.max(FASTEST, Math.min(...intervals)));
  const gone = new Set(rows.keys());
  for (const host of status.hosts) {
    let key = JSON.stringify([host.job, host.instance]);
    while (rows.has(key) && !gone.has(key)) key += "+";
    gone.delete(key);
    let row = rows.get(key);
    if (!row) {
      row = new Row();
      rows.set(key, row);
      table.append(row.root);
      row.update(host, hostTime(), pace);
      // There is no other to look at.
      if (status.hosts.length === 1) setOpen(row, true);
    } else {
      row.update(host, hostTime(), pace);
    }
  }
  for (const key of gone) {
    rows.get(key).root.remove();
    rows.delete(key);
  }
  arrange();
  count();
  sift();
  hide(table, rows.size === 0);
  hide(filter, rows.size < 2);
}

const names = new Intl.Collator(undefined, { numeric: true });

/** Puts the rows in order, the worst first, with as few moves as can be. The row that has the focus or the selection stays. */
function arrange() {
  const wanted = [...rows.values()].sort(
    (one, other) =>
      LEVELS.indexOf(other.level) - LEVELS.indexOf(one.level) ||
      other.load - one.load ||
      names.compare(one.host.name, other.host.name) ||
      names.compare(one.host.instance, other.host.instance),
  );
  const at = new Map([...table.tBodies].map((root, index) => [root, index]));
  const places = wanted.map((row) => at.get(row.root));
  if (places.every((_, index) => index === 0 || places[index - 1] < places[index])) return;
  const held = (node) => node && wanted.findIndex((row) => row.root.contains(node));
  const anchor = [document.activeElement, getSelection().anchorNode].map(held).find((index) => index >= 0);
  const staying = longestRising(places, anchor);
  let next = null;
  for (let index = wanted.length - 1; index >= 0; index -= 1) {
    if (!staying.has(index)) table.insertBefore(wanted[index].root, next);
    next = wanted[index].root;
  }
}

/** The indices of a longest rising run of `numbers`, with gaps, through the one at `anchor` if there is one. */
function longestRising(numbers, anchor) {
  const fits = (index) => anchor === undefined || (index - anchor) * (numbers[index] - numbers[anchor]) > 0 || index === anchor;
  const ends = []; // of the runs of each length, the index of the smallest last number
  const before = [];
  for (let index = 0; index < numbers.length; index += 1) {
    if (!fits(index)) continue;
    let [low, high] = [0, ends.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (numbers[ends[middle]] < numbers[index]) low = middle + 1;
      else high = middle;
    }
    before[index] = ends[low - 1];
    ends[low] = index;
  }
  const run = new Set();
  for (let index = ends.at(-1); index !== undefined; index = before[index]) run.add(index);
  return run;
}

/** Shows how many hosts are up and down, and how many problems the others have. */
function count() {
  const hosts = [...rows.values()].map((row) => row.host);
  const having = (state) => hosts.filter((host) => host.state === state).length;
  const problems = hosts.filter((host) => host.state !== "down").flatMap((host) => host.problems);
  const stale = [...rows.values()].filter((row) => row.isStale && row.host.state === "up").length;
  const numbers = { up: having("up"), unknown: having("unknown"), down: having("down"), stale };
  for (const severity of ["critical", "warning", "info"]) {
    numbers[severity] = problems.filter((problem) => problem.severity === severity).length;
  }
  for (const button of counts.children) {
    const level = button.dataset.level;
    const of = level === "up" ? ` of ${hosts.length}` : "";
    put(button, `${numbers[level]}${of} ${level === "unknown" ? "without data" : level}`);
    hide(button, level === "up" ? hosts.length === 0 : numbers[level] === 0);
  }
  const bad = ["down", "critical", "warning"].filter((level) => numbers[level] > 0);
  summary = bad.map((level) => `${numbers[level]} ${level}`).join(" · ");
}

/** Says how old everything is, by itself as time goes by. */
function tick() {
  const now = hostTime();
  const age = answered ? Date.now() - answered.ours : 0;
  const isSilent = trouble !== "" || age > Math.max(STALE_INTERVALS * pace, PATIENCE);
  if (document.body.classList.contains("silent") !== isSilent) document.body.classList.toggle("silent");
  hide(banner, !isSilent);
  // The age is beside it: what is read out loud should not come again each second.
  const what = answered ? `What is here is as of ${clock(answered.theirs)}.` : "There is nothing to show yet.";
  const title = isSilent ? "no answer" : summary;
  put(document.querySelector("title"), `${title || (answered ? "all well" : "…")} · ${place}`);
  attribute(icon, "href", document.body.dataset[title ? "ill" : "well"]);
  if (isSilent) put(banner, `${program} ${trouble || "has not answered"}. ${what}`);
  if (answered) put(updated, isSilent ? `${clock(answered.theirs)}, ${span(age / 1000, 1)} ago` : clock(answered.theirs));
  for (const row of rows.values()) row.age(now);
}

// ---- What people do.

function setOpen(row, isOpen) {
  row.toggle(isOpen);
  if (isOpen) ask();
}

/** Hides the rows that do not have all words of the filter. */
function sift() {
  const words = input.value.toLowerCase().split(/\s+/);
  let shown = 0;
  for (const row of rows.values()) {
    const isHidden = !words.every((word) => row.haystack.includes(word));
    hide(row.root, isHidden);
    shown += isHidden ? 0 : 1;
  }
  put(document.getElementById("shown"), input.value.trim() ? `${shown} of ${rows.size} hosts` : "");
  hide(document.getElementById("none"), shown > 0 || rows.size === 0);
  for (const button of counts.children) attribute(button, "aria-pressed", String(input.value === `is:${button.dataset.level}`));
}

/** Filters by `text`, which stays when the page is loaded again and can be sent to somebody. */
function filterBy(text) {
  if (input.value !== text) input.value = text;
  history.replaceState(null, "", text ? `#${new URLSearchParams({ text })}` : location.pathname + location.search);
  sift();
}

function recall() {
  input.value = new URLSearchParams(location.hash.slice(1)).get("text") ?? "";
  sift();
}

table.addEventListener("click", (event) => {
  const line = event.target.closest("tr.row");
  const isButton = event.target.closest("button") !== null;
  // Who selects text does not want to open the row.
  if (!line || (!isButton && !getSelection().isCollapsed)) return;
  const { row } = line.parentElement;
  setOpen(row, !row.detail);
});

counts.addEventListener("click", (event) => {
  const { level } = event.target.dataset;
  if (level) filterBy(input.value === `is:${level}` ? "" : `is:${level}`);
});

filter.addEventListener("submit", (event) => event.preventDefault());
input.addEventListener("input", () => filterBy(input.value));

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/" && event.target !== input && !filter.hidden) {
    event.preventDefault();
    input.focus();
    input.select();
  } else if (event.key === "Escape") {
    if (input.value === "") input.blur();
    filterBy("");
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    const buttons = [...table.querySelectorAll("tbody:not([hidden]) button")];
    const at = buttons.indexOf(document.activeElement);
    const to = buttons[at + (event.key === "ArrowDown" ? 1 : -1)];
    if (at < 0 || !to) return;
    event.preventDefault();
    to.focus();
  }
});

// Nobody looks at a hidden tab.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer);
  else ask();
});

window.addEventListener("hashchange", recall);
setInterval(() => document.hidden || tick(), 1000);
recall();
ask();
