-- What can be done with tickets.  These functions may be called from plain SQL;
-- row-level security and the flow judge whoever calls.  (The tables are not
-- there yet when this is read, so no function takes or returns their rows.)

CREATE FUNCTION @name@.ticket_json(number bigint) RETURNS json
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
    SELECT json_build_object('id', t.id, 'title', t.title, 'content', t.content,
      'state', t.state, 'created_at', workorder.time_text(t.created_at))
    FROM @name@.ticket t
    WHERE t.tenant_id = workorder.tenant_id() AND t.id = number);
END
$$;
COMMENT ON FUNCTION @name@.ticket_json(bigint) IS
  'A ticket as the API shows it; null if the caller may not see it.';

CREATE FUNCTION @name@.create_ticket(fields jsonb) RETURNS json
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  given CONSTANT jsonb := workorder.read_input(fields, '[
    {"name": "title", "kind": "text", "required": true, "max": 200},
    {"name": "content", "kind": "text", "max": 5000}]');
  number bigint;
BEGIN
  INSERT INTO @name@.ticket (title, content)
  VALUES (given ->> 'title', given ->> 'content')
  RETURNING id INTO number;
  RETURN @name@.ticket_json(number);
END
$$;
COMMENT ON FUNCTION @name@.create_ticket(jsonb) IS
  'Opens a ticket from the fields of a request (title, content) and returns it. Raises WO400, WO403.';
