-- What DDL may not do to a guarded table, and what follows from what it does.
-- Event triggers are the database's and belong to a superuser, so the extension
-- has them, not install().

CREATE FUNCTION workorder.after_ddl() RETURNS event_trigger
LANGUAGE c VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'workorder_after_ddl';
COMMENT ON FUNCTION workorder.after_ddl() IS
'Event trigger at the end of ALTER TABLE and CREATE POLICY. Refuses (WO409) to rename, retype or drop a column of a guarded table that the engine keeps or knows a ticket by, unless a superuser has set workorder.maintenance; drops the policy workorder_permissive of a guarded table that gets a permissive policy of its own. Does nothing while a dump is restored: where check_function_bodies and row_security are off, as pg_dump sets them.';

CREATE FUNCTION workorder.after_drop() RETURNS event_trigger
LANGUAGE c VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'workorder_after_drop';
COMMENT ON FUNCTION workorder.after_drop() IS
'Event trigger after DROP. Refuses (WO409) to drop a guarded table''s triggers, unless a superuser has set workorder.maintenance; makes the policy workorder_permissive of a guarded table that has lost its last permissive policy; forgets (see forget()) a guarded table that is dropped. Does nothing while a dump is restored, as after_ddl().';

CREATE EVENT TRIGGER workorder_after_ddl ON ddl_command_end WHEN TAG IN ('ALTER TABLE', 'CREATE POLICY') EXECUTE FUNCTION workorder.after_ddl();
COMMENT ON EVENT TRIGGER workorder_after_ddl IS 'What DDL may not do to a guarded table, see workorder.after_ddl().';
CREATE EVENT TRIGGER workorder_after_drop ON sql_drop EXECUTE FUNCTION workorder.after_drop();
COMMENT ON EVENT TRIGGER workorder_after_drop IS 'What follows from DROP, see workorder.after_drop().';
