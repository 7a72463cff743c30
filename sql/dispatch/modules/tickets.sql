-- ---------------------------------------------------------------------------
-- Tickets: reading, creating, editing.
-- ---------------------------------------------------------------------------

CREATE FUNCTION dispatch.permission(permitted text[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN jsonb_build_object(
  'reply', ('reply' = ANY (permitted))::int,
  'ASSIGNED', ('assign' = ANY (permitted))::int,
  'FIXED', ('fix' = ANY (permitted))::int,
  'CLOSED', ('close' = ANY (permitted))::int,
  'REOPENED', ('reopen' = ANY (permitted))::int,
  'PENDING', ('ask' = ANY (permitted))::int,
  'CANCEL', ('cancel' = ANY (permitted))::int);
COMMENT ON FUNCTION dispatch.permission(text[]) IS
  'The permission map of the API from the actions that the engine permits. Contract 4.0.';

CREATE FUNCTION dispatch.permissions(ids bigint[], capacity text[] DEFAULT NULL) RETURNS TABLE (id bigint, permission jsonb)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY
  SELECT p.id, dispatch.permission(p.permitted)
  FROM workorder.permitted('dispatch.ticket', ids, '{reply,assign,fix,close,reopen,ask,cancel}', capacity) p;
END
$$;
COMMENT ON FUNCTION dispatch.permissions(bigint[], text[]) IS
  'The permission maps of tickets for who acts, or for them in one capacity (workorder.permitted()). Contract 4.0.';

CREATE FUNCTION dispatch.histories(ids bigint[]) RETURNS TABLE (id bigint, entries jsonb)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY
  SELECT h.ticket_id, jsonb_agg(jsonb_build_object(
      'uuid', dispatch.entry_uuid('line ' || h.ticket_id, h.revision),
      'date', dispatch.epoch(h.at),
      'userid', p.userid,
      'status', dispatch.status(h.to_state)) ORDER BY h.revision)
  FROM workorder.history h
  LEFT JOIN dispatch.person p ON p.tenant_id = workorder.tenant_id() AND p.actor_id = h.actor_id
  -- Line 0 only says where a ticket stood that came with a past.
  WHERE h.relation = 'dispatch.ticket'::regclass AND h.ticket_id = ANY (ids) AND h.revision > 0
    AND (h.from_state IS DISTINCT FROM h.to_state OR h.action = 'assign')
  GROUP BY h.ticket_id;
END
$$;
COMMENT ON FUNCTION dispatch.histories(bigint[]) IS
  'The changes of state that the journal tells of tickets, oldest first; an assignment to somebody else is one. Contract 3.2.';

CREATE FUNCTION dispatch.ticket_list(ids bigint[], capacity text[] DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  base_url CONSTANT text := dispatch.image_base_url();
BEGIN
  RETURN (
    SELECT coalesce(jsonb_agg(jsonb_build_object(
        'uuid', t.uuid,
        'customer-id', c.userid,
        'scheduler-id', d.userid,
        'staff-id', s.userid,
        'content', t.content,
        'images', CASE WHEN t.images = '[]' THEN t.images ELSE dispatch.image_urls(t.images, base_url) END,
        'reply', coalesce(r.replies, '[]'),
        'operating-history', coalesce(t.past, '[]') || coalesce(h.entries, '[]'),
        'status', dispatch.status(t.state),
        'permission', m.permission) ORDER BY wanted.n), '[]')
    FROM unnest(ids) WITH ORDINALITY AS wanted (id, n)
    JOIN dispatch.ticket t ON t.tenant_id = workorder.tenant_id() AND t.id = wanted.id
    JOIN dispatch.permissions(ids, capacity) m ON m.id = t.id
    LEFT JOIN dispatch.replies(ids) r ON r.id = t.id
    LEFT JOIN dispatch.histories(ids) h ON h.id = t.id
    LEFT JOIN dispatch.person c ON c.tenant_id = t.tenant_id AND c.actor_id = t.creator_id
    LEFT JOIN dispatch.person d ON d.tenant_id = t.tenant_id AND d.actor_id = t.scheduler_id
    LEFT JOIN dispatch.person s ON s.tenant_id = t.tenant_id AND s.actor_id = t.staff_id);
END
$$;
COMMENT ON FUNCTION dispatch.ticket_list(bigint[], text[]) IS
  'The ticket objects of the API with these ids, in this order, each with its replies, its history and its permission map for who acts, or for them in one capacity; what the caller may not see is left out. One statement, however many. Contract 4.0, ticket object.';

CREATE FUNCTION dispatch.find_ticket(uuid text, to_change boolean DEFAULT false) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  found_id bigint;
BEGIN
  IF to_change THEN
    SELECT t.id INTO found_id FROM dispatch.ticket t
    WHERE t.tenant_id = workorder.tenant_id() AND t.uuid = find_ticket.uuid
    FOR NO KEY UPDATE;
  ELSE
    SELECT t.id INTO found_id FROM dispatch.ticket t
    WHERE t.tenant_id = workorder.tenant_id() AND t.uuid = find_ticket.uuid;
  END IF;
  IF found_id IS NULL AND NOT workorder.taken('dispatch.ticket', 'uuid', find_ticket.uuid) THEN
    PERFORM workorder.refuse('WO404', 'ticket not found', 'No ticket has this uuid.', 'Check the uuid.');
  END IF;
  RETURN found_id;
END
$$;
COMMENT ON FUNCTION dispatch.find_ticket(text, boolean) IS
  'The id of a ticket, locked until the end of the transaction if it is to be changed; null if there is such a ticket but the caller may not see it. Raises WO404 "ticket not found". Contract 4.0, order of checks.';

CREATE FUNCTION dispatch.permitted(ticket_id bigint, VARIADIC actions text[]) RETURNS text[]
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF ticket_id IS NULL THEN
    RETURN '{}';
  END IF;
  RETURN coalesce((SELECT p.permitted FROM workorder.permitted('dispatch.ticket', ARRAY[ticket_id], actions) p), '{}');
END
$$;
COMMENT ON FUNCTION dispatch.permitted(bigint, text[]) IS
  'Which of these actions who acts may take on a ticket; none on one that they may not see (null).';

-- ---------------------------------------------------------------------------
-- LU-2, LU-3, LU-10 to LU-16.
-- ---------------------------------------------------------------------------

CREATE FUNCTION dispatch.has_images(fields jsonb, files workorder.http_file[]) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(fields -> 'images', 'null') <> 'null' OR EXISTS (SELECT FROM unnest(files) f WHERE f.name = 'images');
COMMENT ON FUNCTION dispatch.has_images(jsonb, workorder.http_file[]) IS
  'Whether a request says anything of images.';

CREATE FUNCTION dispatch.create_ticket(fields jsonb, files workorder.http_file[] DEFAULT '{}') RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  given CONSTANT jsonb := workorder.read_input(fields - 'images',
    '[{"name": "content", "kind": "text", "max": 10000}, {"name": "status"}]', dispatch.wording());
  images dispatch.image[];
  ticket_id bigint;
  ticket_uuid text;
BEGIN
  IF workorder.is_blank(given -> 'content') AND NOT dispatch.has_images(fields, files) THEN
    PERFORM workorder.refuse_input(dispatch.wording(), 'required', 'content');
  END IF;
  images := dispatch.read_images(nullif(fields -> 'images', 'null'), files);
  IF workorder.is_blank(given -> 'content') AND images = '{}' THEN
    PERFORM workorder.refuse_input(dispatch.wording(), 'required', 'content');
  END IF;
  IF dispatch.status_named(given -> 'status') <> 1 OR (given ? 'status' AND dispatch.status_named(given -> 'status') IS NULL) THEN
    PERFORM workorder.refuse_input(dispatch.wording(), 'invalid', 'status');
  END IF;

  -- A file is uploaded to a ticket that is there.
  SET CONSTRAINTS dispatch.ticket_images DEFERRED;
  BEGIN
    INSERT INTO dispatch.ticket AS t (content, images)
    VALUES (coalesce(given ->> 'content', ''), dispatch.held_images(images, NULL))
    RETURNING t.id, t.uuid INTO ticket_id, ticket_uuid;
  EXCEPTION WHEN SQLSTATE 'WO403' THEN
    PERFORM dispatch.refuse_caller('You are not allowed to create ticket');
  END;
  PERFORM dispatch.attach_images(ticket_id, images);
  SET CONSTRAINTS dispatch.ticket_images IMMEDIATE;
  RETURN ticket_uuid;
END
$$;
COMMENT ON FUNCTION dispatch.create_ticket(jsonb, workorder.http_file[]) IS
  'LU-2: creates a ticket from the fields content, images and status, and from files named images; returns its uuid. Raises WO400, WO403.';

CREATE FUNCTION dispatch.edit_ticket(fields jsonb, files workorder.http_file[] DEFAULT '{}') RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  given CONSTANT jsonb := workorder.read_input(fields - 'images',
    '[{"name": "uuid", "kind": "text", "required": true}, {"name": "content", "kind": "text", "max": 10000}]', dispatch.wording());
  with_content CONSTANT boolean := given ? 'content';
  with_images CONSTANT boolean := dispatch.has_images(fields, files);
  with_status CONSTANT boolean := coalesce(fields -> 'status', 'null') <> 'null';
  changes jsonb := given - 'uuid';
  assignment jsonb;
  images dispatch.image[];
  step record;
  ticket record;
  allowed text[];
BEGIN
  IF with_images THEN
    images := dispatch.read_images(nullif(fields -> 'images', 'null'), files);
    IF images = '{}' AND with_content AND workorder.is_blank(given -> 'content') THEN
      PERFORM workorder.refuse_input(dispatch.wording(), 'required', 'content');
    END IF;
  END IF;
  SELECT s.code, s.action, s.refusal INTO step FROM dispatch.steps() s WHERE s.code = dispatch.status_named(fields -> 'status');
  IF with_status AND step.code IS NULL THEN
    PERFORM workorder.refuse_input(dispatch.wording(), 'invalid', 'status');
  END IF;
  IF step.action = 'assign' THEN
    assignment := workorder.read_input(fields,
      '[{"name": "staff-id", "kind": "int", "min": 0, "max": 9223372036854775807, "from": ["staff_id"]}]', dispatch.wording());
    IF assignment ? 'staff-id' THEN
      assignment := jsonb_build_object('staff_id', dispatch.staff_numbered((assignment -> 'staff-id')::bigint));
      IF assignment -> 'staff_id' = 'null' THEN
        PERFORM workorder.refuse_input(dispatch.wording(), 'invalid', 'staff-id');
      END IF;
    END IF;
  END IF;

  SELECT f.id, t.content, t.images INTO ticket
  FROM dispatch.find_ticket(given ->> 'uuid', to_change => true) AS f (id)
  LEFT JOIN dispatch.ticket t ON t.tenant_id = workorder.tenant_id() AND t.id = f.id;
  allowed := dispatch.permitted(ticket.id, 'update', 'touch', coalesce(step.action, 'touch'));
  IF (with_content OR with_images) AND 'update' <> ALL (allowed)
     OR step.code = 1 OR NOT (with_content OR with_images OR with_status) AND 'touch' <> ALL (allowed) THEN
    PERFORM dispatch.refuse_caller('You are not allowed to edit this ticket');
  END IF;
  IF step.action <> ALL (allowed) THEN
    PERFORM dispatch.refuse_caller(step.refusal);
  END IF;

  IF with_content OR with_images THEN
    IF with_images THEN
      changes := changes || jsonb_build_object('images', dispatch.held_images(images, ticket.images));
    END IF;
    IF workorder.is_blank(coalesce(changes -> 'content', to_jsonb(ticket.content)))
       AND coalesce(changes -> 'images', ticket.images) = '[]' THEN
      PERFORM workorder.refuse_input(dispatch.wording(), 'required', 'content');
    END IF;
    PERFORM dispatch.attach_images(ticket.id, images);
    PERFORM workorder.act('dispatch.ticket', ticket.id, 'update', changes => changes);
  END IF;
  IF with_status THEN
    PERFORM workorder.act('dispatch.ticket', ticket.id, step.action, changes => assignment);
  END IF;
  RETURN given ->> 'uuid';
END
$$;
COMMENT ON FUNCTION dispatch.edit_ticket(jsonb, workorder.http_file[]) IS
  'LU-3, LU-10 to LU-16: changes content and images, the state, or both at once, as the fields uuid, content, images, status and staff-id say, and files named images; returns the uuid. Raises WO400, WO403 in the words of the refused step, WO404, WO409.';

-- ---------------------------------------------------------------------------
-- LU-1, LU-4 to LU-7.
-- ---------------------------------------------------------------------------

CREATE FUNCTION dispatch.permission_check() RETURNS jsonb
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN jsonb_build_object('userid', dispatch.userid(workorder.actor_id())::text, 'operator', dispatch.my_roles());
COMMENT ON FUNCTION dispatch.permission_check() IS
  'LU-1: who acts, and their roles.';

CREATE FUNCTION dispatch.list_tickets(fields jsonb DEFAULT '{}', only_scheduler boolean DEFAULT false) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  me CONSTANT bigint := workorder.actor_id();
  roles CONSTANT text[] := dispatch.my_roles();
  operator jsonb := nullif(fields -> 'operator', 'null');
  status jsonb := nullif(fields -> 'status', 'null');
  role text;
  wanted text;
  ids bigint[];
BEGIN
  IF operator IS NULL THEN
    role := CASE WHEN only_scheduler THEN 'scheduler' ELSE roles[1] END;
  ELSE
    SELECT r.role INTO role
    FROM unnest('{customer,staff,scheduler}'::text[]) WITH ORDINALITY AS r (role, code)
    WHERE (jsonb_typeof(operator) = 'string' AND lower(operator #>> '{}') = r.role) OR operator IN (to_jsonb(r.code), to_jsonb(r.code::text));
    IF role IS NULL OR (only_scheduler AND role <> 'scheduler') THEN
      PERFORM workorder.refuse_input(dispatch.wording(), 'invalid', 'operator');
    END IF;
  END IF;
  IF status NOT IN ('0', '"0"') AND NOT (jsonb_typeof(status) = 'string' AND lower(status #>> '{}') = 'all') THEN
    wanted := workorder.state_of_code('dispatch', dispatch.status_named(status)::text);
    IF wanted IS NULL THEN
      PERFORM workorder.refuse_input(dispatch.wording(), 'invalid', 'status');
    END IF;
  END IF;
  IF role <> ALL (roles) OR role IS NULL THEN
    PERFORM dispatch.refuse_caller('You are not allowed to list tickets');
  END IF;

  ids := coalesce((
    SELECT array_agg(l.id ORDER BY l.created_at DESC, l.id DESC)
    FROM (
      SELECT t.id, t.created_at, t.state FROM dispatch.ticket t
      WHERE role = 'customer' AND t.tenant_id = workorder.tenant_id() AND t.creator_id = me
      UNION ALL
      SELECT t.id, t.created_at, t.state FROM dispatch.ticket t
      WHERE role = 'staff' AND t.tenant_id = workorder.tenant_id() AND t.staff_id = me
      UNION ALL
      SELECT t.id, t.created_at, t.state FROM dispatch.ticket t
      WHERE role = 'scheduler' AND t.tenant_id = workorder.tenant_id()) AS l
    WHERE wanted IS NULL OR l.state = wanted), '{}');
  RETURN jsonb_build_object('count', cardinality(ids), 'tickets', dispatch.ticket_list(ids,
    'dispatch.' || role || CASE role WHEN 'customer' THEN '{$creator_id}' WHEN 'staff' THEN '{$staff_id}' ELSE '{}' END::text[]));
END
$$;
COMMENT ON FUNCTION dispatch.list_tickets(jsonb, boolean) IS
  'LU-4, LU-6, LU-7: the tickets of who acts in one of their roles, newest first, with the permissions of that role, as the fields operator and status say. Raises WO400, WO403.';

CREATE FUNCTION dispatch.ticket_detail(fields jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  given CONSTANT jsonb := workorder.read_input(fields,
    '[{"name": "uuid", "kind": "text", "required": true}]', dispatch.wording());
  ticket jsonb := dispatch.ticket_list(ARRAY[dispatch.find_ticket(given ->> 'uuid')]) -> 0;
BEGIN
  IF ticket IS NULL THEN
    PERFORM dispatch.refuse_caller('You are not allowed to check this ticket');
  END IF;
  RETURN jsonb_build_object('uuid', ticket -> 'uuid', 'ticket-detail', ticket - 'uuid');
END
$$;
COMMENT ON FUNCTION dispatch.ticket_detail(jsonb) IS
  'LU-5: the ticket that the field uuid names, with what all roles of who acts permit. Raises WO400, WO403, WO404.';
