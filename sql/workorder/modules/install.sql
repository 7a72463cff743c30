-- The engine's tables are ordinary tables of whoever calls install(): no member
-- of the extension, so that they are dumped, restored, altered and replicated
-- like any other, and outlive the extension.  Each room makes its own.

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
END
$install$;
REVOKE ALL ON FUNCTION workorder.install() FROM PUBLIC;
COMMENT ON FUNCTION workorder.install() IS
'Makes the engine''s tables and views in schema workorder, and the functions of schema api, owned by the caller. Called again it runs upgrade(). Needs CREATE on the schema, and on the database or on schema api.';

CREATE FUNCTION workorder.upgrade() RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  installed text;
  available CONSTANT text := (SELECT e.extversion FROM pg_extension e WHERE e.extname = 'workorder');
BEGIN
  IF to_regclass('workorder.installation') IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = 'the tables of workorder are not made yet',
      DETAIL = 'There is nothing to upgrade.', HINT = 'Run SELECT workorder.install().';
  END IF;
  SELECT i.version INTO installed FROM workorder.installation i FOR UPDATE;
  IF string_to_array(installed, '.')::int[] > string_to_array(available, '.')::int[] THEN
    RAISE EXCEPTION USING ERRCODE = 'WO409',
      MESSAGE = format('the data is of version %s, the extension of %s', installed, available),
      DETAIL = 'Data is never taken back to an older version.',
      HINT = 'Run ALTER EXTENSION workorder UPDATE.';
  END IF;
  UPDATE workorder.installation SET version = available WHERE version <> available;
  RETURN available;
END
$$;
REVOKE ALL ON FUNCTION workorder.upgrade() FROM PUBLIC;
COMMENT ON FUNCTION workorder.upgrade() IS
'Brings the tables to the installed version of the extension and returns it. Idempotent; run it once after restoring a dump of an older version. Raises WO409 if the data is newer than the code.';
