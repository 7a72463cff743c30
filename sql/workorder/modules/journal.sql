-- Reading the journal back, and keeping it as it was written.

CREATE FUNCTION workorder.visible(relation regclass, id bigint) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_visible';
REVOKE ALL ON FUNCTION workorder.visible(regclass, bigint) FROM PUBLIC;
COMMENT ON FUNCTION workorder.visible(regclass, bigint) IS
'Whether the caller may see a ticket of his tenant: its row is there, and his privileges and the flow''s "view" let him read it. False for a ticket that does not exist, or in a table that is not guarded, null for null arguments; whoever owns the table sees all that was ever in it. What tells anything of a ticket''s history asks this first.';

CREATE FUNCTION workorder.as_of(relation regclass, id bigint, at timestamptz) RETURNS jsonb
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_as_of';
REVOKE ALL ON FUNCTION workorder.as_of(regclass, bigint, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION workorder.as_of(regclass, bigint, timestamptz) IS
'A ticket''s row as it was at that time: an object of all columns the table has, save generated ones, folded from the ticket''s journal. Null if the ticket did not exist then. For whoever may see the ticket now and read every column of the table; of a ticket that is gone the table''s owner alone is told. Columns that were added later are null until a line tells of them. Raises WO404 for a table that is not guarded and for a ticket that the caller may not see.';

CREATE FUNCTION workorder.verify(relation regclass DEFAULT NULL, id bigint DEFAULT NULL)
RETURNS TABLE (relation regclass, ticket_id bigint, revision int, code text, message text)
LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 10
AS 'MODULE_PATHNAME', 'workorder_verify';
REVOKE ALL ON FUNCTION workorder.verify(regclass, bigint) FROM PUBLIC;
COMMENT ON FUNCTION workorder.verify(regclass, bigint) IS
'Everything in which tables, journal and flows contradict each other; no row means sound. For one ticket of the current tenant, for all tickets of one table, or (no argument) for all guarded tables and the journal''s own lines. Needs to own the tables.
What the journal does not tell (who held which role then, and so what a guard, "all" or a percentage made of it) is taken as it is.
Codes of a ticket: digest (a line is not what was written, or one before it is missing), gap (revisions do not follow each other, or not up to the row''s), chain_state (a line does not start where the one before ended), chain_value (a line''s old value is not what those before made), changes (a line''s changes cannot be read), time (a line is earlier than the one before), initial (not created in the flow''s initial state), edge (the flow has no such step), state (the flow has no such leaf), flow_missing (the flow version is gone), exclude (a step was taken by somebody whom the flow keeps from it), quorum (an action took effect without the votes it needs, counts a person twice, or took none with enough of them), votes (the line has votes that nobody gave), row_differs (columns differ from the journal), row_missing, row_exists (after its delete), journal_missing, timers (they are not those that its history and its flow demand; retime() mends that).
Codes of a table: trigger_missing, trigger_changed, trigger_disabled, row_security (it is off), policy_missing, policy_changed (it is not what "view" of the flow compiles to), rights (somebody may make triggers on it), unlogged, unguarded, table_missing, tasks (workorder.task is not what the ticket''s votes say, or holds tasks of no ticket), parts (nor is workorder.part what its journal says; refresh_tasks() mends both), total (the tally is not what the table holds; count_rows() mends it).
Codes of the engine, without an argument only: unlogged, owner (a table belongs to another role than the journal), rights (somebody may write what only the engine writes, read keys, make objects in its schema, call a function as everybody, or set session_replication_role, workorder.maintenance or workorder.now), trigger_missing, trigger_disabled, row_security, policy_missing, policy_changed (of what keeps tenants apart), function_changed (it runs as its owner, calls another library, or does not pin its path). Messages name columns, never what they hold. Raises WO403 for a table that is somebody else''s, WO404 for one that was never guarded, WO400 for a number without a table.';

CREATE FUNCTION workorder.journal_append_only() RETURNS trigger
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'workorder_journal_append_only';
REVOKE ALL ON FUNCTION workorder.journal_append_only() FROM PUBLIC;
COMMENT ON FUNCTION workorder.journal_append_only() IS
'Trigger of workorder.journal (BEFORE INSERT, UPDATE OR DELETE for each row, AFTER TRUNCATE): refuses with WO403, the owner and superusers too; only that they may insert, to load lines from elsewhere. Under workorder.maintenance it lets the change pass and appends a line of its own: relation_id 0, the ticket''s number (0 for TRUNCATE), action maintenance, and a note of what was done by which role. Made by install().';

CREATE FUNCTION workorder.journal_maintenance(relation_id int, ticket_id bigint, note text) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_journal_maintenance';
REVOKE ALL ON FUNCTION workorder.journal_maintenance(int, bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.journal_maintenance(int, bigint, text) IS
'Appends a maintenance line to the journal: relation_id 0, this ticket number (0 for a whole table), and a note of what was done to which relation (workorder.guarded.id) by which role. Raises WO403 unless workorder.maintenance is on.';
