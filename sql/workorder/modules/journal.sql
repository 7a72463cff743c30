-- Reading the journal back, and keeping it as it was written.

CREATE FUNCTION workorder.visible(relation regclass, id bigint) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_visible';
COMMENT ON FUNCTION workorder.visible(regclass, bigint) IS
'Whether the caller may see a ticket of their tenant: its row is there, and their privileges and the flow''s "view" let them read it. False for a ticket that does not exist, or in a table that is not guarded, null for null arguments; whoever owns the table sees all that was ever in it. What tells anything of a ticket''s history asks this first.';

CREATE FUNCTION workorder.as_of(relation regclass, id bigint, at timestamptz) RETURNS jsonb
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_as_of';
COMMENT ON FUNCTION workorder.as_of(regclass, bigint, timestamptz) IS
'A ticket''s row as it was at that time: an object of all columns the table has, save generated ones, replayed from the ticket''s journal. Null if the ticket did not exist then. For whoever may see the ticket now and read every column of the table; of a ticket that is gone the table''s owner alone is told. Columns that were added later are null until an entry tells of them. Raises WO404 for a table that is not guarded and for a ticket that the caller may not see.';

CREATE FUNCTION workorder.journal_append_only() RETURNS trigger
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'workorder_journal_append_only';
COMMENT ON FUNCTION workorder.journal_append_only() IS
'Trigger of workorder.journal (BEFORE INSERT, UPDATE OR DELETE for each row, AFTER TRUNCATE): refuses with WO403, the owner and superusers too; only that they may insert, to load entries from elsewhere. Under workorder.maintenance it lets the change pass and appends an entry of its own: guarded_id 0, the ticket''s number (0 for TRUNCATE), action maintenance, and a note of what was done by which role. Made by install().';

CREATE FUNCTION workorder.journal_maintenance(guarded_id int, ticket_id bigint, note text) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_journal_maintenance';
COMMENT ON FUNCTION workorder.journal_maintenance(int, bigint, text) IS
'Appends a maintenance entry to the journal: guarded_id 0, this ticket number (0 for a whole table), and a note of what was done to which relation (workorder.guarded.id) by which role. Raises WO403 unless workorder.maintenance is on.';
