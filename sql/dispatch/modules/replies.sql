-- ---------------------------------------------------------------------------
-- Replies: the engine keeps them; the uuid by which clients know one is in its
-- data.
-- ---------------------------------------------------------------------------

CREATE FUNCTION dispatch.reply_rows(ids bigint[])
RETURNS TABLE (ticket_id bigint, id bigint, actor_id bigint, uuid text, at timestamptz, content text)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY
  SELECT r.ticket_id, r.id, r.actor_id, coalesce(r.data ->> 'uuid', dispatch.entry_uuid('reply', r.id)), r.at, r.content
  FROM workorder.replies('dispatch.ticket', ids) r;
END
$$;
COMMENT ON FUNCTION dispatch.reply_rows(bigint[]) IS
  'The replies of tickets that the caller may see, oldest first, each with its uuid; one that was written without it has a fixed one.';

CREATE FUNCTION dispatch.replies(ids bigint[]) RETURNS TABLE (id bigint, replies jsonb)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY
  SELECT r.ticket_id, jsonb_agg(jsonb_build_object(
      'uuid', r.uuid, 'date', dispatch.epoch(r.at), 'userid', p.userid, 'content', r.content) ORDER BY r.n)
  FROM dispatch.reply_rows(ids) WITH ORDINALITY AS r (ticket_id, id, actor_id, uuid, at, content, n)
  LEFT JOIN dispatch.person p ON p.tenant_id = workorder.tenant_id() AND p.actor_id = r.actor_id
  GROUP BY r.ticket_id;
END
$$;
COMMENT ON FUNCTION dispatch.replies(bigint[]) IS
  'The replies of tickets as the API shows them, oldest first. Contract 4.0, ticket object.';

CREATE FUNCTION dispatch.create_reply(fields jsonb) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  given CONSTANT jsonb := workorder.read_input(fields,
    '[{"name": "uuid", "kind": "text", "required": true}, {"name": "reply", "kind": "object", "required": true}]', dispatch.wording());
  reply CONSTANT jsonb := workorder.read_input(given -> 'reply',
    '[{"name": "content", "kind": "text", "required": true, "max": 10000}, {"name": "userid", "kind": "int"}]',
    '{"required": "missing reply.$name", "invalid": "invalid reply.$name"}');
  ticket_id CONSTANT bigint := dispatch.find_ticket(given ->> 'uuid', to_change => true);
BEGIN
  IF 'reply' <> ALL (dispatch.permitted(ticket_id, 'reply'))
     OR (reply ? 'userid' AND (reply -> 'userid')::numeric IS DISTINCT FROM dispatch.userid(workorder.actor_id())) THEN
    PERFORM dispatch.refuse_caller('You are not allowed to check this ticket');
  END IF;
  PERFORM workorder.add_reply('dispatch.ticket', ticket_id, reply ->> 'content',
    jsonb_build_object('uuid', gen_random_uuid()));
  RETURN given ->> 'uuid';
END
$$;
COMMENT ON FUNCTION dispatch.create_reply(jsonb) IS
  'LU-8: adds a reply to the ticket that the field uuid names; returns the uuid. Raises WO400, WO403, WO404.';

CREATE FUNCTION dispatch.delete_reply(fields jsonb) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  given CONSTANT jsonb := workorder.read_input(fields,
    '[{"name": "uuid", "kind": "text", "required": true},
      {"name": "reply-uuid", "kind": "text", "required": true, "from": ["reply_uuid"]}]', dispatch.wording());
  ticket_id CONSTANT bigint := dispatch.find_ticket(given ->> 'uuid', to_change => true);
  reply_id bigint;
BEGIN
  IF ticket_id IS NOT NULL THEN
    SELECT r.id INTO reply_id FROM dispatch.reply_rows(ARRAY[ticket_id]) r WHERE r.uuid = given ->> 'reply-uuid';
    IF reply_id IS NULL THEN
      PERFORM workorder.refuse('WO404', 'reply not found', 'The ticket has no reply with this uuid.', 'Read the ticket again.');
    END IF;
    BEGIN
      PERFORM workorder.remove_reply('dispatch.ticket', ticket_id, reply_id);
      RETURN given ->> 'uuid';
    EXCEPTION WHEN SQLSTATE 'WO403' OR SQLSTATE 'WO409' THEN
      NULL;
    END;
  END IF;
  PERFORM dispatch.refuse_caller('You are not allowed to delete this reply');
END
$$;
COMMENT ON FUNCTION dispatch.delete_reply(jsonb) IS
  'LU-9: removes a reply of the caller''s own, named by the fields uuid and reply-uuid; returns the ticket''s uuid. Raises WO400, WO403, WO404.';
