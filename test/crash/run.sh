#!/usr/bin/env bash
#
# Crashes under load: the whole server, and single backends, are killed (-9)
# again and again while eight clients act.  What was acknowledged is there,
# once; what was not is there whole or not at all; verify() finds nothing; a
# request with a key is answered as the first time, and only that request.
# synchronous_commit is off and the WAL writer lazy, so that nothing but
# workorder.durable keeps what was acknowledged.  Prints TAP.
#
#   WORKORDER_TEST_LONG=1     60 crashes of the server, 40 of a backend, 150,000
#                             acts (about eight minutes); else 8, 6 and 12,000

set -euo pipefail
# shellcheck source=test/tools/server.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tools/server.sh"

command -v node >/dev/null || need nodejs
crashes=8 losses=6 goal=8000
[ -z "${WORKORDER_TEST_LONG:-}" ] || crashes=60 losses=40 goal=100000
scratch=$(mktemp -d "${TMPDIR:-/tmp}/workorder-crash.XXXXXX")
load=
end() {
  [ -z "$load" ] || send_signal TERM "$load" || true
  rm -rf "$scratch"
}
trap end EXIT

ask() { psql -XAtq -v ON_ERROR_STOP=1 -d crash "$@"; }

# Kills the postmaster and all its children, and starts the server again.
crash_server() {
  cluster_kill "$cluster"
  cluster_start "$cluster"
}

# Kills one backend that serves a client; the postmaster restarts all the rest.
crash_backend() {
  local pid
  for _ in {1..1800}; do
    pid=$(pgrep -P "$(cluster_pid "$cluster")" -f 'postgres: postgres crash' | shuf -n 1) || true
    if [ -n "$pid" ] && send_signal KILL "$pid" "$cluster"; then
      killed=$((killed + 1))
      return 0
    fi
    sleep 0.02
  done
}

# Keeps what verify() finds while the clients are at work again.  Where only a
# backend was killed, the server may answer before it notices: then once more.
verify() {
  local found status
  for _ in {1..1800}; do
    well
    status=0
    found=$(ask -c 'SELECT * FROM workorder.verify() LIMIT 5' 2>&1) || status=$?
    [ "$status" = 2 ] || break
    sleep 0.1
  done
  [ -z "$found" ] || say "$found" >>"$scratch/findings"
}

# Waits until the server answers.
well() {
  for _ in {1..1800}; do
    ask -c 'SELECT 1' >/dev/null 2>&1 && break
    sleep 0.1
  done
}

# stress <how> <times> <acts>: crashes the server so many times, evenly over so
# many acts; sets report to what the clients say in the end.  They go on until
# the last crash is over, so that every one of them meets them at work.
stress() {
  local how=$1 times=$2 acts=$3 step line
  local next told=0
  step=$((acts / (times + 1) / 100 * 100)) next=$step count=0 killed=0 report=
  : >"$scratch/findings"
  node "$here/load.js" 8 0 "$scratch/acknowledged" >"$scratch/fifo" 2>&1 &
  load=$!
  while read -r line; do
    case $line in
      *[!0-9]*) report=$line ;;
      *)
        told=$line
        if [ "$told" -ge "$next" ] && [ "$count" -lt "$times" ]; then
          # anywhere between two acts, or in one
          sleep "0.0$((RANDOM % 10))"
          "crash_$how"
          verify
          count=$((count + 1)) next=$((next + step))
        fi
        [ "$count" -lt "$times" ] || [ "$told" -lt "$acts" ] || send_signal TERM "$load" || true
        ;;
    esac
  done <"$scratch/fifo"
  wait "$load" || true
  load=
  well
}

# Compares what clients were told with what is there.
load_acknowledged() {
  ask -c 'TRUNCATE acknowledged' -c "\\copy acknowledged FROM '$scratch/acknowledged' (DELIMITER ' ')"
}
lost="SELECT count(*) FROM acknowledged a WHERE NOT EXISTS (
  SELECT FROM workorder.journal j WHERE j.ticket_id = a.ticket_id AND j.note = a.note)"
doubled="SELECT count(*) FROM (SELECT note FROM workorder.journal WHERE note IS NOT NULL GROUP BY note HAVING count(*) > 1) d"
doubt="SELECT count(*) FROM workorder.journal j WHERE j.note IS NOT NULL AND NOT EXISTS (
  SELECT FROM acknowledged a WHERE a.ticket_id = j.ticket_id AND a.note = j.note)"
# a business column that was counted up by plain updates says the same as the journal
torn="SELECT count(*) FROM job t WHERE t.id > 100 AND t.done <> (
  SELECT count(*) FROM workorder.journal j WHERE j.guarded_id = 1 AND j.ticket_id = t.id AND j.action = 'next')"

fresh() {
  psql -Xq -d postgres -c 'DROP DATABASE IF EXISTS crash WITH (FORCE)' -c 'CREATE DATABASE crash' 2>/dev/null
  ask -o /dev/null -f "$here/setup.sql"
  ask -c 'CREATE TABLE acknowledged (ticket_id bigint, note text)' -c 'CREATE INDEX ON workorder.journal (note)' -c CHECKPOINT
}

printf '%s\n' 'synchronous_commit = off' 'wal_writer_delay = 5000' 'wal_writer_flush_after = 0' 'full_page_writes = on' \
  'fsync = on' 'wal_sync_method = fdatasync' 'restart_after_crash = on' | as_server tee -a "$cluster/data/postgresql.conf" >/dev/null
cluster_stop "$cluster"
cluster_start "$cluster"
mkfifo "$scratch/fifo"

# check <how> <times> <acts>
check() {
  is "$1: they happened" "$count" "$2"
  like "$1: all clients come to their end" "$report" '^end [0-9]+ [0-9]+ [0-9]+ [0-9]+ [0-9]+$'
  diag "$report"
  # each client repeats its last request, once or more, after a crash
  local acts=0 before=0 requests=0 answers=0
  read -r _ _ acts before requests answers <<<"$(grep '^end' <<<"$report")" || true
  ok "$1: acts were asked for again ($acts, $before of them had been done)" test "${acts:-0}" -gt 0
  ok "$1: requests were sent again with their key ($requests)" test "${requests:-0}" -gt 0
  ok "$1: what was answered before them is answered alike, and refused to another payload ($answers)" test "${answers:-0}" -ge $((4 * $2))
  load_acknowledged
  local told
  told=$(ask -c 'SELECT count(*) FROM acknowledged')
  ok "$1: $told acts were acknowledged" test "$told" -ge "$3"
  is "$1: none of them is lost" "$(ask -c "$lost")" 0
  is "$1: none of them is doubled" "$(ask -c "$doubled")" 0
  # at most one a client and crash
  told=$(ask -c "$doubt")
  ok "$1: of those that were not, $told were done" test "$told" -le $((8 * $2))
  is "$1: none of them was done by half" "$(ask -c "$torn")" 0
  is "$1: verify() found nothing after any of them" "$(cat "$scratch/findings")" ''
  is "$1: verify() finds nothing in the end" "$(ask -c 'SELECT * FROM workorder.verify() LIMIT 5')" ''
}

fresh
stress server "$crashes" "$goal"
check "$crashes crashes of the server" "$crashes" "$goal"

fresh
stress backend "$losses" "$((goal / 2))"
is "$losses crashes of a backend: one was killed each time" "$killed" "$losses"
check "$losses crashes of a backend" "$losses" "$((goal / 2))"

# The test can fail: without workorder.durable the same load loses acts.
say 'workorder.durable = off' | as_server tee -a "$cluster/data/postgresql.conf" >/dev/null
cluster_stop "$cluster"
cluster_start "$cluster"
fresh
stress server 2 1200
load_acknowledged
ok "without workorder.durable $(ask -c "$lost") acts are lost" test "$(ask -c "$lost")" -gt 0

psql -Xq -d postgres -c 'DROP DATABASE crash WITH (FORCE)'
done_testing
