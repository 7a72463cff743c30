-- Catalog lint: rules that every object of the engine and the add-ons must
-- keep, found in the catalog and not by reading.  A lint that cannot fail is
-- worth nothing, so in the end offenders against each rule are planted, and
-- every one of them must be found.

BEGIN;
SELECT plan(26);

CREATE TEMP VIEW room AS
SELECT e.oid AS extension, n.oid AS schema, n.nspname
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'workorder' OR e.extname LIKE 'workorder\_%';

CREATE TEMP VIEW code AS
SELECT p.oid, p.oid::regprocedure::text AS name, p.prosrc, p.proconfig, p.prosecdef, p.provolatile, p.proparallel,
       p.prosqlbody IS NOT NULL AS is_atomic, l.lanname,
       EXISTS (SELECT FROM unnest(p.proconfig) AS c WHERE c ~ '^search_path=(.*, )?pg_temp$') AS is_pinned
FROM pg_proc p JOIN room r ON r.schema = p.pronamespace JOIN pg_language l ON l.oid = p.prolang;

CREATE TEMP VIEW kept AS
SELECT c.oid, c.oid::regclass::text AS name, c.relkind, c.relpersistence, c.relforcerowsecurity, c.reloptions
FROM pg_class c JOIN room r ON r.schema = c.relnamespace;

-- Exceptions, each with its reason.
CREATE TEMP VIEW tenantless(name) AS VALUES
  ('workorder.flow'),           -- rules are everybody's; a name and its versions are unique
  ('workorder.guarded'),        -- one row per table of the database
  ('workorder.tenant'),         -- the tenants themselves
  ('workorder.secret'),         -- one signing key per installation
  ('workorder.api'),            -- interfaces are everybody's, like flows
  ('workorder.route'),
  ('workorder.api'),            -- what the server answers is the same for everybody
  ('workorder.route'),
  ('workorder.installation');   -- one row
CREATE TEMP VIEW keyless(name) AS VALUES
  ('workorder.state_count_change');   -- appended to by every act, folded as a whole
CREATE TEMP VIEW volatile_but_safe(name) AS VALUES
  ('workorder.clock()'),              -- the time, as clock_timestamp()
  ('workorder.random_key()'),         -- random bytes, nothing else
  ('workorder.password_hash(text)');  -- random salt, nothing else

CREATE TEMP VIEW lint AS
  SELECT 'search_path' AS rule, name AS object FROM code
  WHERE lanname IN ('sql', 'plpgsql') AND NOT is_atomic AND NOT is_pinned
UNION ALL
  SELECT 'security definer', name FROM code WHERE prosecdef AND NOT is_pinned AND NOT is_atomic
UNION ALL
  SELECT 'executable by everybody', name FROM code WHERE has_function_privilege('public', oid, 'EXECUTE')
UNION ALL
  SELECT 'volatile but parallel safe', name FROM code
  WHERE provolatile = 'v' AND proparallel = 's' AND name NOT IN (SELECT v.name FROM volatile_but_safe v)
UNION ALL
  SELECT 'writes but is not volatile', name FROM code
  WHERE provolatile <> 'v' AND lanname IN ('sql', 'plpgsql')
    AND prosrc ~* '\m(INSERT\s+INTO|UPDATE\s+[a-z_.]+\s+SET|DELETE\s+FROM|MERGE\s+INTO|TRUNCATE)\M'
UNION ALL
  SELECT 'looks around but is immutable', name FROM code
  WHERE provolatile = 'i' AND lanname IN ('sql', 'plpgsql')
    AND prosrc ~* '\m(current_setting|now\(\)|current_date|current_timestamp|statement_timestamp|clock_timestamp|FROM\s+(workorder|pg_catalog)\.)'
UNION ALL
  SELECT 'no comment', name FROM code WHERE obj_description(oid, 'pg_proc') IS NULL
UNION ALL
  SELECT 'no comment', name FROM kept
  WHERE relkind IN ('r', 'p', 'v', 'm') AND obj_description(oid, 'pg_class') IS NULL
UNION ALL
  SELECT 'no comment', nspname FROM room WHERE obj_description(schema, 'pg_namespace') IS NULL
UNION ALL
  SELECT 'member of the extension', k.name
  FROM kept k JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = k.oid AND d.deptype = 'e'
  WHERE k.relkind <> 'c'
UNION ALL
  -- Primary keys, unique constraints and unique indexes are all unique indexes.
  SELECT 'key without the tenant', i.indexrelid::regclass::text
  FROM kept k JOIN pg_index i ON i.indrelid = k.oid AND i.indisunique
  LEFT JOIN pg_attribute a ON a.attrelid = k.oid AND a.attnum = i.indkey[0]
  WHERE a.attname IS DISTINCT FROM 'tenant_id' AND k.name NOT IN (SELECT t.name FROM tenantless t)
UNION ALL
  SELECT 'reference without the tenant', k.name || '.' || c.conname
  FROM kept k JOIN pg_constraint c ON c.conrelid = k.oid AND c.contype = 'f'
  JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
  JOIN pg_attribute b ON b.attrelid = c.confrelid AND b.attnum = c.confkey[1]
  WHERE (a.attname <> 'tenant_id' OR b.attname <> 'tenant_id')
    AND c.confrelid::regclass::text NOT IN (SELECT t.name FROM tenantless t)
UNION ALL
  SELECT 'table without a primary key', name FROM kept k
  WHERE relkind IN ('r', 'p') AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = k.oid AND i.indisprimary)
    AND name NOT IN (SELECT l.name FROM keyless l)
UNION ALL
  SELECT 'table that a crash empties', name FROM kept WHERE relkind IN ('r', 'p', 'S') AND relpersistence <> 'p'
UNION ALL
  SELECT 'forced row security', name FROM kept WHERE relforcerowsecurity
UNION ALL
  -- ALWAYS breaks logical replication, except for the signal that rules have
  -- changed: a replica's sessions need it too.
  SELECT 'trigger state', k.name || '.' || t.tgname
  FROM kept k JOIN pg_trigger t ON t.tgrelid = k.oid AND NOT t.tgisinternal
  WHERE t.tgenabled <> CASE WHEN t.tgname LIKE '%invalidate%' THEN 'A' ELSE 'O' END
UNION ALL
  SELECT 'column that stops pg_upgrade', k.name || '.' || a.attname
  FROM kept k JOIN pg_attribute a ON a.attrelid = k.oid AND a.attnum > 0 AND NOT a.attisdropped
  WHERE k.relkind IN ('r', 'p', 'm', 'c')
    AND a.atttypid IN ('regproc'::regtype, 'regprocedure'::regtype, 'regoper'::regtype, 'regoperator'::regtype,
                       'regconfig'::regtype, 'regdictionary'::regtype, 'regnamespace'::regtype, 'regcollation'::regtype)
UNION ALL
  SELECT DISTINCT 'view that leaks the journal', k.name
  FROM kept k
  JOIN pg_rewrite w ON w.ev_class = k.oid
  JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
    AND d.refclassid = 'pg_class'::regclass AND d.refobjid = 'workorder.journal'::regclass
  WHERE k.relkind IN ('v', 'm') AND NOT 'security_barrier=true' = ANY (coalesce(k.reloptions, '{}'))
UNION ALL
  SELECT 'writable by everybody', name FROM kept
  WHERE relkind IN ('r', 'p', 'v', 'm')
    AND has_table_privilege('public', oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
UNION ALL
  SELECT 'writable by everybody', nspname FROM room WHERE has_schema_privilege('public', schema, 'CREATE');

-- What there is to look at: a lint of nothing finds nothing.
SELECT cmp_ok((SELECT count(*) FROM room), '>=', 2::bigint, 'the engine and an add-on are installed');
SELECT cmp_ok((SELECT count(*) FROM code), '>=', 50::bigint, 'they have functions');
SELECT cmp_ok((SELECT count(*) FROM kept WHERE relkind = 'r'), '>=', 12::bigint, 'they have tables');

SELECT is_empty('SELECT rule, object FROM lint', 'every rule is kept');

-- One offender, or a few, against each rule.
CREATE FUNCTION workorder.planted_path() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
CREATE FUNCTION workorder.planted_half_path() RETURNS int LANGUAGE sql SET search_path = workorder AS 'SELECT 1';
CREATE FUNCTION workorder.planted_definer() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN 1; END';
CREATE FUNCTION workorder.planted_parallel() RETURNS int LANGUAGE plpgsql VOLATILE PARALLEL SAFE
  AS 'BEGIN RETURN 1; END';
CREATE FUNCTION workorder.planted_stable() RETURNS int LANGUAGE plpgsql STABLE
  AS 'BEGIN INSERT INTO workorder.planted VALUES (1); RETURN 1; END';
CREATE FUNCTION workorder.planted_immutable() RETURNS text LANGUAGE plpgsql IMMUTABLE
  AS $$BEGIN RETURN current_setting('workorder.now'); END$$;
CREATE TABLE workorder.planted (tenant_id bigint, id int PRIMARY KEY, method regproc);
CREATE TABLE workorder.planted_child (tenant_id bigint, id int REFERENCES workorder.planted (id));
CREATE UNLOGGED TABLE workorder.planted_log (id int);
ALTER TABLE workorder.planted_log FORCE ROW LEVEL SECURITY;
GRANT INSERT ON workorder.planted_log TO PUBLIC;
ALTER EXTENSION workorder ADD TABLE workorder.planted_child;
CREATE FUNCTION workorder.planted_trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER planted BEFORE UPDATE ON workorder.planted FOR EACH ROW EXECUTE FUNCTION workorder.planted_trigger();
ALTER TABLE workorder.planted ENABLE ALWAYS TRIGGER planted;
CREATE VIEW workorder.planted_view AS SELECT note FROM workorder.journal;
GRANT CREATE ON SCHEMA workorder TO PUBLIC;

CREATE TEMP TABLE planted(rule text, object text);
INSERT INTO planted VALUES
  ('search_path', 'workorder.planted_path()'),
  ('search_path', 'workorder.planted_half_path()'),
  ('security definer', 'workorder.planted_definer()'),
  ('executable by everybody', 'workorder.planted_path()'),
  ('volatile but parallel safe', 'workorder.planted_parallel()'),
  ('writes but is not volatile', 'workorder.planted_stable()'),
  ('looks around but is immutable', 'workorder.planted_immutable()'),
  ('no comment', 'workorder.planted_path()'),
  ('no comment', 'workorder.planted'),
  ('no comment', 'workorder.planted_view'),
  ('member of the extension', 'workorder.planted_child'),
  ('key without the tenant', 'workorder.planted_pkey'),
  ('reference without the tenant', 'workorder.planted_child.planted_child_id_fkey'),
  ('table without a primary key', 'workorder.planted_log'),
  ('table that a crash empties', 'workorder.planted_log'),
  ('forced row security', 'workorder.planted_log'),
  ('trigger state', 'workorder.planted.planted'),
  ('column that stops pg_upgrade', 'workorder.planted.method'),
  ('view that leaks the journal', 'workorder.planted_view'),
  ('writable by everybody', 'workorder.planted_log'),
  ('writable by everybody', 'workorder');
SELECT ok(EXISTS (SELECT FROM lint l WHERE l.rule = p.rule AND l.object = p.object),
          format('found: %s, %s', p.rule, p.object))
FROM planted p;
SELECT is_empty($$
  SELECT (regexp_matches(pg_get_viewdef('lint'::regclass), '''([a-z_ ]+)''::text AS rule', 'g'))[1]
  EXCEPT SELECT rule FROM planted$$, 'no rule goes without an offender');

SELECT * FROM finish();
ROLLBACK;
