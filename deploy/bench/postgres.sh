#!/usr/bin/env bash
# A throw-away PostgreSQL primary with a synchronous standby over TLS, and the loads on it that
# `sanad-bench run` compares with. Everything lives in one directory; nothing of the host's own
# clusters is touched.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage() {
    cat <<'TEXT'
usage: postgres.sh COMMAND DIRECTORY [ARGUMENTS]

  available                         say the version that is installed, or fail
  up DIRECTORY PORT PORT            create and start the primary and its synchronous standby
  down DIRECTORY                    stop both
  upserts DIRECTORY CLIENTS WARM_UP SECONDS
                                    pgbench; leaves DIRECTORY/latency.* (pgbench -l)
  rows DIRECTORY COUNT              write the file that `copy` loads
  copy DIRECTORY                    load it into a new table; prints seconds
  catch-up DIRECTORY                the standby is stopped while the rows are loaded, then started;
                                    prints seconds and bytes of log
TEXT
}

fail() {
    echo "postgres.sh: $*" >&2
    exit 1
}

# The server refuses to run as root; the clients of these clusters run as the same user.
as_postgres() {
    if [ "$(id -u)" -eq 0 ]; then
        runuser -u postgres -- env PATH="$binaries:$PATH" PGPASSFILE="$directory/pgpass" "$@"
    else
        PATH="$binaries:$PATH" PGPASSFILE="$directory/pgpass" "$@"
    fi
}

find_binaries() {
    local found
    found=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1 || true)
    if [ -n "$found" ] && [ -x "$found/initdb" ]; then
        echo "$found"
    elif command -v initdb >/dev/null && command -v pgbench >/dev/null; then
        dirname "$(command -v initdb)"
    fi
}

ports() { read -r primary_port standby_port <"$directory/ports"; }

psql_primary() {
    as_postgres psql -XAtq -v ON_ERROR_STOP=1 \
        "host=127.0.0.1 port=$primary_port user=postgres dbname=postgres sslmode=disable" "$@"
}

# One certificate for both servers is enough: replication asks for encryption (sslmode=require).
make_certificate() {
    as_postgres openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
        -keyout "$directory/server.key" -out "$directory/server.crt" 2>/dev/null
    as_postgres chmod 0600 "$directory/server.key"
}

# shared_buffers holds the whole table and max_wal_size keeps checkpoints out of the measured
# windows: both are in PostgreSQL's favour. What durability depends on is written out.
write_primary_settings() {
    as_postgres tee -a "$directory/primary/postgresql.conf" >/dev/null <<TEXT
listen_addresses = '127.0.0.1'
unix_socket_directories = '$directory'
port = $primary_port
max_connections = 200
shared_buffers = 1GB
max_wal_size = 8GB
wal_keep_size = 8GB
wal_level = replica
fsync = on
full_page_writes = on
synchronous_commit = on
synchronous_standby_names = 'standby'
ssl = on
ssl_cert_file = '$directory/server.crt'
ssl_key_file = '$directory/server.key'
logging_collector = off
TEXT
    as_postgres tee "$directory/primary/pg_hba.conf" >/dev/null <<TEXT
hostnossl all         postgres   127.0.0.1/32 scram-sha-256
hostssl   replication replicator 127.0.0.1/32 scram-sha-256
TEXT
}

write_standby_settings() {
    as_postgres tee -a "$directory/standby/postgresql.conf" >/dev/null <<TEXT
port = $standby_port
hot_standby = on
TEXT
}

start() { as_postgres pg_ctl -D "$directory/$1" -l "$directory/$1.log" -w -t 60 start >/dev/null; }

stop() { as_postgres pg_ctl -D "$directory/$1" -m fast -w -t 60 stop >/dev/null; }

wait_for_standby() {
    local state tries
    for tries in $(seq 200); do
        state=$(psql_primary -c 'SELECT sync_state FROM pg_stat_replication')
        if [ "$state" = sync ]; then return; fi
        sleep 0.1
    done
    fail "the standby is not in sync after $tries tries: see $directory/standby.log"
}

check_encryption() {
    local version
    version=$(psql_primary -c \
        'SELECT s.version FROM pg_stat_replication r JOIN pg_stat_ssl s USING (pid) WHERE s.ssl')
    [ -n "$version" ] || fail "replication is not encrypted"
    echo "replication $version"
}

up() {
    local password
    primary_port=$1 standby_port=$2
    mkdir -p "$directory"
    chmod 0700 "$directory"
    if [ "$(id -u)" -eq 0 ]; then chown postgres "$directory"; fi
    echo "$1 $2" >"$directory/ports"
    password=$(openssl rand -hex 16)
    as_postgres sh -c "umask 077; echo $password >'$directory/password'
        echo '*:*:*:*:$password' >'$directory/pgpass'"
    as_postgres initdb -D "$directory/primary" -U postgres -A scram-sha-256 \
        --pwfile="$directory/password" --encoding=UTF8 --locale=C >/dev/null
    make_certificate
    write_primary_settings
    start primary
    # Until the standby is there, a synchronous commit would wait for it.
    psql_primary -c 'SET synchronous_commit = local' \
        -c "CREATE ROLE replicator REPLICATION LOGIN PASSWORD '$password'" \
        -c 'CREATE TABLE bench (key bigint PRIMARY KEY, value json NOT NULL)'
    as_postgres pg_basebackup -R -X stream -c fast -D "$directory/standby" \
        -d "host=127.0.0.1 port=$primary_port user=replicator application_name=standby sslmode=require"
    write_standby_settings
    start standby
    wait_for_standby
    check_encryption
}

down() {
    local node
    for node in standby primary; do
        if [ -f "$directory/$node/postmaster.pid" ]; then
            as_postgres pg_ctl -D "$directory/$node" -m immediate -w stop >/dev/null || true
        fi
    done
}

upserts() {
    local connection
    connection="host=127.0.0.1 port=$primary_port user=postgres dbname=postgres sslmode=disable"
    rm -f "$directory"/latency.*
    as_postgres cp "$here/upsert.sql" "$directory/upsert.sql"
    if [ "$2" != 0 ]; then
        as_postgres pgbench -n -M prepared -c "$1" -j 1 -T "$2" -f "$directory/upsert.sql" \
            "$connection" >/dev/null
    fi
    as_postgres pgbench -n -M prepared -c "$1" -j 1 -T "$3" -f "$directory/upsert.sql" \
        -l --log-prefix="$directory/latency" "$connection" |
        awk '/^tps/ { print "per_second", $3 } /^number of failed/ { print "failed", $5 }'
}

rows() {
    awk -v count="$1" 'BEGIN {
        srand(7)
        for (key = 0; key < count; key++) {
            n = 100000000 + int(rand() * 900000000); m = 100000000 + int(rand() * 900000000)
            printf "%d\t{\"n\":%d%07d,\"pupil\":\"Fatima Zahra Idrissi\",\"school\":\"Lycee Ibn Rochd\",\"commune\":\"04.421.01.07\",\"level\":\"2BAC-PC\",\"guardian\":\"0612345678\",\"year\":2026,\"m\":%d%07d}\n", key, n, key, m, key
        }
    }' | as_postgres tee "$directory/rows.tsv" >/dev/null
}

copy() {
    local start end
    psql_primary -c 'DROP TABLE IF EXISTS bulk' \
        -c 'CREATE TABLE bulk (key bigint PRIMARY KEY, value json NOT NULL)' -c 'CHECKPOINT' \
        2>/dev/null
    start=$(date +%s%N)
    psql_primary -c "\\copy bulk FROM '$directory/rows.tsv'"
    end=$(date +%s%N)
    echo "seconds $(awk -v n=$((end - start)) 'BEGIN { print n / 1e9 }')"
}

# What `synchronous_standby_names` waits for is taken back while the standby is away.
catch_up() {
    local start end before after
    psql_primary -c "ALTER SYSTEM SET synchronous_standby_names = ''" \
        -c 'SELECT pg_reload_conf()' >/dev/null
    stop standby
    before=$(psql_primary -c 'SELECT pg_current_wal_lsn()')
    copy >/dev/null
    after=$(psql_primary -c 'SELECT pg_current_wal_lsn()')
    start=$(date +%s%N)
    start standby &
    until [ "$(psql_primary -c \
        "SELECT coalesce(max(flush_lsn) >= '$after', false) FROM pg_stat_replication")" = t ]; do
        sleep 0.01
    done
    end=$(date +%s%N)
    wait
    echo "seconds $(awk -v n=$((end - start)) 'BEGIN { print n / 1e9 }')"
    echo "bytes $(psql_primary -c "SELECT pg_wal_lsn_diff('$after', '$before')")"
    psql_primary -c 'ALTER SYSTEM RESET synchronous_standby_names' \
        -c 'SELECT pg_reload_conf()' >/dev/null
    wait_for_standby
}

main() {
    local command=${1:-}
    binaries=$(find_binaries)
    if [ "$command" = available ]; then
        [ -n "$binaries" ] || fail "PostgreSQL's server is not installed (make bench-peers)"
        "$binaries/postgres" --version
        return
    fi
    if [ $# -lt 2 ]; then
        usage >&2
        exit 64
    fi
    directory=$2
    shift 2
    case $command in
    up) up "$@" ;;
    down) down ;;
    *)
        ports
        case $command in
        upserts) upserts "$@" ;;
        rows) rows "$@" ;;
        copy) copy ;;
        catch-up) catch_up ;;
        *) usage >&2 && exit 64 ;;
        esac
        ;;
    esac
}

main "$@"
