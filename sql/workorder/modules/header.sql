\echo Use "CREATE EXTENSION workorder CASCADE" to load this file. \quit

-- Texts are Unicode here: JSON, HTTP, search.  What is written in other encodings
-- could not always be said in the database.  (The script is read as a whole before
-- this runs, so it is in ASCII, and has neither U&'' nor E'\u'.)
DO $$
BEGIN
  IF pg_catalog.getdatabaseencoding() <> 'UTF8' THEN
    RAISE EXCEPTION USING
      ERRCODE = 'feature_not_supported',
      MESSAGE = 'workorder needs a database in UTF8',
      DETAIL = format('The encoding of this database is %s.', pg_catalog.getdatabaseencoding()),
      HINT = 'Create one: CREATE DATABASE ... TEMPLATE template0 ENCODING ''UTF8''.';
  END IF;
END
$$;

-- The schema is not a member of the extension: it also holds the tables that
-- workorder.install() makes, and those belong to the user.  So make sure that
-- it is ours before anything is put in it.
DO $$
BEGIN
  IF (SELECT n.nspowner <> r.oid
      FROM pg_catalog.pg_namespace n, pg_catalog.pg_roles r
      WHERE n.nspname = 'workorder' AND r.rolname = current_user) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'insufficient_privilege',
      MESSAGE = 'schema "workorder" belongs to somebody else',
      DETAIL = 'Whoever owns the schema could replace what the extension calls.',
      HINT = 'Drop the schema, or make the installing role its owner.';
  END IF;
END
$$;

COMMENT ON SCHEMA workorder IS 'workorder: flows, journal and people. Code belongs to the extension, tables to you.';
