-- How tickets are found: whatever a filter asks for, an index has it, on the
-- first page and on late ones; nothing reads the whole table.  And what an act
-- costs: no index holds what every act changes.

BEGIN;
SET LOCAL client_min_messages = warning;
\ir ../fixtures/call_center.sql

-- 100,000 tickets, past the triggers: how they came is not what this is about.
CREATE ROLE regress_call_center_plans;
SELECT call_center.grant_access('regress_call_center_plans');
SET LOCAL session_replication_role = replica;
INSERT INTO call_center.ticket (subject, content, due_at, status, contact_id, handler_id, sponsor_id, termination_code_id,
  flow_id, state, revision, creator_id, created_at, entered_at, updated_at)
SELECT '工單 ' || md5(g.n::text), '內容 ' || md5((g.n * 7)::text) || CASE WHEN g.n % 20 = 0 THEN ' 客戶來電詢問' ELSE ' 一般事項' END,
  CASE WHEN g.n % 3 = 0 THEN t.at + interval '3 days' END, s.status,
  CASE WHEN g.n % 2 = 0 THEN g.n % 5000 END, CASE WHEN g.n % 5 > 0 THEN 1000 + g.n % 200 END,
  CASE WHEN g.n % 4 > 0 THEN g.n % 20 END, CASE WHEN g.n % 3 > 0 THEN g.n % 30 END,
  1, (ARRAY['pending', 'processing', 'resolved', 'closed'])[s.status + 1], 0, 1000 + g.n / 7 % 200, t.at, t.at, t.at
FROM generate_series(1, 100000) AS g (n),
  LATERAL (SELECT '2020-01-01'::timestamptz + g.n * interval '30 seconds') AS t (at),
  LATERAL (SELECT CASE WHEN g.n % 100 = 0 THEN 1 WHEN g.n % 50 = 1 THEN 0 WHEN g.n % 10 = 3 THEN 2 ELSE 3 END) AS s (status);
SET LOCAL session_replication_role = origin;
SELECT workorder.count_rows('call_center.ticket') \g /dev/null
ANALYZE call_center.ticket;

-- As the API does it: as somebody with a web role, and with the settings of
-- the function that runs these queries.
CREATE FUNCTION pg_temp.plan_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  line text;
  result text := '';
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
    result := result || line || E'\n';
  END LOOP;
  RETURN result;
END
$$;
CREATE FUNCTION pg_temp.plans(filters jsonb) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  f record;
  total bigint;
  skipped bigint;
BEGIN
  PERFORM set_config(split_part(c, '=', 1), split_part(c, '=', 2), true)
  FROM pg_proc p, unnest(p.proconfig) AS c
  WHERE p.pronamespace = 'call_center'::regnamespace AND p.proname = 'page' AND c LIKE 'enable%';
  PERFORM set_config('workorder.actor', 'E7', true);
  SET LOCAL ROLE regress_call_center_plans;
  f := call_center.ticket_filter(filters);
  total := call_center.ticket_total(f.condition, f."column", f.numbers);
  IF total IS NULL AND f."column" IS NOT NULL THEN
    RETURN NEXT pg_temp.plan_of(format('SELECT count(*) FROM (%s) AS t', call_center.rows_query('ticket', f.condition)));
  END IF;
  FOREACH skipped IN ARRAY '{0, 1485, 30000, 60000, 99990}'::bigint[] LOOP
    RETURN NEXT pg_temp.plan_of(CASE
      WHEN total IS NULL AND f."column" IS NULL THEN call_center.found_query('ticket', f.condition, true, skipped, 15)
      ELSE call_center.page_query('ticket', true, coalesce(total, 100000), skipped, 15, f."column", f.numbers) END);
  END LOOP;
  RESET ROLE;
  PERFORM set_config('workorder.actor', '', true);
END
$$;
CREATE FUNCTION pg_temp.served_by(filters jsonb, index text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  plan text;
  bad text;
BEGIN
  FOR plan IN SELECT * FROM pg_temp.plans(filters) LOOP
    IF strpos(plan, 'Seq Scan on ticket') > 0 OR plan !~ ('(Scan|Backward) (using|on) ' || index || '\M') THEN
      bad := plan;
    END IF;
  END LOOP;
  RETURN NEXT ok(bad IS NULL, format('%s by %s', filters, index));
  IF bad IS NOT NULL THEN
    RETURN NEXT diag(bad);
  END IF;
END
$$;

CREATE TEMP TABLE filters (fields jsonb, index text);
INSERT INTO filters VALUES
  ('{}', 'ticket_pkey'),
  ('{"contact_id": 1500}', 'ticket_tenant_id_contact_id_id_idx'),
  ('{"sponsor_id": 3}', 'ticket_tenant_id_sponsor_id_id_idx'),
  ('{"statuses": [0]}', 'ticket_tenant_id_status_id_idx'),
  ('{"statuses": [3]}', 'ticket_tenant_id_status_id_idx'),
  ('{"statuses": [0, 1, 2, 3]}', 'ticket_tenant_id_status_id_idx'),
  ('{"termination_code_ids": [5]}', 'ticket_tenant_id_termination_code_id_id_idx'),
  ('{"termination_code_ids": [1, 2, 4, 5, 7, 8, 10, 11, 13, 14]}', 'ticket_tenant_id_termination_code_id_id_idx'),
  ('{"handler_ids": [6]}', 'ticket_tenant_id_handler_id_id_idx'),
  ('{"handler_ids": [6, 7]}', 'ticket_tenant_id_handler_id_id_idx'),
  ('{"creater_ids": [6]}', 'ticket_tenant_id_creator_id_id_idx'),
  ('{"creater_ids": [6, 7]}', 'ticket_tenant_id_creator_id_id_idx'),
  ('{"due_at__start": "2020-01-05 00:00:00"}', 'ticket_tenant_id_due_at_id_idx'),
  ('{"due_at__end": "2020-01-05 00:00:00"}', 'ticket_tenant_id_due_at_id_idx'),
  ('{"created_at__start": "2020-02-04 00:00:00"}', 'ticket_tenant_id_created_at_id_idx'),
  ('{"created_at__end": "2020-01-02 00:00:00"}', 'ticket_tenant_id_created_at_id_idx'),
  ('{"search": "客戶"}', 'ticket_subject_content_idx'),
  ('{"search": "詢"}', 'ticket_subject_content_idx'),
  ('{"search": "100%_"}', 'ticket_subject_content_idx'),
  ('{"created_at__start": "2020-01-15 00:00:00", "created_at__end": "2020-01-15 23:59:59"}', 'ticket_tenant_id_created_at_id_idx');

SELECT plan(28);
SELECT s FROM filters f, LATERAL pg_temp.served_by(f.fields, f.index) AS s;
-- What nearly every ticket fulfils: by whichever index, but not by the table.
SELECT ok(bool_and(strpos(p, 'Seq Scan on ticket') = 0), format('%s, which nearly every ticket fulfils', f))
FROM unnest(ARRAY['{"created_at__start": "2020-01-01 00:00:00"}', '{"search": "內容"}']::jsonb[]) AS f, pg_temp.plans(f) AS p
GROUP BY f;

-- The test can fail.
SAVEPOINT planted;
DROP INDEX call_center.ticket_tenant_id_contact_id_id_idx;
SELECT ok(strpos(string_agg(p, ''), 'contact_id_id_idx') = 0, 'without its index a filter is served by something else')
FROM pg_temp.plans('{"contact_id": 1500}') AS p;
ROLLBACK TO planted;
ALTER FUNCTION call_center.page RESET enable_seqscan;
SELECT set_config('enable_seqscan', 'on', true) \g /dev/null
SELECT ok(strpos(string_agg(p, ''), 'Seq Scan on ticket') > 0, 'without its setting the planner would read the table')
FROM pg_temp.plans('{"created_at__start": "2020-01-01 00:00:00"}') AS p;
ROLLBACK TO planted;

-- The first page touches as many rows as it has.
SELECT ok(EXISTS (
  SELECT FROM pg_temp.plans('{}') AS p WHERE p ~ '^Limit\n[^>]*(InitPlan[^>]*-> +Result\s+)*(-> +Result\n.*\n)? +-> +Index Only Scan Backward using ticket_pkey'), 'the first page is the end of the key');

-- What every act writes is in no index.
SELECT is_empty($$
  SELECT i.indexrelid::regclass FROM pg_index i
  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
  WHERE i.indrelid = 'call_center.ticket'::regclass
    AND a.attname IN ('state', 'revision', 'updated_at', 'entered_at', 'acted_by', 'last_action', 'last_note', 'digest')$$,
  'no index holds what every act writes');
SELECT is((SELECT count(*) FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
  WHERE i.indrelid = 'call_center.ticket'::regclass AND a.attname = 'status'), 1::bigint, 'one index holds the status');
SET LOCAL workorder.actor = 'E7';
CREATE TEMP TABLE hot AS SELECT pg_stat_get_xact_tuples_hot_updated('call_center.ticket'::regclass) AS before;
SELECT call_center.update_ticket(67, '{"priority": 2, "status_memo": "memo"}') \g /dev/null
SELECT is(pg_stat_get_xact_tuples_hot_updated('call_center.ticket'::regclass) - h.before, 1::bigint, 'such an act stays on its page') FROM hot h;

SELECT * FROM finish();
ROLLBACK;
