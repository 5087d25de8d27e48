// A host: its row in the table, and its details when the row is open.

/** Numbers are old after so many intervals. */
const STALE_INTERVALS = 2.5;
/** Hosts change places when the one is busier by so much. */
const BUSIER = 0.05;
/** Characters of a name or a sentence in a row; all of them are among the details. */
const LONGEST = 200;

/** The cells that the problems of an alert colour. */
const CELLS = [
  [/^NodeFilesystem|^NodeRAID/, "disk"],
  [/^NodeMemoryPressure|^NodeHungTasks/, "pressure"],
  [/^NodeMemory|^NodeSwap|^NodeOOMKill/, "memory"],
  [/^NodeTemperature|^NodeFan|^NodeCPUThrottled/, "heat"],
  [/^NodeRebooted|^NodeUncleanShutdown/, "uptime"],
  [/^NodeCPU/, "cpu"],
  [/^NodeHighNumberConntrack|^NodeNetwork/, "network"],
];

/** Who waits for what, and the highest of it. */
function pressure(vitals) {
  const shares = [["CPU", vitals.cpu_waiting_ratio], ["memory", vitals.memory_waiting_ratio], ["I/O", vitals.io_waiting_ratio]];
  return shares.reduce((worst, share) => ((share[1] ?? -1) > (worst[1] ?? -1) ? share : worst), ["", null]);
}

/** One host of the table. */
class Row {
  constructor() {
    Object.assign(this, copy("host"));
    this.root.row = this;
    this.button = this.root.querySelector("button");
    this.load = 0;
    this.detail = null;
  }

  update(host, now, pace) {
    this.host = host;
    const { vitals, problems } = host;
    const worst = problems[0];
    const interval = (host.interval_seconds ?? pace / 1000) * 1000;
    this.interval = interval;
    this.isStale = host.seen_milliseconds != null && now - host.seen_milliseconds > STALE_INTERVALS * interval;
    this.level = host.state === "down" ? "down" : worst?.severity ?? (this.isStale ? "stale" : host.state);
    attribute(this.root, "class", `host ${this.level}${this.isStale || host.state === "down" ? " old" : ""}`);
    const said = problems.flatMap(({ alert, about, sentence }) => [alert, about, sentence]);
    // A host that is down counts as that alone.
    const severities = host.state === "down" ? [] : problems.map(({ severity }) => `is:${severity}`);
    const states = [`is:${host.state}`, this.isStale ? "is:stale" : "", ...severities];
    this.haystack = [host.name, host.instance, host.job, ...said, ...states].join("\n").toLowerCase();

    put(this.text.name, plain(host.name, LONGEST));
    const place = host.instance === host.name ? [host.job] : [host.instance, host.job];
    put(this.text.place, plain(place.filter(Boolean).join(" · "), LONGEST));
    put(this.text.level, this.level === "unknown" ? "no data yet" : this.level);
    put(this.text.sentence, worst ? plain(worst.sentence, LONGEST) : "");
    attribute(this.text.sentence, "title", worst ? plain(worst.sentence, 2000) : null);
    this.numbers(vitals);
    for (const [name, cell] of Object.entries(this.cell)) {
      const problem = problems.find(({ alert }) => CELLS.find(([alerts]) => alerts.test(alert))?.[1] === name);
      attribute(cell, "data-severity", problem?.severity ?? null);
    }
    if (this.detail) this.showDetail(now);
    this.age(now);
  }

  numbers(vitals) {
    const { fullest_disk: disk, hottest } = vitals;
    const [waits, waiting] = pressure(vitals);
    const heat = hottest?.limit_celsius ? hottest.celsius / hottest.limit_celsius : null;
    const texts = {
      uptime: span(vitals.uptime_seconds),
      cpu: percent(vitals.cpu_usage_ratio),
      memory: percent(vitals.memory_used_ratio),
      disk: percent(disk?.used_ratio),
      mountpoint: plain(disk?.mountpoint ?? "", LONGEST),
      pressure: percent(waiting),
      pressure_of: waiting ? waits : "",
      heat: degrees(hottest?.celsius),
      heat_limit: hottest?.limit_celsius ? `of ${degrees(hottest.limit_celsius)}` : "",
      receive: arrow("↓", vitals.network_receive_bytes_per_second),
      transmit: arrow("↑", vitals.network_transmit_bytes_per_second),
      read: arrow("r", vitals.disk_read_bytes_per_second),
      written: arrow("w", vitals.disk_written_bytes_per_second),
    };
    for (const [name, text] of Object.entries(texts)) put(this.text[name], text);
    const bars = { cpu: vitals.cpu_usage_ratio, memory: vitals.memory_used_ratio, disk: disk?.used_ratio, pressure: waiting, heat };
    for (const [name, ratio] of Object.entries(bars)) {
      const share = ratio == null ? "" : Math.min(1, Math.max(0, ratio)).toFixed(3);
      if (this.bar[name].share === share) continue;
      this.bar[name].share = share;
      this.bar[name].style.transform = `scaleX(${share || 0})`;
      hide(this.bar[name].parentElement, share === "");
    }
    attribute(this.cell.heat, "title", hottest ? plain(hottest.name, 2000) : null);
    attribute(this.cell.disk, "title", disk ? plain(disk.mountpoint, 2000) : null);
    const load = Math.max(...Object.values(bars).map((ratio) => ratio ?? 0));
    if (Math.abs(load - this.load) > BUSIER) this.load = load;
  }

  /** What becomes another text by itself as time goes by. */
  age(now) {
    const { seen_milliseconds: seen, problems, state } = this.host;
    const old = this.isStale && seen != null ? `numbers ${span((now - seen) / 1000, 1)} old` : "";
    const since = problems.length > 0 ? `for ${span(Math.max(0, now - problems[0].since_milliseconds) / 1000, 1)}` : "";
    const more = problems.length > 1 ? `+${problems.length - 1} more` : "";
    put(this.text.since, [since, more, state === "down" ? "" : old].filter(Boolean).join(", "));
  }

  toggle(open) {
    attribute(this.button, "aria-expanded", String(open));
    if (!open) {
      this.detail?.root.remove();
      this.detail = null;
      return;
    }
    this.detail = { ...copy("detail"), problems: [], plots: [], numbers: [] };
    this.root.append(this.detail.root);
    this.showDetail(hostTime());
  }

  showDetail(now) {
    const { host, detail } = this;
    const { root } = detail;
    list(root.querySelector(".problems"), detail.problems, "problem", host.problems, (copied, problem) => {
      attribute(copied.root, "class", problem.severity);
      put(copied.text.severity, problem.severity);
      put(copied.text.sentence, plain(problem.sentence));
      put(copied.text.since, `since ${clock(problem.since_milliseconds)}`);
      put(copied.text.alert, problem.alert);
    });
    if (host.recent) {
      const fill = (copied, plot) => draw(copied, plot, host, this.interval, now);
      list(root.querySelector(".plots"), detail.plots, "plot", plots(host), fill);
    }
    const facts = allNumbers(host).filter(([, value]) => value !== "");
    list(root.querySelector(".numbers"), detail.numbers, "number", facts, ({ text }, [name, value]) => {
      put(text.name, name);
      put(text.value, value);
    });
    hide(root.querySelector(".note"), host.interval_seconds != null);
  }
}

function arrow(sign, value) {
  return value == null ? "" : `${sign} ${rate(value)}`;
}
