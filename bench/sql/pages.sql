-- What bench/pages.sh measures.
SET client_min_messages = warning;
-- as deploy/roles.sql has it for the gateway
SET jit = off;
\set few 10000

-- Indexes are made once the rows are there; the two of the search are not.
CREATE TEMP TABLE index_of AS
SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition, m.amname
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
WHERE i.indrelid = 'call_center.ticket'::regclass AND NOT i.indisunique;

CREATE PROCEDURE pg_temp.load(first bigint, last bigint) LANGUAGE plpgsql AS $$
DECLARE
  i record;
BEGIN
  FOR i IN SELECT * FROM index_of LOOP
    EXECUTE format('DROP INDEX IF EXISTS %s', i.name);
  END LOOP;
  SET LOCAL session_replication_role = replica;
  INSERT INTO call_center.ticket (tenant_id, id, subject, content, priority, status, contact_id, sub_category_id, handler_id,
    sponsor_id, termination_code_id, flow_id, state, revision, creator_id, created_at, entered_at, updated_at)
  SELECT 1, n, 'ticket ' || n, 'content of ' || n, n % 4, n % 4, CASE n % 3 WHEN 0 THEN 2 END, 26, e.actor_id, 1,
    CASE n % 5 WHEN 0 THEN 5 END, f.id, (ARRAY['pending', 'processing', 'resolved', 'closed'])[n % 4 + 1], 0, e.actor_id, t, t, t
  FROM generate_series(load.first, load.last) n,
    LATERAL (SELECT timestamptz '2020-01-01' + n * interval '10 seconds') AS at (t),
    (SELECT e.actor_id FROM call_center.employee e WHERE e.id = 7) e,
    (SELECT f.id FROM workorder.flow f WHERE f.name = 'call_center' AND f.life = 'published') f;
  SET LOCAL session_replication_role = origin;
  FOR i IN SELECT * FROM index_of WHERE amname <> 'gin' LOOP
    EXECUTE i.definition;
  END LOOP;
  PERFORM workorder.count_rows('call_center.ticket');
END $$;

CREATE FUNCTION pg_temp.spent(query text) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
  spent numeric[] := '{}';
  started timestamptz;
BEGIN
  FOR i IN 1 .. 211 LOOP
    started := clock_timestamp();
    EXECUTE query;
    -- the first ones warm up
    IF i > 10 THEN
      spent := spent || extract(epoch FROM clock_timestamp() - started) * 1000;
    END IF;
  END LOOP;
  -- What else the machine does only ever adds.
  RETURN percentile_cont(0.1) WITHIN GROUP (ORDER BY s) FROM unnest(spent) s;
END $$;

CREATE TEMP TABLE result (tickets bigint, what text, ms numeric);
GRANT INSERT, SELECT ON result TO workorder_user;
CREATE TEMP TABLE question AS
SELECT * FROM (VALUES
  (1, 'page 1 of all', $$SELECT * FROM call_center.list_tickets('{}')$$),
  (2, 'page 1 of one status', $$SELECT * FROM call_center.list_tickets('{"statuses": "1"}')$$),
  (3, 'the total', $$SELECT workorder.total('call_center.ticket')$$),
  (4, 'the total of one status', $$SELECT workorder.total('call_center.ticket', '{processing}')$$)) AS q (n, what, query);
GRANT SELECT ON question TO workorder_user;

\echo :few tickets
CALL pg_temp.load(1001, 1000 + :few);
VACUUM (ANALYZE) call_center.ticket;
SET workorder.actor = 'E7';
SET ROLE workorder_user;
INSERT INTO result SELECT :few, q.what, pg_temp.spent(q.query) FROM question q ORDER BY q.n;
RESET ROLE;
RESET workorder.actor;

\echo :many tickets
CALL pg_temp.load(1001 + :few, 1000 + :many);
VACUUM (ANALYZE) call_center.ticket;
CHECKPOINT;
SET workorder.actor = 'E7';
SET ROLE workorder_user;
INSERT INTO result SELECT :many, q.what, pg_temp.spent(q.query) FROM question q ORDER BY q.n;
RESET ROLE;

\pset format aligned
\pset tuples_only off
\pset footer off
SELECT a.what, round(a.ms, 3) AS "ms, few", round(b.ms, 3) AS "ms, many", round(b.ms / a.ms, 2) AS ratio,
  CASE WHEN b.ms / a.ms <= 1.5 THEN 'yes' ELSE 'no' END AS "at most 1.5"
FROM question q JOIN result a ON a.what = q.what AND a.tickets = :few JOIN result b ON b.what = q.what AND b.tickets = :many
ORDER BY q.n;
