-- The engine's tables are ordinary tables of whoever calls install(): no member
-- of the extension, so that they are dumped, restored, altered and replicated
-- like any other, and outlive the extension.  Each room makes its own.
--
-- So ALTER EXTENSION ... UPDATE brings new code, and upgrade() brings the
-- tables to it.  What it takes to get them to a version is a function of that
-- version, <schema>.upgrade_to_<major>_<minor>(), in the engine and in every
-- add-on alike; workorder.installation says how far they have got.

CREATE FUNCTION workorder.install() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $install$
BEGIN
  IF to_regclass('workorder.installation') IS NOT NULL THEN
    PERFORM workorder.upgrade();
    RETURN;
  END IF;
  PERFORM workorder.install_tables();
  PERFORM workorder.install_totals();
  PERFORM workorder.install_timer();
  PERFORM workorder.install_approval();
  PERFORM workorder.install_addon();
  PERFORM workorder.install_attachment();
  PERFORM workorder.install_http();
  PERFORM workorder.install_idempotency();
  PERFORM workorder.install_reply();
  PERFORM workorder.install_seal();
  PERFORM workorder.install_outbox();
  PERFORM workorder.enter('workorder');
END
$install$;
REVOKE ALL ON FUNCTION workorder.install() FROM PUBLIC;
COMMENT ON FUNCTION workorder.install() IS
'Makes the engine''s tables and views in schema workorder, and the functions of schema api, owned by the caller. Called again it runs upgrade(). Needs CREATE on the schema, and on the database or on schema api.';

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
REVOKE ALL ON FUNCTION workorder.enter(text) FROM PUBLIC;
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
        RAISE EXCEPTION USING ERRCODE = 'WO409', MESSAGE = 'upgrade() cannot be part of an extension''s script',
          DETAIL = format('%s would belong to the extension, and go with it.', made.relation),
          HINT = 'Run it after ALTER EXTENSION ... UPDATE.';
      END IF;
      EXECUTE format('ALTER TABLE %s OWNER TO %I', made.relation, owner);
    END LOOP;
    UPDATE workorder.installation i SET version = data.extversion WHERE i.extension = data.extension;
  END LOOP;
  RETURN (SELECT i.version FROM workorder.installation i WHERE i.extension = 'workorder');
END
$$;
REVOKE ALL ON FUNCTION workorder.upgrade() FROM PUBLIC;
COMMENT ON FUNCTION workorder.upgrade() IS
'Brings the tables of the engine and of every add-on to the installed versions of their extensions, by calling their functions upgrade_to_<major>_<minor>() that are still to be taken, in order, and returns the engine''s version. New tables belong to the owner of the others. Idempotent, all or nothing; run it after ALTER EXTENSION ... UPDATE, and once after restoring a dump of an older version. Needs to own the tables. Raises WO409 if data is newer than its code, or within an extension''s script.';
