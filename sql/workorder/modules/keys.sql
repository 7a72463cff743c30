-- What takes a ticket takes its key, too, as the table knows it: its number, a
-- uuid, a name, or a JSON object of several columns.  An untyped literal means
-- this form.

CREATE FUNCTION workorder.ticket_number(relation regclass, key text) RETURNS bigint
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_ticket_number';
COMMENT ON FUNCTION workorder.ticket_number(regclass, text) IS
'The number of the ticket with this key (the value of the table''s key column as text, or a JSON object of several), null if the caller sees none. One look-up by the primary key. Raises WO400 for what is no key of the table, WO404 for a table that is not guarded.';

CREATE FUNCTION workorder.ticket_by_key(relation regclass, key text) RETURNS bigint
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_ticket_by_key';
COMMENT ON FUNCTION workorder.ticket_by_key(regclass, text) IS
'ticket_number(), but raises WO404 where the caller sees no such ticket.';

CREATE FUNCTION workorder.key_of(relation regclass, id bigint) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_key_of';
COMMENT ON FUNCTION workorder.key_of(regclass, bigint) IS
'The key of the ticket with this number, as ticket_number() reads it: the number itself where that is the key; else null for a ticket that the caller does not see.';

CREATE FUNCTION workorder.act(relation regclass, key text, action text, note text DEFAULT NULL,
  changes jsonb DEFAULT NULL, expect_revision int DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_act_by_key';
COMMENT ON FUNCTION workorder.act(regclass, text, text, text, jsonb, int) IS
'act() of the ticket with this key, see ticket_number(). Raises WO400 for what is no key of the table, WO404 where the caller sees no such ticket.';

CREATE FUNCTION workorder.can(relation regclass, key text, action text, note text DEFAULT NULL,
  changes jsonb DEFAULT NULL) RETURNS boolean
LANGUAGE c STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_can_by_key';
COMMENT ON FUNCTION workorder.can(regclass, text, text, text, jsonb) IS
'can() of the ticket with this key, see ticket_number(). Raises WO400 for what is no key of the table, WO404 where the caller sees no such ticket.';

CREATE FUNCTION workorder.explain(relation regclass, key text, action text, note text DEFAULT NULL,
  changes jsonb DEFAULT NULL)
RETURNS TABLE (code text, message text, detail text, hint text)
LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 4
AS 'MODULE_PATHNAME', 'workorder_explain_by_key';
COMMENT ON FUNCTION workorder.explain(regclass, text, text, text, jsonb) IS
'explain() of the ticket with this key, see ticket_number(). Raises WO400 for what is no key of the table, WO404 where the caller sees no such ticket.';

CREATE FUNCTION workorder.actions(relation regclass, key text)
RETURNS TABLE (action text, target text, allowed boolean, needs text[], reasons text[])
LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 10
AS 'MODULE_PATHNAME', 'workorder_actions_by_key';
COMMENT ON FUNCTION workorder.actions(regclass, text) IS
'actions() of the ticket with this key, see ticket_number(). Raises WO400 for what is no key of the table, WO404 where the caller sees no such ticket.';

CREATE FUNCTION workorder.engine_values(relation regclass, key text,
  OUT flow_id int, OUT state text, OUT history text, OUT votes jsonb, OUT revision int, OUT creator_id bigint, OUT acted_by bigint,
  OUT created_at timestamptz, OUT entered_at timestamptz, OUT updated_at timestamptz, OUT last_action text, OUT last_note text)
LANGUAGE c STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_engine_values_by_key';
COMMENT ON FUNCTION workorder.engine_values(regclass, text) IS
'engine_values() of the ticket with this key, see ticket_number(). Raises WO400 for what is no key of the table, WO404 where the caller sees no such ticket.';

CREATE FUNCTION workorder.visible(relation regclass, key text) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_visible_by_key';
COMMENT ON FUNCTION workorder.visible(regclass, text) IS
'visible() of the ticket with this key, see ticket_number(). Raises WO400 for what is no key of the table, WO404 where the caller sees no such ticket.';

CREATE FUNCTION workorder.as_of(relation regclass, key text, at timestamptz) RETURNS jsonb
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'workorder_as_of_by_key';
COMMENT ON FUNCTION workorder.as_of(regclass, text, timestamptz) IS
'as_of() of the ticket with this key, see ticket_number(). Raises WO400 for what is no key of the table, WO404 where the caller sees no such ticket.';

CREATE FUNCTION workorder.eligible(relation regclass, key text)
RETURNS TABLE (action text, target text, need int, everybody boolean, people bigint[], more bigint, unjudged boolean, needs text[])
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED ROWS 10
AS 'MODULE_PATHNAME', 'workorder_eligible_by_key';
COMMENT ON FUNCTION workorder.eligible(regclass, text) IS
'eligible() of the ticket with this key, see ticket_number(). Raises WO400 for what is no key of the table, WO404 where the caller sees no such ticket.';

CREATE FUNCTION workorder.clocks(relation regclass, key text)
RETURNS TABLE (state text, delay text, due_at timestamptz, rest interval)
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED ROWS 4
AS 'MODULE_PATHNAME', 'workorder_clocks_by_key';
COMMENT ON FUNCTION workorder.clocks(regclass, text) IS
'clocks() of the ticket with this key, see ticket_number(). Raises WO400 for what is no key of the table, WO404 where the caller sees no such ticket.';

CREATE FUNCTION workorder.decides_for(relation regclass, key text) RETURNS bigint
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 1000
AS 'MODULE_PATHNAME', 'workorder_decides_for_by_key';
COMMENT ON FUNCTION workorder.decides_for(regclass, text) IS
'decides_for() of the ticket with this key, see ticket_number(). Raises WO400 for what is no key of the table, WO404 where the caller sees no such ticket.';

CREATE FUNCTION workorder.why(relation regclass, key text) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN workorder.why(why.relation, workorder.ticket_by_key(why.relation, why.key));
COMMENT ON FUNCTION workorder.why(regclass, text) IS
'why() of the ticket with this key, see ticket_number(). Raises WO400 for what is no key of the table, WO404 where the caller sees no such ticket.';

CREATE FUNCTION workorder.retime(relation regclass, key text) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_retime_by_key';
COMMENT ON FUNCTION workorder.retime(regclass, text) IS
'retime() of the ticket with this key, see ticket_number(). Raises WO400 for what is no key of the table, WO404 where the caller sees no such ticket.';

CREATE FUNCTION workorder.diagram(relation regclass, key text, format text DEFAULT 'mermaid') RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN workorder.diagram(diagram.relation, workorder.ticket_by_key(diagram.relation, diagram.key), diagram.format);
COMMENT ON FUNCTION workorder.diagram(regclass, text, text) IS
'diagram() of the ticket with this key, see ticket_number(). Raises WO400 for what is no key of the table, WO404 where the caller sees no such ticket.';

CREATE FUNCTION workorder.add_reply(relation regclass, key text, content text, data jsonb DEFAULT NULL) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_add_reply_by_key';
COMMENT ON FUNCTION workorder.add_reply(regclass, text, text, jsonb) IS
'add_reply() of the ticket with this key, see ticket_number(). Raises WO400 for what is no key of the table, WO404 where the caller sees no such ticket.';

CREATE FUNCTION workorder.remove_reply(relation regclass, key text, reply_id bigint) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_remove_reply_by_key';
COMMENT ON FUNCTION workorder.remove_reply(regclass, text, bigint) IS
'remove_reply() of the ticket with this key, see ticket_number(). Raises WO400 for what is no key of the table, WO404 where the caller sees no such ticket.';

CREATE FUNCTION workorder.attach(relation regclass, key text, content bytea, content_type text,
  filename text DEFAULT '', uuid uuid DEFAULT gen_random_uuid()) RETURNS uuid
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_attach_by_key';
COMMENT ON FUNCTION workorder.attach(regclass, text, bytea, text, text, uuid) IS
'attach() of the ticket with this key, see ticket_number(). Raises WO400 for what is no key of the table, WO404 where the caller sees no such ticket.';

CREATE FUNCTION workorder.add_approver(relation regclass, key text, person text, how text DEFAULT 'parallel', note text DEFAULT NULL, weight int DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.add_approver(add_approver.relation, workorder.ticket_by_key(add_approver.relation, add_approver.key), add_approver.person, add_approver.how, add_approver.note, add_approver.weight);
END;
COMMENT ON FUNCTION workorder.add_approver(regclass, text, text, text, text, int) IS
'add_approver() of the ticket with this key, see ticket_number(). Raises WO400 for what is no key of the table, WO404 where the caller sees no such ticket.';

CREATE FUNCTION workorder.remove_approver(relation regclass, key text, person text, note text DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.remove_approver(remove_approver.relation, workorder.ticket_by_key(remove_approver.relation, remove_approver.key), remove_approver.person, remove_approver.note);
END;
COMMENT ON FUNCTION workorder.remove_approver(regclass, text, text, text) IS
'remove_approver() of the ticket with this key, see ticket_number(). Raises WO400 for what is no key of the table, WO404 where the caller sees no such ticket.';

CREATE FUNCTION workorder.transfer_task(relation regclass, key text, person text, note text DEFAULT NULL, owner text DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.transfer_task(transfer_task.relation, workorder.ticket_by_key(transfer_task.relation, transfer_task.key), transfer_task.person, transfer_task.note, transfer_task.owner);
END;
COMMENT ON FUNCTION workorder.transfer_task(regclass, text, text, text, text) IS
'transfer_task() of the ticket with this key, see ticket_number(). Raises WO400 for what is no key of the table, WO404 where the caller sees no such ticket.';

CREATE FUNCTION workorder.delegate_task(relation regclass, key text, person text, note text DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.delegate_task(delegate_task.relation, workorder.ticket_by_key(delegate_task.relation, delegate_task.key), delegate_task.person, delegate_task.note);
END;
COMMENT ON FUNCTION workorder.delegate_task(regclass, text, text, text) IS
'delegate_task() of the ticket with this key, see ticket_number(). Raises WO400 for what is no key of the table, WO404 where the caller sees no such ticket.';

CREATE FUNCTION workorder.return_task(relation regclass, key text, note text DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.return_task(return_task.relation, workorder.ticket_by_key(return_task.relation, return_task.key), return_task.note);
END;
COMMENT ON FUNCTION workorder.return_task(regclass, text, text) IS
'return_task() of the ticket with this key, see ticket_number(). Raises WO400 for what is no key of the table, WO404 where the caller sees no such ticket.';

CREATE FUNCTION workorder.claim(relation regclass, key text, note text DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.claim(claim.relation, workorder.ticket_by_key(claim.relation, claim.key), claim.note);
END;
COMMENT ON FUNCTION workorder.claim(regclass, text, text) IS
'claim() of the ticket with this key, see ticket_number(). Raises WO400 for what is no key of the table, WO404 where the caller sees no such ticket.';

CREATE FUNCTION workorder.release(relation regclass, key text, note text DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.release(release.relation, workorder.ticket_by_key(release.relation, release.key), release.note);
END;
COMMENT ON FUNCTION workorder.release(regclass, text, text) IS
'release() of the ticket with this key, see ticket_number(). Raises WO400 for what is no key of the table, WO404 where the caller sees no such ticket.';

CREATE FUNCTION workorder.send_back(relation regclass, key text, step text DEFAULT 'previous', note text DEFAULT NULL, onward text DEFAULT 'replay') RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.send_back(send_back.relation, workorder.ticket_by_key(send_back.relation, send_back.key), send_back.step, send_back.note, send_back.onward);
END;
COMMENT ON FUNCTION workorder.send_back(regclass, text, text, text, text) IS
'send_back() of the ticket with this key, see ticket_number(). Raises WO400 for what is no key of the table, WO404 where the caller sees no such ticket.';

CREATE FUNCTION workorder.withdraw(relation regclass, key text, note text DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.withdraw(withdraw.relation, workorder.ticket_by_key(withdraw.relation, withdraw.key), withdraw.note);
END;
COMMENT ON FUNCTION workorder.withdraw(regclass, text, text) IS
'withdraw() of the ticket with this key, see ticket_number(). Raises WO400 for what is no key of the table, WO404 where the caller sees no such ticket.';

CREATE FUNCTION workorder.take_back(relation regclass, key text, note text DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.take_back(take_back.relation, workorder.ticket_by_key(take_back.relation, take_back.key), take_back.note);
END;
COMMENT ON FUNCTION workorder.take_back(regclass, text, text) IS
'take_back() of the ticket with this key, see ticket_number(). Raises WO400 for what is no key of the table, WO404 where the caller sees no such ticket.';

CREATE FUNCTION workorder.remind(relation regclass, key text, note text DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.remind(remind.relation, workorder.ticket_by_key(remind.relation, remind.key), remind.note);
END;
COMMENT ON FUNCTION workorder.remind(regclass, text, text) IS
'remind() of the ticket with this key, see ticket_number(). Raises WO400 for what is no key of the table, WO404 where the caller sees no such ticket.';

CREATE FUNCTION workorder.copy_to(relation regclass, key text, people text[], note text DEFAULT NULL) RETURNS workorder.act_result
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT workorder.copy_to(copy_to.relation, workorder.ticket_by_key(copy_to.relation, copy_to.key), copy_to.people, copy_to.note);
END;
COMMENT ON FUNCTION workorder.copy_to(regclass, text, text[], text) IS
'copy_to() of the ticket with this key, see ticket_number(). Raises WO400 for what is no key of the table, WO404 where the caller sees no such ticket.';

CREATE FUNCTION workorder.verify(relation regclass, key text)
RETURNS TABLE (relation regclass, ticket_id bigint, revision int, code text, message text)
LANGUAGE c STABLE PARALLEL UNSAFE ROWS 10
AS 'MODULE_PATHNAME', 'workorder_verify_by_key';
COMMENT ON FUNCTION workorder.verify(regclass, text) IS
'verify() of the ticket with this key, see ticket_number(). Raises WO400 for what is no key of the table, WO404 where the caller sees no such ticket.';
