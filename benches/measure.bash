# Functions for side-by-side.sh, which sets $directory (temporary), $pids (of what it has to stop) and the lists of
# flags. What is measured of the exporter NAME becomes a line of the file $directory/NAME.KIND.
# shellcheck shell=bash disable=SC2154

# launch NAME PROGRAM [FLAG...]: starts an exporter and sets pid_NAME.
launch() {
    local name=$1
    shift
    : >"$directory/$name.log" # before anybody looks into it for an address
    "$@" 2>>"$directory/$name.log" >&2 &
    pids+=($!)
    declare -g "pid_$name=$!"
}

# start NAME PROGRAM [FLAG...]: the same on a free port; waits until it listens and sets url_NAME.
start() {
    local name=$1 address=''
    launch "$@" --web.listen-address=127.0.0.1:0
    for _ in {1..100}; do
        address=$(sed -n '/[Ll]istening/s/.*address=\(127[0-9.:]*\).*/\1/p' "$directory/$name.log" | head -n 1)
        [[ $address ]] && break
        kill -0 "${pids[-1]}" 2>/dev/null || break
        sleep 0.1
    done
    [[ $address ]] || { cat "$directory/$name.log" >&2; exit 1; }
    declare -g "url_$name=http://$address/metrics"
}

# stop PID
stop() {
    kill "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}

# first_scrape NAME PORT PROGRAM [FLAG...]: milliseconds from the start of the program to the last byte of a whole page.
# About one of them is for the shell.
first_scrape() {
    local name=$1 port=$2 begin=${EPOCHREALTIME/./} socket
    shift 2
    launch "$name" "$@" "--web.listen-address=127.0.0.1:$port"
    until { exec {socket}<>"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null; do
        kill -0 "${pids[-1]}" 2>/dev/null || { cat "$directory/$name.log" >&2; exit 1; }
    done
    printf 'GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n' >&"$socket"
    cat <&"$socket" >"$directory/first"
    local end=${EPOCHREALTIME/./}
    exec {socket}>&-
    stop "${pids[-1]}"
    unset 'pids[-1]'
    grep -q '^node_scrape_collector_success' "$directory/first" || { cat "$directory/first" >&2; exit 1; }
    awk -v us=$((end - begin)) 'BEGIN { printf "%.2f\n", us / 1000 }' >>"$directory/$name.first"
}

# cpu_ns PID: nanoseconds that all threads of a process have run. Threads that ended are not in it; neither
# exporter ends threads under steady load.
cpu_ns() {
    cat "/proc/$1"/task/*/schedstat | awk '{ sum += $1 } END { printf "%.0f\n", sum }'
}

# scrape_many URL COUNT: scrapes one after another over one connection, as Prometheus does it.
scrape_many() {
    local n
    for ((n = 0; n < $2; n++)); do
        printf 'url = "%s"\noutput = "/dev/null"\n' "$1"
    done | curl --silent --show-error --fail --compressed --config -
}

# cpu_per_scrape NAME PID URL COUNT
cpu_per_scrape() {
    local before after
    before=$(cpu_ns "$2")
    scrape_many "$3" "$4"
    after=$(cpu_ns "$2")
    awk -v ns=$((after - before)) -v n="$4" 'BEGIN { printf "%.4f\n", ns / n / 1e6 }' >>"$directory/$1.cpu"
}

# load NAME URL CLIENTS SECONDS: latencies and scrapes per second.
load() {
    wrk --latency -t 2 -c "$3" -d "${4}s" "$2" >"$directory/wrk"
    awk '$1 == "50%" { print $2 }' "$directory/wrk" | milliseconds >>"$directory/$1.p50"
    awk '$1 == "99%" { print $2 }' "$directory/wrk" | milliseconds >>"$directory/$1.p99"
    awk '$1 == "Requests/sec:" { print $2 }' "$directory/wrk" >>"$directory/$1.rate"
    if grep -q 'Non-2xx' "$directory/wrk"; then
        grep 'Non-2xx' "$directory/wrk" | sed "s/^/side-by-side: $1:/" >&2
    fi
}

# In milliseconds, from wrk's "1.23ms", "456.00us", "1.20s".
milliseconds() {
    awk '{ n = $1 + 0; if ($1 ~ /us$/) n /= 1000; else if ($1 !~ /ms$/) n *= 1000; printf "%.3f\n", n }'
}

# resident_mib PID
resident_mib() {
    awk '/^VmRSS:/ { printf "%.1f\n", $2 / 1024 }' "/proc/$1/status"
}

# files_read_by PID URL: the files of /proc and /sys that a process opens in one scrape, each once.
files_read_by() {
    local log=$directory/strace tracer path
    strace --follow-forks --quiet=all --trace=open,openat --output="$log" --attach="$1" 2>"$directory/strace.errors" &
    tracer=$!
    for _ in {1..50}; do # until it is attached
        grep -q "^TracerPid:[[:space:]]*[1-9]" "/proc/$1/status" && break
        sleep 0.1
    done
    sleep 0.5 # and to the other threads
    scrape_many "$2" 1
    kill -INT "$tracer" 2>/dev/null || true
    wait "$tracer" || true
    sed -n 's/.*open\(at\)\?(.*"\(\/\(proc\|sys\)\/[^"]*\)".*) = [0-9]\+$/\2/p' "$log" | sort -u |
        while read -r path; do
            if [[ -f $path ]]; then printf '%s\n' "$path"; fi
        done
}

# The median of the numbers on standard input.
median() {
    sort -g | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

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
