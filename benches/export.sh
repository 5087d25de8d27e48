#!/usr/bin/env bash
# How long it takes to look back: `scrape-log export` of one hour of one target, out of 30 days of 100 targets, and how
# many files it opens for that.
#
#   cargo build --release && benches/export.sh
#
# Two hours of one target are recorded from the fleet in half a minute, and written with the timestamps of the hours
# around the one that is asked for. All other files, 360 for each target, are links to one of them: whoever opens those
# pays for it, whoever goes by names never finds out. It takes less than two minutes and a few MiB.
#
# Needs zstd, and strace to count files. In the environment: SCRAPE_LOG (program), TARGETS, DAYS, ROUNDS, TARGET (the
# value of --target, the directory's name by default), ZSTD, PORT, FLEET, SCRAPE_LOG_FLAGS, TMPDIR.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=benches/measure.bash
source benches/measure.bash
# shellcheck source=benches/fleet.bash
source benches/fleet.bash

scrape_log=${SCRAPE_LOG:-target/release/scrape-log}
targets=${TARGETS:-100}
days=${DAYS:-30}
rounds=${ROUNDS:-5}
port=${PORT:-19120}
read -ra zstd_flags <<<"${ZSTD:--9}"
window=7200 # seconds in a file
interval=15 # seconds between two scrapes in it
scrapes=$((window / interval))
step=0.05 # seconds between two scrapes when they are recorded

need zstd "$scrape_log"
directory=$(mktemp -d)
pids=()
trap clean_up EXIT

# compact TIME: as in names of files.
compact() { date --utc --date="@$1" +%Y%m%dT%H%M%SZ; }
# rfc3339 TIME
rfc3339() { date --utc --date="@$1" +%Y-%m-%dT%H:%M:%SZ; }

# record: $scrapes scrapes of one target to $directory/recorded; sets $name, that of its directory.
record() {
    start_fleet --targets 1 --interval "${step}s" --speed "$(awk -v step="$step" 'BEGIN { print 15 / step }')"
    start_scrape_log "$directory/storage" "$directory/fleet.yml" "$step" 1GB
    sleep "$(awk -v n="$scrapes" -v step="$step" 'BEGIN { print n * step * 1.2 + 3 }')"
    stop "$pid_scrape_log"
    stop "$pid_fleet"
    pids=()
    local file
    find "$directory/storage" -name 'samples-*.om' -o -name 'samples-*.om.zst' | sort >"$directory/names"
    name=$(basename "$(dirname "$(head -n 1 "$directory/names")")")
    while read -r file; do
        if [[ $file == *.zst ]]; then zstd -dcq "$file"; else cat "$file"; fi | grep -v '^# EOF$'
    done <"$directory/names" >"$directory/recorded"
}

# window_at TIME FILE: the recording as if it had begun then.
window_at() {
    awk -v begin="$1" -v interval="$interval" -v most="$scrapes" '
        /^#/ { if (n <= most) print; next }
        $NF != last { n++; last = $NF; time = sprintf("%.3f", begin + (n - 1) * interval + 7.123) }
        n <= most { print substr($0, 1, length($0) - length($NF)) time }
        END { print "# EOF"; if (n < most) exit 1 }' "$directory/recorded" | zstd -q "${zstd_flags[@]}" -o "$2"
}

record
end=$(($(date +%s) / window * window))
begin=$((end - days * 86400))
asked=$((begin + days * 86400 / 2 / window * window + window / 4)) # inside one window
built=$EPOCHREALTIME
files=$directory/files
mkdir -p "$files/$name"
middle=$((asked / window * window))
for at in $((middle - window)) "$middle" $((middle + window)); do
    window_at "$at" "$files/$name/samples-$(compact "$at").om.zst"
done
one=$files/$name/samples-$(compact "$middle").om.zst
for ((at = begin; at < end; at += window)); do
    file=$files/$name/samples-$(compact "$at").om.zst
    [[ -e $file ]] || ln "$one" "$file"
done
for ((target = 2; target <= targets; target++)); do
    cp -al "$files/$name" "$files/${name/127.0.1.1/127.0.1.$target}"
done
built=$(awk -v from="$built" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.0f", to - from }')

query=(export "$files" "--target=${TARGET:-$name}" "--start=$(rfc3339 "$asked")" "--end=$(rfc3339 $((asked + 3600)))"
    -o "$directory/exported")
for ((round = 0; round < rounds; round++)); do
    rm -f "$directory/exported"
    from=$EPOCHREALTIME
    "$scrape_log" "${query[@]}" >"$directory/export.log" 2>&1 || { cat "$directory/export.log" >&2; exit 1; }
    awk -v from="$from" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1f\n", (to - from) * 1000 }' >>"$directory/times"
done
[[ -s $directory/exported ]] || { echo "export.sh: nothing was exported" >&2; exit 1; }
opened=unknown listed=unknown
if command -v strace >/dev/null; then
    rm -f "$directory/exported"
    strace --follow-forks --quiet=all --trace=openat --output="$directory/strace" "$scrape_log" "${query[@]}" \
        >"$directory/export.log" 2>&1
    # A call that another thread's interrupts has its result on a line of its own.
    opened=$(grep -v ' = -1 ' "$directory/strace" | grep -c '\.om\(\.zst\)\?"' || true)
    listed=$(grep -v ' = -1 ' "$directory/strace" | grep -c O_DIRECTORY || true)
fi

echo '| files | targets | export of an hour, ms (median) | slowest | files opened | directories read | samples |'
echo '|---:|---:|---:|---:|---:|---:|---:|'
echo "| $(find "$files" -type f | wc -l) | $targets | $(median <"$directory/times") |" \
    "$(sort -g "$directory/times" | tail -n 1) | $opened | $listed | $(grep -vc '^#' "$directory/exported") |"
echo
echo "$days days of files of two hours; one has $scrapes scrapes and $(stat -c %s "$one") bytes. Built in $built s. $rounds" \
    "rounds on $(nproc) CPUs, Linux $(uname -r), with the files in the page cache."
