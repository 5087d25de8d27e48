#!/usr/bin/env bash
# Bytes on disk for each sample: scrape-log's files, compressed, beside the block that promtool makes of the same files,
# as a Markdown table; for the fleet's pages, and for those of real exporters on this machine with some load on it.
#
#   cargo build --release && benches/size.sh          four minutes
#   cargo build --release && benches/size.sh --true   an hour: scrapes 15 s apart
#
# Without --true an hour is recorded at a scrape a second. The fleet's clock runs 15 times as fast, so that its values
# move as far as they do in 15 s; those of the real exporters move less, which flatters both formats alike. Then the
# timestamps are written anew, 15 s apart, and the files compressed as scrape-log does it.
#
# Needs curl, zstd and promtool; node_exporter (Debian: prometheus-node-exporter) and target/release/vitals-exporter
# are the real exporters, each where it is there. In the environment: SCRAPE_LOG, PROMTOOL, NODE_EXPORTER and
# VITALS_EXPORTER (programs), TARGETS (of the fleet), SCRAPES (recorded), STEP (seconds from one to the next), ZSTD
# (the flags of the command zstd that make what scrape-log makes), PORT, FLEET, SCRAPE_LOG_FLAGS, TMPDIR.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=benches/measure.bash
source benches/measure.bash
# shellcheck source=benches/fleet.bash
source benches/fleet.bash

interval=15 # of the schedule that the files are about
case ${1:-} in
    '') step=${STEP:-1} anew=1 ;;
    --true) step=$interval anew=0 ;;
    *) echo "size.sh: $1 is no option, expected --true" >&2; exit 64 ;;
esac
scrape_log=${SCRAPE_LOG:-target/release/scrape-log}
promtool=${PROMTOOL:-promtool}
node_exporter=${NODE_EXPORTER:-prometheus-node-exporter}
vitals_exporter=${VITALS_EXPORTER:-target/release/vitals-exporter}
targets=${TARGETS:-5}
scrapes=${SCRAPES:-240}
port=${PORT:-19110}
read -ra zstd_flags <<<"${ZSTD:--9}"

need curl zstd "$promtool" "$scrape_log"

directory=$(mktemp -d)
pids=()
trap clean_up EXIT

# some_load: bursts on a CPU and the disk, with pauses.
some_load() {
    while :; do
        head -c $((RANDOM * 2000)) /dev/urandom | sha256sum >/dev/null
        head -c $((RANDOM * 200)) /dev/zero >"$directory/load"
        sync "$directory/load"
        sleep "0.$((RANDOM % 10))"
    done
}

# text_of STORAGE INSTANCE: all files of one target as one text without its end.
text_of() {
    local file
    find "$1" -name 'samples-*.om' -o -name 'samples-*.om.zst' | sort | while read -r file; do
        case $file in
            *.zst) zstd -dcq "$file" ;;
            *) cat "$file" ;;
        esac >"$directory/file"
        if grep -qF "instance=\"$2\"" "$directory/file"; then grep -v '^# EOF$' "$directory/file"; fi
    done
}

# on_schedule: the first $scrapes scrapes, as they are with --true, else at the schedule's distance from an even hour on.
on_schedule() {
    awk -v most="$scrapes" -v interval="$interval" -v anew="$anew" '
        /^#/ { if (n <= most) print; next }
        $NF != last { # each scrape has one timestamp
            n++
            if (n == 1) begin = $NF - $NF % 7200 + $NF % 1
            last = $NF
            time = anew ? sprintf("%.3f", begin + (n - 1) * interval) : $NF
        }
        n <= most { print substr($0, 1, length($0) - length($NF)) time }'
}

# share_of_changes: of the samples, those that differ from the scrape before, in percent.
share_of_changes() {
    awk '!/^#/ { series = substr($0, 1, length($0) - length($NF) - length($(NF - 1)) - 2)
                 if (series in before) { all++; if (before[series] != $(NF - 1)) changed++ }
                 before[series] = $(NF - 1) }
         END { printf "%.1f\n", 100 * changed / all }'
}

# bytes FILE|DIRECTORY...
bytes() {
    find "$@" -type f -printf '%s\n' | awk '{ sum += $1 } END { printf "%.0f\n", sum }'
}

# report TITLE INSTANCE...: a row of the table, for all these targets together.
report() {
    local title=$1 instance work=$directory/report
    shift
    rm -rf "$work"
    mkdir -p "$work/files" "$work/block"
    for instance; do
        text_of "$directory/storage" "$instance" | on_schedule >"$work/files/$instance.om"
        cat "$work/files/$instance.om" >>"$work/all"
        echo '# EOF' >>"$work/files/$instance.om"
        zstd -q "${zstd_flags[@]}" "$work/files/$instance.om"
    done
    echo '# EOF' >>"$work/all"
    # Prometheus has all targets in one block, which is in its favour.
    "$promtool" tsdb create-blocks-from openmetrics "$work/all" "$work/block" >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        exit 1
    }
    awk -v title="$title" -v n="$(grep -vc '^#' "$work/all")" -v text="$(bytes "$work/all")" \
        -v changes="$(share_of_changes <"$work/all")" \
        -v zst="$(find "$work/files" -name '*.zst' -printf '%s\n' | awk '{ sum += $1 } END { print sum }')" \
        -v block="$(bytes "$work/block")" -v chunks="$(find "$work/block" -path '*/chunks/*' -printf '%s\n' |
            awk '{ sum += $1 } END { print sum }')" \
        'BEGIN { printf "| %s | %d | %.1f | %.1f | %.2f | %.2f | %.2f | %.2f |\n", title, n, changes, text / n, zst / n,
                 block / n, chunks / n, zst / block }'
}

start_fleet --targets "$targets" --interval "${step}s" --speed "$(awk -v step="$step" 'BEGIN { print 15 / step }')"
mapfile -t instances < <(targets_of "$directory/fleet.yml")
declare -A real=()
for name in node_exporter vitals_exporter; do
    command -v "${!name}" >/dev/null || continue
    start "$name" "${!name}"
    url=url_$name
    instance=${!url#http://}
    real[$name]=${instance%/metrics}
    echo "          - ${real[$name]}" >>"$directory/fleet.yml"
done
if ((${#real[@]})); then
    some_load &
    pids+=($!)
fi
start_scrape_log "$directory/storage" "$directory/fleet.yml" "$step" 1GB
sleep "$(awk -v n="$scrapes" -v step="$step" 'BEGIN { print (n + 3) * step + 1 }')"
kill -0 "$pid_scrape_log" 2>/dev/null || { cat "$directory/scrape_log.log" >&2; exit 1; }
stop "$pid_scrape_log"

echo '| source | samples | changed since the scrape before, % | text, bytes a sample | compressed | TSDB block' \
    '| its chunks alone | compressed / block |'
echo '|---|---:|---:|---:|---:|---:|---:|---:|'
report "fleet, $targets targets" "${instances[@]}"
for name in "${!real[@]}"; do report "${name/_/-} of this machine" "${real[$name]}"; done
echo
echo "$scrapes scrapes $step s apart, $( ((anew)) && echo "timestamps written anew $interval s apart, ")zstd" \
    "${zstd_flags[*]}. Sizes are bytes a sample; a block has all targets of its row."
mapfile -d '' -t own < <(find "$directory/storage" -name '*.zst' -print0)
if ((${#own[@]})); then
    echo "scrape-log's own compression of the recording: $(bytes "${own[@]}") bytes, by the command:" \
        "$(for file in "${own[@]}"; do zstd -dcq "$file" | zstd -cq "${zstd_flags[@]}"; done | wc -c)."
fi
