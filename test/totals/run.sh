#!/usr/bin/env bash
#
# Totals while everybody writes: eight clients work for $WORKORDER_TOTALS_SECONDS
# (default 10), others look, recount, and switch counting off and on; total()
# must never say anything but what count(*) says in the same snapshot.  Prints
# TAP.

set -euo pipefail
subject=totals
seconds=${WORKORDER_TOTALS_SECONDS:-10}
# shellcheck source=test/tools/crowd.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tools/crowd.sh"

cat >"$work/write" <<'SQL'
\set dice random(0, 99)
\set seed random(0, 999)
SELECT work(:dice, :seed);
SQL
# Several statements in a transaction, own changes looked at before they are committed or not.
cat >"$work/own" <<'SQL'
\set dice random(0, 99)
\set seed random(0, 999)
BEGIN;
SELECT work(:dice, :seed);
SAVEPOINT a;
SELECT work(:seed % 100, :dice);
SELECT look('own');
ROLLBACK TO a;
SELECT look('undone');
\if :dice < 50
COMMIT;
\else
ROLLBACK;
\endif
SQL
cat >"$work/look" <<'SQL'
SELECT look('statement');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT look('first look');
\sleep 20 ms
SELECT look('second look');
COMMIT;
SQL
cat >"$work/recount" <<'SQL'
\set dice random(0, 9)
\sleep 700 ms
\if :dice < 3
SELECT workorder.count_rows('job', false);
SELECT look('off');
\endif
SELECT workorder.count_rows('job');
SELECT workorder.compact_totals();
SELECT look('anew');
SQL

export PGOPTIONS='-c workorder.actor=writer'
all() {
  crowd write 4 write
  crowd own 2 own
  crowd look 2 look
  crowd recount 1 recount
  PGOPTIONS='-c workorder.tenant=2 -c workorder.actor=other' crowd other 2 write
}
# as much as gets some tickets into each state
crowds $((seconds * 50)) 'SELECT count(*) FROM workorder.journal' all
held write own look recount other
is 'total() never differed from count(*) in the same snapshot' "$(ask 'SELECT who, state, total, counted FROM off ORDER BY at LIMIT 10')" ''
is 'verify() finds nothing wrong with the totals' "$(ask "SELECT * FROM workorder.verify('job') WHERE code = 'total'")" ''
ok 'there was work' test "$(ask 'SELECT count(*) FROM workorder.journal')" -ge $((seconds * 50))
ok 'it ended in every state, in both tenants' test "$(ask 'SELECT count(DISTINCT (tenant_id, state)) FROM job')" = 8
ok 'what was appended was folded by the way' test "$(ask 'SELECT count(*) FROM workorder.state_count_change')" -le 1500
ok 'by those who wrote' test "$(ask "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relid = 'workorder.state_count'::regclass")" -gt 0
ask 'SELECT workorder.compact_totals()' >/dev/null
is 'after the last fold nothing is left to fold' "$(ask 'SELECT count(*) FROM workorder.state_count_change')" 0
is 'and the totals are the same' "$(ask "SELECT look('end'); SELECT count(*) FROM off; SELECT * FROM workorder.verify('job') WHERE code = 'total'" | grep -v '^$')" 0

done_testing
