-- The conversation about a ticket: who may take part in it, and when, is the
-- flow's (actions "reply" and "remove_reply").

CREATE FUNCTION workorder.add_reply(relation regclass, ticket_id bigint, content text, data jsonb DEFAULT NULL) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_add_reply';
REVOKE ALL ON FUNCTION workorder.add_reply(regclass, bigint, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.add_reply(regclass, bigint, text, jsonb) IS
'Takes the flow''s action "reply" on a ticket of the caller''s tenant, as act() would, and keeps what was said with the line that the journal has of it; returns the reply''s number. content may be empty; data is the application''s own (JSON null is none). Raises like act(), WO400 if an argument but data is null, WO409 if the table''s triggers do not journal.';

CREATE FUNCTION workorder.replies(relation regclass, ticket_ids bigint[])
RETURNS TABLE (ticket_id bigint, id bigint, actor_id bigint, at timestamptz, content text, data jsonb)
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED ROWS 20
AS 'MODULE_PATHNAME', 'workorder_replies';
REVOKE ALL ON FUNCTION workorder.replies(regclass, bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION workorder.replies(regclass, bigint[]) IS
'The replies of tickets of the caller''s tenant, ticket by ticket, the oldest first; nothing of a ticket that the caller may not see (see visible()). actor_id is null if nobody was signed in. Raises WO404 for a table that is not guarded.';

CREATE FUNCTION workorder.remove_reply(relation regclass, ticket_id bigint, reply_id bigint) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_remove_reply';
REVOKE ALL ON FUNCTION workorder.remove_reply(regclass, bigint, bigint) FROM PUBLIC;
COMMENT ON FUNCTION workorder.remove_reply(regclass, bigint, bigint) IS
'Takes the flow''s action "remove_reply" on a ticket and removes a reply that the caller wrote; the journal keeps that there was one, not what it said. Raises WO404 for a ticket that the caller may not see and for a reply that is not there, WO403 for somebody else''s, and else like act().';

CREATE FUNCTION workorder.import_replies(relation regclass, list jsonb) RETURNS int
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  guarded_id CONSTANT int := (SELECT g.id FROM workorder.guarded g WHERE g.relation = import_replies.relation);
  sequence CONSTANT regclass := pg_get_serial_sequence('workorder.reply', 'id');
  imported int;
  greatest_id bigint;
BEGIN
  IF guarded_id IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = 'no such table with a flow',
      DETAIL = 'Replies belong to the tickets of a guarded table.', HINT = 'Run workorder.guard() first.';
  END IF;
  IF jsonb_typeof(list) IS DISTINCT FROM 'array' THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'replies must come as a list',
      DETAIL = 'The list is a JSON array of objects.',
      HINT = 'For example [{"ticket_id": 1, "actor_id": 2, "at": "2020-01-02 03:04:05", "content": "Thank you."}].';
  END IF;
  IF EXISTS (SELECT FROM jsonb_to_recordset(list) AS r (ticket_id bigint, at timestamptz, content text)
             WHERE r.ticket_id IS NULL OR r.at IS NULL OR r.content IS NULL) THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = 'a reply is incomplete',
      DETAIL = 'Each needs ticket_id, at and content, which may be empty.', HINT = 'Complete the list.';
  END IF;
  -- Nobody takes a number meanwhile.
  LOCK TABLE workorder.reply IN SHARE ROW EXCLUSIVE MODE;
  INSERT INTO workorder.reply (tenant_id, relation_id, ticket_id, id, actor_id, at, content, data)
  SELECT workorder.tenant_id(), guarded_id, r.ticket_id, coalesce(r.id, nextval(sequence)), r.actor_id, r.at,
    r.content, nullif(r.data, 'null')
  FROM jsonb_to_recordset(list) AS r (ticket_id bigint, id bigint, actor_id bigint, at timestamptz, content text, data jsonb);
  GET DIAGNOSTICS imported = ROW_COUNT;
  SELECT max(r.id) INTO greatest_id
  FROM jsonb_to_recordset(list) AS r (id bigint);
  IF greatest_id > coalesce(pg_sequence_last_value(sequence), 0) THEN
    PERFORM setval(sequence, greatest_id);
  END IF;
  RETURN imported;
END
$$;
REVOKE ALL ON FUNCTION workorder.import_replies(regclass, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.import_replies(regclass, jsonb) IS
'Loads replies from elsewhere into the current tenant, as they are: list is [{"ticket_id", "actor_id", "at", "content", "data", "id"}], of which actor_id, data and id may be missing. Nothing is journalled and no flow asked; returns how many. Raises WO404 for a table that was never guarded, WO400 for what is no list of such objects. Needs to own workorder.reply.';

CREATE FUNCTION workorder.install_reply() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $install$
BEGIN
  EXECUTE $ddl$
CREATE TABLE workorder.reply (
  tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(),
  relation_id int NOT NULL,
  ticket_id bigint NOT NULL,
  id bigint GENERATED BY DEFAULT AS IDENTITY,
  actor_id bigint,
  at timestamptz NOT NULL,
  content text NOT NULL,
  data jsonb,
  revision int NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant_id, relation_id, ticket_id, id));
COMMENT ON TABLE workorder.reply IS 'The conversation about each ticket. Only the owner reads it; see workorder.replies(), add_reply() and remove_reply().';
COMMENT ON COLUMN workorder.reply.tenant_id IS 'Whose ticket it is.';
COMMENT ON COLUMN workorder.reply.relation_id IS 'The table (workorder.guarded.id).';
COMMENT ON COLUMN workorder.reply.ticket_id IS 'The ticket.';
COMMENT ON COLUMN workorder.reply.id IS 'Number of the reply.';
COMMENT ON COLUMN workorder.reply.actor_id IS 'Who wrote it; null for anonymous.';
COMMENT ON COLUMN workorder.reply.at IS 'When, as the journal has it.';
COMMENT ON COLUMN workorder.reply.content IS 'What was said; may be empty.';
COMMENT ON COLUMN workorder.reply.data IS 'What else the application keeps with it, such as addresses of images.';
COMMENT ON COLUMN workorder.reply.revision IS 'The journal''s line of it; 0 for one that came from elsewhere.';
  $ddl$;
END
$install$;
REVOKE ALL ON FUNCTION workorder.install_reply() FROM PUBLIC;
COMMENT ON FUNCTION workorder.install_reply() IS
'Makes the table of the conversation; part of workorder.install().';
