#!/usr/bin/env bash
#
# Work and questions, on connections that are new each time and on kept ones,
# while others vacuum, alter, index, publish, guard, grant and enrol: no process
# of the server dies, no answer is wrong, and nothing is lost.  Everything that
# a backend keeps of the catalog is outdated all the time.  $WORKORDER_UPHEAVAL_SECONDS
# (default 60; 600 if WORKORDER_TEST_LONG=1) are worked.  Prints TAP.

set -euo pipefail
subject=upheaval
seconds=${WORKORDER_UPHEAVAL_SECONDS:-${WORKORDER_TEST_LONG:+600}}
seconds=${seconds:-60}
# shellcheck source=test/tools/crowd.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tools/crowd.sh"

cat >"$work/insert" <<'SQL'
\set dice random(0, 99)
\set seed random(0, 999)
SELECT work(:dice, :seed);
SQL
# What a new connection does first, it does with the table.
cat >"$work/first" <<'SQL'
\set dice random(0, 99)
\if :dice < 70
SELECT count(*) FROM workorder.actions('job', (SELECT max(id) FROM job WHERE id % 20 = :dice % 20));
\else
WITH made AS (INSERT INTO job (title) VALUES ('first') RETURNING id, revision) INSERT INTO done SELECT * FROM made;
\endif
SQL
cat >"$work/ask" <<'SQL'
\set dice random(0, 7)
\set seed random(0, 999)
SELECT question(:dice, :seed);
SQL
cat >"$work/both" <<'SQL'
\set dice random(0, 99)
\set other random(0, 7)
\set seed random(0, 999)
\set ticket random(1, 200)
SELECT work(:dice, :seed);
SELECT question(:other, :seed);
\if :dice < 50
SELECT request('GET', :ticket);
\else
SELECT request('POST', :ticket);
\endif
SQL
cat >"$work/http" <<'SQL'
\set dice random(0, 1)
\set ticket random(1, 200)
\if :dice
SELECT request('GET', :ticket);
\else
SELECT request('POST', :ticket);
\endif
SQL

# Those who alter: each its own objects, so that they wait for each other and do not fail.
cat >"$work/storage" <<'SQL'
\set n random(1000, 1000000)
ALTER TABLE job SET (autovacuum_analyze_threshold = :n);
SQL
cat >"$work/engine" <<'SQL'
\set n random(1000, 1000000)
ALTER TABLE workorder.journal SET (autovacuum_analyze_threshold = :n);
ALTER TABLE workorder.flow SET (autovacuum_analyze_threshold = :n);
ALTER TABLE workorder.route SET (autovacuum_analyze_threshold = :n);
\sleep 10 ms
SQL
cat >"$work/vacuum" <<'SQL'
VACUUM ANALYZE job;
VACUUM ANALYZE workorder.journal;
ANALYZE workorder.outbox;
ANALYZE workorder.route;
\sleep 300 ms
SQL
cat >"$work/columns" <<'SQL'
\set n random(1, 1000000000)
CREATE INDEX upheaval_title ON job (title);
\sleep 100 ms
ALTER TABLE job ADD COLUMN extra_:n int DEFAULT 7;
\sleep 300 ms
DROP INDEX upheaval_title;
ALTER TABLE job DROP COLUMN extra_:n;
\sleep 300 ms
SQL
cat >"$work/flows" <<'SQL'
\set n random(1, 1000000000)
SELECT next_version();
CREATE TABLE side_:n (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint GENERATED ALWAYS AS IDENTITY, title text, PRIMARY KEY (tenant_id, id));
SELECT workorder.guard('side_:n', 'job');
\sleep 100 ms
SELECT workorder.publish_events('side_:n');
SELECT workorder.unguard('side_:n');
DROP TABLE side_:n;
\sleep 200 ms
SQL
cat >"$work/people" <<'SQL'
\set n random(1, 50)
SELECT workorder.enrol('person ' || :n, 'Person', '{other}');
GRANT SELECT ON lent TO upheaval_reader;
SELECT workorder.count_rows('job', false);
\sleep 20 ms
SELECT workorder.count_rows('job');
REVOKE SELECT ON lent FROM upheaval_reader;
\sleep 200 ms
SQL

started=$(ask 'SELECT pg_postmaster_start_time()')
again=(--max-tries=100)
all() {
  PGOPTIONS='-c workorder.actor=writer' crowd fresh 2 insert -C
  PGOPTIONS='-c workorder.actor=writer' crowd fresh_ask 2 ask -C
  PGOPTIONS='-c workorder.actor=writer' crowd fresh_first 3 first -C
  PGOPTIONS='-c workorder.actor=writer' crowd fresh_http 1 http -C
  PGOPTIONS='-c workorder.actor=writer' crowd kept 3 both
  for name in storage engine vacuum columns flows people; do
    crowd "$name" 1 "$name" "${again[@]}"
  done
}
crowds 1000 'SELECT count(*) FROM done' all

crashes() { grep -A 1 -E 'was terminated by signal|terminating any other active server processes|TRAP: ' "$WORKORDER_TEST_CLUSTER/log" || true; }
is 'no process of the server died' "$(crashes)" ''
is 'it is the server that was there' "$(ask 'SELECT pg_postmaster_start_time()')" "$started"
is 'nothing in the log is an error of the engine itself' \
  "$(grep -hE '(ERROR|PANIC):  (XX|cache lookup failed|could not open relation|unexpected|invalid memory)' "$WORKORDER_TEST_CLUSTER/log" | head -n 5)" ''
held fresh fresh_ask fresh_first fresh_http kept storage engine vacuum columns flows people
is 'no answer was wrong' "$(ask 'SELECT what FROM wrong ORDER BY at LIMIT 10')" ''
is 'verify() finds nothing' "$(ask "SELECT code, ticket_id, message FROM workorder.verify('job') LIMIT 10")" ''
export PGOPTIONS='-c workorder.actor=writer'
is 'total() is count(*)' "$(ask "SELECT workorder.total('job')")" "$(ask 'SELECT count(*) FROM job WHERE tenant_id = 1')"
is 'everything that was answered as done is in the journal, once' \
  "$(ask "SELECT d.* FROM done d WHERE (SELECT count(*) FROM workorder.journal j JOIN workorder.guarded g ON g.id = j.guarded_id
     WHERE g.relation = 'job'::regclass AND j.tenant_id = 1 AND j.ticket_id = d.id AND j.revision = d.revision) <> 1 LIMIT 10")" ''
is 'and nothing else is' "$(ask "SELECT count(*) FROM workorder.journal j JOIN workorder.guarded g ON g.id = j.guarded_id WHERE g.relation = 'job'::regclass")" \
  "$(ask 'SELECT count(*) FROM done')"
is 'every entry became an event' \
  "$(ask "SELECT j.ticket_id, j.revision FROM workorder.journal j JOIN workorder.guarded g ON g.id = j.guarded_id WHERE g.relation = 'job'::regclass
     AND NOT EXISTS (SELECT FROM workorder.outbox o WHERE o.tenant_id = j.tenant_id AND o.guarded_id = j.guarded_id AND o.ticket_id = j.ticket_id AND o.revision = j.revision) LIMIT 10")" ''

psql -Xq -d postgres -c "DROP DATABASE $subject WITH (FORCE)" -c 'DROP ROLE upheaval_reader'
done_testing
