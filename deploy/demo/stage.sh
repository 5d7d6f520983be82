# What the demos have in common; to be sourced. `stage` is the name under which a demo speaks.

binaries=${SANAD_BINARIES:-$here/../../.build/release}
started=$(date +%s%N)
directory=
pids=()
# Process numbers, by the name of the node.
declare -A process=()

seconds_since() { awk -v n=$(($(date +%s%N) - $1)) 'BEGIN { printf "%.2f", n / 1e9 }'; }

say() { printf '%6.1f s  %s\n' "$(seconds_since "$started")" "$*"; }

fail() {
    echo "$stage: $*" >&2
    exit 1
}

bench() { "$binaries/sanad-bench" "$@"; }

control() { "$binaries/sanadctl" "$@"; }

need_programs() {
    local program
    for program in sanadd sanadctl sanad-bench; do
        [ -x "$binaries/$program" ] || fail "$binaries/$program is not there: make release"
    done
}

# However the demo ends, nothing of it goes on.
enter() {
    trap leave EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    directory=$(mktemp -d "${TMPDIR:-/tmp}/sanad-$stage.XXXXXX")
}

leave() {
    local code=$? pid
    trap - EXIT INT TERM
    for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    if [ "$code" -eq 0 ]; then
        rm -rf "$directory"
    else
        echo "$stage: failed; logs and stores are kept in $directory" >&2
        tail -n 5 "$directory"/{rabat,marrakech,witness}.log >&2 2>/dev/null || true
    fi
    exit "$code"
}

# make_certificates NAME...
make_certificates() {
    local name
    control pki init --directory "$directory/pki" >"$directory/pki.log"
    for name in "$@"; do
        control pki issue "$name" --directory "$directory/pki" >>"$directory/pki.log"
    done
}

# link_section NODE LINK
link_section() {
    cat <<TEXT
link:
  listen: 127.0.0.1:$2
  certificate: $directory/pki/$1.crt
  private_key: $directory/pki/$1.key
  authority: $directory/pki/ca.crt
TEXT
}

# start_node NAME
start_node() {
    "$binaries/sanadd" --config "$directory/$1.yaml" >>"$directory/$1.log" 2>&1 &
    process[$1]=$!
    pids+=($!)
}

# lose NAME: kill -9 of a daemon.
lose() {
    # Nobody is told: the shell must not report it either.
    disown "${process[$1]}"
    kill -KILL "${process[$1]}"
}

check_positions() {
    local tries left right
    for tries in $(seq 200); do
        left=$(bench status "$rabat_operations" logEnd.epoch logEnd.sequence logEnd.hash applied)
        right=$(bench status "$marrakech_operations" logEnd.epoch logEnd.sequence logEnd.hash applied)
        if [ "$left" = "$right" ]; then break; fi
        sleep 0.05
    done
    [ "$left" = "$right" ] || fail "positions differ after $tries tries: $left and $right"
    read -r epoch sequence hash _ <<<"$left"
    say "both logs end at epoch $epoch, transaction $sequence, chain hash ${hash:0:16}…"
}

# A daemon that does not end in order within 15 s fails the demo instead of hanging it.
wait_for_end() {
    for _ in $(seq 150); do
        if ! kill -0 "${process[$1]}" 2>/dev/null; then
            wait "${process[$1]}" || fail "$1 ended with code $?"
            return
        fi
        sleep 0.1
    done
    fail "$1 did not stop within 15 s of SIGTERM"
}

stop_both() {
    local name
    kill -TERM "${process[rabat]}" "${process[marrakech]}"
    for name in rabat marrakech; do wait_for_end "$name"; done
    pids=()
    for name in rabat marrakech; do
        control verify --store "$directory/$name" >"$directory/verify-$name.log"
    done
    say "both daemons have stopped; every checksum of both stores verifies"
}
