#!/usr/bin/env bash
#
# Arguments that nobody would give: every function of the engine that SQL can
# call gets nulls, extremes, wrong tables, dropped ones, huge and deep values,
# in random combinations, as a superuser and as an ordinary role.  Triggers are
# put where they do not belong, and rules make other statements of what the
# engine and its tables are told.  Whatever it answers, no process of the server
# dies, nothing raises an internal error, and in the end everything is sound.
# Then the same with flow documents: those of the add-ons and two more, mutated,
# are checked, drawn, published and played.
# Prints TAP.
#
#   WORKORDER_ARGUMENTS_CALLS   calls of each function (default 15; 200 if WORKORDER_TEST_LONG=1,
#                               about five minutes)
#   WORKORDER_ARGUMENTS_DOCUMENTS   flow documents (default 2000; 30000 if WORKORDER_TEST_LONG=1)
#   WORKORDER_ARGUMENTS_SEED    between -1 and 1; printed, so that a run can be repeated

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=test/tools/tap.sh
. "$here/../tools/tap.sh"

calls=15
documents=2000
[ -z "${WORKORDER_TEST_LONG:-}" ] || { calls=200 documents=30000; }
documents=${WORKORDER_ARGUMENTS_DOCUMENTS:-$documents}
calls=${WORKORDER_ARGUMENTS_CALLS:-$calls}
# The same calls every time, other ones in a long run.
seed=${WORKORDER_TEST_LONG:+0.$RANDOM}
seed=${WORKORDER_ARGUMENTS_SEED:-${seed:-0.3949}}
log=${WORKORDER_TEST_CLUSTER:?is set by test/tools/cluster.sh}/log
export PGDATABASE=arguments
ask() { psql -XAtq -v ON_ERROR_STOP=1 -v VERBOSITY=terse -c "$1"; }

psql -Xq -d postgres -c 'CREATE DATABASE arguments'
psql -Xq -v ON_ERROR_STOP=1 -o /dev/null -f "$here/../crash/setup.sql"
psql -Xq -v ON_ERROR_STOP=1 -o /dev/null -f "$here/undone.sql" -f "$here/setup.sql"
started=$(ask 'SELECT pg_postmaster_start_time()')
signals=$(grep -c 'was terminated by signal' "$log" || true)

diag "seed $seed"
for role in postgres arguments_app; do
  # one session and one transaction for each function, so that a crash ends but one of them
  ask "SELECT format('SELECT setseed(%s); SELECT torment(%s, %s, %L);', $seed, p.oid, $calls, '$role')
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname IN ('workorder', 'api') AND p.prokind = 'f' AND p.prorettype NOT IN ('internal'::regtype)
      AND NOT 'internal'::regtype = ANY (p.proargtypes) ORDER BY p.oid::regprocedure::text" >"${TMPDIR:-/tmp}/arguments.$$"
  functions=$(wc -l <"${TMPDIR:-/tmp}/arguments.$$")
  ok "$role: there are functions ($functions)" test "$functions" -ge 100
  died=$(psql -XAtq -v VERBOSITY=terse -o /dev/null -f "${TMPDIR:-/tmp}/arguments.$$" 2>&1 | grep -v '^psql:.*\(NOTICE\|WARNING\)' | head -n 20) || true
  is "$role: no call ends the session" "$died" ''
  rm -f "${TMPDIR:-/tmp}/arguments.$$"
done
# Trigger functions are called as triggers, where they do not belong and with
# arguments that are not theirs.
ask "SELECT setseed($seed); SELECT torment_trigger(p.oid, $calls) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE n.nspname = 'workorder' AND p.prorettype = 'trigger'::regtype ORDER BY p.proname" >/dev/null
# Rules make other statements of the engine's.
rules=$((calls * 20))
died=$(ask "SELECT setseed($seed); SELECT torment_rule($rules)" 2>&1 >/dev/null | grep -v 'NOTICE\|WARNING' | head -n 20) || true
is 'no rule ends the session' "$died" ''
ok 'there were rules, and acts past them' test "$(ask 'SELECT least(count(*), 4 * count(*) FILTER (WHERE state IS NULL)) FROM called WHERE function = 0')" -ge $rules
diag "$(ask "SELECT count(*) || ' calls, ' || count(*) FILTER (WHERE state IS NULL) || ' answered' FROM called")"
ok 'there were enough calls' test "$(ask 'SELECT count(*) FROM called')" -ge $((150 * calls))
ok 'some of them were answered' test "$(ask 'SELECT count(DISTINCT function) FROM called WHERE state IS NULL')" -ge 80
# Functions with an argument of type internal cannot be called from SQL; the
# kind search has them called, by the planner and by indexes.
is 'no function in C is left out but those that only the server can call' "$(ask "SELECT p.proname FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
  JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_extension e ON e.extname = 'workorder'
  JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
  WHERE l.lanname = 'c' AND p.oid NOT IN (SELECT function FROM called GROUP BY function HAVING count(*) >= 2 * $calls) ORDER BY 1" | tr '\n' ' ')" \
  'bigram_compare_partial bigram_consistent bigram_extract_query bigram_extract_value contains_support '
is 'nothing raised an internal error' "$(ask "SELECT DISTINCT ON (function) call, state, message FROM called WHERE state ~ '^XX' ORDER BY function LIMIT 20")" ''
is 'nothing was endless' "$(ask "SELECT DISTINCT ON (function) call FROM called WHERE state = '57014' ORDER BY function LIMIT 20")" ''
is 'the server is the one that was started' "$(ask 'SELECT pg_postmaster_start_time()')" "$started"
is 'no process of it died' "$(grep -c 'was terminated by signal' "$log" || true)" "$signals"
# what setup.sql has made on purpose is found: a child with a row of its own, a trigger on each of seven tables
of_setup="v.code = 'trigger_added' AND v.message LIKE '%of_users%' OR v.relation = 'job'::regclass AND (v.code = 'child' OR v.ticket_id = 700)"
is 'nothing is left of it all: verify() finds nothing' "$(ask "SELECT * FROM workorder.verify() v WHERE ($of_setup) IS NOT TRUE")" ''
ok 'but what was made on purpose' test "$(ask "SELECT count(*) FROM workorder.verify() v WHERE $of_setup")" -ge 8

# The extension goes and comes back under a session that knows all of it: the
# same calls by the same session, before and after.
ask "SELECT format('SELECT torment(%L::regprocedure, 2, %L);', p.oid::regprocedure, 'postgres')
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'workorder' AND p.prokind = 'f'
  AND NOT 'internal'::regtype = ANY (p.proargtypes) ORDER BY p.oid::regprocedure::text" >"${TMPDIR:-/tmp}/arguments.$$"
before=$(ask 'SELECT count(*) FROM called')
died=$({
  cat "${TMPDIR:-/tmp}/arguments.$$"
  echo 'DROP EXTENSION workorder CASCADE;'
  # what is not there is not called, and is no reason to end
  cat "${TMPDIR:-/tmp}/arguments.$$"
  echo 'CREATE EXTENSION workorder; SELECT workorder.install();'
  cat "${TMPDIR:-/tmp}/arguments.$$"
} | psql -XAtq -v VERBOSITY=terse -o /dev/null -f - 2>&1 | grep -E 'connection|terminated|^psql:.*(FATAL|PANIC)|XX[0-9]{3}' | head -n 20) || true
rm -f "${TMPDIR:-/tmp}/arguments.$$"
is 'the extension is dropped and made again: the session goes on' "$died" ''
ok 'and calls it' test "$(ask 'SELECT count(*) FROM called')" -gt $((before + 300))
is 'without an internal error' "$(ask "SELECT DISTINCT ON (function) call, state, message FROM called WHERE state ~ '^XX' ORDER BY function LIMIT 20")" ''
is 'and the server is the one that was started' "$(ask 'SELECT pg_postmaster_start_time()')" "$started"
psql -Xq -d postgres -c 'DROP DATABASE arguments' -c 'DROP ROLE arguments_app' -c 'CREATE DATABASE documents'

export PGDATABASE=documents
psql -XAtq -v ON_ERROR_STOP=1 -o /dev/null -f "$here/../../scripts/install.sql"
psql -XAtq -v ON_ERROR_STOP=1 -o /dev/null -f "$here/undone.sql" -f "$here/documents.sql"
# two sessions, each in transactions of a hundred
died=$(for half in 1 2; do
  for ((n = half; n <= documents; n += 200)); do
    echo "SELECT setseed(cos($seed + $n)); SELECT count(trial(n)) FROM generate_series($n, $((n + 199)), 2) n;"
  done | psql -XAtq -o /dev/null -c 'SET client_min_messages = error' -f - 2>&1 &
done
wait)
is 'no document ends a session' "$(head -n 20 <<<"$died")" ''
outcomes=$(ask "SELECT what || ' ' || coalesce(state, 'done'), count(*) FROM tried GROUP BY 1 ORDER BY 1")
diag "$outcomes"
ok "all $documents documents were tried" test "$(ask "SELECT count(*) FROM tried WHERE what = 'publish'")" -ge "$documents"
ok 'some were published' test "$(ask "SELECT count(*) FROM tried WHERE what = 'publish' AND state IS NULL")" -ge $((documents / 10))
ok 'some were refused' test "$(ask "SELECT count(*) FROM tried WHERE what = 'publish' AND state = 'WO400'")" -ge $((documents / 4))
ok 'some were played' test "$(ask "SELECT count(*) FROM tried WHERE what = 'play' AND state IS NULL")" -ge $((documents / 100))
is 'nothing but refusals, and no document with a defect is published' \
  "$(ask "SELECT DISTINCT ON (what, state) what, state, message, left(definition::text, 2000) FROM tried WHERE state NOT LIKE 'WO4%' ORDER BY what, state LIMIT 20")" ''
is 'the server is still the one that was started' "$(ask 'SELECT pg_postmaster_start_time()')" "$started"
is 'and still no process of it died' "$(grep -c 'was terminated by signal' "$log" || true)" "$signals"
is 'nothing of it was kept' "$(ask "SELECT count(*) FROM workorder.flow WHERE version > 1 OR name IN ('leave', 'expense', 'mutant')")" 0
is 'anything else is noticed' "$(ask "SELECT try(0, 'planted', '{}', 'SELECT 1 / 0 FROM (SELECT \$1) x'); SELECT what, state FROM tried WHERE state NOT LIKE 'WO4%'")" $'22012\nplanted|22012'
psql -Xq -d postgres -c 'DROP DATABASE documents'
done_testing
