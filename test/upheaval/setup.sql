-- A table that many use while others alter it, and what they do to it.
SET client_min_messages = warning;
CREATE EXTENSION workorder CASCADE;
SELECT workorder.install();
SELECT workorder.enrol('writer', 'Writer', '{staff}'), workorder.enrol('second', 'Second', '{staff}');

-- Each version lets others see, so that the policies follow.
CREATE FUNCTION next_version() RETURNS int LANGUAGE sql AS $$
  SELECT workorder.publish(jsonb_build_object(
    'id', 'job', 'roles', '["staff", "other"]'::jsonb, 'initial', 'a',
    'on', jsonb_build_object('create', '{"allow": ["staff"]}'::jsonb, 'delete', '{"allow": ["staff"]}'::jsonb, 'update', '{"allow": ["staff"]}'::jsonb,
      'view', jsonb_build_object('allow', CASE WHEN count(*) % 2 = 0 THEN '["staff"]'::jsonb ELSE '["staff", "other"]' END)),
    'states', '{
      "a": {"on": {"next": {"target": "b", "allow": ["staff"]}, "end": {"target": "c", "allow": ["staff"]}}, "after": {"P1D": {"target": "c"}}},
      "b": {"on": {"next": {"target": "a", "allow": ["staff"]}, "end": {"target": "c", "allow": ["staff"]}}},
      "c": {"type": "final"}}'::jsonb))
  FROM workorder.flow WHERE name = 'job'
$$;
SELECT next_version();
CREATE TABLE job (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint GENERATED ALWAYS AS IDENTITY, title text, PRIMARY KEY (tenant_id, id));
CREATE TABLE lent (id int);
SELECT workorder.guard('job', 'job');
SELECT workorder.count_rows('job');
SELECT workorder.publish_events('job');
CREATE ROLE upheaval_reader;

-- What was answered as done, by its client's number; and what was answered wrong.
CREATE TABLE done (id bigint, revision int);
CREATE TABLE wrong (at timestamptz DEFAULT clock_timestamp(), what text);

-- One of the things that happen to tickets.  Who was slower has done nothing.
CREATE FUNCTION work(dice int, seed int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  picked bigint[] := ARRAY(SELECT id FROM job WHERE tenant_id = 1 AND id % 20 = seed % 20 ORDER BY id DESC LIMIT 4);
BEGIN
  CASE
    WHEN dice < 40 THEN
      WITH made AS (INSERT INTO job (title) SELECT 'new' FROM generate_series(1, 1 + seed % 3) RETURNING id, revision)
      INSERT INTO done SELECT * FROM made;
    WHEN dice < 70 THEN
      INSERT INTO done SELECT picked[1], a.revision FROM workorder.act('job', picked[1], 'next') a;
    WHEN dice < 85 THEN
      WITH made AS (UPDATE job SET action = 'next' WHERE tenant_id = 1 AND id = ANY (picked) AND state <> 'c' RETURNING id, revision)
      INSERT INTO done SELECT * FROM made;
    WHEN dice < 95 THEN
      WITH made AS (UPDATE job SET title = title || '!' WHERE tenant_id = 1 AND id = picked[2] RETURNING id, revision)
      INSERT INTO done SELECT * FROM made;
    ELSE
      INSERT INTO done SELECT picked[3], a.revision FROM workorder.act('job', picked[3], 'end') a;
  END CASE;
EXCEPTION WHEN deadlock_detected OR SQLSTATE 'WO409' OR SQLSTATE 'WO404' OR SQLSTATE 'WO400' THEN NULL;
END $$;

-- One of the questions about them; the answers that can be known are compared.
CREATE FUNCTION question(dice int, seed int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  ticket bigint;
BEGIN
  SELECT id INTO ticket FROM job WHERE tenant_id = 1 AND id % 20 = seed % 20 ORDER BY id DESC LIMIT 1;
  CASE dice
    WHEN 0 THEN
      INSERT INTO wrong (what) SELECT format('actions: %s', count(*)) FROM workorder.actions('job', ticket) HAVING count(*) NOT BETWEEN 1 AND 5;
    WHEN 1 THEN
      INSERT INTO wrong (what) SELECT 'can' WHERE NOT workorder.can('job', ticket, 'update');
    WHEN 2 THEN PERFORM * FROM workorder.why('job', ticket);
    WHEN 3 THEN
      INSERT INTO wrong (what) SELECT format('%s of ticket %s: %s', v.code, ticket, v.message) FROM workorder.verify('job', ticket) v
      WHERE v.ticket_id IS NOT NULL;
    WHEN 4 THEN
      INSERT INTO wrong (what) SELECT format('history: %s', count(*)) FROM workorder.history h WHERE h.relation = 'job'::regclass AND h.ticket_id = ticket
      HAVING count(*) = 0;
    WHEN 5 THEN
      INSERT INTO wrong (what) SELECT format('total %s, there are %s', t.told, t.counted)
      FROM (SELECT workorder.total('job') AS told, (SELECT count(*) FROM job j WHERE j.tenant_id = 1) AS counted) t WHERE told <> counted;
    WHEN 6 THEN PERFORM * FROM workorder.explain('job', ticket, 'next');
    ELSE PERFORM workorder.visible('job', ticket), workorder.taken('job', 'nothing', '');
  END CASE;
EXCEPTION WHEN deadlock_detected OR SQLSTATE 'WO404' OR SQLSTATE 'WO400' THEN NULL;
END $$;

-- An API that shows a ticket and takes an action on it.
CREATE FUNCTION answer(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF request.method = 'POST' THEN
    RETURN workorder.http_json(200, (SELECT row_to_json(a) FROM workorder.act('public.job', (request.params ->> 'id')::bigint, 'update', 'over HTTP') a));
  END IF;
  RETURN workorder.http_json(200, coalesce((SELECT json_build_object('id', j.id, 'state', j.state) FROM public.job j
    WHERE j.tenant_id = workorder.tenant_id() AND j.id = (request.params ->> 'id')::bigint), '{"error": "WO404"}'));
END $$;
INSERT INTO workorder.api VALUES ('upheaval', '/upheaval', '{"error": "$code"}', false, '{}');
INSERT INTO workorder.route (api, method, pattern, handler) VALUES
  ('upheaval', 'GET', '/upheaval/{id:int}', 'public.answer'), ('upheaval', 'POST', '/upheaval/{id:int}', 'public.answer');
CREATE FUNCTION request(method text, ticket bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  said jsonb;
BEGIN
  PERFORM set_config('request.headers', json_build_object('x-original-method', method, 'x-original-uri', '/upheaval/' || ticket)::text, true);
  said := convert_from(CASE WHEN method = 'GET' THEN workorder.http_read('') ELSE workorder.http_write('') END, 'UTF8');
  IF method = 'POST' AND said ? 'revision' THEN
    INSERT INTO done VALUES (ticket, (said ->> 'revision')::int);
  ELSIF NOT (said ? 'state' OR said ->> 'error' IN ('WO404', 'WO409', '40P01')) THEN
    INSERT INTO wrong (what) VALUES (format('HTTP %s: %s', method, said));
  END IF;
END $$;
SELECT set_config('workorder.actor', 'writer', false);
SELECT work(0, 2) FROM generate_series(1, 20);
