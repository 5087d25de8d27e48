#!/usr/bin/env bash
# scrape-log beside Prometheus and VictoriaMetrics, all scraping the same fleet of exporters: CPU for each sample stored,
# memory, disk, scrapes that were missed or late, as a Markdown table.
#
#   cargo build --release && benches/scale.sh           all at the same time, on the same CPUs
#   cargo build --release && benches/scale.sh --apart   one after another
#   cargo build --release && benches/scale.sh --late    scrape-log alone with 5,000 targets at 15 s: how many are late?
#
# Needs curl, zstd, prometheus and victoria-metrics (Debian's packages of these names). In the environment: SCRAPE_LOG,
# PROMETHEUS and VICTORIA_METRICS (programs), SCRAPERS (those to run, of "scrape_log prometheus victoria_metrics"),
# TARGETS, SAMPLES, INTERVAL, WARM_UP and MEASURED (seconds), PORT (that one and the next three must be free), FLEET (its
# program, where it is built already), SCRAPE_LOG_FLAGS (further flags), MAX_FILE_BYTES, PROFILE (a directory: perf and the threads' CPU
# of scrape-log go there), TMPDIR (whose disk is written to). The files of scrape-log are so short that each target's
# rotate twice while it is measured, compression included.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=benches/measure.bash
source benches/measure.bash
# shellcheck source=benches/fleet.bash
source benches/fleet.bash

mode=${1:-}
case $mode in
    '' | --apart) defaults=(500 5 60 180) ;;
    --late) defaults=(5000 15 60 180) SCRAPERS=scrape_log ;;
    *) echo "scale.sh: $mode is no option, expected --apart or --late" >&2; exit 64 ;;
esac
scrape_log=${SCRAPE_LOG:-target/release/scrape-log}
prometheus=${PROMETHEUS:-prometheus}
victoria_metrics=${VICTORIA_METRICS:-victoria-metrics}
read -ra scrapers <<<"${SCRAPERS:-scrape_log prometheus victoria_metrics}"
targets=${TARGETS:-${defaults[0]}}
interval=${INTERVAL:-${defaults[1]}}
warm_up=${WARM_UP:-${defaults[2]}}
measured=${MEASURED:-${defaults[3]}}
samples=${SAMPLES:-677}
port=${PORT:-19100}
synthetic=5 # samples about each scrape in scrape-log's files, beside those of the page
bytes_per_line=111
max_file_bytes=${MAX_FILE_BYTES:-$((samples * bytes_per_line * measured / interval / 2))}
ticks_per_second=$(getconf CLK_TCK)
declare -A user_agents=([scrape_log]=scrape-log [prometheus]=Prometheus [victoria_metrics]=vm_promscrape)

need curl zstd
for name in "${scrapers[@]}"; do need "${!name}"; done

directory=$(mktemp -d)
pids=()
trap clean_up EXIT

start_scraper() {
    mkdir -p "$directory/$1"
    case $1 in
        scrape_log)
            start_scrape_log "$directory/scrape_log" "$directory/fleet.yml" "$interval" "$((max_file_bytes / 1000))KB"
            ;;
        prometheus)
            launch prometheus "$prometheus" "--config.file=$directory/fleet.yml" \
                "--storage.tsdb.path=$directory/prometheus" "--web.listen-address=127.0.0.1:$((port + 2))" \
                --log.level=warn
            ;;
        victoria_metrics)
            launch victoria_metrics "$victoria_metrics" "-promscrape.config=$directory/fleet.yml" \
                "-storageDataPath=$directory/victoria_metrics" "-httpListenAddr=127.0.0.1:$((port + 3))" \
                -loggerLevel=ERROR
            ;;
    esac
}

# stored NAME: samples so far, by the program's own count.
stored() {
    case $1 in
        scrape_log) echo 0 ;; # counted in the files, at the end
        prometheus) sum_of "http://127.0.0.1:$((port + 2))/metrics" prometheus_tsdb_head_samples_appended_total ;;
        victoria_metrics) sum_of "http://127.0.0.1:$((port + 3))/metrics" vm_rows_inserted_total ;;
    esac
}

# note NAME KIND VALUE: a cell of the table.
declare -A cells
note() { cells[$1.$2]=$3; }

# profile PID: where scrape-log's time goes, while it is measured.
profile() {
    mkdir -p "$PROFILE"
    threads_of "$1" >"$PROFILE/threads.before"
    if command -v perf >/dev/null; then
        perf record --quiet --call-graph=fp --freq=199 --pid="$1" --output="$PROFILE/perf.data" -- \
            sleep "$((measured / 2))" 2>"$PROFILE/perf.errors" || true
    fi
}

# threads_of PID: id, name, user and system ticks of each thread.
threads_of() {
    local thread
    for thread in "/proc/$1/task"/*; do
        sed 's/^\([0-9]*\) (\(.*\)) /\1 \2 /' "$thread/stat" 2>/dev/null | awk '{ print $1, $2, $(NF - 38), $(NF - 37) }'
    done
}

# measure NAME...: those scrapers side by side.
measure() {
    local name pid begin=0 end=0
    local -A user system count
    for name; do start_scraper "$name"; done
    sleep "$warm_up"
    for name; do
        pid=pid_$name
        kill -0 "${!pid}" 2>/dev/null || { cat "$directory/$name.log" >&2; exit 1; }
        count[$name]=$(stored "$name")
        read -r user["$name"] system["$name"] < <(cpu_ticks "${!pid}")
        [[ $name == scrape_log ]] && begin=$EPOCHREALTIME
    done
    fleet reset
    if [[ ${PROFILE:-} && " $* " == *' scrape_log '* ]]; then profile "$pid_scrape_log" & fi
    sleep "$measured"
    for name; do
        local user_after system_after
        pid=pid_$name
        kill -0 "${!pid}" 2>/dev/null || { cat "$directory/$name.log" >&2; exit 1; }
        read -r user_after system_after < <(cpu_ticks "${!pid}")
        [[ $name == scrape_log ]] && end=$EPOCHREALTIME
        user[$name]=$((user_after - user[$name])) system[$name]=$((system_after - system[$name]))
        count[$name]=$(($(stored "$name") - count[$name]))
        note "$name" rss "$(resident_mib_of "${!pid}" VmRSS)"
        note "$name" peak "$(resident_mib_of "${!pid}" VmHWM)"
    done
    if [[ ${PROFILE:-} && " $* " == *' scrape_log '* ]]; then threads_of "$pid_scrape_log" >"$PROFILE/threads.after"; fi
    fleet stats >"$directory/stats"
    fleet_line=$(head -n 1 "$directory/stats")
    for name; do
        pid=pid_$name
        stop "${!pid}"
        if [[ $name == scrape_log ]]; then
            commit_marks "$directory/scrape_log" >"$directory/marks"
            count[$name]=$(awk -v from="$begin" -v to="$end" -v more="$synthetic" \
                '$3 >= from && $3 < to { sum += $2 + more } END { printf "%.0f\n", sum }' "$directory/marks")
            note scrape_log files "$(find "$directory/scrape_log" -name 'samples-*' | wc -l)"
            note scrape_log compressed "$(find "$directory/scrape_log" -name '*.zst' | wc -l)"
        fi
        awk -v user="${user[$name]}" -v system_ticks="${system[$name]}" -v hz="$ticks_per_second" -v n="${count[$name]}" \
            'BEGIN { printf "%.3f %.3f %.3f\n", (user + system_ticks) / hz / n * 1e6, user / hz / n * 1e6,
                     system_ticks / hz / n * 1e6 }' >"$directory/cpu"
        local all in_user in_kernel
        read -r all in_user in_kernel <"$directory/cpu"
        note "$name" cpu "$all"
        note "$name" user "$in_user"
        note "$name" system "$in_kernel"
        note "$name" stored "${count[$name]}"
        note "$name" disk "$(du -sm "$directory/$name" | cut -f 1)"
        note "$name" missed "$(of_scraper "$name" missed)"
        note "$name" late "$(of_scraper "$name" late)"
        note "$name" gap "$(of_scraper "$name" longest_gap_seconds)"
        note "$name" most "$(of_scraper "$name" most_in_100ms)"
        # Others that are measured after this one get the disk and the page cache for themselves.
        [[ $name == scrape_log ]] || rm -rf "${directory:?}/$name"
    done
}

# of_scraper NAME KEY: from the fleet's counts.
of_scraper() {
    sed -n "s/^scraper=${user_agents[$1]} .* $2=\([0-9.]*\).*/\1/p" "$directory/stats"
}

# row TITLE KIND
row() {
    local line="| $1 |" name
    for name in "${scrapers[@]}"; do line+=" ${cells[$name.$2]:-–} |"; done
    echo "$line"
}

# late_by_timestamps: of the recorded scrapes, those more than 100 ms behind the target's place in the interval, which
# is the one most of its scrapes have, and the intervals without any.
late_by_timestamps() {
    sort -k1,1 -k3,3n "$directory/marks" | awk -v interval="$interval" '
        function finish(   place, best) {
            for (place in at) if (at[place] > at[best]) best = place
            for (n = 1; n <= scrapes; n++) {
                behind = behind_of(times[n], best)
                if (behind > 0.1 && behind < interval - 0.1) late++
                if (n > 1) missed += int((times[n] - times[n - 1]) / interval + 0.5) - 1
            }
            all += scrapes
            delete at
            delete times
            scrapes = 0
        }
        function behind_of(time, place) {
            time = time - place - int((time - place) / interval) * interval
            return time
        }
        $1 != instance { if (scrapes) finish(); instance = $1 }
        { times[++scrapes] = $3; at[sprintf("%.2f", $3 - int($3 / interval) * interval)]++ }
        END {
            finish()
            printf "%d scrapes recorded, %d late by more than 100 ms, %d missed: %.3f %%\n", all, late, missed,
                100 * (late + missed) / (all + missed)
        }'
}

start_fleet --targets "$targets" --samples "$samples" --interval "${interval}s"
if [[ $mode == --apart ]]; then
    for name in "${scrapers[@]}"; do measure "$name"; done
else
    measure "${scrapers[@]}"
fi

echo "|$(printf ' %s |' '' "${scrapers[@]}")" | tr _ -
echo "|---|${scrapers[*]/*/---:|}" | tr -d ' '
row 'CPU for each sample stored, µs' cpu
row '- in user mode' user
row '- in the kernel' system
row 'samples stored' stored
row 'resident memory at the end, MiB' rss
row 'resident memory at most, MiB' peak
row 'on disk at the end, warm-up included, MiB' disk
row 'scrapes missed' missed
row 'scrapes more than 100 ms late' late
row 'longest time between two scrapes of a target, s' gap
row 'most scrapes in 100 ms' most
echo
echo "$targets targets with $samples samples every $interval s, measured for $measured s after $warm_up s," \
    "$([[ $mode == --apart ]] && echo 'one after another' || echo 'at the same time') on $(nproc) CPUs, Linux $(uname -r)," \
    "load $(cut -d ' ' -f 1 /proc/loadavg). $fleet_line."
if [[ " ${scrapers[*]} " == *' scrape_log '* ]]; then
    echo "scrape-log: ${cells[scrape_log.files]} files, ${cells[scrape_log.compressed]} of them compressed. By the" \
        "timestamps in the files: $(late_by_timestamps)."
    knows config.file || echo 'This scrape-log does not rotate by size and does not compress.'
fi
