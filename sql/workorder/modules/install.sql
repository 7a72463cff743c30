-- The engine's tables are ordinary tables of whoever calls install(): no member
-- of the extension, so that they are dumped, restored, altered and replicated
-- like any other, and outlive the extension.
--
-- What there should be is written once, as statements that would make it: by
-- the engine's modules in their functions ..._parts(), by an add-on in
-- <schema>.parts().  install() makes of it what is missing, whatever that is:
-- everything the first time, what DROP EXTENSION took along after that.
-- verify() tells of the same list what is missing.
--
-- ALTER EXTENSION ... UPDATE brings new code, and upgrade() brings the tables to
-- it: it makes what is missing, and before that takes the steps that only data
-- needs.  The step to a version is a function of that version,
-- <schema>.upgrade_to_<major>_<minor>(), in the engine and in every add-on alike;
-- workorder.installation says how far they have got.

CREATE FUNCTION workorder.part_routine(name text) RETURNS regprocedure
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT CASE WHEN part_routine.name LIKE '%)' THEN to_regprocedure(part_routine.name)
    ELSE (SELECT p.oid::regprocedure FROM pg_proc p
      WHERE p.proargnames IS NOT NULL AND p.pronamespace::regnamespace || '.' || quote_ident(p.proname) = part_routine.name
      ORDER BY p.oid LIMIT 1) END;
END;
COMMENT ON FUNCTION workorder.part_routine(text) IS
'The function that parts() calls by this name: with its types in parentheses if its arguments have no names, else the one of this name that has some. Null if there is none.';

CREATE FUNCTION workorder.parts(ddl text)
RETURNS TABLE (number int, kind text, relation text, name text, statement text, missing boolean)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 100
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  shown CONSTANT text := quote_ident(workorder.api_schema());
  word text[];
BEGIN
  number := 0;
  FOR statement IN
    -- a statement ends with a line; the body of a function is indented
    SELECT btrim(regexp_replace(t.s, '^(\s*--[^\n]*\n)+', ''), E' \n;') FROM regexp_split_to_table(ddl, ';\s*\n(?!\s+|END)') WITH ORDINALITY t (s, n) ORDER BY t.n
  LOOP
    -- nothing is shown to clients, then nothing is missing there
    CONTINUE WHEN statement = '' OR (shown IS NULL AND statement ~ '@api@');
    statement := replace(statement, '@api@', coalesce(shown, ''));
    number := number + 1;
    kind := NULL;
    relation := NULL;
    name := NULL;
    missing := NULL;
    CASE
      WHEN statement ~ '^CREATE TABLE ' THEN
        kind := 'table';
        relation := substring(statement FROM '^CREATE TABLE (\S+)');
        missing := to_regclass(relation) IS NULL;
      WHEN statement ~ '^CREATE VIEW ' THEN
        kind := 'view';
        relation := substring(statement FROM '^CREATE VIEW (\S+)');
        missing := to_regclass(relation) IS NULL;
      WHEN statement ~ '^CREATE (UNIQUE )?INDEX ' THEN
        kind := 'index';
        word := regexp_match(statement, '^CREATE (?:UNIQUE )?INDEX (\S+) ON (\S+)');
        name := word[1];
        relation := word[2];
        missing := NOT EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
          WHERE i.indrelid = to_regclass(relation) AND c.relname = name);
      WHEN statement ~ '^CREATE (CONSTRAINT )?TRIGGER ' THEN
        kind := 'trigger';
        word := regexp_match(statement, '^CREATE (?:CONSTRAINT )?TRIGGER (\S+) (?:BEFORE|AFTER) [A-Za-z_ ]* ON (\S+)');
        name := word[1];
        relation := word[2];
        missing := NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = to_regclass(relation) AND t.tgname = name);
      WHEN statement ~ '^CREATE POLICY ' THEN
        kind := 'policy';
        word := regexp_match(statement, '^CREATE POLICY (\S+) ON (\S+)');
        name := word[1];
        relation := word[2];
        missing := NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = to_regclass(relation) AND p.polname = name);
      WHEN statement ~ '^ALTER TABLE \S+ ENABLE ROW LEVEL SECURITY$' THEN
        kind := 'row_security';
        relation := substring(statement FROM '^ALTER TABLE (\S+)');
        missing := NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = to_regclass(relation) AND c.relrowsecurity);
      WHEN statement ~ '^ALTER TABLE \S+ ALTER COLUMN \S+ SET DEFAULT ' THEN
        kind := 'default';
        word := regexp_match(statement, '^ALTER TABLE (\S+) ALTER COLUMN (\S+)');
        relation := word[1];
        name := word[2];
        missing := NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = to_regclass(relation) AND a.attname = name AND a.atthasdef);
      WHEN statement ~ '^ALTER TABLE \S+ ADD CONSTRAINT ' THEN
        kind := 'constraint';
        word := regexp_match(statement, '^ALTER TABLE (\S+) ADD CONSTRAINT (\S+)');
        relation := word[1];
        name := word[2];
        missing := NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = to_regclass(relation) AND c.conname = name);
      WHEN statement ~ '^CREATE FUNCTION ' THEN
        kind := 'function';
        -- one without names for its arguments may stand beside one that has them
        name := coalesce(substring(statement FROM '^CREATE FUNCTION ([^( ]+\([a-z]*\))'), substring(statement FROM '^CREATE FUNCTION ([^(]+)'));
        missing := workorder.part_routine(name) IS NULL;
      WHEN statement ~ '^CREATE DOMAIN ' THEN
        kind := 'domain';
        name := substring(statement FROM '^CREATE DOMAIN (.+) AS ');
        missing := to_regtype(name) IS NULL;
      ELSE
        NULL;
    END CASE;
    RETURN NEXT;
  END LOOP;
END
$$;
COMMENT ON FUNCTION workorder.parts(text) IS
'Reads statements, each of which ends with its line, @api@ standing for the schema that clients are shown: what each makes (kind, the table it is on, its name) and whether that is missing. The kind is null for one that belongs to what was made before it (a comment, a first row, guard()).';

CREATE FUNCTION workorder.owner() RETURNS regrole
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (SELECT c.relowner::regrole FROM pg_class c WHERE c.oid = to_regclass('workorder.installation'));
END
$$;
COMMENT ON FUNCTION workorder.owner() IS 'Who owns the engine''s tables; null if they are not made.';

CREATE FUNCTION workorder.make(ddl text) RETURNS int
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  owner CONSTANT regrole := workorder.owner();
  p record;
  table_made boolean := false;
  made boolean := false;
  n int := 0;
BEGIN
  FOR p IN SELECT * FROM workorder.parts(make.ddl) x ORDER BY x.number LOOP
    IF p.kind IS NULL THEN
      -- What goes with a table, or with the last thing made.
      CONTINUE WHEN NOT CASE WHEN p.statement ~ '^(COMMENT ON (TABLE|COLUMN)|ALTER|INSERT|SELECT) ' AND p.statement !~ ' TRIGGER ' THEN table_made ELSE made END
        -- a restore without privileges leaves functions to everybody
        AND NOT EXISTS (SELECT FROM pg_proc f WHERE f.proacl IS NULL
          AND f.oid = to_regprocedure(substring(p.statement FROM '^REVOKE ALL ON FUNCTION (.+) FROM PUBLIC$')));
      EXECUTE p.statement;
      CONTINUE;
    END IF;
    made := p.missing;
    IF p.kind = 'table' THEN
      table_made := p.missing;
    END IF;
    CONTINUE WHEN NOT p.missing;
    EXECUTE p.statement;
    n := n + 1;
    CONTINUE WHEN p.kind NOT IN ('table', 'view', 'function', 'domain');
    IF EXISTS (SELECT FROM pg_depend d WHERE d.deptype = 'e'
        AND ((d.classid = 'pg_class'::regclass AND d.objid = to_regclass(p.relation)) OR (d.classid = 'pg_proc'::regclass AND d.objid = workorder.part_routine(p.name)))) THEN
      RAISE EXCEPTION USING ERRCODE = 'WO409', MESSAGE = 'install() and upgrade() cannot be part of an extension''s script',
        DETAIL = format('%s would belong to the extension, and go with it.', coalesce(p.relation, p.name)),
        HINT = 'Run them after CREATE EXTENSION or ALTER EXTENSION ... UPDATE.';
    END IF;
    IF owner IS NOT NULL AND owner::oid <> (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user) THEN
      EXECUTE format('ALTER %s %s OWNER TO %s', CASE p.kind WHEN 'function' THEN 'ROUTINE' ELSE upper(p.kind) END,
        coalesce(p.relation, CASE p.kind WHEN 'function' THEN workorder.part_routine(p.name)::text ELSE p.name END), owner);
    END IF;
  END LOOP;
  RETURN n;
END
$$;
COMMENT ON FUNCTION workorder.make(text) IS
'Executes those of the statements that make what is missing (see parts()), with what belongs to them, and returns how many; what is made belongs to the owner of the engine''s tables.';

CREATE FUNCTION workorder.engine_parts() RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN concat(workorder.tables_parts(), workorder.totals_parts(), workorder.timer_parts(), workorder.approval_parts(), workorder.addon_parts(),
  workorder.attachment_parts(), workorder.http_parts(), workorder.api_parts(), workorder.idempotency_parts(), workorder.reply_parts(), workorder.seal_parts(),
  workorder.outbox_parts());
COMMENT ON FUNCTION workorder.engine_parts() IS 'Everything that the engine needs in its schema, module by module.';

CREATE FUNCTION workorder.all_parts() RETURNS text
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  all_of text := workorder.engine_parts();
  addon record;
  part text;
BEGIN
  IF to_regclass('workorder.installation') IS NULL THEN
    RETURN all_of;
  END IF;
  FOR addon IN
    SELECT p.oid::regprocedure AS parts
    FROM workorder.installation i
    JOIN pg_extension e ON e.extname = i.extension
    JOIN pg_proc p ON p.pronamespace = e.extnamespace AND p.proname = 'parts' AND p.pronargs = 0
    JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    -- upgrade() and verify() call them with rights of their caller's
    WHERE i.extension <> 'workorder' AND p.proowner = (SELECT w.extowner FROM pg_extension w WHERE w.extname = 'workorder')
    ORDER BY i.extension
  LOOP
    EXECUTE format('SELECT %s', addon.parts) INTO part;
    all_of := all_of || part;
  END LOOP;
  RETURN all_of;
END
$$;
COMMENT ON FUNCTION workorder.all_parts() IS
'Everything that the engine, the schema shown to clients and the add-ons need that are installed: the one list of install(), upgrade() and verify().';

CREATE FUNCTION workorder.install() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF to_regclass('workorder.installation') IS NOT NULL THEN
    PERFORM workorder.upgrade();
    RETURN;
  END IF;
  PERFORM workorder.make(workorder.engine_parts());
  PERFORM workorder.enter('workorder');
  IF to_regnamespace('api') IS NULL THEN
    PERFORM workorder.install_http();
  ELSE
    -- It may be shown to the whole world, or be somebody's who means to be called.
    RAISE WARNING USING MESSAGE = 'schema "api" exists already, so nothing was put into it',
      DETAIL = 'A gateway has nothing to call yet.',
      HINT = 'Say which schema clients are shown: SELECT workorder.install_http(''api''), or another name.';
  END IF;
END
$$;
COMMENT ON FUNCTION workorder.install() IS
'Makes the engine''s tables and views in schema workorder, and the functions of schema api if there is no such schema yet (see install_http()), owned by the caller. Called again it runs upgrade(), which makes what is missing. Needs CREATE on the schema, and on the database.';

CREATE FUNCTION workorder.enter(extension text) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  INSERT INTO workorder.installation (extension, version)
  SELECT e.extname, e.extversion FROM pg_extension e WHERE e.extname = enter.extension
  ON CONFLICT ON CONSTRAINT installation_pkey DO NOTHING;
  IF FOUND THEN
    RETURN true;
  END IF;
  PERFORM workorder.upgrade();
  RETURN false;
END
$$;
COMMENT ON FUNCTION workorder.enter(text) IS
'Begins the install() of an add-on: true if its tables are still to be made, and enters them as of its version; otherwise brings them to it by upgrade().';

CREATE FUNCTION workorder.upgrade() RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  owner name;
  data record;
  step record;
  made record;
  known oid[];
BEGIN
  IF to_regclass('workorder.installation') IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = 'the tables of workorder are not made yet',
      DETAIL = 'There is nothing to upgrade.', HINT = 'Run SELECT workorder.install().';
  END IF;
  SELECT pg_get_userbyid(c.relowner) INTO owner FROM pg_class c WHERE c.oid = 'workorder.installation'::regclass;
  -- Two at once would take the same steps.
  LOCK TABLE workorder.installation IN SHARE ROW EXCLUSIVE MODE;
  -- The engine goes first: its tables serve the others.
  FOR data IN
    SELECT i.extension, i.version, e.oid, e.extversion, e.extnamespace
    FROM workorder.installation i JOIN pg_extension e ON e.extname = i.extension
    WHERE e.extversion <> i.version
    ORDER BY i.extension <> 'workorder', i.extension
  LOOP
    IF string_to_array(data.version, '.')::int[] > string_to_array(data.extversion, '.')::int[] THEN
      RAISE EXCEPTION USING ERRCODE = 'WO409',
        MESSAGE = format('the data of %s is of version %s, the extension of %s', data.extension, data.version, data.extversion),
        DETAIL = 'Data is never taken back to an older version.',
        HINT = format('Run ALTER EXTENSION %I UPDATE.', data.extension);
    END IF;
    known := ARRAY(SELECT c.oid FROM pg_class c WHERE c.relnamespace = data.extnamespace);
    FOR step IN
      SELECT p.oid::regprocedure AS run, v.version
      FROM pg_depend d
      JOIN pg_proc p ON p.oid = d.objid AND p.pronargs = 0 AND p.proname ~ '^upgrade_to_[0-9]+_[0-9]+$'
      CROSS JOIN LATERAL (SELECT replace(substr(p.proname, 12), '_', '.') AS version) v
      WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = data.oid
        AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
        AND string_to_array(v.version, '.')::int[] > string_to_array(data.version, '.')::int[]
        AND string_to_array(v.version, '.')::int[] <= string_to_array(data.extversion, '.')::int[]
      ORDER BY string_to_array(v.version, '.')::int[]
    LOOP
      EXECUTE format('SELECT %s', step.run);
      RAISE NOTICE 'the data of % is of version % now', data.extension, step.version;
    END LOOP;
    FOR made IN
      SELECT c.oid::regclass AS relation,
        EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') AS is_member
      FROM pg_class c
      WHERE c.relnamespace = data.extnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND c.oid <> ALL (known)
    LOOP
      IF made.is_member THEN
        RAISE EXCEPTION USING ERRCODE = 'WO409', MESSAGE = 'install() and upgrade() cannot be part of an extension''s script',
          DETAIL = format('%s would belong to the extension, and go with it.', made.relation),
          HINT = 'Run them after CREATE EXTENSION or ALTER EXTENSION ... UPDATE.';
      END IF;
      EXECUTE format('ALTER TABLE %s OWNER TO %I', made.relation, owner);
    END LOOP;
    UPDATE workorder.installation i SET version = data.extversion WHERE i.extension = data.extension;
  END LOOP;
  PERFORM workorder.make(workorder.all_parts());
  PERFORM workorder.restore_guard(g.relation) FROM workorder.guarded g JOIN pg_class c ON c.oid = g.relation WHERE g.active ORDER BY g.id;
  RETURN (SELECT i.version FROM workorder.installation i WHERE i.extension = 'workorder');
END
$$;
COMMENT ON FUNCTION workorder.upgrade() IS
'Brings the tables of the engine and of every add-on to the installed versions of their extensions: calls their functions upgrade_to_<major>_<minor>() that are still to be taken, in order, makes whatever is missing of what install() makes, DROP EXTENSION ... CASCADE or not, puts the triggers and policies of guarded tables back, and returns the engine''s version. New tables belong to the owner of the others. Idempotent, all or nothing; run it after ALTER EXTENSION ... UPDATE, and once after restoring a dump of an older version. Needs to own the tables. Raises WO409 if data is newer than its code, or within an extension''s script.';
