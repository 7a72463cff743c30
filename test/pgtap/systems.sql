-- The five add-ons in one database, one tenant and one fixture each: none
-- reaches into another, none takes what is another's, and each can go without
-- the others noticing.  What follows is asked of the catalog, so that an add-on
-- that is added is asked, too; a snoop is planted in the end, and must be found.

SET client_min_messages = warning;

CREATE TEMP VIEW addon AS
SELECT e.oid AS extension, e.extname, n.oid AS schema, n.nspname::text AS name
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname LIKE 'workorder\_%';

-- What an add-on holds, here and in the shared tables, as one digest each.
CREATE FUNCTION pg_temp.digest(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  result text;
BEGIN
  EXECUTE format('SELECT coalesce(md5(string_agg(t::text, E''\n'' ORDER BY t::text COLLATE "C")), '''') FROM (%s) AS t', query) INTO result;
  RETURN result;
END
$$;
CREATE FUNCTION pg_temp.holdings() RETURNS TABLE (name text, what text, digest text) LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY
  SELECT a.name, c.relname::text, pg_temp.digest(format('SELECT * FROM %s', c.oid::regclass))
  FROM addon a JOIN pg_class c ON c.relnamespace = a.schema AND c.relkind = 'r'
  UNION ALL
  SELECT a.name, 'the shared ' || s.kind, pg_temp.digest(format('SELECT t.* FROM workorder.%I AS t WHERE %s', s.kind, format(s.condition, a.name)))
  FROM addon a, (VALUES
    ('journal', 't.guarded_id IN (SELECT g.id FROM workorder.guarded g JOIN pg_class c ON c.oid = g.relation WHERE c.relnamespace = %1$L::regnamespace)'),
    ('reply', 't.guarded_id IN (SELECT g.id FROM workorder.guarded g JOIN pg_class c ON c.oid = g.relation WHERE c.relnamespace = %1$L::regnamespace)'),
    ('timer', 't.guarded_id IN (SELECT g.id FROM workorder.guarded g JOIN pg_class c ON c.oid = g.relation WHERE c.relnamespace = %1$L::regnamespace)'),
    ('attached', 't.guarded_id IN (SELECT g.id FROM workorder.guarded g JOIN pg_class c ON c.oid = g.relation WHERE c.relnamespace = %1$L::regnamespace)'),
    ('counter', 'starts_with(t.name, %1$L || ''.'')'),
    ('dictionary', 't.system = %1$L'),
    ('setting', 't.system = %1$L'),
    ('membership', 'starts_with(t.role, %1$L || ''.'')'),
    ('actor', 'EXISTS (SELECT FROM workorder.membership m WHERE (m.tenant_id, m.actor_id) = (t.tenant_id, t.id) AND starts_with(m.role, %1$L || ''.''))'),
    ('password', 'EXISTS (SELECT FROM workorder.membership m WHERE (m.tenant_id, m.actor_id) = (t.tenant_id, t.actor_id) AND starts_with(m.role, %1$L || ''.''))'),
    ('api', 't.name = %1$L'),
    ('route', 't.api = %1$L')) AS s (kind, condition);
END
$$;

-- The fixtures, in one order, and again in another.
CREATE TEMP TABLE before AS SELECT * FROM pg_temp.holdings() WITH NO DATA;
CREATE TEMP TABLE damage (fixture text, name text, what text);
CREATE TEMP TABLE loads (n int GENERATED ALWAYS AS IDENTITY, fixture text);
CREATE FUNCTION pg_temp.begin_load() RETURNS void LANGUAGE sql AS $$
  TRUNCATE before;
  INSERT INTO before SELECT * FROM pg_temp.holdings();
$$;
CREATE FUNCTION pg_temp.end_load(fixture text) RETURNS void LANGUAGE sql AS $$
  INSERT INTO loads (fixture) VALUES (end_load.fixture);
  INSERT INTO damage
  SELECT end_load.fixture, b.name, b.what
  FROM before b FULL JOIN pg_temp.holdings() AS h USING (name, what)
  WHERE name <> end_load.fixture AND b.digest IS DISTINCT FROM h.digest;
$$;
\o /dev/null
\set begin 'SELECT pg_temp.begin_load(); BEGIN;'
\set end 'COMMIT; SELECT pg_temp.end_load('
:begin
\ir ../fixtures/dispatch.sql
:end 'dispatch');
:begin
\ir ../fixtures/active_job.sql
:end 'active_job');
:begin
\ir ../fixtures/cloud_support.sql
:end 'cloud_support');
:begin
\ir ../fixtures/afterservice.sql
:end 'afterservice');
:begin
\ir ../fixtures/call_center.sql
:end 'call_center');
:begin
\ir ../fixtures/afterservice.sql
:end 'afterservice');
:begin
\ir ../fixtures/cloud_support.sql
:end 'cloud_support');
:begin
\ir ../fixtures/dispatch.sql
:end 'dispatch');
:begin
\ir ../fixtures/call_center.sql
:end 'call_center');
:begin
\ir ../fixtures/active_job.sql
:end 'active_job');
\o

BEGIN;
SELECT plan(22);

SELECT is((SELECT count(*) FROM addon), 5::bigint, 'five add-ons are installed');
SELECT is((SELECT count(*) FROM addon a WHERE (SELECT count(*) FROM loads l WHERE l.fixture = a.name) = 2), 5::bigint,
  'the fixture of each was loaded twice');
SELECT is((SELECT count(*) FROM addon a WHERE EXISTS (SELECT FROM pg_temp.holdings() h WHERE h.name = a.name AND h.what = 'the shared membership' AND h.digest <> '')),
  5::bigint, 'each has people');
SELECT is_empty('SELECT * FROM damage', 'no fixture changes what is another add-on''s');

-- ---------------------------------------------------------------------------
-- Names.
-- ---------------------------------------------------------------------------

SELECT is_empty($$SELECT a.name FROM addon a LEFT JOIN workorder.api i ON i.name = a.name WHERE i.name IS NULL
  OR NOT EXISTS (SELECT FROM workorder.route r WHERE r.api = a.name)$$, 'each has an API with routes');
SELECT is_empty($$
  SELECT r.* FROM workorder.route r
  LEFT JOIN pg_proc p ON p.oid = to_regprocedure(r.handler || '(workorder.http_request)')
  LEFT JOIN addon a ON a.name = r.api AND a.schema = p.pronamespace
  LEFT JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.refobjid = a.extension AND d.deptype = 'e'
  WHERE d.objid IS NULL$$, 'every handler is a function of the extension whose API it serves');
SELECT is_empty($$
  SELECT r.method, regexp_replace(r.pattern, '\{[^}]*\}', '{}', 'g') FROM workorder.route r
  GROUP BY 1, 2 HAVING count(DISTINCT r.api) > 1$$, 'no path is routed by two APIs');

CREATE TEMP VIEW said AS
SELECT a.name, 'function ' || p.oid::regprocedure AS place, coalesce(pg_get_function_sqlbody(p.oid), p.prosrc) AS said
FROM addon a JOIN pg_proc p ON p.pronamespace = a.schema
UNION ALL
SELECT a.name, 'policy of ' || c.oid::regclass, concat_ws(' ', pg_get_expr(o.polqual, c.oid), pg_get_expr(o.polwithcheck, c.oid))
FROM addon a JOIN pg_class c ON c.relnamespace = a.schema JOIN pg_policy o ON o.polrelid = c.oid
UNION ALL
SELECT a.name, 'constraint of ' || c.oid::regclass, pg_get_constraintdef(o.oid)
FROM addon a JOIN pg_class c ON c.relnamespace = a.schema JOIN pg_constraint o ON o.conrelid = c.oid
UNION ALL
SELECT a.name, 'trigger of ' || c.oid::regclass, pg_get_triggerdef(t.oid)
FROM addon a JOIN pg_class c ON c.relnamespace = a.schema JOIN pg_trigger t ON t.tgrelid = c.oid AND NOT t.tgisinternal
UNION ALL
SELECT a.name, 'view ' || c.oid::regclass, pg_get_viewdef(c.oid)
FROM addon a JOIN pg_class c ON c.relnamespace = a.schema AND c.relkind = 'v'
UNION ALL
SELECT a.name, 'flow', f.definition::text FROM addon a JOIN workorder.flow f ON f.name = a.name
UNION ALL
SELECT a.name, 'API', i.settings::text FROM addon a JOIN workorder.api i ON i.name = a.name;

CREATE TEMP VIEW reach AS
SELECT s.name, s.place, o.name AS other
FROM said s JOIN addon o ON o.name <> s.name
WHERE s.said ~ format('\m%1$s"?\."?[a-z_$]|(setting|dictionary|api|routes|enrol_in|publish)\(''%1$s''', o.name)
UNION ALL
-- A view of the schema api belongs to the add-on whose tables it reads.
SELECT min(o.name), 'view ' || c.oid::regclass, max(o.name)
FROM pg_class c JOIN addon o ON pg_get_viewdef(c.oid) ~ format('\m%s\.', o.name)
WHERE c.relnamespace = 'api'::regnamespace AND c.relkind = 'v'
GROUP BY c.oid HAVING count(*) > 1;
SELECT is_empty('SELECT * FROM reach', 'no function, policy, constraint, trigger, view, flow or API names another add-on''s schema');
SELECT is_empty($$
  SELECT d.classid::regclass, d.objid, x.name, y.name
  FROM pg_depend d
  JOIN (SELECT p.oid, 'pg_proc'::regclass::oid AS class, p.pronamespace AS schema FROM pg_proc p
        UNION ALL SELECT c.oid, 'pg_class'::regclass, c.relnamespace FROM pg_class c
        UNION ALL SELECT c.oid, 'pg_constraint'::regclass, c.connamespace FROM pg_constraint c
        UNION ALL SELECT t.oid, 'pg_type'::regclass, t.typnamespace FROM pg_type t) AS f ON f.oid = d.objid AND f.class = d.classid
  JOIN (SELECT p.oid, 'pg_proc'::regclass::oid AS class, p.pronamespace AS schema FROM pg_proc p
        UNION ALL SELECT c.oid, 'pg_class'::regclass, c.relnamespace FROM pg_class c
        UNION ALL SELECT t.oid, 'pg_type'::regclass, t.typnamespace FROM pg_type t) AS t ON t.oid = d.refobjid AND t.class = d.refclassid
  JOIN addon x ON x.schema = f.schema JOIN addon y ON y.schema = t.schema
  WHERE x.name <> y.name$$, 'nothing of one depends on anything of another');
SELECT is_empty($$
  SELECT a.name, r.role FROM addon a JOIN workorder.flow f ON f.name = a.name, jsonb_array_elements_text(f.definition -> 'roles') AS r (role)
  WHERE NOT starts_with(r.role, a.name || '.')
  UNION ALL SELECT a.name, NULL FROM addon a WHERE NOT EXISTS (SELECT FROM workorder.flow f WHERE f.name = a.name)$$,
  'roles are qualified by the name of the add-on, which is its flow''s, too');
SELECT is_empty($$
  SELECT f.name, w.role FROM workorder.flow f, jsonb_path_query(f.definition, 'strict $.**.allow') AS allow (value),
    jsonb_array_elements_text(CASE jsonb_typeof(allow.value) WHEN 'array' THEN allow.value ELSE jsonb_build_array(allow.value) END) AS w (role)
  WHERE f.name IN (SELECT a.name FROM addon a) AND w.role !~ '^[*$]' AND NOT starts_with(w.role, f.name || '.')$$,
  'no flow allows anything to a role of another');

-- ---------------------------------------------------------------------------
-- Rights.
-- ---------------------------------------------------------------------------

CREATE ROLE regress_systems_web;
CREATE ROLE regress_systems_one;
GRANT SET ON PARAMETER workorder.actor TO regress_systems_web;
CREATE FUNCTION pg_temp.grant_all(VARIADIC names text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY names LOOP
    EXECUTE format('SELECT %I.grant_access(''regress_systems_web'')', name);
  END LOOP;
END
$$;
CREATE FUNCTION pg_temp.rights(role text) RETURNS TABLE (object text, privilege text) LANGUAGE sql STABLE AS $$
  SELECT c.oid::regclass || coalesce('.' || t.attname, ''), x.privilege_type
  FROM pg_class c
  CROSS JOIN LATERAL (SELECT NULL::name AS attname, c.relacl AS acl
    UNION ALL SELECT a.attname, a.attacl FROM pg_attribute a WHERE a.attrelid = c.oid) AS t
  CROSS JOIN LATERAL aclexplode(t.acl) AS x
  WHERE c.relnamespace IN (SELECT a.schema FROM addon a UNION SELECT 'api'::regnamespace) AND x.grantee = role::regrole
  UNION ALL
  SELECT p.oid::regprocedure::text, x.privilege_type FROM pg_proc p JOIN addon a ON a.schema = p.pronamespace, aclexplode(p.proacl) AS x
  WHERE x.grantee = role::regrole
$$;
SELECT pg_temp.grant_all('workorder', 'active_job', 'afterservice', 'call_center', 'cloud_support', 'dispatch') \g /dev/null
CREATE TEMP TABLE rights AS SELECT * FROM pg_temp.rights('regress_systems_web');
SELECT isnt_empty('SELECT * FROM rights', 'grant_access() gives rights');
SELECT pg_temp.grant_all('dispatch', 'cloud_support', 'call_center', 'afterservice', 'active_job', 'workorder') \g /dev/null
SELECT set_eq($$SELECT * FROM pg_temp.rights('regress_systems_web')$$, 'SELECT * FROM rights',
  'the rights of an application are the same in whatever order they were given');
SELECT is(ARRAY[has_table_privilege('regress_systems_web', 'active_job.orders', 'DELETE'), has_any_column_privilege('regress_systems_web', 'active_job.orders', 'INSERT'),
    has_column_privilege('regress_systems_web', 'dispatch.ticket', 'past', 'INSERT'), has_column_privilege('regress_systems_web', 'dispatch.ticket', 'content', 'INSERT')],
  '{f,f,f,t}', 'what an add-on took away, no other has given back');

CREATE TEMP TABLE strays (name text, object text);
DO $$
DECLARE
  a record;
BEGIN
  FOR a IN SELECT * FROM addon LOOP
    EXECUTE format('SELECT %I.grant_access(''regress_systems_one'')', a.name);
    INSERT INTO strays
    SELECT a.name, r.object FROM pg_temp.rights('regress_systems_one') r
    WHERE NOT starts_with(r.object, a.name || '.')
      AND (r.object !~ '^api\.' OR NOT pg_get_viewdef(substring(r.object FROM '^api\.[^.]*')::regclass) ~ format('\m%s\.', a.name));
    EXECUTE 'DROP OWNED BY regress_systems_one';
  END LOOP;
END
$$;
SELECT is_empty('SELECT * FROM strays', 'grant_access() of one gives nothing of another');

-- ---------------------------------------------------------------------------
-- People: one of each add-on, who is nobody in the others.
-- ---------------------------------------------------------------------------

CREATE TEMP TABLE person AS
SELECT DISTINCT ON (a.name, m.role) a.name, m.role, p.login
FROM addon a
JOIN workorder.membership m ON m.tenant_id = 1 AND starts_with(m.role, a.name || '.')
JOIN workorder.actor p ON p.tenant_id = m.tenant_id AND p.id = m.actor_id AND p.active
WHERE NOT EXISTS (SELECT FROM workorder.membership o WHERE (o.tenant_id, o.actor_id) = (m.tenant_id, m.actor_id) AND NOT starts_with(o.role, a.name || '.'))
ORDER BY a.name, m.role, p.login;
SELECT is((SELECT count(DISTINCT p.name) FROM person p), 5::bigint, 'each has people who are in no other');

CREATE TEMP TABLE seen (name text, login text, other text, object text, rows bigint);
GRANT INSERT ON seen TO regress_systems_web;
CREATE TEMP TABLE object AS
SELECT a.name, c.oid::regclass AS object FROM addon a JOIN pg_class c ON c.relnamespace = a.schema AND c.relkind = 'r'
UNION ALL
SELECT a.name, c.oid::regclass FROM addon a JOIN pg_class c ON c.relnamespace = 'api'::regnamespace AND c.relkind = 'v' AND pg_get_viewdef(c.oid) ~ format('\m%s\.', a.name);
CREATE FUNCTION pg_temp.count_rows(object regclass) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  n bigint;
BEGIN
  EXECUTE format('SELECT count(*) FROM %s', object) INTO n;
  RETURN n;
END
$$;
DO $$
DECLARE
  p record;
  o record;
  n bigint;
BEGIN
  FOR p IN SELECT * FROM person LOOP
    PERFORM set_config('workorder.actor', p.login, true);
    FOR o IN SELECT * FROM object LOOP
      SET LOCAL ROLE regress_systems_web;
      n := pg_temp.count_rows(o.object) + (SELECT count(*) FROM workorder.history h WHERE h.relation = o.object);
      RESET ROLE;
      INSERT INTO seen VALUES (p.name, p.login, o.name, o.object, n);
    END LOOP;
  END LOOP;
END
$$;
SELECT is_empty('SELECT * FROM seen s WHERE s.name <> s.other AND s.rows > 0', 'nobody sees a row or an entry of the journal of an add-on that they are not in');
SELECT is((SELECT count(DISTINCT s.name) FROM seen s WHERE s.name = s.other AND s.rows > 0), 5::bigint, 'everybody sees some of their own');

-- ---------------------------------------------------------------------------
-- One goes.
-- ---------------------------------------------------------------------------

CREATE FUNCTION pg_temp.lists() RETURNS TABLE (name text, listed jsonb) LANGUAGE plpgsql AS $$
DECLARE
  l record;
BEGIN
  FOR l IN SELECT * FROM (VALUES
      ('active_job', 'W1', 'SELECT to_jsonb(x) FROM active_job.list_orders() x'),
      ('afterservice', (SELECT min(p.login) FROM person p WHERE p.role = 'afterservice.manager'), 'SELECT to_jsonb(x) FROM afterservice.list_orders() x'),
      ('call_center', 'E7', 'SELECT to_jsonb(x) FROM call_center.list_tickets() x'),
      ('cloud_support', 'A9', 'SELECT to_jsonb(x) FROM cloud_support.list_workorders() x'),
      ('dispatch', 'superadmin', 'SELECT dispatch.list_tickets(''{"status": "all"}'')')) AS v (name, login, query)
    WHERE EXISTS (SELECT FROM addon a WHERE a.name = v.name)
  LOOP
    PERFORM set_config('workorder.actor', l.login, true);
    SET LOCAL ROLE regress_systems_web;
    EXECUTE l.query INTO listed;
    RESET ROLE;
    name := l.name;
    RETURN NEXT;
  END LOOP;
END
$$;
CREATE TEMP TABLE listed AS SELECT * FROM pg_temp.lists();
CREATE TEMP TABLE after (gone text, name text, listed jsonb);
DO $$
DECLARE
  a record;
  found jsonb;
BEGIN
  FOR a IN SELECT x.extname, x.name FROM addon x LOOP
    BEGIN
      EXECUTE format('DROP EXTENSION %I CASCADE', a.extname);
      PERFORM pg_temp.grant_all(VARIADIC ARRAY(SELECT x.name FROM addon x));
      found := (SELECT jsonb_agg(l) FROM pg_temp.lists() l);
      -- Undone, but for what was found.
      RAISE EXCEPTION USING ERRCODE = 'WO999', MESSAGE = 'found', DETAIL = found::text;
    EXCEPTION WHEN SQLSTATE 'WO999' THEN
      GET STACKED DIAGNOSTICS found = PG_EXCEPTION_DETAIL;
      INSERT INTO after SELECT a.name, l.name, l.listed FROM jsonb_to_recordset(found) AS l (name text, listed jsonb);
    END;
  END LOOP;
END
$$;
SELECT set_eq('SELECT f.gone, f.name, f.listed FROM after f',
  'SELECT a.name AS gone, l.name, l.listed FROM addon a JOIN listed l ON l.name <> a.name', 'when one is dropped, the others list what they listed');
SELECT is((SELECT count(*) FROM listed l WHERE l.listed::text ~ '"(id|order_id|uuid)"'), 5::bigint, 'which is something');
RESET workorder.actor;
SELECT is_empty('SELECT * FROM workorder.verify()', 'all journals are sound');

-- ---------------------------------------------------------------------------
-- And a snoop is found.
-- ---------------------------------------------------------------------------

CREATE FUNCTION active_job.snoop() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM dispatch.ticket); END';
SELECT is((SELECT string_agg(format('%s reads %s', r.name, r.other), ', ') FROM reach r), 'active_job reads dispatch', 'a function that reads another add-on''s table is found');

SELECT * FROM finish();
ROLLBACK;
