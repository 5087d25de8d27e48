#!/usr/bin/env bash
# What a report costs: `scrape-log report` of a month of one host and of a day of 100 hosts, scraped each 15 s.
#
#   cargo build --release && benches/report.sh
#
# The recordings are made up by benches/report.rs. The day is recorded of one host; the others are links to its files, so
# that it takes a few hundred MiB and some minutes. Files are in the page cache when they are read.
#
# In the environment: SCRAPE_LOG (program), MAKER (of recordings), HOSTS, DAYS, SAMPLES (of a page), TMPDIR.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=benches/measure.bash
source benches/measure.bash
# shellcheck source=benches/fleet.bash
source benches/fleet.bash

scrape_log=${SCRAPE_LOG:-target/release/scrape-log}
hosts=${HOSTS:-100}
days=${DAYS:-30}
samples=${SAMPLES:-500}

need "$scrape_log"
directory=$(mktemp -d)
pids=()
trap clean_up EXIT

maker=${MAKER:-$(cargo bench --quiet --bench report --no-run --message-format=json |
    sed -n 's/.*"name":"report".*"executable":"\([^"]*\)".*/\1/p')}
"$maker" "$directory/month" 1 $((days * 24)) "$samples"
"$maker" "$directory/day" 1 24 "$samples"
for ((host = 1; host < hosts; host++)); do
    cp -al "$directory/day/host000_9100" "$directory/day/$(printf 'host%03d_9100' "$host")"
done

# line TITLE [FLAG...]: runs the report and prints a line of the table.
line() {
    local title=$1 from=$EPOCHREALTIME peak='' cpu='' now
    shift
    "$scrape_log" report "$@" --force --quiet -o "$directory/report" &
    local pid=$!
    # The highest so far; what the last look finds is the whole run's.
    while now=$(awk '/^VmHWM:/ { print $2 }' "/proc/$pid/status" 2>/dev/null) && [[ $now ]]; do
        peak=$now
        now=$(cpu_ns "$pid" 2>/dev/null) && cpu=$now
        sleep 0.02
    done
    wait "$pid"
    awk -v title="$title" -v from="$from" -v to="$EPOCHREALTIME" -v peak="$peak" -v cpu="$cpu" \
        -v size="$(stat -c %s "$directory/report")" 'BEGIN {
        printf "| %s | %.1f | %.1f | %.0f | %.2f |\n", title, cpu / 1e9, to - from, peak / 1024, size / 1e6 }'
}

end=2026-12-20T00:00:00Z
echo '| report | CPU, s | time, s | memory at most, MiB | size, MB |'
echo '|---|---:|---:|---:|---:|'
line "$days days of one host, page" "$directory/month" --start 2026-11-20T00:00:00Z --end "$end"
line "$days days of one host, text" "$directory/month" --start 2026-11-20T00:00:00Z --end "$end" --format text
line "a day of $hosts hosts, page" "$directory/day"
line "a day of $hosts hosts, text" "$directory/day" --format text
line "last restart of one host in $days days" "$directory/month" --last-reboot
echo
echo "Pages of about $samples samples, files of $(du -sm "$directory/month" | cut -f 1) MB for the month. $(nproc) CPUs," \
    "Linux $(uname -r), with the files in the page cache."
