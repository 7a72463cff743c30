#!/usr/bin/env bash
#
# Sweeping under stress: four sweepers at once, sweepers that are killed in the
# middle, and the background worker through errors, reloads and restarts.  Every
# timer fires once: never twice, never not at all.  Prints TAP.
#
#   planted                   as the first argument: only what others plant for the worker to run
#   WORKORDER_SWEEP_TICKETS   tickets per round (default 3000)
#   WORKORDER_SWEEP_KILLS     how many sweeps are killed, by hand and of the worker
#                             (default 5 each; 40 if WORKORDER_TEST_LONG=1, about seven minutes)

set -euo pipefail
# shellcheck source=test/tools/server.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tools/server.sh"

tickets=${WORKORDER_SWEEP_TICKETS:-3000}
kills=5
[ -z "${WORKORDER_TEST_LONG:-}" ] || kills=40
kills=${WORKORDER_SWEEP_KILLS:-$kills}
scratch=$(mktemp -d "${TMPDIR:-/tmp}/workorder-sweep.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

ask() { psql -XAtq -v ON_ERROR_STOP=1 -d sweep "$@"; }

# Waits up to three minutes for a query to give something.
wait_for() {
  for _ in {1..900}; do
    [ "$(ask -c "$2" 2>/dev/null)" != "$1" ] || return 0
    sleep 0.2
  done
  say "$2"
  ask -c "$2"
  return 1
}

restart() {
  cluster_stop "$cluster"
  printf '%s\n' "$@" | as_server tee -a "$cluster/data/postgresql.conf" >/dev/null
  cluster_start "$cluster"
}

# --- what others have planted ---------------------------------------------------

# The worker may be a superuser: what is called like ours and is not runs as one.
# A schema of that name is anybody's as long as the extension is not there; and
# where it is, a function in the place of one that was taken out of it.
planted() { psql -XAtq -v ON_ERROR_STOP=1 -d planted "$@"; }
notices() { grep -c 'workorder is not installed in database "planted"' "$cluster/log" || true; }
# Starts the server with a worker of that database, and prints what it ran of it.
caught() {
  local before
  before=$(notices)
  restart "workorder.database = 'planted'" "workorder.sweep_role = ''" 'workorder.sweep_interval = 1'
  # it has looked, and either said so or run something
  for _ in {1..900}; do
    [ "$(notices)" = "$before" ] && [ "$(planted -c 'SELECT count(*) FROM caught')" = 0 ] || break
    sleep 0.2
  done
  [ "$(notices)" != "$before" ] || say 'it takes it for installed'
  planted -c 'SELECT DISTINCT who, what FROM caught'
}
psql -Xq -v ON_ERROR_STOP=1 -d postgres -c 'CREATE ROLE stranger' -c 'CREATE DATABASE planted' -c 'GRANT CREATE ON DATABASE planted TO stranger'
planted -c 'CREATE TABLE caught (who name, what text)' -c 'GRANT ALL ON caught TO PUBLIC' -c 'SET ROLE stranger' -c 'CREATE SCHEMA workorder' \
  -c 'CREATE TABLE workorder.timer ()' \
  -c "CREATE FUNCTION workorder.sweep(int) RETURNS bigint LANGUAGE sql AS 'INSERT INTO public.caught VALUES (current_user, ''sweep'') RETURNING 1::bigint'" \
  -c "CREATE FUNCTION workorder.next_due() RETURNS timestamptz LANGUAGE sql AS 'INSERT INTO public.caught VALUES (current_user, ''next_due'') RETURNING now()'"
is 'the worker runs nothing of a schema that is called like ours' "$(caught)" ''
planted -o /dev/null -c 'SET client_min_messages = warning' -c 'DROP SCHEMA workorder CASCADE' -c 'CREATE EXTENSION workorder CASCADE' -c 'SELECT workorder.install()' \
  -c 'ALTER EXTENSION workorder DROP FUNCTION workorder.next_due()' -c 'DROP FUNCTION workorder.next_due()' -c 'GRANT CREATE ON SCHEMA workorder TO stranger' \
  -c 'SET ROLE stranger' \
  -c "CREATE FUNCTION workorder.next_due() RETURNS timestamptz LANGUAGE sql AS 'INSERT INTO public.caught VALUES (current_user, ''next_due'') RETURNING now()'"
is 'nor a function in the place of one of ours' "$(caught)" ''
as_server sed -i '/^workorder\./d' "$cluster/data/postgresql.conf"
restart ''
psql -Xq -d postgres -c 'DROP DATABASE planted' -c 'DROP ROLE stranger'
if [ "${1:-}" = planted ]; then
  done_testing
  exit
fi

psql -Xq -v ON_ERROR_STOP=1 -d postgres -c 'CREATE DATABASE sweep'
ask -o /dev/null <<'SQL'
SET client_min_messages = warning;
CREATE EXTENSION workorder CASCADE;
SELECT workorder.install();
INSERT INTO workorder.tenant (id, name) VALUES (2, 'other'), (3, 'idle');
SELECT workorder.publish('{"id": "due", "initial": "open", "on": {"create": {"allow": ["*"]}, "view": {"allow": ["*"]}},
  "states": {
    "open": {"after": {"P1D": {"set": {"warned": "$now"}}, "$.late_at": "late"}},
    "late": {"after": {"P1D": "closed"}},
    "closed": {"type": "final"}}}');
CREATE TABLE due (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint GENERATED ALWAYS AS IDENTITY, round int,
  warned timestamptz, late_at timestamptz, PRIMARY KEY (tenant_id, id));
SELECT workorder.guard('due', 'due');
SELECT workorder.publish('{"id": "soon", "initial": "open", "on": {"create": {"allow": ["*"]}, "view": {"allow": ["*"]}},
  "states": {"open": {"after": {"PT1S": "closed"}}, "closed": {"type": "final"}}}');
CREATE TABLE soon (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint GENERATED ALWAYS AS IDENTITY, PRIMARY KEY (tenant_id, id));
SELECT workorder.guard('soon', 'soon');
SQL

# Tickets of a round, made three days ago, in two tenants.
make_tickets() {
  local tenant
  for tenant in 1 2; do
    ask -o /dev/null -c "SET workorder.tenant = '$tenant'" \
      -c "SELECT set_config('workorder.now', (now() - interval '3 days')::text, false)" \
      -c "INSERT INTO due (round, late_at) SELECT $1, workorder.clock() + interval '2 days' FROM generate_series(1, $tickets / 2)"
  done
}

# Every ticket of the round has been warned and then escalated, once each.
once() {
  ask -c "SELECT count(*) FROM due d
    WHERE d.round = $1 AND (d.state, d.revision, d.warned IS NOT NULL) IS DISTINCT FROM ('late', 3, true)"
}

# Tickets of a round that a sweep left half done: a timer that is spent has moved its ticket.
torn_of() {
  # after a crash there are no statistics that would tell that there are many
  ask -c 'SET enable_nestloop = off' -c "SELECT count(*) FROM due d
    LEFT JOIN workorder.timer t ON t.tenant_id = d.tenant_id AND t.ticket_id = d.id AND t.delay = 'P1D' AND t.state = 'open'
    WHERE d.round = $1 AND d.state = 'open' AND (t.fired_at IS NOT NULL) <> (d.warned IS NOT NULL)"
}

# Waits until the server answers, after a crash.
well() {
  for _ in {1..1800}; do
    ask -c 'SELECT 1' >/dev/null 2>&1 && break
    sleep 0.1
  done
}

sound() { ask -c "SELECT DISTINCT code FROM workorder.verify() ORDER BY 1"; }

# --- four at once -------------------------------------------------------------

# Sweeps until there is nothing left; prints how many timers it took.
sweeper() {
  local n sum=0
  while n=$(ask -c 'SELECT workorder.sweep(200)'); do
    sum=$((sum + n))
    [ "$n" -gt 0 ] || break
  done
  say "$sum"
}

make_tickets 1
for i in 1 2 3 4; do
  sweeper >"$scratch/$i" 2>"$scratch/$i.error" &
done
wait
left=$(ask -c 'SELECT workorder.sweep(100000)')
total=$((left + $(cat "$scratch/1") + $(cat "$scratch/2") + $(cat "$scratch/3") + $(cat "$scratch/4")))
is 'four sweepers take every timer, and none twice' "$total" $((2 * tickets))
is 'none of them has an error' "$(cat "$scratch"/*.error)" ''
is 'more than one of them had a share' "$(grep -cvx 0 "$scratch"/[1-4] | awk -F: '$2 > 0 {n++} END {print (n > 1)}')" 1
is 'every ticket was moved once by each of its timers' "$(once 1)" 0
is 'tables and journal agree' "$(sound)" ''

# --- killed in the middle -----------------------------------------------------

torn=0
unfinished=0
for ((i = 2; i < kills + 2; i++)); do
  # one that was over before it was killed is tried again, and killed sooner
  for patience in 39 19 9 4 2 1 1 1 1 1; do
    make_tickets $i
    psql -XAtq -d sweep -c "SET application_name = 'victim'" -c 'SELECT workorder.sweep(1000000)' >/dev/null 2>&1 &
    victim=$!
    pid=
    while [ -z "$pid" ] && [ -e "/proc/$victim" ]; do
      pid=$(ask -c "SELECT pid FROM pg_stat_activity WHERE application_name = 'victim' AND state = 'active' AND query ~ 'sweep'")
      sleep 0.02
    done
    sleep "$(printf '0.%02d' $((RANDOM % patience)))"
    [ -z "$pid" ] || send_signal KILL "$pid" "$cluster" || true
    killed=0
    wait $victim || killed=1
    well
    torn=$((torn + $(torn_of $i)))
    [ $killed = 0 ] || break
  done
  unfinished=$((unfinished + killed))
done
is 'sweeps were killed before their end' "$unfinished" "$kills"
is 'no timer is spent without its ticket having moved' "$torn" 0
is 'after the crashes tables and journal agree' "$(sound)" ''
sweeper >/dev/null
wrong=0
for ((i = 2; i < kills + 2; i++)); do wrong=$((wrong + $(once $i))); done
is 'what was interrupted is taken by the next sweep, once' "$wrong" 0

# --- the background worker ----------------------------------------------------

worker() { ask -c "SELECT pid FROM pg_stat_activity WHERE backend_type = 'workorder sweeper'"; }

is 'no worker runs unless a database is named' "$(worker)" ''
ask -c 'CREATE ROLE sweeper LOGIN' -c 'GRANT USAGE ON SCHEMA workorder TO sweeper'
restart "workorder.database = 'sweep'" "workorder.sweep_role = 'sweeper'" 'workorder.sweep_interval = 1'
ok 'a worker runs, and shows itself' wait_for 1 "SELECT count(*) FROM pg_stat_activity
  WHERE backend_type = 'workorder sweeper' AND application_name = 'workorder sweeper' AND usename = 'sweeper' AND datname = 'sweep'"
ok 'an error does not end it' wait_for t "SELECT pg_read_file('$cluster/log') ~ 'permission denied for function sweep'"
first=$(worker)
ask -c 'GRANT EXECUTE ON FUNCTION workorder.sweep(int), workorder.next_due() TO sweeper'
ask -c 'INSERT INTO soon DEFAULT VALUES'
ok 'a timer fires when it is due' wait_for closed "SELECT state FROM soon ORDER BY id DESC LIMIT 1"
is 'by the same worker' "$(worker)" "$first"
make_tickets 0
ok 'a backlog is worked off, batch after batch' wait_for 0 "SELECT count(*) FROM due WHERE round = 0 AND state <> 'late'"
ask -c 'ALTER SYSTEM SET workorder.sweep_interval = 3600' -c 'SELECT pg_reload_conf()' -o /dev/null
# The worker hears of it when it wakes up next: then what falls due stays, for two seconds in which it had it before.
sleeps() {
  for _ in {1..20}; do
    ask -c 'INSERT INTO soon DEFAULT VALUES'
    sleep 3
    [ "$(ask -c 'SELECT state FROM soon ORDER BY id DESC LIMIT 1')" != open ] || return 0
  done
  return 1
}
ok 'the interval is read again: it sleeps now' sleeps
ask -c 'ALTER SYSTEM RESET workorder.sweep_interval' -c 'SELECT pg_reload_conf()' -o /dev/null
ok 'and wakes up when it is told' wait_for closed "SELECT state FROM soon ORDER BY id DESC LIMIT 1"
send_signal KILL "$(worker)" "$cluster"
well
ok 'it comes back after a crash' wait_for t "SELECT count(*) = 1 AND min(pid) <> $first FROM pg_stat_activity WHERE backend_type = 'workorder sweeper'"

# The worker takes up what it was killed at, and is killed at that: what a sweep
# claims, it claims no longer than it lives.
make_tickets -1
interrupted=0 torn=0
for ((i = 0; i < 10 * kills && interrupted < kills; i++)); do
  pid=
  for _ in {1..6000}; do
    pid=$(worker 2>/dev/null) || pid=
    [ -z "$pid" ] || break
    sleep 0.02
  done
  sleep "0.$((RANDOM % 2))$((RANDOM % 10))"
  send_signal KILL "$pid" "$cluster" || true
  # the next one finds what this one left, and more, if it was quick
  sleep 0.1
  well
  torn=$((torn + $(torn_of -1)))
  if [ "$(ask -c "SELECT count(*) FROM due WHERE round = -1 AND state <> 'late'")" -gt 0 ]; then
    interrupted=$((interrupted + 1))
  else
    make_tickets -1
  fi
done
ok "the worker is killed at what it takes up again ($interrupted of $i times)" [ "$interrupted" -gt 0 ]
is 'no timer is spent by it without its ticket having moved' "$torn" 0
ok 'it takes all of it in the end' wait_for 0 "SELECT count(*) FROM due WHERE round = -1 AND state <> 'late'"
is 'every one of its tickets was moved once by each timer' "$(once -1)" 0
is 'nothing is claimed any more' "$(ask -c "SELECT count(*) FROM workorder.overdue" -c "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
  WHERE c.relname IN ('due', 'timer') AND l.pid <> pg_backend_pid() AND l.pid <> ALL (SELECT pid FROM pg_stat_activity WHERE backend_type = 'autovacuum worker')")" $'0\n0'
is 'tables and journal agree after that' "$(sound)" ''
restart "workorder.database = 'not_there'"
is 'it stops with the server, which is not told twice' "$(grep -c 'immediate shutdown request' "$cluster/log" || true)" 0
ok 'a database that is not there does not keep the server from starting' [ "$(ask -c 'SELECT 1')" = 1 ]
is 'everything still agrees' "$(sound)" ''
as_server sed -i '/^workorder\./d' "$cluster/data/postgresql.conf"
restart ''
psql -Xq -d postgres -c 'DROP DATABASE sweep' -c 'DROP ROLE sweeper'
done_testing
