#!/usr/bin/env bash
#
# Statements that are broken off: thousands of cancels, more clients than
# connections, too little memory.  The server stays up, what was acknowledged
# is there as it was told, nothing of what was broken off is, and verify() finds
# nothing.  Prints TAP.
#
#   WORKORDER_TEST_LONG=1     10,000 cancelled statements (two minutes); else 2,000

set -euo pipefail
# shellcheck source=test/tools/server.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tools/server.sh"

command -v node >/dev/null || need nodejs
cancels=2000
[ -z "${WORKORDER_TEST_LONG:-}" ] || cancels=10000
scratch=$(mktemp -d "${TMPDIR:-/tmp}/workorder-storm.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

ask() { psql -XAtq -v ON_ERROR_STOP=1 -d storm "$@"; }

# storm <what> <clients> <goal>: sets report to what the clients say in the end
storm() {
  server=$(cluster_pid "$cluster")
  local started=$SECONDS
  report=$(node "$here/storm.js" "$1" "$2" "$3" "$scratch/acknowledged" 2>&1 || true)
  diag "$1: $((SECONDS - started)) s"
}

# Lines of the journal by note, as they are and as they were acknowledged: what
# is in one and not in the other.  A note goes as far as its first blank.
difference() {
  ask -c "SELECT count(*) FROM (
    SELECT split_part(left(note, 40), ' ', 1) AS note, count(*) AS lines FROM workorder.journal WHERE left(note, 40) LIKE '$1:%' GROUP BY 1) j
    FULL JOIN acknowledged a USING (note) WHERE a.lines IS DISTINCT FROM j.lines"
}

# check <what> <least acknowledged> <least broken off>
check() {
  local told broken
  like "$1: the clients come to their end" "$report" '^end [0-9]+ [0-9]+$'
  read -r _ told broken <<<"$report"
  diag "$1: ${told:-0} acknowledged, ${broken:-0} broken off"
  ok "$1: at least $2 were acknowledged" test "${told:-0}" -ge "$2"
  ok "$1: at least $3 were broken off" test "${broken:-0}" -ge "$3"
  is "$1: the server is the same" "$(cluster_pid "$cluster")" "$server"
  is "$1: no process crashed" "$(grep -c 'was terminated by signal' "$cluster/log" || true)" 0
  ask -c 'TRUNCATE acknowledged' -c "\\copy acknowledged FROM '$scratch/acknowledged' (DELIMITER ' ')"
  is "$1: the journal has what was acknowledged, and nothing else" "$(difference "$1")" 0
  is "$1: verify() finds nothing" "$(ask -c 'SELECT * FROM workorder.verify() LIMIT 5' 2>&1)" ''
}

psql -Xq -d postgres -c 'CREATE DATABASE storm'
ask -o /dev/null -f "$root/test/crash/setup.sql"
ask -o /dev/null -f "$here/setup.sql"

storm cancel 12 "$cancels"
check cancel 200 "$cancels"
is 'cancel: a column of the user says the same as the journal' "$(ask -c "SELECT count(*) FROM job t WHERE t.done <> (
  SELECT count(*) FROM workorder.journal j WHERE j.ticket_id = t.id AND j.note LIKE 'cancel:%' AND j.note NOT LIKE '%:first') AND t.id NOT BETWEEN 101 AND 110")" 0
# The comparison can fail.
ask -c "UPDATE acknowledged SET lines = lines + 1 WHERE note = (SELECT min(note) FROM acknowledged)" -c "DELETE FROM acknowledged WHERE note = (SELECT max(note) FROM acknowledged)"
is 'cancel: of two that are told otherwise, both are noticed' "$(difference cancel)" 2

is 'crowd: there are 100 connections' "$(ask -c 'SHOW max_connections')" 100
storm crowd 110 20
check crowd $((110 * 20)) 10

# As much memory as a server process has that does nothing, and 60 MB.
size=$(ask -c "SELECT (regexp_match(pg_read_file('/proc/' || pg_backend_pid() || '/status'), 'VmSize:\s+(\d+)'))[1]")
cluster_stop "$cluster"
(ulimit -v $((size + 61440)) && cluster_start "$cluster")
storm memory 4 50
check memory 50 50
psql -Xq -d postgres -c 'DROP DATABASE storm WITH (FORCE)'
done_testing
