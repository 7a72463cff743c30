#!/usr/bin/env bash
#
# Random statements (sqlsmith) over the engine and all add-ons with their
# fixtures: joins, subqueries, MERGE and the rest, with our functions,
# operators, tables and views in all places where SQL lets them be.  As the
# web's role and as a superuser at the same time, each with a person who has
# every role.  Whatever is asked, no process of the server dies, nothing of ours
# raises an internal error, and nothing is left behind, for sqlsmith rolls back
# what it does.  Prints TAP.
#
#   WORKORDER_SQLSMITH_SECONDS   how long (default 35; 600 if WORKORDER_TEST_LONG=1)
#   WORKORDER_SQLSMITH_SEED      printed, so that a run can be repeated

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
# shellcheck source=test/tools/tap.sh
. "$root/test/tools/tap.sh"
need sqlsmith

seconds=35
least_statements=500
least_functions=40
if [ -n "${WORKORDER_TEST_LONG:-}" ]; then
  seconds=600
  least_statements=8000
  least_functions=150
fi
seconds=${WORKORDER_SQLSMITH_SECONDS:-$seconds}
# The same statements every time, other ones in a long run.
seed=${WORKORDER_TEST_LONG:+$RANDOM}
seed=${WORKORDER_SQLSMITH_SEED:-${seed:-17}}
log=${WORKORDER_TEST_CLUSTER:?is set by test/tools/cluster.sh}/log
export PGDATABASE=smith
ask() { psql -XAtq -v ON_ERROR_STOP=1 -c "$1"; }

psql -Xq -d postgres -c 'CREATE DATABASE smith' -c "ALTER SYSTEM SET log_error_verbosity = verbose" -c 'SELECT pg_reload_conf()' -o /dev/null
psql -XAtq -v ON_ERROR_STOP=1 -o /dev/null -f "$root/scripts/install.sql"
for fixture in "$root"/test/fixtures/*.sql; do
  psql -XAtq -1 -v ON_ERROR_STOP=1 -o /dev/null -f "$fixture"
done
# A temporary table of another session, which is there to the end.
coproc other { exec psql -XAtq -v ON_ERROR_STOP=1; }
other_pid=$other_PID
echo 'CREATE TEMP TABLE fleeting (tenant_id bigint NOT NULL DEFAULT 1, id bigint, n int, PRIMARY KEY (tenant_id, id)); SELECT pg_my_temp_schema()::regnamespace;' >&"${other[1]}"
read -r fleeting <&"${other[0]}"
psql -XAtq -v ON_ERROR_STOP=1 -v fleeting="$fleeting.fleeting" -o /dev/null -f "$root/test/sqlsmith/setup.sql"

# What is in all tables, as one digest.
contents() {
  ask "SELECT format('SELECT %L, count(*), md5(coalesce(string_agg(t::text, '','' ORDER BY t::text COLLATE \"C\"), '''')) FROM %s t;', c.oid::regclass, c.oid::regclass)
    FROM pg_class c WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
    ORDER BY c.oid::regclass::text COLLATE \"C\"" | psql -XAtq -v ON_ERROR_STOP=1 -f -
}

# What the log says from a line on of internal errors, with the place in the
# code, but for the planted one and those of PostgreSQL that are known: each is
# raised by a function of its own, called with an argument of sqlsmith's choice.
expected='planted error|invalid INTERVAL typmod|unrecognized interval typmod'
internal_errors() {
  tail -n "+$1" "$log" | awk '
    /ERROR:  XX/    { error = $0; sub(/^.*ERROR:  /, "", error); next }
    /LOCATION: /    { if (error != "") { sub(/^.*LOCATION:  /, ""); print error " (" $0 ")" } error = "" }' | sort | uniq -c |
    grep -vE "XX000: ($expected)" || true
}

started=$(ask 'SELECT pg_postmaster_start_time()')
contents_before=$(contents)
lines=$(($(wc -l <"$log") + 1))
diag "seed $seed"
ask 'SELECT pg_stat_reset()' >/dev/null
pids=()
for role in smith smith_super; do
  timeout "$seconds" sqlsmith --target="host=$PGHOST port=$PGPORT dbname=smith user=$role" --exclude-catalog --seed="$seed" >/dev/null 2>"$(dirname "$log")/$role.err" &
  pids+=($!)
done
for pid in "${pids[@]}"; do
  status=0
  wait "$pid" || status=$?
  # 124: it had its time
  is 'sqlsmith worked until its time was over' "$status" 124
  [ "$status" = 124 ] || diag "$(tail -qn 3 "$(dirname "$log")"/smith*.err)"
done
# a statement takes no longer than a second; what a session has counted is known when it has ended
for _ in {1..1200}; do
  [ "$(ask "SELECT count(*) FROM pg_stat_activity WHERE usename LIKE 'smith%'")" != 0 ] || break
  sleep 0.1
done

is 'the server is the one that was started' "$(ask 'SELECT pg_postmaster_start_time()')" "$started"
is 'no process of it died' "$(tail -n "+$lines" "$log" | grep -E 'was terminated by signal|PANIC:' || true)" ''
is 'nothing raised an internal error' "$(internal_errors "$lines")" ''
is 'nothing is changed' "$(contents)" "$contents_before"
# what setup.sql has made on purpose is found: a child with a row of its own, rules on two tables, a trigger on each of seven
of_setup="v.code = 'trigger_added' AND v.message LIKE '%of_users%' OR v.code = 'rule' OR v.relation = 'public.thing'::regclass AND (v.code = 'child' OR v.ticket_id = 700)"
is 'verify() finds nothing' "$(ask "SELECT * FROM workorder.verify() v WHERE ($of_setup) IS NOT TRUE")" ''
ok 'but what was made on purpose' test "$(ask "SELECT count(*) FROM workorder.verify() v WHERE $of_setup")" -ge 11

# What was reached.  A function that raised an error is told by the error's context only.
statements=$(ask 'SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()')
ours='(workorder|api|active_job|afterservice|call_center|cloud_support|dispatch)'
functions=$({
  ask 'SELECT schemaname || $$.$$ || funcname FROM pg_stat_user_functions WHERE calls > 0'
  tail -n "+$lines" "$log" | grep -oP "function \\K$ours\\.\\w+(?=\\()" || true
} | sort -u | grep -cE "^$ours\\.")
relations=$(ask 'SELECT count(*) FROM pg_stat_user_tables WHERE coalesce(seq_scan, 0) + coalesce(idx_scan, 0) > 0')
acts=$(ask 'SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables')
diag "$statements statements; $functions functions, $relations tables reached; $acts rows written" \
  "errors: $(tail -n "+$lines" "$log" | grep -oP 'ERROR:  \K\w{5}(?=:)' | sort | uniq -c | sort -rn | awk '{printf "%s %s, ", $1, $2}')"
ok "there were enough statements ($statements)" test "$statements" -ge "$least_statements"
ok "they reached our functions ($functions)" test "$functions" -ge "$least_functions"
ok "and tables ($relations)" test "$relations" -ge 50
ok 'they wrote' test "$acts" -ge 100

# The test can fail.
ok 'sqlsmith has found the planted error' grep -q 'ERROR:  XX000: planted error' "$log"
lines=$(($(wc -l <"$log") + 1))
psql -XAtqc "DO \$\$ BEGIN RAISE EXCEPTION 'another one' USING ERRCODE = 'XX000'; END \$\$" 2>/dev/null || true
like 'an internal error is seen' "$(internal_errors "$lines")" 'another one \(exec_stmt_raise, pl_exec.c'

echo '\q' >&"${other[1]}"
wait "$other_pid" || true
psql -Xq -d postgres -c 'DROP DATABASE smith' -c 'DROP ROLE smith' -c 'DROP ROLE smith_super' -c 'ALTER SYSTEM RESET log_error_verbosity'
done_testing
