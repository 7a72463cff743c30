-- What to give as arguments, by type, and a function that gives it.
SET client_min_messages = warning;
CREATE ROLE arguments_app;
SELECT workorder.grant_access('arguments_app');
CREATE TABLE plain (id int);
CREATE VIEW seen AS SELECT * FROM job;
CREATE TABLE parted (tenant_id bigint NOT NULL, id bigint NOT NULL, PRIMARY KEY (tenant_id, id)) PARTITION BY HASH (tenant_id);
CREATE TABLE part (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint NOT NULL, done int, number text, PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, number)) PARTITION BY LIST (tenant_id);
CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1);
CREATE TABLE part_rest PARTITION OF part DEFAULT PARTITION BY HASH (tenant_id);
CREATE TABLE part_rest_1 PARTITION OF part_rest FOR VALUES WITH (MODULUS 1, REMAINDER 0);
SELECT workorder.guard('part', 'loop');
SELECT workorder.count_rows('part');
SELECT workorder.publish_events('part');
INSERT INTO part (id, done, number) SELECT n, n, n FROM generate_series(1, 5) n;
CREATE TABLE child (own int) INHERITS (job);
INSERT INTO child (id, own) VALUES (700, 1);
CREATE EXTENSION file_fdw;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE abroad (tenant_id bigint, id bigint, done int) SERVER files OPTIONS (filename '/dev/null', format 'csv');
CREATE MATERIALIZED VIEW kept AS SELECT * FROM job;
CREATE TYPE pair AS (tenant_id bigint, id bigint);
CREATE UNLOGGED TABLE unlogged (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint, PRIMARY KEY (tenant_id, id));
CREATE TABLE odd (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), "id" bigint, "sel""ect" int, done int, gone int, made int GENERATED ALWAYS AS (1) STORED,
  whole pair, many pair[], spans int4range, document xml, label text COLLATE "C", PRIMARY KEY (tenant_id, id));
ALTER TABLE odd DROP COLUMN gone;
SELECT workorder.guard('odd', 'loop');
INSERT INTO odd (id, whole, many, spans) VALUES (1, (1, 2), ARRAY[(1, 2)::pair], '[1,2)');
GRANT SELECT, INSERT, UPDATE, DELETE ON part, child, abroad, odd, unlogged TO arguments_app;

\ir ../tools/of_users.sql

CREATE TABLE emptied (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id int, done int, PRIMARY KEY (tenant_id, id));
SELECT workorder.guard('emptied', 'loop');
INSERT INTO workorder.secret VALUES ('jwt', repeat('k', 40)), ('credential', repeat('0', 64)) ON CONFLICT DO NOTHING;

-- values are SQL, evaluated when they are given
CREATE TABLE pool (type regtype, value text);
INSERT INTO pool
SELECT t::regtype, unnest(v) FROM (VALUES
  ('bigint', ARRAY['0', '1', '2', '-1', '101', '9223372036854775807', '-9223372036854775808']),
  ('int', ARRAY['0', '1', '2', '-1', '200', '2147483647', '-2147483648']),
  ('smallint', ARRAY['0', '1', '32767', '-32768']),
  ('boolean', ARRAY['true', 'false']),
  ('numeric', ARRAY['0', '''NaN''', '''Infinity''', '1e1000', '1e131071', '-1e131071', '1e-16383', '-0.01']),
  ('double precision', ARRAY['0', '''NaN''', '''-Infinity''', '1e308']),
  ('regclass', ARRAY['''job''', '''job''', '''emptied''', '''plain''', '''seen''', '''parted''',
    '''part''', '''part''', '''part_1''', '''part_rest''', '''child''', '''abroad''', '''kept''', '''unlogged''', '''odd''', '''odd''', '''pair''', '''fleeting''', '''pg_class''', '''workorder.journal''',
    '''job_pkey''', '''job_id_seq''', '0', '4294967295', '987654']),
  ('oid', ARRAY['0', '1', '''job''::regclass', '4294967295']),
  ('regrole', ARRAY['''arguments_app''', '0', '4294967295']),
  ('regtype', ARRAY['''int''', '0', '987654']),
  ('name', ARRAY['''''', '''job''', '''actor_id''']),
  ('"char"', ARRAY['''''', '''x''']),
  ('text', ARRAY['''''', ''' ''', '''job''', '''loop''', '''open''', '''next''', '''client1''', '''worker''', '''closed''', '''job''', '''done''',
    '''*''', '''$creator_id''', 'repeat(''x'', 300000)', 'repeat(''(['', 5000)', 'repeat(''./'', 9999)', 'E''\x01\x7f\n\\''', '''中文 🎉 ''',
    '''%n%s%$1''', '''$.a ? (@.b > 1)''', '''P1D''', '''PT0.5S''', '''P99999999999999D''', '''-P1Y''', '''{"a": [1''',
    '''1.1.'' || repeat(''0'', 64)', '''2024-02-30 25:00:00''', '''infinity''', '''/a/../b?c=%00&d=%zz#''', '''a.b.c''', 'repeat(''a.'', 3000)', '''1e131071''', '''$.done == 1e131071''', '''$ > 1e1000000''', '''part''', '''number''', '''own''', '''sel"ect''', '''whole''']),
  ('jsonb', ARRAY['''null''', '''{}''', '''[]''', '''0''', '''""''', '''"x"''', '''true''', '''1e1000''', '''1e131071''', '''-1e-16000''',
    '''{"done": 1e131071}''', '''[1e131071, 1e131071]''', '''{"whole": {"id": 1e131071}}''', '(repeat(''{"a":['', 4000) || repeat(''1e131071]}'', 0) || ''1'' || repeat('']}'', 4000))::jsonb',
    '(SELECT jsonb_agg(n) FROM generate_series(1, 100000) n)', '''[null]''', '''{"": {"": []}}''',
    '''{"id": "loop", "initial": "a", "states": {"a": {}}}''', '''{"id": "x", "states": []}''', '''{"done": 3}''', '''{"done": "x"}''',
    '''{"state": "closed", "revision": 5, "tenant_id": 2}''', '(repeat(''['', 3000) || repeat('']'', 3000))::jsonb',
    '(repeat(''{"states":'', 1500) || ''1'' || repeat(''}'', 1500))::jsonb', '(SELECT jsonb_object_agg(n, repeat(''y'', 50)) FROM generate_series(1, 5000) n)',
    '(SELECT definition FROM workorder.flow LIMIT 1)', '''[{"name": "a", "kind": "int", "min": "x"}]''', '''[["GET", "/a/:id", 7]]''']),
  ('json', ARRAY['''null''', '''{}''', '''[1, {"a": "\u0000"}]''']),
  ('bytea', ARRAY['''''', '''\x00''', '''\xff''', 'decode(repeat(''ab'', 200000), ''hex'')', '''{"a": 1}''', '''\x89504e470d0a1a0a''']),
  ('timestamp with time zone', ARRAY['now()', '''infinity''', '''-infinity''', '''4713-01-01 00:00+00 BC''', '''294276-12-31 23:59:59.999999+00''']),
  ('date', ARRAY['''infinity''', '''2024-02-29''', '''4713-01-01 BC''']),
  ('interval', ARRAY['''0''', '''-1 day''', '''178000000 years''', '''1 microsecond''']),
  ('text[]', ARRAY['''{}''', '''{NULL}''', '''{worker}''', '''{a,b,a}''', '''{{a,b},{c,d}}''', '''[5:6]={a,b}''', 'array_fill(''z''::text, ARRAY[5000])']),
  ('bigint[]', ARRAY['''{}''', '''{NULL}''', '''{1,2,101}''', '''{{1,2},{3,4}}''', '''{9223372036854775807}''']),
  ('int[]', ARRAY['''{}''', '''{NULL}''', '''{1,2}''', '''{2147483647}'''])) p (t, v);

CREATE TABLE called (function oid, call text, state text, message text);
GRANT INSERT ON called TO arguments_app;
GRANT SELECT ON pool TO arguments_app;

-- Calls a function so many times with random arguments; whatever it does is undone.
CREATE FUNCTION torment(function oid, calls int, who name) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  p record;
  given text[];
  call text;
  t oid;
BEGIN
  SELECT f.pronamespace::regnamespace AS room, f.proname, f.proargtypes::oid[] AS types, f.proretset, f.prorettype INTO p FROM pg_proc f WHERE f.oid = torment.function;
  PERFORM set_config('statement_timeout', '120s', true);
  -- a temporary table belongs to the session
  IF to_regclass('fleeting') IS NULL THEN
    CREATE TEMP TABLE fleeting (tenant_id bigint NOT NULL DEFAULT 1, id bigint, done int, PRIMARY KEY (tenant_id, id));
  END IF;
  FOR i IN 1..calls LOOP
    given := '{}';
    FOREACH t IN ARRAY p.types LOOP
      given := given || format('(%s)::%s', CASE WHEN random() < 0.12 THEN 'NULL' ELSE
        coalesce((SELECT v.value FROM pool v WHERE v.type = t ORDER BY random() LIMIT 1), 'NULL') END,
        CASE WHEN t = 'anyelement'::regtype THEN 'int' WHEN t = 'record'::regtype THEN 'pool' ELSE format_type(t, NULL) END);
    END LOOP;
    call := format('SELECT count(*) FROM (SELECT %s.%I(%s)) x(y) WHERE y IS NULL OR y IS NOT NULL', p.room, p.proname, array_to_string(given, ', '));
    PERFORM set_config('request.headers', (ARRAY['', '{', '[]', '{"x-original-method": "POST", "x-original-uri": "/job/act"}',
      '{"x-original-method": "GET", "x-original-uri": "/job/act?%00=%zz", "idempotency-key": "k"}',
      '{"x-original-method": "POST", "x-original-uri": "/job/act", "x-original-content-type": "application/json", "idempotency-key": "k"}',
      '{"x-original-method": "POST", "x-original-uri": "/job/act", "x-original-content-type": "multipart/form-data; boundary=x"}'])
      [1 + floor(random() * 7)], true);
    PERFORM set_config('workorder.actor', (ARRAY['client1', 'client1', '', 'nobody'])[1 + floor(random() * 4)], true);
    INSERT INTO called
    SELECT torment.function, left(call, 500), u.failure, left(u.said, 200) FROM undone(format('SET LOCAL ROLE %I; %s', who, call)) u;
  END LOOP;
END
$$;

-- Fires a trigger function so many times, from tables, for events, at times and
-- with arguments that are any; whatever it does is undone.
CREATE FUNCTION torment_trigger(function oid, calls int) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  victim text;
  level text;
  event text;
  call text;
BEGIN
  PERFORM set_config('workorder.actor', 'client1', true);
  FOR i IN 1..calls LOOP
    victim := (ARRAY['job', 'part', 'part_1', 'child', 'abroad', 'odd', 'emptied', 'plain', 'parted', 'workorder.journal', 'workorder.flow', 'workorder.actor', 'workorder.guarded', 'seen'])[1 + floor(random() * 14)];
    level := (ARRAY['ROW', 'ROW', 'STATEMENT'])[1 + floor(random() * 3)];
    event := (ARRAY['INSERT', 'UPDATE', 'DELETE', 'INSERT OR UPDATE OR DELETE', 'TRUNCATE'])[1 + floor(random() * 5)];
    call := format('CREATE TRIGGER %I %s %s ON %s FOR EACH %s EXECUTE FUNCTION %s(%s)',
      (ARRAY['~~tormenting', '~workorder_guard', 'aaa', 'zzz'])[1 + floor(random() * 4)],
      (ARRAY['BEFORE', 'BEFORE', 'AFTER', 'INSTEAD OF'])[1 + floor(random() * 4)], event, victim, level, torment_trigger.function::regproc,
      (SELECT coalesce(string_agg(quote_literal((ARRAY['', '1', '2', '-1', '99999999999', 'loop', 'x', '{}', '{"state": "done"}', '{"state": 7}', '[', 'tenant_id', 'id', 'done'])
        [1 + floor(random() * 14)]), ', '), '') FROM generate_series(1, floor(random() * 7)::int)));
    call := call || '; ' || CASE floor(random() * 4)::int
        WHEN 0 THEN format('INSERT INTO %s DEFAULT VALUES', victim)
        WHEN 1 THEN format('UPDATE %s SET %s', victim, CASE victim WHEN 'job' THEN 'action = ''next''' WHEN 'emptied' THEN 'done = 1' WHEN 'odd' THEN 'label = ''x''' WHEN 'seen' THEN 'done = 2'
          WHEN 'plain' THEN 'id = 2' WHEN 'workorder.journal' THEN 'note = ''x''' WHEN 'workorder.flow' THEN 'life = ''deprecated''' WHEN 'workorder.actor' THEN 'name = ''x''' ELSE 'tenant_id = 1' END)
        WHEN 2 THEN format('DELETE FROM %s', victim)
        ELSE format('TRUNCATE %s CASCADE', victim)
      END;
    INSERT INTO called
    SELECT torment_trigger.function, left(call, 500), u.failure, left(u.said, 200) FROM undone(call || '; SET CONSTRAINTS ALL IMMEDIATE') u;
  END LOOP;
END
$$;
INSERT INTO plain VALUES (1);

-- Makes a rule of a table so many times, of any that a user could make, and has
-- the engine do something; whatever comes of it is undone.
SELECT workorder.publish('{"id": "talk", "initial": "open",
  "on": {"create": {"allow": "*"}, "view": {"allow": "*"}, "update": {"allow": "*"}, "delete": {"allow": "*"}, "reply": {"allow": "*"}, "attach": {"allow": "*"}},
  "states": {"open": {"on": {"approve": {"target": "done", "approvers": {"of": [{"actor": "client1"}, {"actor": "client2"}], "rule": "all", "none": "fail"}}}}, "done": {"type": "final"}}}');
CREATE TABLE talk (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint GENERATED BY DEFAULT AS IDENTITY, PRIMARY KEY (tenant_id, id));
SELECT workorder.guard('talk', 'talk');
SELECT workorder.count_rows('talk');
SELECT workorder.publish_events('talk');
INSERT INTO talk DEFAULT VALUES;
CREATE TABLE noted (n int);
INSERT INTO noted VALUES (1);
CREATE FUNCTION torment_rule(calls int) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  tables CONSTANT regclass[] := '{job,job,job,part,odd,talk}'::regclass[] || ARRAY(SELECT c.oid::regclass FROM pg_class c
    WHERE c.relkind = 'r' AND c.relnamespace = 'workorder'::regnamespace ORDER BY c.relname);
  deeds CONSTANT text[] := ARRAY['SELECT workorder.act(''job'', 1, ''next'', ''x'')', 'SELECT workorder.act(''part'', 1, ''next'')', 'SELECT workorder.act(''job'', 2, ''close'')',
    'UPDATE job SET action = ''next'' WHERE id < 5', 'INSERT INTO job DEFAULT VALUES', 'INSERT INTO part (id) VALUES (99)', 'SELECT workorder.sweep(10)', 'SELECT workorder.enrol(''dan'', ''Dan'', ''{worker}'')',
    'SELECT workorder.count_rows(''job''), workorder.compact_totals()', 'SELECT workorder.install()', 'SELECT workorder.retime(''job''), workorder.refresh_tasks(''job'')',
    'SELECT send(''a key'', ''{"id": 1, "action": "next"}'')', 'CREATE TEMP TABLE gone AS SELECT g.id FROM workorder.guarded g WHERE g.relation = ''emptied''::regclass; DROP TABLE emptied; SELECT workorder.forget(g.id) FROM gone g', 'SELECT workorder.next_number(''job'')', 'SELECT workorder.set_password(''client1'', ''a good password'')',
    'SELECT workorder.attach(''talk'', 1, ''x'', ''text/plain'')', 'SELECT workorder.add_reply(''talk'', 1, ''x'')', 'INSERT INTO talk DEFAULT VALUES', 'DELETE FROM talk WHERE id = 1',
    'SELECT workorder.act(''talk'', 1, ''approve'')', 'SELECT workorder.transfer_task(''talk'', 1, ''client3'')', 'SELECT workorder.add_approver(''talk'', 1, ''client3'')',
    'SELECT workorder.deputise(''client2'', now() + ''1 day'', now() + ''3 days'')', 'SELECT workorder.set_life(min(f.id), ''deprecated'') FROM workorder.flow f', 'SELECT workorder.subscribe(''listener''), (SELECT count(*) FROM workorder.events(''listener''))',
    'SELECT workorder.unguard(''odd'')', 'SELECT workorder.guard(''unlogged'', ''loop'')', 'SELECT workorder.seal()', 'SELECT count(*) FROM workorder.verify()',
    'SELECT workorder.publish(jsonb_set(f.definition, ''{description}'', ''"again"'')) FROM workorder.flow f WHERE f.name = ''loop'';
     SELECT workorder.migrate(''job'', min(f.id), max(f.id), dry_run => false) FROM workorder.flow f WHERE f.name = ''loop'''];
  victim regclass;
  event text;
  nulls text;
  call text;
BEGIN
  PERFORM set_config('workorder.actor', 'client1', true);
  PERFORM set_config('workorder.now', (now() + '3 days')::text, true);
  FOR i IN 1..calls LOOP
    victim := tables[1 + floor(random() * cardinality(tables))];
    event := (ARRAY['INSERT', 'UPDATE', 'UPDATE', 'DELETE'])[1 + floor(random() * 4)];
    SELECT string_agg(format('NULL::%s', format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum) INTO nulls
    FROM pg_attribute a WHERE a.attrelid = victim AND a.attnum > 0 AND NOT a.attisdropped;
    call := format('CREATE RULE tormenting AS ON %s TO %s%s DO %s %s; ', event, victim,
      (ARRAY['', '', ' WHERE random() < 0.5', ' WHERE false'])[1 + floor(random() * 4)], (ARRAY['ALSO', 'INSTEAD', 'INSTEAD'])[1 + floor(random() * 3)],
      (ARRAY['NOTHING', 'NOTIFY noted', 'INSERT INTO noted VALUES (2)', 'DELETE FROM noted', 'SELECT 1', '(UPDATE noted SET n = n; DELETE FROM noted)',
        format('INSERT INTO noted VALUES (2) RETURNING %s', nulls), format('UPDATE noted SET n = n RETURNING %s', nulls), format('DELETE FROM noted RETURNING %s', nulls)])[1 + floor(random() * 9)])
      || deeds[1 + floor(random() * cardinality(deeds))];
    INSERT INTO called
    SELECT 0, left(call, 1000), u.failure, left(u.said, 200) FROM undone(call || '; SET CONSTRAINTS ALL IMMEDIATE') u;
  END LOOP;
END
$$;
