// What an open row shows of a host: plots of its last quarter of an hour, and all that is known of it.

/** Milliseconds that plots show. */
const WINDOW = 15 * 60 * 1000;
/** Milliseconds without a number that are a gap even where numbers come often. */
const SHORTEST_GAP = 30 * 1000;

/** The sum of what is known. */
const sum = (one, other) => (one == null && other == null ? null : (one ?? 0) + (other ?? 0));

/** Title, earlier and present numbers, how they read, and the range or limit of each plot. */
function plots({ recent, vitals }) {
  const { hottest } = vitals;
  const network = sum(vitals.network_receive_bytes_per_second, vitals.network_transmit_bytes_per_second);
  const disks = sum(vitals.disk_read_bytes_per_second, vitals.disk_written_bytes_per_second);
  return [
    { title: "CPU", values: recent.cpu_usage_ratio, last: vitals.cpu_usage_ratio, words: percent, top: 1 },
    { title: "Memory", values: recent.memory_used_ratio, last: vitals.memory_used_ratio, words: percent, top: 1 },
    { title: "Network, both ways", values: recent.network_bytes_per_second, last: network, words: rate },
    { title: "Disk I/O, both ways", values: recent.disk_bytes_per_second, last: disks, words: rate },
    { title: "Hottest", values: recent.celsius, last: hottest?.celsius, words: degrees, limit: hottest?.limit_celsius },
  ].filter(({ values, last }) => last != null || values.some((value) => value != null));
}

/** Draws a plot that ends now, of numbers at the times of `host`. It is 900 wide, one for each second, and 100 high. */
function draw({ root, text }, { title, values, last, words, top, limit }, host, interval, now) {
  const end = Math.ceil(now / 10000) * 10000;
  const points = [...host.recent.at_milliseconds.map((time, at) => [time, values[at]]), [host.seen_milliseconds, last]]
    .map(([time, value]) => [(time - end + WINDOW) / 1000, value])
    .filter(([x, value]) => value != null && x >= 0);
  const known = points.map(([, value]) => value);
  const [least, most] = [Math.min(...known), Math.max(...known)];
  const high = top ?? (Math.max(most, limit ?? 0) * 1.05 || 1);
  const height = (value) => (98 - (96 * Math.max(0, value)) / high).toFixed(1);
  const gap = Math.max(STALE_INTERVALS * interval, SHORTEST_GAP) / 1000;
  let [line, area, before] = ["", "", null];
  for (const [x, value] of points) {
    const [at, y] = [x.toFixed(1), height(value)];
    if (before !== null && x - before <= gap) {
      line += `L${at} ${y}`;
      area += `L${at} ${y}`;
    } else {
      // A number alone is a dot.
      line += `M${at} ${y}h0`;
      area += `${before === null ? "" : "V100Z"}M${at} 100V${y}`;
    }
    before = x;
  }
  const [svg, below] = [root.querySelector("svg"), root.querySelector(".area")];
  attribute(root.querySelector(".line"), "d", line || null);
  attribute(below, "d", area ? `${area}V100Z` : null);
  attribute(root.querySelector(".limit"), "d", limit ? `M0 ${height(limit)}H900` : null);
  const range = known.length > 0 ? `${words(least)} – ${words(most)}` : "";
  put(text.title, title);
  put(text.last, words(last));
  put(text.range, range);
  attribute(svg, "aria-label", `${title}, the last 15 minutes: ${range}, now ${words(last)}`);
}

/** Names and words of all numbers; the words are empty where nothing is known. */
function allNumbers(host) {
  const { vitals } = host;
  const place = (thing) => (thing ? `${percent(thing.used_ratio)} of ${plain(thing.mountpoint)}` : "");
  const memory = percent(vitals.memory_used_ratio);
  const { hottest } = vitals;
  const limit = hottest?.limit_celsius ? `, critical at ${degrees(hottest.limit_celsius)}` : "";
  return [
    ["Host", plain(host.name)],
    ["Instance", plain(host.instance)],
    ["Job", plain(host.job)],
    ["Read at", host.seen_milliseconds == null ? "never" : clock(host.seen_milliseconds)],
    ["Read every", span(host.interval_seconds)],
    ["Uptime", span(vitals.uptime_seconds)],
    ["CPU used", percent(vitals.cpu_usage_ratio)],
    ["Load over 1 min", vitals.load1 == null ? "" : vitals.load1.toFixed(2)],
    ["Waiting for CPU", percent(vitals.cpu_waiting_ratio)],
    ["Memory used", memory && vitals.memory_total_bytes ? `${memory} of ${bytes(vitals.memory_total_bytes)}` : memory],
    ["Swap used", percent(vitals.swap_used_ratio)],
    ["From swap", pages(vitals.swapped_in_pages_per_second)],
    ["To swap", pages(vitals.swapped_out_pages_per_second)],
    ["Waiting for memory", percent(vitals.memory_waiting_ratio)],
    ["All waiting for memory", percent(vitals.memory_stalled_ratio)],
    ["Fullest disk", place(vitals.fullest_disk)],
    ["Inodes used", place(vitals.fullest_inodes)],
    ["Waiting for I/O", percent(vitals.io_waiting_ratio)],
    ["All waiting for I/O", percent(vitals.io_stalled_ratio)],
    ["Read from disks", rate(vitals.disk_read_bytes_per_second)],
    ["Written to disks", rate(vitals.disk_written_bytes_per_second)],
    ["Received", rate(vitals.network_receive_bytes_per_second)],
    ["Sent", rate(vitals.network_transmit_bytes_per_second)],
    ["Hottest sensor", hottest ? `${degrees(hottest.celsius)} at ${plain(hottest.name)}${limit}` : ""],
  ];
}
