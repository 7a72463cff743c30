-- ---------------------------------------------------------------------------
-- TK-2 to TK-5: making and changing tickets.
-- ---------------------------------------------------------------------------

CREATE FUNCTION call_center.ticket_rules() RETURNS jsonb
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN replace('[
  {"name": "subject", "kind": "text", "max": 255, "required": true},
  {"name": "content", "kind": "text", "max": 65535, "required": true},
  {"name": "due_at", "kind": "time", "zone": "$zone"},
  {"name": "priority", "kind": "int", "min": 0, "max": 3, "default": 0},
  {"name": "status", "kind": "int", "min": 0, "max": 3, "default": 0},
  {"name": "status_memo", "kind": "text", "max": 1000},
  {"name": "sponsor_id", "kind": "int"},
  {"name": "handler_id", "kind": "int"},
  {"name": "termination_code_id", "kind": "int", "from": ["termination_code"]},
  {"name": "sub_category_id", "kind": "int"},
  {"name": "contact_id", "kind": "int"}]', '$zone', call_center.time_zone())::jsonb;
COMMENT ON FUNCTION call_center.ticket_rules() IS
  'The fields of TK-2 as rules of workorder.read_input().';

CREATE FUNCTION call_center.change_rules() RETURNS jsonb
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
  SELECT jsonb_agg(CASE
    WHEN r.value ? 'required' THEN r.value || '{"required": "if given"}'
    WHEN r.value ? 'default' THEN r.value - 'default' || '{"null": false}'
    ELSE r.value || '{"null": true}' END)
  FROM jsonb_array_elements(call_center.ticket_rules()) AS r (value);
END;
COMMENT ON FUNCTION call_center.change_rules() IS
  'The same fields as TK-4 takes them: none must be given, null clears what may be null.';

CREATE FUNCTION call_center.ticket_values(fields jsonb, old jsonb DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  rules CONSTANT jsonb := CASE WHEN old IS NULL THEN call_center.ticket_rules() ELSE call_center.change_rules() END;
  -- A ticket that is sent back whole has an object here, which is not for us.
  given CONSTANT jsonb := CASE WHEN jsonb_typeof(fields -> 'termination_code') = 'object'
    THEN fields - 'termination_code' ELSE fields END;
  zone CONSTANT text := call_center.time_zone();
  problems jsonb := call_center.problems(given, rules);
  result jsonb;
  reference record;
BEGIN
  -- Whatever is sound is looked up, so that all problems are told at once.
  result := workorder.read_input(given, (
    SELECT coalesce(jsonb_agg(r.value), '[]') FROM jsonb_array_elements(rules) AS r (value)
    WHERE NOT problems ? (r.value ->> 'name')));
  FOR reference IN
    SELECT d.name, d.directory, call_center.number(result -> d.name) AS id
    FROM (VALUES ('sponsor_id', 'sponsor'), ('handler_id', 'employee'), ('termination_code_id', 'termination_code'),
      ('sub_category_id', 'sub_category'), ('contact_id', 'contact')) AS d (name, directory)
    WHERE result ->> d.name IS NOT NULL
  LOOP
    result := result || jsonb_build_object(reference.name,
      CASE WHEN reference.name = 'handler_id' THEN (call_center.actors_of(ARRAY[reference.id]))[1] ELSE reference.id END);
    -- What the ticket has already is never refused, even if it is deleted since.
    IF (result ->> reference.name IS NULL OR result -> reference.name IS DISTINCT FROM old -> reference.name)
       AND NOT call_center.is_known(reference.directory, reference.id) THEN
      problems := problems || jsonb_build_object(reference.name, jsonb_build_array(
        workorder.input_message(call_center.wording(), 'invalid', reference.name, NULL)));
    END IF;
  END LOOP;
  PERFORM call_center.refuse_problems(problems);

  IF result ->> 'due_at' IS NOT NULL THEN
    -- Where clocks are put back two moments are shown alike: the one that is sent back is the one it has.
    result := result || jsonb_build_object('due_at',
      CASE workorder.time_text((old ->> 'due_at')::timestamptz, zone) WHEN result ->> 'due_at' THEN old -> 'due_at'
        ELSE to_jsonb(workorder.time_of(result ->> 'due_at', zone)) END);
  END IF;
  RETURN result;
END
$$;
COMMENT ON FUNCTION call_center.ticket_values(jsonb, jsonb) IS
  'Columns of call_center.ticket with the values that the fields of TK-2 give them, or of TK-4, if old is the row as it is; the handler, who is sent as an employee''s number, becomes the actor they are. Raises WO422 with all problems.';

CREATE FUNCTION call_center.ticket_json(ticket_id bigint) RETURNS json
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  result CONSTANT json := call_center.ticket_list(ARRAY[ticket_id]) -> 0;
BEGIN
  IF result IS NULL THEN
    PERFORM call_center.refuse_unknown();
  END IF;
  RETURN result;
END
$$;
COMMENT ON FUNCTION call_center.ticket_json(bigint) IS
  'TK-3: the ticket object. Raises WO404.';

CREATE FUNCTION call_center.create_ticket(fields jsonb) RETURNS json
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  ticket_id bigint;
BEGIN
  INSERT INTO call_center.ticket AS t (subject, content, due_at, priority, status, status_memo,
    sponsor_id, handler_id, termination_code_id, sub_category_id, contact_id)
  SELECT r.subject, r.content, r.due_at, r.priority, r.status, r.status_memo,
    r.sponsor_id, r.handler_id, r.termination_code_id, r.sub_category_id, r.contact_id
  FROM jsonb_populate_record(NULL::call_center.ticket, call_center.ticket_values(coalesce(fields, '{}'))) AS r
  RETURNING t.id INTO ticket_id;
  RETURN call_center.ticket_json(ticket_id);
END
$$;
COMMENT ON FUNCTION call_center.create_ticket(jsonb) IS
  'TK-2: makes a ticket of the caller''s from these fields, in any of the four statuses, and returns its object. Raises WO422, WO403.';

CREATE FUNCTION call_center.update_ticket(ticket_id bigint, fields jsonb) RETURNS json
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  old jsonb;
  changes jsonb;
BEGIN
  SELECT to_jsonb(t) INTO old
  FROM call_center.ticket AS t
  WHERE t.tenant_id = workorder.tenant_id() AND t.id = ticket_id
  FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM call_center.refuse_unknown();
  END IF;
  changes := (
    SELECT jsonb_object_agg(c.key, c.value)
    FROM jsonb_each(call_center.ticket_values(coalesce(fields, '{}'), old)) AS c
    WHERE c.value IS DISTINCT FROM old -> c.key);
  IF changes IS NOT NULL THEN
    PERFORM workorder.act('call_center.ticket', ticket_id, 'update', changes => changes);
  END IF;
  RETURN call_center.ticket_json(ticket_id);
END
$$;
COMMENT ON FUNCTION call_center.update_ticket(bigint, jsonb) IS
  'TK-4: changes the fields that are given and differ, null clears, and returns the ticket object; nothing to change is no act. The row is locked first, so that changes of different fields at one time both survive. Raises WO403, WO404, WO422.';

CREATE FUNCTION call_center.delete_ticket(ticket_id bigint) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  DELETE FROM call_center.ticket AS t
  WHERE t.tenant_id = workorder.tenant_id() AND t.id = ticket_id;
  IF NOT FOUND THEN
    PERFORM call_center.refuse_unknown();
  END IF;
END
$$;
COMMENT ON FUNCTION call_center.delete_ticket(bigint) IS
  'TK-5: takes a ticket away, for everybody; the journal keeps what it was. Raises WO403, WO404.';
