#!/usr/bin/env bash
# vitals-exporter beside node_exporter on this host: CPU per scrape, latency, memory, start, sizes, as a Markdown
# table.
#
#   cargo build --release && benches/side-by-side.sh
#
# Needs node_exporter (Debian: prometheus-node-exporter), curl and wrk; with strace and cc also what the bare reading
# of node_exporter's files costs in C. NODE_EXPORTER, VITALS_EXPORTER, ROUNDS, SCRAPES and STARTS in the environment
# replace the defaults. Both run their default collectors on free loopback ports and are loaded in alternating rounds,
# so that whatever else the machine does meets both.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=benches/measure.bash
source benches/measure.bash

theirs=${NODE_EXPORTER:-prometheus-node-exporter}
ours=${VITALS_EXPORTER:-target/release/vitals-exporter}
rounds=${ROUNDS:-5}
scrapes=${SCRAPES:-500} # of each exporter in each round, one after another
starts=${STARTS:-11}
before_memory=1000 # scrapes before memory is read for the first time
clients=16
seconds=5 # of load by $clients clients in each round
first_port=19871 # for the starts: any ports that are free here
# Filters for which distributions set defaults of their own.
filters=(--collector.netdev.device-exclude= '--collector.filesystem.mount-points-exclude=^/(dev|proc|run|sys)($|/)')
# Debian switches on what node_exporter leaves off.
theirs_only=(--no-collector.systemd)

for program in "$theirs" "$ours" curl wrk; do
    command -v "$program" >/dev/null || { echo "side-by-side: $program is missing" >&2; exit 1; }
done

directory=$(mktemp -d)
pids=()
clean_up() {
    local pid
    for pid in "${pids[@]}"; do stop "$pid"; done
    rm -rf "$directory"
}
trap clean_up EXIT

our_command=("$ours" "${filters[@]}")
their_command=("$theirs" "${filters[@]}" "${theirs_only[@]}")

for ((n = 0; n < starts; n++)); do
    first_scrape ours $((first_port + 2 * n)) "${our_command[@]}"
    first_scrape theirs $((first_port + 2 * n + 1)) "${their_command[@]}"
done

start ours "${our_command[@]}"
start theirs "${their_command[@]}"

for name in ours theirs; do
    pid=pid_$name url=url_$name
    scrape_many "${!url}" "$before_memory"
    resident_mib "${!pid}" >"$directory/$name.rss_scrapes"
    curl --silent --fail "${!url}" >"$directory/$name.page"
    wc -c <"$directory/$name.page" | awk '{ printf "%.1f\n", $1 / 1024 }' >"$directory/$name.size"
    grep -vc '^#' "$directory/$name.page" >"$directory/$name.samples"
    grep -c '^node_scrape_collector_success' "$directory/$name.page" >"$directory/$name.collectors"
    stat -Lc %s "/proc/${!pid}/exe" | awk '{ printf "%.1f\n", $1 / 1048576 }' >"$directory/$name.binary"
done

files=0
if command -v strace >/dev/null && command -v cc >/dev/null; then
    cc -O2 -o "$directory/open-read-close" benches/open-read-close.c
    files_read_by "$pid_theirs" "$url_theirs" >"$directory/files"
    files=$(wc -l <"$directory/files")
    ((files)) || sed 's/^/side-by-side: strace: /' "$directory/strace.errors" >&2
fi

for ((round = 0; round < rounds; round++)); do
    if ((files)); then
        "$directory/open-read-close" "$scrapes" <"$directory/files" >>"$directory/floor"
    fi
    for name in ours theirs; do
        pid=pid_$name url=url_$name
        cpu_per_scrape "$name" "${!pid}" "${!url}" "$scrapes"
        load "$name" "${!url}" "$clients" "$seconds"
    done
done
for name in ours theirs; do
    pid=pid_$name
    resident_mib "${!pid}" >"$directory/$name.rss_load"
done

version=$("$theirs" --version 2>&1 | sed -n 's/.*version \([0-9.]*\).*/\1/p;q')
echo "| | vitals-exporter | node_exporter $version | times better |"
echo '|---|---:|---:|---:|'
row "CPU per scrape with gzip, ms (median of $rounds rounds of $scrapes)" cpu less
if ((files)); then
    floor=$(median <"$directory/floor")
    for name in ours theirs; do
        awk -v floor="$floor" '{ printf "%.2f\n", $1 / floor }' "$directory/$name.cpu" >"$directory/$name.of_floor"
    done
    row "the same in units of opening, reading and closing the same $files files in C ($floor ms)" of_floor
fi
row "latency with $clients clients, median, ms" p50 less
row "latency with $clients clients, 99 %, ms" p99 less
row "scrapes per second with $clients clients" rate more
row "resident memory after $before_memory scrapes one after another, MiB" rss_scrapes less
row "resident memory after $clients clients, MiB" rss_load less
row "start to the end of the first scrape, ms (median of $starts)" first less
row 'program, MiB' binary less
row 'page, KiB' size
row 'samples on the page' samples
row 'collectors that are on' collectors
echo
echo "$(nproc) CPUs, Linux $(uname -r), default collectors of both. The $files files are those below /proc and /sys that" \
    'node_exporter reads in one scrape.'
