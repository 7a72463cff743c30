#!/usr/bin/env bash
#
# Events while everybody writes: eight clients act for $WORKORDER_EVENTS_SECONDS
# (default 8), some of them in transactions that are long, undone, or had an id
# long before they act; two consumers, one of them in two processes, must hear
# everything once, and of each ticket in its order.  Prints TAP.

set -euo pipefail
subject=events
seconds=${WORKORDER_EVENTS_SECONDS:-8}
# shellcheck source=test/tools/crowd.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tools/crowd.sh"

cat >"$work/quick" <<'SQL'
\set id random(1, 40)
SELECT workorder.act('job', :id, 'next');
SQL
cat >"$work/many" <<'SQL'
INSERT INTO job SELECT FROM generate_series(1, 3);
SQL
# An id first, the act much later: its revisions may come after those of younger transactions.
cat >"$work/late" <<'SQL'
\set id random(1, 40)
\set wait random(1, 200)
\set dice random(1, 4)
BEGIN;
INSERT INTO early VALUES (1);
\sleep :wait ms
SELECT workorder.act('job', :id, 'next');
SAVEPOINT a;
SELECT workorder.act('job', :id, 'comment');
ROLLBACK TO a;
\sleep :wait ms
\if :dice = 1
ROLLBACK;
\else
COMMIT;
\endif
SQL
cat >"$work/whole" <<'SQL'
SELECT consume('whole', 100000);
SQL
cat >"$work/parts" <<'SQL'
\set max random(1, 20)
\set dice random(1, 5)
BEGIN;
SELECT consume('parts', :max);
\if :dice = 1
ROLLBACK;
\else
COMMIT;
\endif
SQL

export PGOPTIONS='-c workorder.actor=writer'
all() {
  psql -XAtq -c 'LISTEN workorder_events' -c "SELECT pg_sleep($seconds)" -c 'SELECT 1' >>"$work/notices" 2>&1 &
  crowd quick 3 quick
  crowd many 1 many -R 50
  crowd late 4 late
  crowd whole 1 whole -R 100
  crowd parts 2 parts
}
crowds $((seconds * 20)) 'SELECT count(*) FROM workorder.journal WHERE revision > 0' all
held quick many late whole parts
ok 'who listens was woken' grep -q 'notification "workorder_events" with payload "1"' "$work/notices"

# What is left.
ask "SELECT consume('whole', 1000000), consume('parts', 1000000)" >/dev/null
lines=$(ask 'SELECT count(*) FROM workorder.journal WHERE revision > 0')
ok "there was work ($lines lines)" test "$lines" -ge $((seconds * 20))
for consumer in whole parts; do
  is "$consumer: nothing is missed" "$(ask "SELECT ticket_id, revision FROM workorder.journal
    EXCEPT SELECT ticket_id, revision FROM heard WHERE consumer = '$consumer' LIMIT 5")" ''
  is "$consumer: nothing comes twice, and nothing else" "$(ask "SELECT count(*) FROM heard WHERE consumer = '$consumer'")" "$lines"
  is "$consumer: the order of each ticket is kept" "$(ask "SELECT * FROM (
    SELECT ticket_id, revision, lag(revision) OVER (PARTITION BY ticket_id ORDER BY place) AS before FROM heard WHERE consumer = '$consumer') t
    WHERE revision <> coalesce(before, 0) + 1 LIMIT 5")" ''
done
is 'both heard all in the same order' "$(ask "SELECT count(*) FROM (SELECT number, row_number() OVER (PARTITION BY consumer ORDER BY place) FROM heard) t
  GROUP BY number, row_number HAVING count(*) <> 2 LIMIT 5")" ''
is 'nothing waits' "$(ask 'SELECT count(*) FROM workorder.outbox')" 0
is 'verify() finds nothing' "$(ask 'SELECT * FROM workorder.verify() LIMIT 5')" ''
ok 'what both have dealt with is forgotten' test "$(ask "SELECT workorder.forget_events('-1 hour')")" = "$lines"

done_testing
