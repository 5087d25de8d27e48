#!/usr/bin/env bash
# What vitals-exporter costs while nobody looks at it, with a Prometheus, and with somebody who looks at its page: CPU
# time, as a Markdown table.
#
#   cargo build --release && benches/viewer.sh
#
# Needs curl 7.84 or newer. VITALS_EXPORTER, ROUNDS and SECONDS_EACH in the environment replace the defaults. All take
# turns, so that whatever else the machine does meets each of them.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=benches/measure.bash
source benches/measure.bash

exporter=${VITALS_EXPORTER:-target/release/vitals-exporter}
rounds=${ROUNDS:-3}
seconds=${SECONDS_EACH:-60}
# Requests in a minute: of a Prometheus every 15 s, and of the page every 2 s.
scrapes=4
looks=30

for program in "$exporter" curl; do
    command -v "$program" >/dev/null || { echo "viewer: $program is missing" >&2; exit 1; }
done

directory=$(mktemp -d)
pids=()
clean_up() {
    local pid
    for pid in "${pids[@]}"; do stop "$pid"; done
    rm -rf "$directory"
}
trap clean_up EXIT

start exporter "$exporter"
page=${url_exporter%/metrics}
host=$(curl --silent --fail "$page/api/v1/vitals" | sed 's/.*"instance":"\([^"]*\)".*/\1/')

# ask URL TIMES_A_MINUTE: over one connection, until it is stopped; sets asker.
ask() {
    local n
    for ((n = 0; n < 10000; n++)); do
        printf 'url = "%s"\noutput = "/dev/null"\n' "$1"
    done >"$directory/urls"
    curl --silent --fail --compressed --rate "$2/m" --config "$directory/urls" &
    asker=$!
    pids+=("$asker")
}

# measure FILE: milliseconds of CPU in each second.
measure() {
    local before after
    sleep 2 # the first request is another than those that follow
    before=$(cpu_ns "$pid_exporter")
    sleep "$seconds"
    after=$(cpu_ns "$pid_exporter")
    awk -v ns=$((after - before)) -v seconds="$seconds" 'BEGIN { printf "%.3f\n", ns / seconds / 1e6 }' >>"$directory/$1"
}

# with FILE URL TIMES_A_MINUTE
with() {
    ask "$2" "$3"
    measure "$1"
    stop "$asker"
    unset 'pids[-1]'
}

for ((round = 0; round < rounds; round++)); do
    measure nobody
    with prometheus "$url_exporter" "$scrapes"
    with viewer "$page/api/v1/vitals?recent=$host" "$looks"
done

echo '| vitals-exporter with | CPU, ms in a second | of one CPU |'
echo '|---|---:|---:|'
for name in 'nobody' 'prometheus' 'viewer'; do
    case $name in
        nobody) title='nobody' ;;
        prometheus) title='a Prometheus, every 15 s' ;;
        viewer) title='somebody who looks at its page, every 2 s' ;;
    esac
    median <"$directory/$name" | awk -v title="$title" '{ printf "| %s | %.2f | %.3f %% |\n", title, $1, $1 / 10 }'
done
echo
echo "$(nproc) CPUs, Linux $(uname -r), median of $rounds rounds of $seconds s."
