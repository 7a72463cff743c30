-- How many tickets there are.

CREATE FUNCTION workorder.totals_parts() RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN $ddl$
CREATE TABLE workorder.state_count (
  tenant_id bigint NOT NULL,
  guarded_id int NOT NULL,
  state text NOT NULL,
  n bigint NOT NULL,
  PRIMARY KEY (tenant_id, guarded_id, state))
WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
COMMENT ON TABLE workorder.state_count IS 'How many tickets of a counted table rest in a state, but for what workorder.state_count_change still holds. Read by workorder.total().';
COMMENT ON COLUMN workorder.state_count.tenant_id IS 'Whose tickets.';
COMMENT ON COLUMN workorder.state_count.guarded_id IS 'The table (workorder.guarded.id).';
COMMENT ON COLUMN workorder.state_count.state IS 'Leaf in which they rest.';
COMMENT ON COLUMN workorder.state_count.n IS 'How many.';

-- No key and no index: every act on a counted table appends to it, nobody looks
-- for one row of it, and it is short, because it is compacted all the time.
CREATE TABLE workorder.state_count_change (
  tenant_id bigint NOT NULL,
  guarded_id int NOT NULL,
  from_state text,
  to_state text,
  n bigint NOT NULL)
WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
-- A publication of all tables would refuse to compact it otherwise.
ALTER TABLE workorder.state_count_change REPLICA IDENTITY FULL;
COMMENT ON TABLE workorder.state_count_change IS 'What statements have moved on counted tables since workorder.state_count was last compacted, one row for each pair of states.';
COMMENT ON COLUMN workorder.state_count_change.tenant_id IS 'Whose tickets.';
COMMENT ON COLUMN workorder.state_count_change.guarded_id IS 'The table (workorder.guarded.id).';
COMMENT ON COLUMN workorder.state_count_change.from_state IS 'Leaf before; null if the tickets were new.';
COMMENT ON COLUMN workorder.state_count_change.to_state IS 'Leaf after; null if the tickets are gone.';
COMMENT ON COLUMN workorder.state_count_change.n IS 'How many tickets.';
$ddl$;
COMMENT ON FUNCTION workorder.totals_parts() IS
'The tables that keep totals, as workorder.parts() reads them.';

CREATE FUNCTION workorder.total(relation regclass, states text[] DEFAULT NULL) RETURNS bigint
LANGUAGE c STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_total';
COMMENT ON FUNCTION workorder.total(regclass, text[]) IS
'How many tickets of their tenant the caller sees in a guarded table: all of them, or those in these states (paths; a compound state stands for the leaves in it). Equals count(*) in the same snapshot, the caller''s own uncommitted changes included. Of a table that count_rows() keeps the totals it costs the same however many there are, for states of which the flow''s "view" lets the caller see every ticket; the others are counted under row-level security. Needs SELECT on the tenant and the state column. Raises WO400 for a null state, WO404 for a table that is not guarded and for a state that no version of its flow has.';

CREATE FUNCTION workorder.compact_totals() RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_compact_totals';
COMMENT ON FUNCTION workorder.compact_totals() IS
'Adds workorder.state_count_change to workorder.state_count and returns how many rows it has added. Writers do that by the way, so it is needed only where all transactions are REPEATABLE READ or SERIALIZABLE: those do not compact. Waits for nobody but count_rows().';

CREATE FUNCTION workorder.count_rows(relation regclass, counted boolean DEFAULT true) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  g record;
  key record;
  is_counted boolean;
  state_column text;
  result bigint;
BEGIN
  SELECT x.counted INTO is_counted FROM workorder.guarded x
  JOIN pg_trigger t ON t.tgrelid = x.relation AND t.tgname = '_workorder_record' AND t.tgparentid = 0
  WHERE x.relation = count_rows.relation;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = format('table %s is not guarded', coalesce(count_rows.relation::text, 'null')),
      DETAIL = 'Only tickets are counted.', HINT = 'Give it a flow with workorder.guard().';
  END IF;
  IF count_rows.counted IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'argument "counted" is missing',
      DETAIL = 'It must not be null.', HINT = 'Give true to keep totals, false to stop.';
  END IF;
  IF NOT count_rows.counted AND NOT is_counted THEN
    RETURN NULL;
  END IF;
  IF count_rows.counted AND current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION USING ERRCODE = 'WO409', MESSAGE = 'count_rows() needs a transaction that is READ COMMITTED',
      DETAIL = 'It must see what was committed before it had locked the table.',
      HINT = 'Run it on its own.', SCHEMA = 'workorder';
  END IF;
  -- Whoever writes the table, or compacts its changes, holds a lock that this one waits for.
  EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', count_rows.relation);
  SELECT x.id, x.flow, x.columns INTO STRICT g FROM workorder.guarded x WHERE x.relation = count_rows.relation;
  key := workorder.ticket_key(count_rows.relation);
  state_column := coalesce(g.columns ->> 'state', 'state');

  DELETE FROM workorder.state_count y WHERE y.guarded_id = g.id;
  DELETE FROM workorder.state_count_change c WHERE c.guarded_id = g.id;
  IF count_rows.counted THEN
    EXECUTE format('INSERT INTO workorder.state_count (tenant_id, guarded_id, state, n)
      SELECT %1$s, $1, t.%2$I, count(*) FROM %3$s t WHERE t.%2$I IS NOT NULL GROUP BY 1, 3', key.tenant, state_column, count_rows.relation)
    USING g.id;
    SELECT coalesce(sum(y.n), 0) INTO result FROM workorder.state_count y WHERE y.guarded_id = g.id;
  END IF;
  UPDATE workorder.guarded x SET counted = count_rows.counted WHERE x.id = g.id AND x.counted <> count_rows.counted;

  IF is_counted <> count_rows.counted THEN
    PERFORM workorder.make_record_trigger(count_rows.relation);
  END IF;
  RETURN result;
END
$$;
COMMENT ON FUNCTION workorder.count_rows(regclass, boolean) IS
'Keeps the totals of a guarded table, so that workorder.total() of it costs the same however many tickets there are, or (false) keeps them no more. Counts what is there under a lock that keeps writers out meanwhile, and returns how many tickets of all tenants that are; null when it is taken off. Called again it counts anew: after the table was written past its triggers (session_replication_role = replica, disabled triggers, partitions attached or detached). Needs to own the table. Raises WO404 for a table that is not guarded, WO409 outside of READ COMMITTED.';
