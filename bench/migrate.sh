#!/usr/bin/env bash
#
# How long it takes to move 100,000 tickets to the next version of their flow.
#
#   bench/migrate.sh [--quick]
#
# Each round publishes a version that calls a state by another name, and moves
# all tickets there by one call of workorder.migrate(): report, a line in the
# journal for each, and, in the second half of the rounds, a timer for each.
# Next to it is a bare UPDATE of the same columns of the same rows of a table
# with the same key, followed by one INSERT ... SELECT for a journal.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=scripts/lib.sh
. "$here/../scripts/lib.sh"

rounds=5
case "$*" in
  '') ;;
  --quick) rounds=2 ;;
  *) sed -n '3,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac

cluster='' pg=''
finish() {
  trap '' INT TERM HUP
  [ -z "$cluster" ] || cluster_stop "$cluster" || true
  rm -rf "$cluster" "$pg"
  unsettle
}
place='' home=''
trap finish EXIT
need_postgres
settle "${WORKORDER_BENCH_HOME:-$run_dir/bench}/migrate"
lock_home 5
copy_postgres
build_extension
cluster=$place/cluster
cluster_create "$cluster" 'shared_buffers = 512MB' 'max_wal_size = 8GB' 'autovacuum = off'
cluster_start "$cluster"
ask() { cluster_psql "$cluster" -X -q -At -v ON_ERROR_STOP=1 -d postgres "$@"; }

ask -o /dev/null <<'SQL'
SET client_min_messages = warning;
CREATE EXTENSION workorder CASCADE;
SELECT workorder.install();
-- A flow whose one state has this name, and a timer if asked.
CREATE FUNCTION document(state text, timed boolean) RETURNS jsonb LANGUAGE sql RETURN jsonb_build_object(
  'id', 'bench', 'initial', state, 'on', '{"create": {"allow": ["*"]}, "view": {"allow": ["*"]}}'::jsonb,
  'states', jsonb_build_object('done', '{"type": "final"}'::jsonb, state, '{"on": {"close": {"target": "done", "allow": ["*"]}}}'::jsonb
    || CASE WHEN timed THEN '{"after": {"P3D": "done"}}'::jsonb ELSE '{}' END));
SELECT workorder.publish(document('s0', false));
CREATE TABLE ticket (tenant_id bigint NOT NULL DEFAULT 1, id bigint, title text, PRIMARY KEY (tenant_id, id)) WITH (fillfactor = 70);
SELECT workorder.guard('ticket', 'bench');
INSERT INTO ticket (id, title) SELECT g, 'ticket ' || g FROM generate_series(1, 100000) g;
CREATE TABLE bare (LIKE ticket INCLUDING ALL);
CREATE TABLE bare_journal (LIKE workorder.journal INCLUDING ALL);
INSERT INTO bare SELECT * FROM ticket;
-- Moves all of them, and returns milliseconds.
CREATE PROCEDURE move(round int, timed boolean, INOUT took numeric) LANGUAGE plpgsql AS $$
DECLARE
  began timestamptz;
  old int := (SELECT id FROM workorder.flow WHERE name = 'bench' AND life = 'published');
  new int := workorder.publish(document('s' || round, timed));
BEGIN
  began := clock_timestamp();
  PERFORM workorder.migrate('ticket', old, new, jsonb_build_object('s' || round - 1, 's' || round), false);
  took := extract(epoch FROM clock_timestamp() - began) * 1000;
END $$;
CREATE PROCEDURE move_bare(INOUT took numeric) LANGUAGE plpgsql AS $$
DECLARE
  began timestamptz := clock_timestamp();
BEGIN
  UPDATE bare SET state = state || 'x', flow_id = flow_id + 1, revision = revision + 1, acted_by = NULL, entered_at = now(), updated_at = now(),
    last_action = 'migrate';
  INSERT INTO bare_journal SELECT tenant_id, 1, id, revision, updated_at, NULL, NULL, last_action, 'x', state, NULL,
    jsonb_build_object('flow_id', flow_id), sha256(state::bytea) FROM bare;
  took := extract(epoch FROM clock_timestamp() - began) * 1000;
END $$;
SQL
printf '%-10s %12s %12s\n' 'round' 'migrate ms' 'bare ms'
for ((i = 1; i <= 2 * rounds; i++)); do
  timed=$([ "$i" -gt "$rounds" ] && say true || say false)
  took=$(ask -c 'SET client_min_messages = warning' -c "CALL move($i, $timed, NULL)")
  bare=$(ask -c 'CALL move_bare(NULL)')
  printf '%-10s %12.0f %12.0f\n' "$i$([ "$timed" = true ] && say ' timers' || true)" "$took" "$bare"
  ask -o /dev/null -c 'VACUUM ticket, bare, workorder.journal'
done
is_sound=$(ask -c 'SELECT count(*) FROM workorder.verify()')
say "findings of verify() after $((200000 * rounds)) moves: $is_sound"
