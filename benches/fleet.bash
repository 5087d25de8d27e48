# Functions for scale.sh, size.sh and export.sh, which source measure.bash too and set $directory (temporary), $pids (of
# what they have to stop), $scrape_log (the program) and $port (of the fleet; the next ones are for scrapers).
# shellcheck shell=bash disable=SC2154

# need PROGRAM...: ends the script when one is missing.
need() {
    local program
    for program; do
        command -v "$program" >/dev/null || { echo "${0##*/}: $program is missing" >&2; exit 1; }
    done
}

clean_up() {
    local pid
    for pid in "${pids[@]}"; do stop "$pid"; done
    rm -rf "$directory"
}

# start_fleet [FLAG...]: builds the fleet, starts it, writes $directory/fleet.yml and waits until it listens.
start_fleet() {
    local program
    program=${FLEET:-$(cargo bench --quiet --bench fleet --no-run --message-format=json |
        sed -n 's/.*"name":"fleet".*"executable":"\([^"]*\)".*/\1/p')}
    launch fleet "$program" --port "$port" --write-config "$directory/fleet.yml" "$@"
    for _ in {1..100}; do
        grep -q listening "$directory/fleet.log" && return
        kill -0 "${pids[-1]}" 2>/dev/null || break
        sleep 0.1
    done
    cat "$directory/fleet.log" >&2
    exit 1
}

# fleet PATH: what the fleet answers.
fleet() {
    curl --silent --show-error --fail "http://127.0.0.1:$port/fleet/$1"
}

# knows FLAG: whether this scrape-log has it.
knows() {
    # All of the help is read, so that the pipe isn't closed on the program.
    [[ $("$scrape_log" --help) == *"--$1 "* ]]
}

# start_scrape_log STORAGE CONFIG INTERVAL_SECONDS MAX_FILE_SIZE: sets pid_scrape_log. A program from before
# --config.file gets the targets as flags, and its files are as long as they get.
start_scrape_log() {
    local storage=$1 config=$2 interval=$3 size=$4 target
    local -a flags=(--log.level=warn "--storage.path=$storage")
    if knows config.file; then
        flags+=("--config.file=$config" "--storage.max-file-size=$size" "--web.listen-address=127.0.0.1:$((port + 1))")
    else
        flags+=("--scrape.interval=${interval}s")
        while read -r target; do flags+=("--target=$target"); done < <(targets_of "$config")
    fi
    # shellcheck disable=SC2086 # several flags in one variable
    launch scrape_log "$scrape_log" "${flags[@]}" ${SCRAPE_LOG_FLAGS:-}
}

# targets_of CONFIG
targets_of() {
    sed -n 's/^ *- \([0-9.]*:[0-9]*\)$/\1/p' "$1"
}

# cpu_ticks PID: user and system time of a process, with all threads that it has had, in ticks.
cpu_ticks() {
    sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12, $13 }'
}

# resident_mib_of PID VmRSS|VmHWM
resident_mib_of() {
    awk -v what="$2:" '$1 == what { printf "%.1f\n", $2 / 1024 }' "/proc/$1/status"
}

# commit_marks STORAGE: instance, samples of the page that were written and timestamp of each scrape in the files.
commit_marks() {
    {
        find "$1" -name 'samples-*.om' -exec cat {} +
        find "$1" -name 'samples-*.om.zst' -exec zstd -dcq {} +
    } | { grep '^scrape_samples_post_metric_relabeling{' || true; } | sed 's/.*instance="\([^"]*\)"[^}]*} /\1 /'
}

# sum_of URL METRIC: of all its series.
sum_of() {
    curl --silent --show-error --fail "$1" |
        awk -v name="$2" '{ series = $1; sub(/\{.*/, "", series) } series == name { sum += $NF } END { printf "%.0f\n", sum }'
}
