#!/usr/bin/env bash
# vitals-exporter beside node_exporter on this host: CPU per scrape, latency, memory, sizes, as a Markdown table.
#
#   cargo build --release && benches/side-by-side.sh
#
# Needs node_exporter (Debian: prometheus-node-exporter), curl and wrk; NODE_EXPORTER, VITALS_EXPORTER, ROUNDS and
# SCRAPES in the environment replace the defaults. Both run the same collectors on free loopback ports and are
# loaded in alternating rounds, so that whatever else the machine does meets both.
set -euo pipefail
cd "$(dirname "$0")/.."

theirs=${NODE_EXPORTER:-prometheus-node-exporter}
ours=${VITALS_EXPORTER:-target/release/vitals-exporter}
rounds=${ROUNDS:-5}
scrapes=${SCRAPES:-500} # of each exporter in each round, one after another
clients=16
seconds=5 # of load by $clients clients in each round
# Filters for which distributions set defaults of their own.
filters=(--collector.netdev.device-exclude= '--collector.filesystem.mount-points-exclude=^/(dev|proc|run|sys)($|/)')
collectors=(cpu diskstats filesystem loadavg meminfo netdev os pressure stat textfile time uname vmstat)

for program in "$theirs" "$ours" curl wrk; do
    command -v "$program" >/dev/null || { echo "side-by-side: $program is missing" >&2; exit 1; }
done

directory=$(mktemp -d)
pids=()
stop() {
    kill "${pids[@]}" 2>/dev/null || true
    wait "${pids[@]}" 2>/dev/null || true
    rm -rf "$directory"
}
trap stop EXIT

# start NAME PROGRAM [FLAG...]: sets pid_NAME and url_NAME.
start() {
    local name=$1 address='' flags=(--web.listen-address=127.0.0.1:0 --collector.disable-defaults)
    shift
    flags+=("${filters[@]}" "${collectors[@]/#/--collector.}")
    "$@" "${flags[@]}" 2>"$directory/$name.log" >&2 &
    pids+=($!)
    declare -g "pid_$name=$!"
    for _ in {1..100}; do
        address=$(sed -n '/[Ll]istening/s/.*address=\(127[0-9.:]*\).*/\1/p' "$directory/$name.log" | head -n 1)
        [[ $address ]] && break
        kill -0 "${pids[-1]}" 2>/dev/null || break
        sleep 0.1
    done
    [[ $address ]] || { cat "$directory/$name.log" >&2; exit 1; }
    declare -g "url_$name=http://$address/metrics"
}

# cpu_ns PID: nanoseconds that all threads of a process have run. Threads that ended are not in it; neither
# exporter ends threads under steady load.
cpu_ns() {
    cat "/proc/$1"/task/*/schedstat | awk '{ sum += $1 } END { printf "%.0f\n", sum }'
}

# scrape_many URL: $scrapes scrapes over one connection, as Prometheus does it.
scrape_many() {
    local n
    for ((n = 0; n < scrapes; n++)); do
        printf 'url = "%s"\noutput = "/dev/null"\n' "$1"
    done | curl --silent --show-error --fail --compressed --config -
}

# The median of the numbers on standard input.
median() {
    sort -g | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# In milliseconds, from wrk's "1.23ms", "456.00us", "1.20s".
milliseconds() {
    awk '{ n = $1 + 0; if ($1 ~ /us$/) n /= 1000; else if ($1 !~ /ms$/) n *= 1000; printf "%.3f\n", n }'
}

start ours "$ours"
start theirs "$theirs"

for ((round = 0; round < rounds + 1; round++)); do
    for name in ours theirs; do
        pid=pid_$name url=url_$name
        before=$(cpu_ns "${!pid}")
        scrape_many "${!url}"
        after=$(cpu_ns "${!pid}")
        # The first round warms up.
        ((round == 0)) && continue
        awk -v ns=$((after - before)) -v n="$scrapes" 'BEGIN { printf "%.4f\n", ns / n / 1e6 }' >>"$directory/$name.cpu"
        wrk --latency -t 2 -c "$clients" -d "${seconds}s" "${!url}" >"$directory/wrk"
        awk '$1 == "50%" { print $2 }' "$directory/wrk" | milliseconds >>"$directory/$name.p50"
        awk '$1 == "99%" { print $2 }' "$directory/wrk" | milliseconds >>"$directory/$name.p99"
        awk '$1 == "Requests/sec:" { print $2 }' "$directory/wrk" >>"$directory/$name.rate"
        if grep -q 'Non-2xx' "$directory/wrk"; then
            grep 'Non-2xx' "$directory/wrk" | sed "s/^/side-by-side: $name:/" >&2
        fi
    done
done

for name in ours theirs; do
    pid=pid_$name url=url_$name
    awk '/^VmRSS:/ { printf "%.1f\n", $2 / 1024 }' "/proc/${!pid}/status" >"$directory/$name.rss"
    curl --silent --fail "${!url}" >"$directory/$name.page"
    wc -c <"$directory/$name.page" | awk '{ printf "%.1f\n", $1 / 1024 }' >"$directory/$name.size"
    grep -vc '^#' "$directory/$name.page" >"$directory/$name.samples"
    stat -Lc %s "/proc/${!pid}/exe" | awk '{ printf "%.1f\n", $1 / 1048576 }' >"$directory/$name.binary"
done

# row TITLE FILE [less|more]: the third says which is better; without it there is no "times better".
row() {
    local left right
    left=$(median <"$directory/ours.$2") right=$(median <"$directory/theirs.$2")
    awk -v title="$1" -v left="$left" -v right="$right" -v better="${3:-}" 'BEGIN {
        ratio = "–"
        if (better) ratio = sprintf("%.1f", better == "more" ? left / right : right / left)
        printf "| %s | %s | %s | %s |\n", title, left, right, ratio
    }'
}

version=$("$theirs" --version 2>&1 | sed -n 's/.*version \([0-9.]*\).*/\1/p;q')
echo "| | vitals-exporter | node_exporter $version | times better |"
echo '|---|---:|---:|---:|'
row "CPU per scrape with gzip, ms (median of $rounds rounds of $scrapes)" cpu less
row "latency with $clients clients, median, ms" p50 less
row "latency with $clients clients, 99 %, ms" p99 less
row "scrapes per second with $clients clients" rate more
row 'resident memory after that, MiB' rss less
row 'program, MiB' binary less
row 'page, KiB' size
row 'samples on the page' samples
echo
echo "$(nproc) CPUs, Linux $(uname -r), collectors: ${collectors[*]}"
