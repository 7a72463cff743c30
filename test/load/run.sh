#!/usr/bin/env bash
#
# Load: 64 clients, each on one kept connection, work in all five systems
# through nginx, PostgREST and PostgreSQL without a pause.  First for a while
# in peace: no 5xx, no broken connection, no memory that grows.
# Then PostgreSQL is killed (-9) under the same clients and comes back some
# seconds later: so do they, by themselves, with the requests that got no
# answer.  What was acknowledged is there, once, and verify() finds nothing.
# Prints TAP.
#
#   WORKORDER_TEST_LONG=1     5 minutes of peace and an outage of 20 seconds; else 20 and 3

set -euo pipefail
# shellcheck source=test/tools/server.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tools/server.sh"
# shellcheck source=scripts/web.sh
. "$root/scripts/web.sh"

database=workorder
web=$cluster/web
# PostgREST is shared with the tests of the HTTP APIs.
home=${WORKORDER_TEST_HOME:?}/http
clients=64
# Some of them are the same person; none waits for the others here.
export WORKORDER_REQUESTS=$clients
# growth: kB by which a server process may grow, which in the short form is still
# meeting requests that it has not met before
warm=6 peace=20 outage=3 growth=8192
[ -z "${WORKORDER_TEST_LONG:-}" ] || warm=30 peace=300 outage=20 growth=2048
# more than a client can get through
orders=$((3 * (warm + peace + outage)))
scratch=$(mktemp -d "${TMPDIR:-/tmp}/workorder-load.XXXXXX")
load=
end() {
  [ -z "$load" ] || send_signal TERM "$load" || true
  web_stop
  rm -rf "$scratch"
}
trap end EXIT

ask() { psql -XAtq -v ON_ERROR_STOP=1 -d $database "$@"; }

# --- the stack ------------------------------------------------------------------
# As it is in production but for the durability of what nobody asked to be durable:
# only workorder.durable keeps what was acknowledged.

configure() { printf '%s\n' "$@" | as_server tee -a "$cluster/data/postgresql.conf" >/dev/null; }

stack_up() {
  local file
  configure 'fsync = on' 'full_page_writes = on' 'synchronous_commit = off' 'wal_writer_delay = 5000' 'wal_writer_flush_after = 0'
  cluster_stop "$cluster"
  cluster_start "$cluster"
  psql -Xq -d postgres -c "CREATE DATABASE $database"
  install_workorder "$cluster" $database
  ask -c "INSERT INTO workorder.secret (name, value) VALUES ('jwt', gen_random_uuid()::text || gen_random_uuid())"
  ask -o /dev/null -f "$root/deploy/roles.sql"
  for file in "$root"/test/fixtures/*.sql; do
    ask -o /dev/null -1 -f "$file"
  done
  ask -o /dev/null -v clients=$clients -v orders=$((orders + 30)) -f "$here/setup.sql"
  ask -c 'CREATE TABLE told (system text, ticket text, lines int, mark text, key text, sent int)'
  since=$(ask -c 'SELECT clock_timestamp()')
  WORKORDER_PORT=$(free_port)
  export WORKORDER_PORT
  web_start
}

# Prints the memory, in kB, that PostgREST, nginx and the server processes of
# PostgREST hold for themselves, and how many of the last there are.
memory() {
  local pid
  {
    say "postgrest $(web_pid postgrest)"
    pgrep -P "$(web_pid nginx)" | sed 's/^/nginx /'
    say "nginx $(web_pid nginx)"
    pgrep -P "$(cluster_pid "$cluster")" -f 'postgres: authenticator' | sed 's/^/postgres /'
  } | while read -r name pid; do
    say "$name $(awk '/^RssAnon:/ {print $2}' "/proc/$pid/status" 2>/dev/null)"
  done | awk '{sum[$1] += $2; if ($1 == "postgres" && $2) n++} END {print sum["postgrest"] + 0, sum["nginx"] + 0, sum["postgres"] + 0, n + 0}'
}

# --- the clients ----------------------------------------------------------------

# start_clients <run> <first order> <last order>
start_clients() {
  ask -c "SELECT jsonb_build_object('port', $WORKORDER_PORT, 'run', $1, 'clients', $clients, 'firstOrder', $2, 'lastOrder', $3,
    'credentialKey', (SELECT value FROM workorder.secret WHERE name = 'credential'),
    'tokens', (SELECT jsonb_object_agg(a.login, workorder.token(1, a.login)) FROM workorder.actor a WHERE a.tenant_id = 1 AND a.active))" \
    >"$scratch/config"
  : >"$scratch/told"
  coproc CLIENTS { exec node "$here/load.js" "$scratch/config" "$scratch/told" 2>&1; }
  load=$CLIENTS_PID
  # the names go with the process
  exec {to}>&"${CLIENTS[1]}" {from}<&"${CLIENTS[0]}"
}

# Waits for what the clients say, as far as the given word, and keeps what was
# measured in got; status 1 if they say no more.
declare -A got
hear() {
  local line word name pair
  while read -r -t 240 line <&"$from"; do
    read -r word name _ <<<"$line"
    case $word in
      phase)
        diag "$line"
        for pair in ${line#phase "$name"}; do
          got[$name.${pair%%=*}]=${pair#*=}
        done
        ;;
      recovered) got[recovered]=$name ;;
      end) ;;
      *) diag "$line" ;;
    esac
    [ "$word" != "$1" ] || return 0
  done
  return 1
}

tell() { say "$@" >&"$to" || true; }

# now_measure <name>: ends a phase, which the next one is called by
now_measure() {
  tell "phase $1"
  hear phase || true
}

stop_clients() {
  tell end
  hear end || send_signal TERM "$load" || true
  exec {to}>&- {from}<&-
  wait "$load" 2>/dev/null || true
  load=
}

# --- what was told and what is there --------------------------------------------

# Compares; found has the numbers by name.
declare -A found
compare() {
  local name number
  found=()
  ask -c 'TRUNCATE told' -c "\\copy told FROM '$scratch/told'"
  while IFS='|' read -r name number; do
    found[$name]=$number
  done < <(ask -v since="$since" -f "$here/compare.sql")
}

# at_least <what> <number> <least>; below <what> <number> <bound>
at_least() { ok "$1: $2, at least $3" test "$2" -ge "$3"; }
below() { ok "$1: $2, below $3" test "$2" -lt "$3"; }

# Kills the database's server under the clients.  What nobody waited for to be
# written is certainly lost: the process that would write it stands still before.
crash() {
  send_signal STOP "$(pgrep -P "$(cluster_pid "$cluster")" -f 'postgres: walwriter')" "$cluster"
  # long enough for something to be told that is not written
  sleep 1
  killed=$(date -u +%FT%T.%NZ)
  cluster_kill "$cluster"
}

stack_up
start_clients 1 1 $orders
sleep 1
now_measure warm
sleep $warm

# --- peace ----------------------------------------------------------------------

now_measure peace
for ((i = 0; i <= 10; i++)); do
  [ $i = 0 ] || sleep $((peace / 10))
  read -r postgrest nginx postgres backends < <(memory)
  diag "kB after $((i * peace / 10)) s: PostgREST $postgrest, nginx $nginx, $backends server processes $postgres"
  # Each server process has to meet each kind of request a few times first.
  [ $i -gt 3 ] || first=("$postgrest" "$nginx" "$postgres")
done
now_measure eve

# each client several times in each way
at_least 'requests' "${got[peace.requests]:-0}" $((5 * clients))
at_least 'writes among them' "${got[peace.written]:-0}" $clients
at_least 'refusals among them, as they should be' "${got[peace.refused]:-0}" $((clients / 4))
is 'answers that are not as they should be' "${got[peace.unexpected]:-none}" 0
is '502, 503 or 504' "${got[peace.unavailable]:-none}" 0
is 'requests without an answer' "${got[peace.broken]:-none}" 0
# nginx announces that it closes a connection after a 400, and after a thousand requests.
below 'connections besides those after one that nginx closed' $((${got[peace.connections]:-999999} - ${got[peace.closed]:-0})) 65
# 64 clients share ten connections to the database: PostgREST gives up after 10 s
# of waiting, which would be a 504 above.  How long they wait is told, not judged.
diag "median ${got[peace.p50]:-none} ms, p99 ${got[peace.p99]:-none} ms"
at_least 'server processes that were looked at' "$backends" 10
ok 'so were PostgREST and nginx' test "$postgrest" -gt 0 -a "$nginx" -gt 0
below 'kB by which PostgREST grew' $((postgrest - first[0])) 32768
below 'kB by which nginx grew' $((nginx - first[1])) 2048
below 'kB by which a server process grew, on average' $(((postgres - first[2]) / backends)) $growth

# --- the outage -----------------------------------------------------------------

sleep 2
now_measure outage
crash
sleep $outage
cluster_start "$cluster"
tell back
hear recovered || true
now_measure after
sleep 3
now_measure last
stop_clients

at_least 'requests that were answered 502, 503 or 504 meanwhile, in the words of their API' "${got[outage.unavailable]:-0}" $clients
at_least 'requests that were sent again' "${got[outage.resent]:-0}" $((clients / 2))
is 'answers that are not as they should be' "$((${got[eve.unexpected]:-1} + ${got[outage.unexpected]:-1} + ${got[after.unexpected]:-1} + ${got[last.unexpected]:-1}))" 0
is 'connections of clients that broke' "${got[outage.broken]:-none}" 0
ok "every client was well again (after ${got[recovered]:-no} ms)" test -n "${got[recovered]:-}"
at_least 'writes afterwards' "${got[after.written]:-0}" 10
is 'and no 5xx then' "${got[after.unavailable]:-none}" 0

compare
diag "$(ask -v killed="$killed" <<'SQL'
SELECT format('%s writes in all, %s of them sent again, of these %s had been done before the crash', count(*),
  count(*) FILTER (WHERE t.sent > 1), count(*) FILTER (WHERE t.sent > 1 AND i.created_at < :'killed'))
FROM told t LEFT JOIN workorder.idempotency i ON i.key = t.key
SQL
)"
at_least 'writes that were sent again' "$(ask -c 'SELECT count(*) FROM told WHERE sent > 1')" 10
is 'systems that were written to' "$(ask -c 'SELECT count(DISTINCT system) FROM told')" 5
is 'what was acknowledged and is not there' "${found[missing]:-none}" 0
is 'what is there twice' "${found[twice]:-none}" 0
is 'what is there and was not acknowledged' "${found[unheard]:-none}" 0
is 'tickets whose journal has more or fewer lines than were acknowledged' "${found[lines]:-none}" 0
is 'keys that have not one answer each' "${found[keys]:-none}" 0
is 'verify() finds nothing' "$(ask -c 'SELECT * FROM workorder.verify() LIMIT 5' 2>&1)" ''

# --- the test can fail ----------------------------------------------------------
# Without workorder.durable the same crash loses what was acknowledged.

configure 'workorder.durable = off'
cluster_stop "$cluster"
cluster_start "$cluster"
start_clients 2 $((orders + 1)) $((orders + 30))
sleep 2
crash
cluster_start "$cluster"
stop_clients
compare
at_least 'without workorder.durable, what was acknowledged and is not there' "${found[missing]:-0}" 1
done_testing
