#!/usr/bin/env bash
# Loses a data center before your eyes: real census records are written in Rabat and shipped to
# Marrakech; Rabat is killed under load, and Marrakech takes over with the witness's word; Rabat
# comes back and becomes primary again by a switchover under load; at last the witness is killed,
# and nothing stops. Every step checks itself; the first check that fails ends the demo with a code
# other than zero.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
stage=demo
# shellcheck source=deploy/demo/stage.sh
. "$here/stage.sh"
census=$here/communes.ndjson.gz
census_digest=87553ad3354d386f572243c1b27e24473df2a45912748594bd49e424926b11ea
load_seconds=5

usage() {
    cat <<'TEXT'
usage: demo.sh [--quick] [--binaries DIRECTORY]

  --quick                 a shorter load before and after each change
  --binaries DIRECTORY    where sanadd, sanadctl and sanad-bench are (.build/release)
TEXT
}

# The value of one `name value` line of a report.
value_of() { awk -v name="$1" '$1 == name { print $2 }' "$2"; }

read_arguments() {
    while [ $# -gt 0 ]; do
        case $1 in
        --quick) load_seconds=1 ;;
        --binaries)
            [ $# -gt 1 ] || fail "--binaries wants a directory"
            binaries=$2
            shift
            ;;
        --help) usage && exit 0 ;;
        *) usage >&2 && exit 64 ;;
        esac
        shift
    done
    need_programs
}

# write_configuration NODE ROLE LINK RECORDS OPERATIONS PEER PEER_LINK PEER_RECORDS WITNESS_LINK
write_configuration() {
    cat >"$directory/$1.yaml" <<TEXT
cluster:
  id: 5a4ad000-0000-4000-8000-000000000002
node:
  name: $1
  initial_role: $2
store:
  directory: $directory/$1
peer:
  name: $6
  host: 127.0.0.1
  port: $7
  records_url: http://127.0.0.1:$8
$(link_section "$1" "$3")
failover:
  arbiter: witness
witness:
  name: witness
  address: 127.0.0.1:$9
records:
  listen: 127.0.0.1:$4
operations:
  listen: 127.0.0.1:$5
control:
  socket: $directory/$1.sock
TEXT
    control config check "$directory/$1.yaml" >"$directory/config-$1.log"
}

# write_witness_configuration LINK OPERATIONS
write_witness_configuration() {
    cat >"$directory/witness.yaml" <<TEXT
cluster:
  id: 5a4ad000-0000-4000-8000-000000000002
node:
  name: witness
  role: witness
store:
  directory: $directory/witness
$(link_section witness "$1")
witness:
  members: [rabat, marrakech]
operations:
  listen: 127.0.0.1:$2
TEXT
    control config check "$directory/witness.yaml" >"$directory/config-witness.log"
}

set_up() {
    local ports
    make_certificates rabat marrakech witness
    read -r -a ports <<<"$(bench ports 8)"
    rabat_records=http://127.0.0.1:${ports[1]} rabat_operations=http://127.0.0.1:${ports[2]}
    marrakech_records=http://127.0.0.1:${ports[4]}
    marrakech_operations=http://127.0.0.1:${ports[5]}
    witness_operations=http://127.0.0.1:${ports[7]}
    write_configuration rabat primary "${ports[@]:0:3}" marrakech "${ports[3]}" "${ports[4]}" \
        "${ports[6]}"
    write_configuration marrakech standby "${ports[@]:3:3}" rabat "${ports[0]}" "${ports[1]}" \
        "${ports[6]}"
    write_witness_configuration "${ports[6]}" "${ports[7]}"
    say "a certificate authority and three certificates are made, three configurations checked"
}

start_all() {
    local took version
    start_node witness
    start_node rabat
    start_node marrakech
    took=$(bench wait "$rabat_operations" role=primary writable=true link.state=streaming \
        arbiterReachable=true)
    bench wait "$marrakech_operations" role=standby arbiterReachable=true >"$directory/wait.log"
    version=$(bench status "$rabat_operations" softwareVersion)
    say "sanadd $version: Rabat is primary, Marrakech its standby over TLS, a witness watches," \
        "after $took s"
}

import_census() {
    local begin took sent plain wire
    begin=$(date +%s%N)
    control import --url "$rabat_records" "$census" >"$directory/import.log" 2>&1
    took=$(seconds_since "$begin")
    say "the census stream is imported into Rabat, durable on both sites, in $took s"
    took=$(bench wait "$rabat_operations" lag.transactions=0 lag.bytes=0)
    say "Marrakech's lag is zero: 0 transactions, 0 bytes, after $took s more"
    sent=$(bench status "$rabat_operations" link.plainBytesSent link.wireBytesSent)
    read -r plain wire <<<"$sent"
    [ "$wire" -lt "$plain" ] || fail "the link did not compress: $plain bytes became $wire"
    say "the link compressed $plain bytes to $wire," \
        "$(awk -v p="$plain" -v w="$wire" 'BEGIN { printf "%.1f", p / w }') to 1"
}

# check_census NAME RECORDS_URL
check_census() {
    bench digest "$2" --expect "$census_digest" --collections regions provinces communes \
        >"$directory/digest-$1.log"
    say "$1 has $(value_of regions "$directory/digest-$1.log") regions," \
        "$(value_of provinces "$directory/digest-$1.log") provinces," \
        "$(value_of communes "$directory/digest-$1.log") communes, digest ${census_digest:0:16}…"
}

# start_writer NAME: a client that writes until stop_writer, and notes each acknowledgement.
start_writer() {
    "$binaries/sanad-bench" history write "$rabat_records" "$marrakech_records" \
        --collection "$1" --file "$directory/history-$1" >"$directory/writer-$1.log" 2>&1 &
    writer=$!
    pids+=("$writer")
    sleep "$load_seconds"
    say "a client writes, one write after the other, for $load_seconds s"
}

lose_rabat() {
    local killed named
    killed=$(date +%s%N)
    lose rabat
    say "Rabat is killed with kill -9 under load"
    bench wait "$marrakech_operations" role=primary writable=true >"$directory/wait.log"
    named=$(bench status "$witness_operations" primary epoch)
    [ "$named" = "marrakech $(bench status "$marrakech_operations" epoch)" ] ||
        fail "the witness names another primary: $named"
    say "Marrakech is primary of epoch ${named#* } by the witness's word," \
        "$(seconds_since "$killed") s after the kill"
}

# stop_writer NAME
stop_writer() {
    sleep "$load_seconds"
    kill -TERM "$writer"
    wait "$writer"
}

# pause_at_change NAME: seconds between the last acknowledgement of the first epoch in a history
# and the first one of the next epoch.
pause_at_change() {
    awk 'NF == 5 && epoch && $2 != epoch { printf "%.3f", ($5 - last) / 1e9; exit }
        NF == 5 { epoch = $2; last = $5 }' "$directory/history-$1"
}

stop_failover_writer() {
    local pause
    stop_writer failover
    pause=$(pause_at_change failover)
    [ -n "$pause" ] || fail "the writer saw no change of epoch"
    say "the client went on by itself:" \
        "$(value_of acknowledged "$directory/writer-failover.log") writes acknowledged," \
        "$pause s without an acknowledgement"
}

# check_history NAME RECORDS_URL WRITER
check_history() {
    local report=$directory/check-$1-$3.log writes
    bench history check "$2" --file "$directory/history-$3" >"$report" || {
        cat "$report" >&2
        fail "acknowledged writes are not in $1"
    }
    writes=$(value_of acknowledged "$report")
    [ "$writes" = "$(value_of acknowledged "$directory/writer-$3.log")" ] ||
        fail "the history is not complete"
    say "every acknowledged write is in $1: $writes writes, $(value_of keys "$report") keys," \
        "$(value_of missing "$report") missing, $(value_of wrong "$report") wrong"
}

return_rabat() {
    local took
    start_node rabat
    took=$(bench wait "$rabat_operations" role=standby link.connected=true --timeout 15)
    say "Rabat is started again: it is a standby now, after $took s"
    took=$(bench wait "$marrakech_operations" link.state=streaming lag.transactions=0 \
        inSync=marrakech,rabat --timeout 15)
    say "Rabat has caught up and is in sync, after $took s more"
}

switch_home() {
    local begin
    begin=$(date +%s%N)
    control switchover --socket "$directory/marrakech.sock" --yes --reason "going home" \
        >"$directory/switchover.log"
    bench wait "$rabat_operations" role=primary writable=true >"$directory/wait.log"
    bench wait "$marrakech_operations" role=standby >"$directory/wait.log"
    say "switchover under load: Rabat is primary again, $(seconds_since "$begin") s after the command"
    bench wait "$rabat_operations" link.state=streaming inSync=marrakech,rabat >"$directory/wait.log"
}

# A lease is 3 s: what the witness had promised has ended when its silence is noticed.
lose_witness() {
    local took answer
    lose witness
    took=$(bench wait "$rabat_operations" arbiterReachable=false writable=true)
    answer=$(control put --url "$rabat_records" notes witness '{"lost":true}' --json)
    case $answer in
    *both-sites*) ;;
    *) fail "without the witness a write was answered $answer" ;;
    esac
    say "the witness is killed: $took s later its silence is noticed, Rabat goes on, and a write" \
        "is acknowledged on both sites"
}

stop_switchover_writer() {
    local report=$directory/writer-home.log pause longest
    stop_writer home
    pause=$(pause_at_change home)
    longest=$(value_of longest_gap_seconds "$report")
    [ -n "$pause" ] || fail "the writer saw no change of epoch"
    # A failover of any kind would take a lease.
    awk -v l="$longest" 'BEGIN { exit !(l < 2) }' || fail "writes stopped for $longest s"
    say "the client went on through both: $(value_of acknowledged "$report") writes acknowledged," \
        "$pause s without one at the switchover, never longer than $longest s"
}

main() {
    read_arguments "$@"
    enter
    set_up
    start_all
    import_census
    check_positions
    check_census Rabat "$rabat_records"
    check_census Marrakech "$marrakech_records"
    start_writer failover
    lose_rabat
    stop_failover_writer
    check_history Marrakech "$marrakech_records" failover
    return_rabat
    start_writer home
    switch_home
    lose_witness
    stop_switchover_writer
    check_positions
    check_history Rabat "$rabat_records" failover
    check_history Rabat "$rabat_records" home
    check_history Marrakech "$marrakech_records" home
    check_census Rabat "$rabat_records"
    check_census Marrakech "$marrakech_records"
    stop_both
    say "done: nothing acknowledged was lost"
}

main "$@"
