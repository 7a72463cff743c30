-- What people call.

-- A type of its own, since a record of OUT parameters is looked up anew with every call.
CREATE TYPE workorder.act_result AS (revision int, state text);
COMMENT ON TYPE workorder.act_result IS 'Where a ticket is after an action: its revision, and the leaf of its state.';

CREATE FUNCTION workorder.act(relation regclass, id bigint, action text, note text DEFAULT NULL,
  changes jsonb DEFAULT NULL, expect_revision int DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_act';
COMMENT ON FUNCTION workorder.act(regclass, bigint, text, text, jsonb, int) IS
'Takes an action on a ticket of the caller''s tenant, as UPDATE ... SET action would, and returns the revision and the state after it. changes: {"column": value}; expect_revision: refuse (WO409) if the ticket has moved on. Raises WO400, WO403, WO404 and WO409 with detail and hint; a ticket that the caller may not see is not found. Needs UPDATE on the columns it writes.';

CREATE FUNCTION workorder.can(relation regclass, id bigint, action text, note text DEFAULT NULL,
  changes jsonb DEFAULT NULL) RETURNS boolean
LANGUAGE c STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_can';
COMMENT ON FUNCTION workorder.can(regclass, bigint, text, text, jsonb) IS
'Whether act() with the same arguments would succeed (for view and delete: SELECT and DELETE). Raises WO404 for a ticket that the caller may not see, WO400 for changes that are not valid.';

CREATE FUNCTION workorder.explain(relation regclass, id bigint, action text, note text DEFAULT NULL,
  changes jsonb DEFAULT NULL)
RETURNS TABLE (code text, message text, detail text, hint text)
LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 4
AS 'MODULE_PATHNAME', 'workorder_explain';
COMMENT ON FUNCTION workorder.explain(regclass, bigint, text, text, jsonb) IS
'Every reason why act() with the same arguments would be refused, none if it would not be. code is unknown_action, state, guard, allow, exclude, require, fields, voted, quorum, turn, delegated, approvers or revision, and for commands about tasks also command, actor, task, tasks, return_path, twice, touched, claimed, unclaimed, decides or reminded. Raises like can().';

CREATE FUNCTION workorder.actions(relation regclass, id bigint)
RETURNS TABLE (action text, target text, allowed boolean, needs text[], reasons text[])
LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 10
AS 'MODULE_PATHNAME', 'workorder_actions';
COMMENT ON FUNCTION workorder.actions(regclass, bigint) IS
'What may be done with a ticket now: each action its state knows, where it leads (null: nowhere), whether the caller may take it once they give what it needs (columns, or note), and otherwise every reason why not. Raises WO404 for a ticket that the caller may not see.';

CREATE FUNCTION workorder.permitted(relation regclass, ids bigint[], actions text[], capacity text[] DEFAULT NULL)
RETURNS TABLE (id bigint, permitted text[])
LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 100
AS 'MODULE_PATHNAME', 'workorder_permitted';
COMMENT ON FUNCTION workorder.permitted(regclass, bigint[], text[], text[]) IS
'For lists: of each of these tickets that the caller may see, which of these actions they may take now, once they give what is needed: what actions() calls allowed, for many tickets at once. capacity limits in which capacity the caller is judged, in the words of a flow''s "allow": ARRAY[''manager''] counts that role and no other, and no relation; ARRAY[''worker'', ''$holder_id''] that role and being the holder. Null: all that the caller is. Tickets that are not there or not for the caller to see are left out; an action that a ticket''s flow does not know is permitted to nobody. Raises WO400 for null arguments and null elements.';

CREATE FUNCTION workorder.taken(relation regclass, key text, value text) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_taken';
COMMENT ON FUNCTION workorder.taken(regclass, text, text) IS
'Whether a ticket of the tenant, be it one that the caller may see or not, holds this value in a text column that is a unique key (tenant, column). It tells no more than a unique key tells whoever inserts, and is for interfaces that must answer "not permitted" rather than "not found". Needs SELECT on the column; raises WO400 for any other column.';

CREATE FUNCTION workorder.engine_values(relation regclass, id bigint,
  OUT flow_id int, OUT state text, OUT history text, OUT votes jsonb, OUT revision int, OUT creator_id bigint, OUT acted_by bigint,
  OUT created_at timestamptz, OUT entered_at timestamptz, OUT updated_at timestamptz, OUT last_action text, OUT last_note text)
LANGUAGE c STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_engine_values';
COMMENT ON FUNCTION workorder.engine_values(regclass, bigint) IS
'The engine''s columns of a ticket under their own names, whatever the table calls them. Raises WO404 for a ticket that the caller may not see.';
