\echo Use "CREATE EXTENSION workorder_dispatch CASCADE" to load this file. \quit

-- What every add-on begins with.  The schema is no member of the extension: it
-- also holds the tables that install_tables() makes, and those are the user's.
SELECT workorder.own_schema('dispatch', (
  SELECT obj_description(e.oid, 'pg_extension') || '. Code belongs to the extension, tables to you.'
  FROM pg_extension e WHERE e.extname = 'workorder_dispatch'));

CREATE FUNCTION dispatch.flow() RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
SELECT $json$
{
  "id": "dispatch",
  "description": "Ticket desk: a customer raises a ticket, a scheduler assigns it, the assigned staff work on it",
  "roles": ["dispatch.customer", "dispatch.staff", "dispatch.scheduler"],
  "initial": "open",
  "on": {
    "create": {"allow": ["dispatch.customer"], "fields": ["content", "images"]},
    "view": {"allow": ["$creator_id", "$staff_id", "dispatch.scheduler"]},
    "touch": {"allow": ["$creator_id"], "description": "An edit that changes nothing"}},
  "states": {

    "open": {"initial": "new",
      "on": {
        "update": {"allow": ["$creator_id"], "fields": ["content", "images"]},
        "reply": {"allow": ["$creator_id", "$staff_id", "dispatch.scheduler"]},
        "remove_reply": {"allow": ["$creator_id", "$staff_id", "dispatch.scheduler"]},
        "assign": {"target": ".assigned", "allow": ["dispatch.scheduler"], "require": ["staff_id"],
          "set": {"scheduler_id": "$actor.id"}},
        "cancel": [
          {"target": "cancel", "allow": ["dispatch.scheduler"], "set": {"scheduler_id": "$actor.id"}},
          {"target": "cancel", "allow": ["$creator_id"]}]},
      "states": {

        "new": {"label": "NEW", "code": 1},

        "assigned": {"label": "ASSIGNED", "code": 2, "on": {
          "start": {"target": "in_processing", "allow": ["$staff_id"]},
          "fix": {"target": "#dispatch.fixed", "allow": ["$staff_id"]},
          "ask": [
            {"target": "request_information", "allow": ["dispatch.scheduler"], "set": {"scheduler_id": "$actor.id"}},
            {"target": "request_information", "allow": ["$staff_id"]}]}},

        "reopen": {"label": "REOPEN", "code": 5, "on": {
          "start": {"target": "in_processing", "allow": ["$staff_id"]},
          "fix": {"target": "#dispatch.fixed", "allow": ["$staff_id"]},
          "ask": [
            {"target": "request_information", "allow": ["dispatch.scheduler"], "set": {"scheduler_id": "$actor.id"}},
            {"target": "request_information", "allow": ["$staff_id"]}]}},

        "request_information": {"label": "Request Information", "code": 6, "on": {
          "start": {"target": "in_processing", "allow": ["$staff_id"]}}},

        "in_processing": {"label": "IN PROCESSING", "code": 8, "on": {
          "fix": {"target": "#dispatch.fixed", "allow": ["$staff_id"]},
          "ask": [
            {"target": "request_information", "allow": ["dispatch.scheduler"], "set": {"scheduler_id": "$actor.id"}},
            {"target": "request_information", "allow": ["$staff_id"]}]}}}},

    "fixed": {"label": "FIXED", "code": 3, "on": {
      "reply": {"allow": ["$creator_id", "$staff_id", "dispatch.scheduler"]},
      "remove_reply": {"allow": ["$creator_id", "$staff_id", "dispatch.scheduler"]},
      "close": {"target": "closed", "allow": ["dispatch.scheduler"], "set": {"scheduler_id": "$actor.id"}},
      "reopen": {"target": "open.reopen", "allow": ["$creator_id"]}}},

    "closed": {"label": "CLOSED", "code": 4, "on": {
      "reopen": {"target": "open.reopen", "allow": ["$creator_id"]}}},

    "cancel": {"label": "CANCEL", "code": 7, "type": "final"}}}
$json$::jsonb
$function$;
COMMENT ON FUNCTION dispatch.flow() IS
  'The flow of dispatch, as dispatch.install() publishes it. Contract 3 and 5.';

CREATE FUNCTION dispatch.install() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.enter('workorder_dispatch');
  PERFORM workorder.publish(dispatch.flow());
  IF NOT EXISTS (SELECT FROM workorder.guarded g JOIN pg_class r ON r.oid = g.relation
                 WHERE r.relnamespace = 'dispatch'::regnamespace) THEN
    PERFORM dispatch.install_tables();
  END IF;
  PERFORM dispatch.install_http();
END
$$;
COMMENT ON FUNCTION dispatch.install() IS
  'Makes the tables of the add-on in the schema dispatch, publishes its flow and puts the tickets under it; the tables belong to the caller. After workorder.install(). Called again it only publishes the flow, which is a new version if it has changed, and enters the routes anew.';

CREATE FUNCTION dispatch.wording() RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '{"required": "missing $name", "invalid": "invalid $name"}'::jsonb;
COMMENT ON FUNCTION dispatch.wording() IS
  'What the API says of a field that is missing or not valid. Contract 4.0.';

CREATE FUNCTION dispatch.refuse_caller(message text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.refuse('WO403', message, 'The flow does not let you, or not in the state that the ticket is in.',
    'workorder.explain() tells why; so does the ticket''s permission map.');
END
$$;
COMMENT ON FUNCTION dispatch.refuse_caller(text) IS
  'Raises WO403 with the API''s words for what was refused. Contract 3.2.';

CREATE FUNCTION dispatch.epoch(at timestamptz) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN floor(extract(epoch FROM at))::bigint;
COMMENT ON FUNCTION dispatch.epoch(timestamptz) IS
  'A time as the API gives it: Unix seconds. Contract 4.0.';
-- What the API calls states and steps; who may take a step is the flow's alone.

CREATE FUNCTION dispatch.steps() RETURNS TABLE (code int, state text, names text[], action text, refusal text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 8
BEGIN ATOMIC
  VALUES
    (1, 'open.new', '{new}'::text[], NULL, 'You are not allowed to edit this ticket'),
    (2, 'open.assigned', '{assigned}', 'assign', 'You are not allowed to assign this ticket'),
    (3, 'fixed', '{fixed}', 'fix', 'You are not allowed to fixed this ticket'),
    (4, 'closed', '{closed}', 'close', 'You are not allowed to close this ticket'),
    (5, 'open.reopen', '{reopen,reopened}', 'reopen', 'You are not allowed to reopen this ticket'),
    (6, 'open.request_information', '{request information,pending}', 'ask',
      'You are not allowed to request information for this ticket'),
    (7, 'cancel', '{cancel,cancelled,canceled}', 'cancel', 'You are not allowed to cancel this ticket'),
    (8, 'open.in_processing', '{in processing}', 'start', 'You are not allowed to IN PROCESSING this ticket');
END;
COMMENT ON FUNCTION dispatch.steps() IS
  'The states: number, state in the flow, names a client may send, the flow''s action that leads there, what is said to whom may not. Contract 3.1, 3.2.';

CREATE FUNCTION dispatch.status(state text) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE state WHEN 'open.new' THEN 1 WHEN 'open.assigned' THEN 2 WHEN 'fixed' THEN 3 WHEN 'closed' THEN 4
  WHEN 'open.reopen' THEN 5 WHEN 'open.request_information' THEN 6 WHEN 'cancel' THEN 7 WHEN 'open.in_processing' THEN 8 END;
COMMENT ON FUNCTION dispatch.status(text) IS
  'The API''s number of a state of the flow: what dispatch.steps() says, fast. Contract 3.1.';

CREATE FUNCTION dispatch.status_named(given jsonb) RETURNS int
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
    SELECT s.code
    FROM dispatch.steps() s
    WHERE (jsonb_typeof(given) = 'string' AND translate(lower(btrim(given #>> '{}')), '_-', '  ') = ANY (s.names))
       OR (jsonb_typeof(given) IN ('string', 'number') AND given #>> '{}' = s.code::text));
END
$$;
COMMENT ON FUNCTION dispatch.status_named(jsonb) IS
  'The number of a state that a client named, by number or by any of its names; null if there is none. Contract 3.1.';

CREATE FUNCTION dispatch.entry_uuid(place text, number bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN overlay(overlay(md5(place || ' ' || number) PLACING '4' FROM 13) PLACING '8' FROM 17)::uuid::text;
COMMENT ON FUNCTION dispatch.entry_uuid(text, bigint) IS
  'What is shown as the uuid of something that has only a number in its place: of the form of version 4, and always the same.';
CREATE FUNCTION dispatch.install_tables() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  CREATE TABLE dispatch.person (
    tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(),
    userid bigint NOT NULL CHECK (userid >= 0),
    actor_id bigint NOT NULL,
    PRIMARY KEY (tenant_id, userid),
    UNIQUE (tenant_id, actor_id),
    FOREIGN KEY (tenant_id, actor_id) REFERENCES workorder.actor (tenant_id, id) ON DELETE CASCADE);
  COMMENT ON TABLE dispatch.person IS 'The number that the product knows a person by. Kept by dispatch.enrol().';
  COMMENT ON COLUMN dispatch.person.tenant_id IS 'Whose person';
  COMMENT ON COLUMN dispatch.person.userid IS 'The product''s number';
  COMMENT ON COLUMN dispatch.person.actor_id IS 'The person (workorder.actor)';
  PERFORM workorder.open_directory('dispatch.person', 'dispatch');

  CREATE TABLE dispatch.ticket (
    tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(),
    id bigint GENERATED BY DEFAULT AS IDENTITY,
    uuid text NOT NULL DEFAULT gen_random_uuid()::text CHECK (uuid <> ''),
    content text NOT NULL CHECK (char_length(content) <= 10000),
    images jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(images) = 'array' AND jsonb_array_length(images) <= 9),
    staff_id bigint,
    scheduler_id bigint,
    past jsonb CHECK (jsonb_typeof(past) = 'array'),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, uuid),
    CONSTRAINT ticket_says_something CHECK (images <> '[]' OR NOT workorder.is_blank(to_jsonb(content))));
  COMMENT ON TABLE dispatch.ticket IS 'Tickets; the engine keeps their state (flow dispatch)';
  COMMENT ON COLUMN dispatch.ticket.tenant_id IS 'Whose ticket';
  COMMENT ON COLUMN dispatch.ticket.id IS 'The engine''s number; clients know the uuid';
  COMMENT ON COLUMN dispatch.ticket.uuid IS 'What clients call it: any text, version 4 if it was made here';
  COMMENT ON COLUMN dispatch.ticket.content IS 'What the customer wrote';
  COMMENT ON COLUMN dispatch.ticket.images IS 'Addresses, and names (uuid.ext) of files in workorder.attachments';
  COMMENT ON COLUMN dispatch.ticket.staff_id IS 'Who works on it (workorder.actor), null until it is assigned';
  COMMENT ON COLUMN dispatch.ticket.scheduler_id IS 'The scheduler who last changed its state (workorder.actor)';
  COMMENT ON COLUMN dispatch.ticket.past IS
    'History of before it came here, oldest first: [{"uuid", "date", "userid", "status"}]; null for none';

  PERFORM workorder.guard('dispatch.ticket', 'dispatch');
  ALTER TABLE dispatch.ticket ADD CONSTRAINT ticket_new_has_no_staff CHECK (staff_id IS NULL OR state <> 'open.new');
  CREATE TRIGGER dispatch_assign BEFORE UPDATE ON dispatch.ticket
    FOR EACH ROW WHEN (NEW.action = 'assign')
    EXECUTE FUNCTION dispatch.choose_staff();
  COMMENT ON TRIGGER dispatch_assign ON dispatch.ticket IS
    'Whoever assigns a ticket without naming anybody gets the staff with the least to do';

  -- Lists go by immutable columns; a ticket's staff changes with its assignment only.
  CREATE INDEX ON dispatch.ticket (tenant_id, created_at, id);
  CREATE INDEX ON dispatch.ticket (tenant_id, creator_id, created_at, id);
  CREATE INDEX ON dispatch.ticket (tenant_id, staff_id, created_at, id);
END
$$;
COMMENT ON FUNCTION dispatch.install_tables() IS
  'Makes the tables of the ticket desk and puts the tickets under the flow; part of dispatch.install().';
-- ---------------------------------------------------------------------------
-- People: their numbers, their roles, and who gets the next ticket.
-- ---------------------------------------------------------------------------

CREATE FUNCTION dispatch.enrol(userid bigint, login text, name text, roles text[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  person bigint;
BEGIN
  IF enrol.userid IS NULL OR enrol.userid < 0 THEN
    PERFORM workorder.refuse('WO400', 'userid is missing', 'Clients know people by a number.', 'Give a whole number.');
  END IF;
  person := workorder.enrol_in('dispatch', enrol.login, enrol.name, coalesce(enrol.roles, '{}'));
  INSERT INTO dispatch.person (tenant_id, userid, actor_id)
  VALUES (workorder.tenant_id(), enrol.userid, person)
  ON CONFLICT (tenant_id, actor_id) DO UPDATE SET userid = excluded.userid;
  RETURN person;
END
$$;
COMMENT ON FUNCTION dispatch.enrol(bigint, text, text, text[]) IS
  'Adds a person to the ticket desk of the current tenant, or changes the one with this login: the product''s number, name, and roles (customer, staff, scheduler; they replace his roles here). Returns the actor''s id. Raises WO400; 23505 for somebody else''s number. Set his password with workorder.set_password().';

CREATE FUNCTION dispatch.userid(actor_id bigint) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (SELECT p.userid FROM dispatch.person p
          WHERE p.tenant_id = workorder.tenant_id() AND p.actor_id = userid.actor_id);
END
$$;
COMMENT ON FUNCTION dispatch.userid(bigint) IS
  'The product''s number of a person, null if he has none.';

CREATE FUNCTION dispatch.my_roles() RETURNS text[]
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
  SELECT coalesce(array_agg(r.role ORDER BY r.n), '{}')
  FROM unnest('{customer,staff,scheduler}'::text[]) WITH ORDINALITY AS r (role, n)
  WHERE workorder.has_role('dispatch.' || r.role);
END;
COMMENT ON FUNCTION dispatch.my_roles() IS
  'The roles of who acts, in the order customer, staff, scheduler. Contract LU-1.';

CREATE FUNCTION dispatch.is_staff(actor_id bigint) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN EXISTS (
    SELECT FROM workorder.actor a
    JOIN workorder.membership m ON m.tenant_id = a.tenant_id AND m.actor_id = a.id AND m.role = 'dispatch.staff'
    WHERE a.tenant_id = workorder.tenant_id() AND a.id = is_staff.actor_id AND a.active);
END
$$;
COMMENT ON FUNCTION dispatch.is_staff(bigint) IS
  'Whether a person is active and has the role staff.';

CREATE FUNCTION dispatch.staff_numbered(userid bigint) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (SELECT p.actor_id FROM dispatch.person p
          WHERE p.tenant_id = workorder.tenant_id() AND p.userid = staff_numbered.userid AND dispatch.is_staff(p.actor_id));
END
$$;
COMMENT ON FUNCTION dispatch.staff_numbered(bigint) IS
  'The active staff with this number, null if there is none. Contract 3.2, assignee.';

CREATE FUNCTION dispatch.least_loaded() RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
    SELECT p.actor_id
    FROM workorder.membership m
    JOIN workorder.actor a ON a.tenant_id = m.tenant_id AND a.id = m.actor_id AND a.active
    JOIN dispatch.person p ON p.tenant_id = m.tenant_id AND p.actor_id = m.actor_id
    WHERE m.tenant_id = workorder.tenant_id() AND m.role = 'dispatch.staff'
    ORDER BY (
      SELECT count(*) FROM dispatch.ticket t
      WHERE t.tenant_id = m.tenant_id AND t.staff_id = m.actor_id
        AND t.state IN ('open.assigned', 'open.reopen', 'open.request_information', 'open.in_processing')), p.userid
    LIMIT 1);
END
$$;
COMMENT ON FUNCTION dispatch.least_loaded() IS
  'The active staff with the fewest tickets in states 2, 5, 6 and 8, of several the one with the lowest number; null if there is no staff. Counts what the caller may see: schedulers see all. Contract 3.2, assignee.';

CREATE FUNCTION dispatch.choose_staff() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- One at a time in a tenant: what others assign just now counts, too.
  PERFORM pg_advisory_xact_lock(hashtext('dispatch.ticket.staff_id'), hashint8(NEW.tenant_id));
  IF NEW.staff_id IS DISTINCT FROM OLD.staff_id AND NEW.staff_id IS NOT NULL THEN
    IF NOT dispatch.is_staff(NEW.staff_id) THEN
      PERFORM workorder.refuse('WO400', 'invalid staff-id', 'It must name somebody active with the role staff.',
        'Leave it out, and somebody is chosen.');
    END IF;
  ELSIF NEW.staff_id IS NULL OR NOT dispatch.is_staff(NEW.staff_id) THEN
    NEW.staff_id := dispatch.least_loaded();
    IF NEW.staff_id IS NULL THEN
      PERFORM workorder.refuse('WO409', 'no staff available', 'Nobody active has the role staff.', 'Enrol somebody.');
    END IF;
  END IF;
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION dispatch.choose_staff() IS
  'Trigger of dispatch.ticket, before the guard, when a ticket is assigned: who is named must be active staff, else WO400; if nobody is named, the ticket keeps its staff who is still active, or gets the least loaded; WO409 "no staff available". Assignments of a tenant wait for each other. Contract 3.2, assignee.';
-- ---------------------------------------------------------------------------
-- Images: what a client sends, what a ticket holds, what a client gets.
-- A ticket holds addresses as they were given, and of an image that was
-- uploaded its name, <uuid>.<ext>; the address of that is made when it is shown.
-- ---------------------------------------------------------------------------

CREATE TYPE dispatch.image AS (name text, url text, content bytea, content_type text);
COMMENT ON TYPE dispatch.image IS 'An image that a client has sent.';
COMMENT ON COLUMN dispatch.image.name IS 'Name of a file of ours: a new one, or one that the address names.';
COMMENT ON COLUMN dispatch.image.url IS 'The address, if one was sent.';
COMMENT ON COLUMN dispatch.image.content IS 'The bytes, if they were sent.';
COMMENT ON COLUMN dispatch.image.content_type IS 'What the bytes are.';

CREATE FUNCTION dispatch.image_base_url() RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN rtrim(workorder.setting('dispatch', 'image_base_url', '/api/ticket/images'), '/');
COMMENT ON FUNCTION dispatch.image_base_url() IS
  'Where uploaded images are served: the setting image_base_url of the system dispatch, else the gateway''s own path. Contract 4.0.';

CREATE FUNCTION dispatch.image_urls(images jsonb, base_url text) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT coalesce(jsonb_agg(CASE WHEN i.held ~* '^https?://' THEN i.held ELSE base_url || '/' || i.held END ORDER BY i.n), '[]')
  FROM jsonb_array_elements_text(images) WITH ORDINALITY AS i (held, n);
END;
COMMENT ON FUNCTION dispatch.image_urls(jsonb, text) IS
  'The addresses of what a ticket holds as images. Contract 4.0.';

CREATE FUNCTION dispatch.read_images(given jsonb, files workorder.http_file[]) RETURNS dispatch.image[]
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  base_url CONSTANT text := dispatch.image_base_url() || '/';
  result dispatch.image[] := '{}';
  image dispatch.image;
  file workorder.http_file;
  entry jsonb;
  said text;
BEGIN
  IF jsonb_typeof(given) = 'string' THEN
    given := jsonb_build_array(given);
  END IF;
  IF given IS NOT NULL AND jsonb_typeof(given) <> 'array' OR jsonb_array_length(given) > 9 THEN
    PERFORM workorder.refuse_input(dispatch.wording(), 'invalid', 'images');
  END IF;

  FOR entry IN SELECT e.value FROM jsonb_array_elements(given) WITH ORDINALITY AS e (value, n) ORDER BY e.n LOOP
    image := NULL;
    IF jsonb_typeof(entry) = 'string' THEN
      said := entry #>> '{}';
      IF octet_length(said) <= 8192 THEN
        image.name := substring(CASE WHEN starts_with(said, base_url) THEN substr(said, length(base_url) + 1) END
          FROM '^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.(?:png|jpg|gif|webp)$');
        image.url := CASE WHEN char_length(said) <= 2048 THEN substring(said FROM '^[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#]+[^\s]*$') END;
      END IF;
      IF image.name IS NULL AND image.url IS NULL THEN
        SELECT i.content, i.content_type INTO image.content, image.content_type FROM workorder.read_image(said) i;
      END IF;
    END IF;
    result := result || image;
  END LOOP;

  -- A form whose field for files was left empty has a file without a name and without bytes.
  FOREACH file IN ARRAY coalesce(files, '{}') LOOP
    CONTINUE WHEN file.name <> 'images' OR (file.filename = '' AND file.content = '');
    image := (NULL, NULL, file.content, workorder.image_type(file.content))::dispatch.image;
    IF file.content_type LIKE 'image/%' AND replace(file.content_type, 'image/jpg', 'image/jpeg') <> image.content_type THEN
      image.content_type := NULL;
    END IF;
    result := result || image;
  END LOOP;

  IF cardinality(result) > 9 THEN
    PERFORM workorder.refuse_input(dispatch.wording(), 'invalid', 'images');
  END IF;
  FOR i IN 1 .. cardinality(result) LOOP
    image := result[i];
    IF image.name IS NULL AND image.url IS NULL THEN
      IF image.content_type IS NULL OR octet_length(image.content) > 8388608 THEN
        PERFORM workorder.refuse_input(dispatch.wording(), 'invalid', 'images');
      END IF;
      image.name := gen_random_uuid() || '.' || workorder.image_extension(image.content_type);
      result[i] := image;
    END IF;
  END LOOP;
  RETURN result;
END
$$;
COMMENT ON FUNCTION dispatch.read_images(jsonb, workorder.http_file[]) IS
  'The images that a client has sent, as a list of texts and as files of a form; what is uploaded gets its name here. Raises WO400 "invalid images". Contract 4.0.';

CREATE FUNCTION dispatch.held_images(images dispatch.image[], held jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- The address of an image of ours is one that this ticket has, or any address.
  IF EXISTS (SELECT FROM unnest(images) AS i
             WHERE i.url IS NULL AND i.content IS NULL AND NOT coalesce(held, '[]') ? i.name) THEN
    PERFORM workorder.refuse_input(dispatch.wording(), 'invalid', 'images');
  END IF;
  RETURN (
    SELECT coalesce(jsonb_agg(CASE WHEN i.content IS NOT NULL OR coalesce(held, '[]') ? i.name THEN i.name ELSE i.url END ORDER BY i.n), '[]')
    FROM unnest(images) WITH ORDINALITY AS i (name, url, content, content_type, n));
END
$$;
COMMENT ON FUNCTION dispatch.held_images(dispatch.image[], jsonb) IS
  'What a ticket that held these images will hold. Raises WO400 "invalid images" for the address of a file that it does not have.';

CREATE FUNCTION dispatch.attach_images(ticket_id bigint, images dispatch.image[]) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.attach('dispatch.ticket', ticket_id, i.content, i.content_type,
    action => 'update', uuid => split_part(i.name, '.', 1)::uuid)
  FROM unnest(images) AS i
  WHERE i.content IS NOT NULL;
END
$$;
COMMENT ON FUNCTION dispatch.attach_images(bigint, dispatch.image[]) IS
  'Stores the images that were uploaded with a ticket, for who may edit it.';

CREATE FUNCTION dispatch.image_file(name text, OUT content bytea, OUT content_type text)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  part CONSTANT text[] := regexp_match(name, '^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([a-z]+)$');
BEGIN
  SELECT a.content, a.content_type INTO image_file.content, image_file.content_type
  FROM workorder.attachments a
  WHERE a.uuid = part[1]::uuid AND a.relation = 'dispatch.ticket'::regclass
    AND workorder.image_extension(a.content_type) = part[2];
END
$$;
COMMENT ON FUNCTION dispatch.image_file(text) IS
  'The image of this name (uuid.ext) and what it is, if the caller may see the ticket that it was uploaded to; else nulls.';
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
  'The permission maps of tickets for who acts, or for him in one capacity (workorder.permitted()). Contract 4.0.';

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
  'The ticket objects of the API with these ids, in this order, each with its replies, its history and its permission map for who acts, or for him in one capacity; what the caller may not see is left out. One statement, however many. Contract 4.0, ticket object.';

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
  'Which of these actions who acts may take on a ticket; none on one that he may not see (null).';

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
  images := dispatch.read_images(fields -> 'images', files);
  IF workorder.is_blank(given -> 'content') AND images = '{}' THEN
    PERFORM workorder.refuse_input(dispatch.wording(), 'required', 'content');
  END IF;
  IF dispatch.status_named(given -> 'status') <> 1 OR (given ? 'status' AND dispatch.status_named(given -> 'status') IS NULL) THEN
    PERFORM workorder.refuse_input(dispatch.wording(), 'invalid', 'status');
  END IF;

  BEGIN
    INSERT INTO dispatch.ticket AS t (content, images)
    VALUES (coalesce(given ->> 'content', ''), dispatch.held_images(images, NULL))
    RETURNING t.id, t.uuid INTO ticket_id, ticket_uuid;
  EXCEPTION WHEN SQLSTATE 'WO403' THEN
    PERFORM dispatch.refuse_caller('You are not allowed to create ticket');
  END;
  PERFORM dispatch.attach_images(ticket_id, images);
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
    images := dispatch.read_images(fields -> 'images', files);
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
  'LU-1: who acts, and his roles.';

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
    WHERE jsonb_typeof(operator) IN ('string', 'number') AND lower(operator #>> '{}') IN (r.role, r.code::text);
    IF role IS NULL OR (only_scheduler AND role <> 'scheduler') THEN
      PERFORM workorder.refuse_input(dispatch.wording(), 'invalid', 'operator');
    END IF;
  END IF;
  IF NOT (jsonb_typeof(status) IN ('string', 'number') AND lower(status #>> '{}') IN ('all', '0')) THEN
    SELECT s.state INTO wanted FROM dispatch.steps() s WHERE s.code = dispatch.status_named(status);
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
  'LU-4, LU-6, LU-7: the tickets of who acts in one of his roles, newest first, with the permissions of that role, as the fields operator and status say. Raises WO400, WO403.';

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
-- ---------------------------------------------------------------------------
-- The API of contract 4 over HTTP: one URL; the field action says what is asked.
-- Refusals are errors (WO400 ...), which the engine puts into the envelope that
-- dispatch.install_http() gives it.
-- ---------------------------------------------------------------------------

CREATE FUNCTION dispatch.http_json_text(given text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN given::jsonb;
EXCEPTION WHEN data_exception THEN
  RETURN to_jsonb(given);
END
$$;
COMMENT ON FUNCTION dispatch.http_json_text(text) IS
  'What JSON text stands for; the text itself if it is not JSON.';

CREATE FUNCTION dispatch.http_fields(request workorder.http_request) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF request.content_type = 'multipart/form-data' THEN
    RETURN (
      SELECT coalesce(jsonb_object_agg(f.key, CASE f.key
          WHEN 'images' THEN f.value
          WHEN 'reply' THEN dispatch.http_json_text(workorder.http_value(request.form, f.key))
          ELSE to_jsonb(workorder.http_value(request.form, f.key)) END), '{}')
      FROM jsonb_each(request.form) f);
  END IF;
  RETURN workorder.http_fields(request, 'malformed request');
END
$$;
COMMENT ON FUNCTION dispatch.http_fields(workorder.http_request) IS
  'The fields of a request: its JSON object, or the text fields of its form, of which reply is JSON. Raises WO400 "malformed request". Contract 4.0.';

CREATE FUNCTION dispatch.http_identify(request workorder.http_request) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- An image is fetched with a token, for an address holds no credential.
  IF request.method <> 'POST' THEN
    RETURN NULL;
  END IF;
  RETURN workorder.open_credential(dispatch.http_fields(request) ->> 'credential');
END
$$;
COMMENT ON FUNCTION dispatch.http_identify(workorder.http_request) IS
  'Who acts if there is no token: whose credential the field credential holds. Raises WO401 "invalid credential" for whatever is wrong with it, WO503 "credential service unavailable" without a key. Contract 3.4.';

CREATE FUNCTION dispatch.http_ticket(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  fields CONSTANT jsonb := dispatch.http_fields(request);
  answer jsonb;
BEGIN
  CASE fields ->> 'action'
    WHEN 'permission-check' THEN answer := dispatch.permission_check();
    WHEN 'create-ticket' THEN answer := jsonb_build_object('uuid', dispatch.create_ticket(fields, request.files));
    WHEN 'edit-ticket' THEN answer := jsonb_build_object('uuid', dispatch.edit_ticket(fields, request.files));
    WHEN 'list' THEN answer := dispatch.list_tickets(fields);
    WHEN 'scheduler-list' THEN answer := dispatch.list_tickets(fields, only_scheduler => true);
    WHEN 'ticket-detail' THEN answer := dispatch.ticket_detail(fields);
    WHEN 'ticket-reply-create' THEN answer := jsonb_build_object('uuid', dispatch.create_reply(fields));
    WHEN 'ticket-reply-delete' THEN answer := jsonb_build_object('uuid', dispatch.delete_reply(fields));
    ELSE PERFORM workorder.refuse('WO400', 'unknown action', 'The field action names none of the eight operations.',
      'Correct the action.');
  END CASE;
  RETURN workorder.http_json(200, answer::json);
END
$$;
COMMENT ON FUNCTION dispatch.http_ticket(workorder.http_request) IS
  'LU-1 to LU-16, POST /api/ticket.';

CREATE FUNCTION dispatch.http_image(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  image record;
BEGIN
  SELECT * INTO image FROM dispatch.image_file(request.params ->> 'name');
  IF image.content IS NULL THEN
    RETURN workorder.http_error(404, 'not found', 'There is no such image that you may see.', 'Check the address, and who you are.');
  END IF;
  -- An image, and nothing else: no script, no style, no page, whatever is in it.
  RETURN workorder.http_bytes(200, image.content, image.content_type, jsonb_build_object(
    'Content-Disposition', format('inline; filename="%s"', request.params ->> 'name'),
    'Content-Security-Policy', 'default-src ''none''; sandbox',
    'Cross-Origin-Resource-Policy', 'cross-origin',
    'Cache-Control', 'private, max-age=86400, immutable'));
END
$$;
COMMENT ON FUNCTION dispatch.http_image(workorder.http_request) IS
  'GET /api/ticket/images/{uuid}.{ext}: an uploaded image, for a token of somebody who may see its ticket. Contract 4.0, images.';

CREATE FUNCTION dispatch.install_http() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.add_api('dispatch', '/api/ticket', '{"code":"$status","message":"$message"}', false,
    jsonb_build_object(
      'identify', 'dispatch.http_identify',
      'run_as', coalesce((SELECT s.value FROM workorder.secret s WHERE s.name = 'web_role'), 'workorder_user'),
      'object', true,
      'accept', '["application/json", "multipart/form-data"]'::jsonb,
      'max_body', '{"application/json": 16777216, "multipart/form-data": 67108864}'::jsonb,
      'messages', '{"unauthenticated": "invalid credential", "too_large": "request too large",
        "parameter": "malformed request", "busy": "credential service unavailable"}'::jsonb));
  PERFORM workorder.add_routes('dispatch', '[
    ["POST", "", "http_ticket"],
    ["GET", "/images/{name}", "http_image"]]');

  IF to_regclass('api.dispatch_ticket') IS NULL THEN
    CREATE VIEW api.dispatch_ticket WITH (security_invoker = true) AS
    SELECT t.id, t.uuid, t.content, t.images, dispatch.status(t.state) AS status, t.staff_id, t.scheduler_id, t.past,
      t.state, t.revision, t.creator_id, t.created_at, t.entered_at, t.updated_at,
      t.action, t.note, t.last_action, t.last_note
    FROM dispatch.ticket t
    WHERE t.tenant_id = workorder.tenant_id();
    COMMENT ON VIEW api.dispatch_ticket IS
      'Tickets of the desk, for /rest/dispatch_ticket: the caller''s rights and policies. Writing action takes it: PATCH /dispatch_ticket?id=eq.1 {"action": "close"}';
  END IF;
END
$$;
COMMENT ON FUNCTION dispatch.install_http() IS
  'Enters the API''s envelope and routes, and makes the view api.dispatch_ticket; part of dispatch.install(). What was changed in the settings of the API stays.';
CREATE FUNCTION dispatch.grant_access(role regrole) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.grant_addon('workorder_dispatch', role,
    '{install,install_tables,install_http,grant_access,enrol,http_identify,choose_staff}');
  -- Whoever inserts a ticket gives what LU-2 takes; the rest comes by itself or later.
  PERFORM workorder.grant_table('dispatch.ticket', role, insertable => '{content,images,note}');
  EXECUTE format('GRANT SELECT ON dispatch.person TO %s', role);
  -- The same rights on the view as on the table: it shows and takes nothing else.
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON api.dispatch_ticket TO %s', role);
END
$$;
COMMENT ON FUNCTION dispatch.grant_access(regrole) IS
  'Gives a role what an application needs to offer the ticket desk, workorder.grant_access() included. Needs to own the extension and the tables.';

-- What every add-on ends with: nothing of the extension is for PUBLIC.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA dispatch FROM PUBLIC;
