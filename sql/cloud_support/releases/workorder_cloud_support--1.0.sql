\echo Use "CREATE EXTENSION workorder_cloud_support CASCADE" to load this file. \quit

-- What every add-on begins with.  The schema is no member of the extension: it
-- also holds the tables that install_tables() makes, and those are the user's.
SELECT workorder.own_schema('cloud_support', (
  SELECT obj_description(e.oid, 'pg_extension') || '. Code belongs to the extension, tables to you.'
  FROM pg_extension e WHERE e.extname = 'workorder_cloud_support'));

CREATE FUNCTION cloud_support.flow() RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
SELECT $json$
{
  "id": "cloud_support",
  "description": "Support work order: raised by a customer, answered by support, open until one of them calls it solved",
  "roles": ["cloud_support.user", "cloud_support.support"],
  "initial": "new",
  "on": {
    "create": [
      {"allow": ["cloud_support.user", "cloud_support.support"], "guard": "$.type == \"module\"",
        "require": ["support", "type", "question", "module", "amount"], "fields": ["*"]},
      {"allow": ["cloud_support.user", "cloud_support.support"],
        "require": ["support", "type", "question"], "fields": ["*"]}],
    "view": {"allow": ["$creator_id", "cloud_support.support"]},
    "reply": {"allow": ["$creator_id", "cloud_support.support"]}},
  "states": {
    "new": {"label": "新提交", "code": 2, "on": {
      "accept": {"target": "pending", "allow": ["cloud_support.support"]},
      "solve": {"target": "solved", "allow": ["$creator_id", "cloud_support.support"]}}},
    "pending": {"label": "待解决", "code": 1, "on": {
      "put_back": {"target": "new", "allow": ["cloud_support.support"]},
      "solve": {"target": "solved", "allow": ["$creator_id", "cloud_support.support"]}}},
    "solved": {"label": "已解决", "code": 0, "on": {
      "resume": {"target": "pending", "allow": ["$creator_id", "cloud_support.support"]},
      "reopen": {"target": "new", "allow": ["$creator_id", "cloud_support.support"]}}}}}
$json$::jsonb
$function$;
COMMENT ON FUNCTION cloud_support.flow() IS
  'The flow of cloud_support, as cloud_support.install() publishes it. Contract 3 and 5.';

CREATE FUNCTION cloud_support.install() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.enter('workorder_cloud_support');
  PERFORM workorder.publish(cloud_support.flow());
  IF NOT EXISTS (SELECT FROM workorder.guarded g JOIN pg_class r ON r.oid = g.relation
                 WHERE r.relnamespace = 'cloud_support'::regnamespace) THEN
    PERFORM cloud_support.install_tables();
  END IF;
  PERFORM cloud_support.install_http();
END
$$;
COMMENT ON FUNCTION cloud_support.install() IS
  'Makes the tables of the add-on in the schema cloud_support, publishes its flow and puts the tickets under it; the tables belong to the caller. After workorder.install(). Called again it only publishes the flow, which is a new version if it has changed, and enters the routes anew.';

CREATE FUNCTION cloud_support.wording() RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '{
  "required": "$name: this field is required",
  "text": "$name: not a valid string",
  "int": "$name: not a valid integer",
  "flag": "$name: not a valid boolean",
  "choice": "$name: not a valid choice",
  "object": "$name: not a valid dict",
  "list": "$name: not a valid list",
  "url": "$name: not a valid url",
  "email": "$name: not a valid email",
  "max": "$name: too long (max $bound)"}'::jsonb;
COMMENT ON FUNCTION cloud_support.wording() IS
  'What the API says of a bad field, by the rule that it breaks. Contract 4.0.';

-- ---------------------------------------------------------------------------
-- What the API's numbers and times are.
-- ---------------------------------------------------------------------------

CREATE FUNCTION cloud_support.time_text(at timestamptz, zone text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN to_char(at AT TIME ZONE zone, 'YYYY-MM-DD"T"HH24:MI:SS.US');
COMMENT ON FUNCTION cloud_support.time_text(timestamptz, text) IS
  'A moment in a time zone, YYYY-MM-DDTHH:MM:SS.ffffff. Contract 4.0.';

CREATE FUNCTION cloud_support.time_zone() RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN workorder.setting('cloud_support', 'time_zone', 'UTC');
COMMENT ON FUNCTION cloud_support.time_zone() IS
  'Time zone in which the current tenant is told times: workorder.set_setting(''cloud_support'', ''time_zone'', ''Asia/Shanghai''). Contract 4.0.';

CREATE FUNCTION cloud_support.types() RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '[
  {"code": "sys", "label": "系统故障"},
  {"code": "licences", "label": "配额"},
  {"code": "module", "label": "购买云模块"},
  {"code": "tech", "label": "技术支持"},
  {"code": "test", "label": "测试协助"}]'::jsonb;
COMMENT ON FUNCTION cloud_support.types() IS
  'The types of work orders. Contract 3.1.';
-- Written out, since lists ask for every row; the codes are those of the flow.

CREATE FUNCTION cloud_support.status(state text) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE state WHEN 'new' THEN 2 WHEN 'pending' THEN 1 WHEN 'solved' THEN 0 END;
COMMENT ON FUNCTION cloud_support.status(text) IS
  'The API''s status from the engine''s column state. From the highest to the lowest status, the states are in the order of the alphabet, so that an index on state serves the API''s order. Contract 3.1.';

CREATE FUNCTION cloud_support.state_of(status int) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (ARRAY['solved', 'pending', 'new'])[status + 1];
COMMENT ON FUNCTION cloud_support.state_of(int) IS
  'The state of a status, null if there is none. Contract 3.1.';
CREATE FUNCTION cloud_support.install_tables() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  CREATE TABLE cloud_support.account (
    tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(),
    id bigint GENERATED BY DEFAULT AS IDENTITY,
    actor_id bigint NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, actor_id),
    FOREIGN KEY (tenant_id, actor_id) REFERENCES workorder.actor (tenant_id, id));
  COMMENT ON TABLE cloud_support.account IS 'Users of the platform by the number that the API shows; kept by cloud_support.enrol()';
  COMMENT ON COLUMN cloud_support.account.tenant_id IS 'Whose user';
  COMMENT ON COLUMN cloud_support.account.id IS 'The user''s number';
  COMMENT ON COLUMN cloud_support.account.actor_id IS 'The person (workorder.actor), whose name is the username';
  PERFORM workorder.open_directory('cloud_support.account', 'cloud_support');

  CREATE TABLE cloud_support.workorder (
    tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(),
    id bigint GENERATED BY DEFAULT AS IDENTITY,
    type text NOT NULL CHECK (type IN ('sys', 'licences', 'module', 'tech', 'test')),
    question text NOT NULL CHECK (char_length(question) <= 5000),
    support boolean NOT NULL,
    module text CHECK (char_length(module) <= 100),
    amount int CHECK (amount BETWEEN 1 AND 1000000),
    company text CHECK (char_length(company) <= 200),
    contact text CHECK (char_length(contact) <= 200),
    location text CHECK (char_length(location) <= 200),
    cellphone text CHECK (char_length(cellphone) <= 32),
    email text CHECK (char_length(email) <= 254),
    address text CHECK (char_length(address) <= 500),
    PRIMARY KEY (tenant_id, id)
  ) WITH (fillfactor = 80);
  COMMENT ON TABLE cloud_support.workorder IS 'Support work orders, guarded by the flow cloud_support; entered_at is the API''s updated_at, for a reply does not move it';
  COMMENT ON COLUMN cloud_support.workorder.tenant_id IS 'Whose work order';
  COMMENT ON COLUMN cloud_support.workorder.id IS 'Number of the work order';
  COMMENT ON COLUMN cloud_support.workorder.type IS 'sys, licences, module, tech or test';
  COMMENT ON COLUMN cloud_support.workorder.question IS 'What it is about, in the customer''s words';
  COMMENT ON COLUMN cloud_support.workorder.support IS 'Whether a call by telephone is wanted';
  COMMENT ON COLUMN cloud_support.workorder.module IS 'Module order: model';
  COMMENT ON COLUMN cloud_support.workorder.amount IS 'Module order: how many';
  COMMENT ON COLUMN cloud_support.workorder.company IS 'Company of the customer';
  COMMENT ON COLUMN cloud_support.workorder.contact IS 'Whom to talk to';
  COMMENT ON COLUMN cloud_support.workorder.location IS 'Where it is to be produced';
  COMMENT ON COLUMN cloud_support.workorder.cellphone IS 'Telephone';
  COMMENT ON COLUMN cloud_support.workorder.email IS 'Mail address';
  COMMENT ON COLUMN cloud_support.workorder.address IS 'Postal address';

  PERFORM workorder.guard('cloud_support.workorder', 'cloud_support');
  -- Who raises a work order has a number.
  ALTER TABLE cloud_support.workorder ALTER creator_id SET NOT NULL,
    ADD FOREIGN KEY (tenant_id, creator_id) REFERENCES cloud_support.account (tenant_id, actor_id);
  -- The order of the list (see cloud_support.status()); with the creator, the
  -- policies and the count need the index only.  A reply touches none of it.
  CREATE INDEX ON cloud_support.workorder (tenant_id, state, entered_at, id) INCLUDE (creator_id);
  CREATE INDEX ON cloud_support.workorder (tenant_id, creator_id);

  -- The list tells its length with every page.
  PERFORM workorder.count_rows('cloud_support.workorder');

  -- Row-level security hides what is somebody else's; the API tells it from
  -- what is not there (403, 404).  A view reads as its owner.
  CREATE VIEW cloud_support.workorder_number WITH (security_barrier = true) AS
  SELECT w.tenant_id, w.id, w.type
  FROM cloud_support.workorder w
  WHERE w.tenant_id = workorder.tenant_id();
  COMMENT ON VIEW cloud_support.workorder_number IS 'Number and type of all work orders of the tenant, whoever asks; nothing else of them';
END
$$;
COMMENT ON FUNCTION cloud_support.install_tables() IS
  'Makes the tables of the support system and puts the tickets under the flow; part of cloud_support.install().';
-- People: users of the platform, by their number there.

CREATE FUNCTION cloud_support.enrol(login text, username text, roles text[], number bigint DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  person bigint;
  sequence CONSTANT regclass := pg_get_serial_sequence('cloud_support.account', 'id');
BEGIN
  person := workorder.enrol_in('cloud_support', login, username, roles);
  LOCK TABLE cloud_support.account IN SHARE ROW EXCLUSIVE MODE;
  IF number IS NULL THEN
    INSERT INTO cloud_support.account (tenant_id, actor_id) VALUES (workorder.tenant_id(), person)
    ON CONFLICT (tenant_id, actor_id) DO NOTHING;
  ELSE
    INSERT INTO cloud_support.account (tenant_id, id, actor_id) VALUES (workorder.tenant_id(), number, person)
    ON CONFLICT (tenant_id, actor_id) DO UPDATE SET id = excluded.id;
    IF number > coalesce(pg_sequence_last_value(sequence), 0) THEN
      PERFORM setval(sequence, number);
    END IF;
  END IF;
  RETURN (SELECT a.id FROM cloud_support.account a WHERE a.tenant_id = workorder.tenant_id() AND a.actor_id = person);
END
$$;
COMMENT ON FUNCTION cloud_support.enrol(text, text, text[], bigint) IS
  'Adds a user of the platform to the tenant, or renames one: what they sign in with, the username that the API shows, roles (user, support) instead of those held, and the number they have elsewhere, if any. Returns the number. Raises WO400, 23505 if the number is somebody else''s. Needs to own the tables.';
-- ---------------------------------------------------------------------------
-- Work orders: WO-1, WO-2, WO-5, WO-6.  All functions may be called from plain
-- SQL; row-level security and the flow judge whoever calls.
-- ---------------------------------------------------------------------------

CREATE FUNCTION cloud_support.refuse_permission() RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.refuse('WO403', 'permission denied',
    'The work order is somebody else''s, or the flow does not let you take this step.',
    'workorder.actions() tells what you may do now, and why not.');
END
$$;
COMMENT ON FUNCTION cloud_support.refuse_permission() IS
  'Raises WO403 "permission denied". Contract 4.0.';

CREATE FUNCTION cloud_support.require_workorder(number numeric, type text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  found_type text;
BEGIN
  IF number BETWEEN 1 AND 2147483647 THEN
    SELECT n.type INTO found_type
    FROM cloud_support.workorder_number n
    WHERE n.id = number::bigint;
  END IF;
  IF found_type IS NULL OR found_type <> require_workorder.type THEN
    PERFORM workorder.refuse('WO404', 'workorder not found',
      'There is no work order of this number, or it is of another type.', 'Check the number.');
  END IF;
  IF NOT workorder.visible('cloud_support.workorder', number::bigint) THEN
    PERFORM cloud_support.refuse_permission();
  END IF;
  RETURN number::bigint;
END
$$;
COMMENT ON FUNCTION cloud_support.require_workorder(numeric, text) IS
  'The number, if there is such a work order (of that type) and the caller may see it. Raises WO404 "workorder not found", then WO403. Contract 4.0.';

CREATE FUNCTION cloud_support.create_workorder(fields jsonb) RETURNS json
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  ordered CONSTANT boolean := coalesce(fields ->> 'type' = 'module', false);
  given CONSTANT jsonb := workorder.read_input(fields, jsonb_build_array(
    '{"name": "support", "kind": "flag", "required": true}'::jsonb,
    jsonb_build_object('name', 'type', 'kind', 'choice', 'required', true,
      'in', jsonb_path_query_array(cloud_support.types(), '$[*].code')),
    '{"name": "question", "kind": "text", "required": true, "max": 5000}'::jsonb,
    jsonb_build_object('name', 'module', 'kind', 'text', 'required', ordered, 'max', 100),
    jsonb_build_object('name', 'amount', 'kind', 'int', 'required', ordered, 'pattern', '^([1-9][0-9]{0,5}|1000000)$'),
    '{"name": "company", "kind": "text", "required": false, "max": 200}'::jsonb,
    '{"name": "contact", "kind": "text", "required": false, "max": 200}'::jsonb,
    '{"name": "location", "kind": "text", "required": false, "max": 200}'::jsonb,
    '{"name": "cellphone", "kind": "text", "required": false, "max": 32, "pattern": "^[0-9 +()-]*$"}'::jsonb,
    '{"name": "email", "kind": "text", "required": false, "max": 254, "pattern": "^[^@[:space:]]+@[^@[:space:]]+$", "otherwise": "email"}'::jsonb,
    '{"name": "address", "kind": "text", "required": false, "max": 500}'::jsonb), cloud_support.wording());
  w cloud_support.workorder;
  zone CONSTANT text := cloud_support.time_zone();
BEGIN
  BEGIN
    INSERT INTO cloud_support.workorder AS o (type, question, support, module, amount, company, contact, location, cellphone, email, address)
    VALUES (given ->> 'type', given ->> 'question', (given -> 'support')::boolean, given ->> 'module', (given -> 'amount')::int,
      given ->> 'company', given ->> 'contact', given ->> 'location', given ->> 'cellphone', given ->> 'email', given ->> 'address')
    RETURNING o.* INTO w;
  EXCEPTION
    -- Not by the flow, or a person whom cloud_support.enrol() does not know.
    WHEN SQLSTATE 'WO403' OR foreign_key_violation THEN
      PERFORM cloud_support.refuse_permission();
  END;
  RETURN (
    SELECT json_build_object(
      'committer', a.id::text,
      'id', w.id,
      'question', w.question,
      'type', w.type,
      'status', cloud_support.status(w.state)::text,
      'support', w.support,
      'updated_at', cloud_support.time_text(w.entered_at, zone),
      'created_at', cloud_support.time_text(w.created_at, zone))
    FROM cloud_support.account a
    WHERE a.tenant_id = w.tenant_id AND a.actor_id = w.creator_id);
END
$$;
COMMENT ON FUNCTION cloud_support.create_workorder(jsonb) IS
  'WO-1: raises a work order from the fields of a request and returns it, committer and status as text. Raises WO400, WO403.';

CREATE FUNCTION cloud_support.list_workorders(skipped bigint DEFAULT 0, size bigint DEFAULT NULL, OUT total bigint, OUT results json)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan -- planning under policies takes longer than a page
AS $$
DECLARE
  tenant CONSTANT bigint := workorder.tenant_id();
  actor CONSTANT bigint := workorder.actor_id();
  zone CONSTANT text := cloud_support.time_zone();
  ids bigint[];
BEGIN
  -- The policy judges anyhow; said once more, the own rows come off their index.
  IF workorder.has_role('cloud_support.support') THEN
    total := workorder.total('cloud_support.workorder');
    ids := ARRAY(
      SELECT w.id
      FROM cloud_support.workorder w
      WHERE w.tenant_id = tenant
      ORDER BY w.state, w.entered_at, w.id
      LIMIT size OFFSET skipped);
  ELSE
    WITH own AS MATERIALIZED (
      SELECT w.id, w.state, w.entered_at
      FROM cloud_support.workorder w
      WHERE w.tenant_id = tenant AND w.creator_id = actor)
    SELECT (SELECT count(*) FROM own),
      ARRAY(SELECT o.id FROM own o ORDER BY o.state, o.entered_at, o.id LIMIT size OFFSET skipped)
    INTO total, ids;
  END IF;
  results := (
    SELECT coalesce(json_agg(to_json(shown) ORDER BY wanted.n), '[]')
    FROM unnest(ids) WITH ORDINALITY AS wanted (id, n)
    JOIN cloud_support.workorder w ON w.tenant_id = tenant AND w.id = wanted.id
    JOIN cloud_support.account a ON a.tenant_id = w.tenant_id AND a.actor_id = w.creator_id,
    LATERAL (
      SELECT w.id, a.id AS committer, w.question, w.type, cloud_support.status(w.state) AS status, w.support,
        cloud_support.time_text(w.entered_at, zone) AS updated_at, cloud_support.time_text(w.created_at, zone) AS created_at) AS shown);
END
$$;
COMMENT ON FUNCTION cloud_support.list_workorders(bigint, bigint) IS
  'WO-2: the work orders that the caller may see, by status, the highest first, then by the time of the last change, all or so many after so many, and how many there are.';

CREATE FUNCTION cloud_support.set_status(fields jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  given CONSTANT jsonb := workorder.read_input(fields, '[
    {"name": "workorder_id", "kind": "int", "required": true},
    {"name": "status", "kind": "int", "required": true, "pattern": "^[012]$", "otherwise": "choice"}]', cloud_support.wording());
  wanted CONSTANT text := cloud_support.state_of((given -> 'status')::int);
  number CONSTANT bigint := cloud_support.require_workorder((given -> 'workorder_id')::numeric);
  state text;
  step text;
BEGIN
  -- Locked, so that the step is chosen for the state it is taken in.
  SELECT w.state INTO state
  FROM cloud_support.workorder w
  WHERE w.tenant_id = workorder.tenant_id() AND w.id = number
  FOR NO KEY UPDATE;
  IF state = wanted THEN
    RETURN;
  END IF;
  -- From every state some step leads to every other, but not for everybody.
  SELECT a.action INTO step
  FROM workorder.actions('cloud_support.workorder', number) a
  WHERE a.allowed AND a.target = wanted;
  IF NOT FOUND THEN
    PERFORM cloud_support.refuse_permission();
  END IF;
  PERFORM workorder.act('cloud_support.workorder', number, step);
END
$$;
COMMENT ON FUNCTION cloud_support.set_status(jsonb) IS
  'WO-5: takes the step that leads a work order to a status (workorder_id, status); the status it has already needs none. Raises WO400, WO403, WO404.';

CREATE FUNCTION cloud_support.content(query jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  given CONSTANT jsonb := workorder.read_input(query, jsonb_build_array(
    '{"name": "workorder_id", "kind": "int", "required": true, "last": true}'::jsonb,
    jsonb_build_object('name', 'type', 'kind', 'choice', 'required', true, 'last', true,
      'in', jsonb_path_query_array(cloud_support.types(), '$[*].code'))), cloud_support.wording());
  number CONSTANT bigint := cloud_support.require_workorder((given -> 'workorder_id')::numeric, given ->> 'type');
BEGIN
  RETURN (
    SELECT jsonb_build_object('id', w.id, 'type', w.type, 'status', cloud_support.status(w.state), 'question', w.question)
      || CASE w.type WHEN 'module' THEN more.fields ELSE jsonb_strip_nulls(more.fields) END
    FROM cloud_support.workorder w,
      LATERAL (SELECT jsonb_build_object('module', w.module, 'amount', w.amount, 'company', w.company, 'contact', w.contact,
        'cellphone', w.cellphone, 'location', w.location, 'email', w.email, 'address', w.address)) AS more (fields)
    WHERE w.tenant_id = workorder.tenant_id() AND w.id = number);
END
$$;
COMMENT ON FUNCTION cloud_support.content(jsonb) IS
  'WO-6: what a work order (workorder_id, type) says, with the fields of its type. Raises WO400, WO403, WO404.';
-- ---------------------------------------------------------------------------
-- The conversation about a work order: WO-3, WO-4.  A reply's text is the
-- engine's content; its role and images are the engine's data.
-- ---------------------------------------------------------------------------

CREATE FUNCTION cloud_support.reply_json(number bigint, username text, content text, data jsonb, at timestamptz, zone text) RETURNS json
LANGUAGE sql STABLE PARALLEL SAFE
RETURN json_build_object(
  'committer', coalesce(username, ''),
  'workorder_id', number,
  'role', (data -> 'role')::int,
  'detail', json_build_object('text', content, 'image', data -> 'image'),
  'created_at', cloud_support.time_text(at, zone));
COMMENT ON FUNCTION cloud_support.reply_json(bigint, text, text, jsonb, timestamptz, text) IS
  'The reply object of the API. Contract 4.0.';

CREATE FUNCTION cloud_support.add_reply(body jsonb) RETURNS json
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  detail CONSTANT jsonb := body -> 'detail';
  -- A text is needed unless there are images.
  illustrated CONSTANT boolean := coalesce(detail -> 'image' <> '[]' AND jsonb_typeof(detail -> 'image') = 'array', false);
  given CONSTANT jsonb := workorder.read_input(
    jsonb_build_object('workorder_id', body -> 'workorder_id', 'detail', detail,
      'detail.text', detail -> 'text', 'detail.image', detail -> 'image'),
    jsonb_build_array(
      '{"name": "workorder_id", "kind": "int", "required": true}'::jsonb,
      '{"name": "detail", "kind": "object", "required": true}'::jsonb,
      jsonb_build_object('name', 'detail.text', 'kind', 'text', 'required', NOT illustrated, 'max', 5000),
      '{"name": "detail.image", "kind": "list", "max": 9, "default": []}'::jsonb), cloud_support.wording());
  zone CONSTANT text := cloud_support.time_zone();
  number bigint;
  data jsonb;
  reply json;
  problem record;
BEGIN
  SELECT v.problem AS rule, v.bound INTO problem
  FROM jsonb_array_elements(given -> 'detail.image') WITH ORDINALITY AS i (url, n),
    LATERAL workorder.input_value(i.url, '{"kind": "url", "max": 2048}') AS v
  WHERE v.problem IS NOT NULL
  ORDER BY i.n
  LIMIT 1;
  IF FOUND THEN
    PERFORM workorder.refuse_input(cloud_support.wording(), problem.rule, 'detail.image', bound => problem.bound);
  END IF;

  number := cloud_support.require_workorder((given -> 'workorder_id')::numeric);
  SELECT jsonb_build_object(
    'role', CASE w.creator_id WHEN workorder.actor_id() THEN 0 ELSE 1 END,
    'image', given -> 'detail.image')
  INTO data
  FROM cloud_support.workorder w
  WHERE w.tenant_id = workorder.tenant_id() AND w.id = number;
  PERFORM workorder.add_reply('cloud_support.workorder', number, coalesce(given ->> 'detail.text', ''), data);
  -- It was the last act, so the row has its time.
  SELECT cloud_support.reply_json(number, a.name, coalesce(given ->> 'detail.text', ''), data, w.updated_at, zone)
  INTO reply
  FROM cloud_support.workorder w, workorder.actor a
  WHERE w.tenant_id = workorder.tenant_id() AND w.id = number AND a.tenant_id = w.tenant_id AND a.id = w.acted_by;
  RETURN reply;
EXCEPTION
  WHEN SQLSTATE 'WO403' THEN
    PERFORM cloud_support.refuse_permission();
END
$$;
COMMENT ON FUNCTION cloud_support.add_reply(jsonb) IS
  'WO-3: adds a reply (workorder_id, detail: {text, image}) to the conversation and returns it; who raised the work order asks (role 0), others answer (1). Raises WO400, WO403, WO404.';

CREATE FUNCTION cloud_support.list_replies(number bigint, skipped bigint DEFAULT 0, size bigint DEFAULT NULL, OUT total bigint, OUT results json)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  zone CONSTANT text := cloud_support.time_zone();
BEGIN
  SELECT coalesce(max(r.total), 0),
    coalesce(json_agg(cloud_support.reply_json(list_replies.number, a.name, r.content, r.data, r.at, zone) ORDER BY r.n)
      FILTER (WHERE r.n > skipped AND (size IS NULL OR r.n <= skipped + size)), '[]')
  INTO total, results
  FROM (
    SELECT l.*, count(*) OVER () AS total, row_number() OVER (ORDER BY l.at DESC, l.id DESC) AS n
    FROM workorder.replies('cloud_support.workorder', ARRAY[list_replies.number]) l) AS r
  LEFT JOIN workorder.actor a ON a.tenant_id = workorder.tenant_id() AND a.id = r.actor_id;
END
$$;
COMMENT ON FUNCTION cloud_support.list_replies(bigint, bigint, bigint) IS
  'WO-4: the replies of a work order, the newest first, all or so many after so many, and how many there are; none of a work order that the caller may not see.';
-- ---------------------------------------------------------------------------
-- The API of contract 4 over HTTP: each function takes a request apart, calls
-- the function that does the work, and puts the answer into the envelope.
-- Refusals are errors (WO400 ...), which the engine puts into the envelope that
-- cloud_support.install_http() gives it.
-- ---------------------------------------------------------------------------

CREATE FUNCTION cloud_support.http_data(data json) RETURNS workorder.http_response
LANGUAGE sql STABLE PARALLEL SAFE
RETURN workorder.http_json(200, json_build_object('meta', '{"message":"ok","code":0}'::json, 'data', data));
COMMENT ON FUNCTION cloud_support.http_data(json) IS
  'The envelope of a success. Contract 4.0.';

CREATE FUNCTION cloud_support.http_paging(query jsonb, OUT page bigint, OUT size int, OUT skipped bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  asked_page CONSTANT text := workorder.http_value(query, 'page');
  asked_size CONSTANT text := workorder.http_value(query, 'page_size');
BEGIN
  skipped := 0;
  -- One of the two is not paging.
  IF asked_page IS NULL OR asked_size IS NULL THEN
    RETURN;
  END IF;
  IF asked_size !~ '^0*[1-9][0-9]*$' THEN
    PERFORM workorder.refuse_input(cloud_support.wording(), 'int', 'page_size');
  END IF;
  size := least(asked_size::numeric, 100);
  IF asked_page !~ '^0*[1-9][0-9]{0,9}$' THEN
    PERFORM cloud_support.refuse_page();
  END IF;
  page := asked_page;
  skipped := (page - 1) * size;
END
$$;
COMMENT ON FUNCTION cloud_support.http_paging(jsonb) IS
  'Which page a query asks for, how large its pages are, and how many items come before it; page and size are null if all items are wanted. Raises WO400 for a size, WO404 for a page that there cannot be. Contract 4.0.';

CREATE FUNCTION cloud_support.refuse_page() RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.refuse('WO404', 'Invalid page.', 'Pages are counted from 1 up to the last one.', 'Follow next until it is null.');
END
$$;
COMMENT ON FUNCTION cloud_support.refuse_page() IS
  'Raises WO404 "Invalid page.". Contract 4.0.';

CREATE FUNCTION cloud_support.http_link(uri text, page bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
  WHEN page IS NULL THEN NULL
  WHEN uri ~ '[?&]page=' THEN regexp_replace(uri, '([?&]page=)[^&]*', '\1' || page, 'g')
  -- Spelt with escapes or brackets: of several, the last counts.
  ELSE uri || '&page=' || page END;
COMMENT ON FUNCTION cloud_support.http_link(text, bigint) IS
  'The same path and query with another page; null for none. Contract 4.0.';

CREATE FUNCTION cloud_support.http_page(uri text, page bigint, size int, total bigint, results json) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF page > 1 AND (page - 1) * size >= total THEN
    PERFORM cloud_support.refuse_page();
  END IF;
  RETURN cloud_support.http_data(json_build_object(
    'count', total,
    'page_size', coalesce(size, total),
    'next', cloud_support.http_link(uri, CASE WHEN page * size < total THEN page + 1 END),
    'previous', cloud_support.http_link(uri, CASE WHEN page > 1 THEN page - 1 END),
    'results', results));
END
$$;
COMMENT ON FUNCTION cloud_support.http_page(text, bigint, int, bigint, json) IS
  'The envelope of a list, or of one page of it with the addresses of its neighbours. Raises WO404 for a page past the last. Contract 4.0.';

CREATE FUNCTION cloud_support.http_create_workorder(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN cloud_support.http_data(cloud_support.create_workorder(workorder.http_fields(request, 'malformed JSON')));
END
$$;
COMMENT ON FUNCTION cloud_support.http_create_workorder(workorder.http_request) IS
  'WO-1, POST /workorder/workorder/.';

CREATE FUNCTION cloud_support.http_list_workorders(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  asked CONSTANT record := cloud_support.http_paging(request.query);
  list record;
BEGIN
  SELECT * INTO list FROM cloud_support.list_workorders(asked.skipped, asked.size);
  RETURN cloud_support.http_page(request.uri, asked.page, asked.size, list.total, list.results);
END
$$;
COMMENT ON FUNCTION cloud_support.http_list_workorders(workorder.http_request) IS
  'WO-2, GET /workorder/workorder_list/.';

CREATE FUNCTION cloud_support.http_add_reply(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN cloud_support.http_data(cloud_support.add_reply(workorder.http_fields(request, 'malformed JSON')));
END
$$;
COMMENT ON FUNCTION cloud_support.http_add_reply(workorder.http_request) IS
  'WO-3, POST /workorder/workorder_detail/.';

CREATE FUNCTION cloud_support.http_list_replies(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  given CONSTANT jsonb := workorder.read_input(request.query,
    '[{"name": "workorder_id", "kind": "int", "required": true, "last": true}]', cloud_support.wording());
  asked CONSTANT record := cloud_support.http_paging(request.query);
  list record;
BEGIN
  SELECT * INTO list
  FROM cloud_support.list_replies(cloud_support.require_workorder((given -> 'workorder_id')::numeric), asked.skipped, asked.size);
  RETURN cloud_support.http_page(request.uri, asked.page, asked.size, list.total, list.results);
END
$$;
COMMENT ON FUNCTION cloud_support.http_list_replies(workorder.http_request) IS
  'WO-4, GET /workorder/workorder_detail/.';

CREATE FUNCTION cloud_support.http_set_status(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM cloud_support.set_status(workorder.http_fields(request, 'malformed JSON'));
  RETURN cloud_support.http_data('{}');
END
$$;
COMMENT ON FUNCTION cloud_support.http_set_status(workorder.http_request) IS
  'WO-5, POST /workorder/workorder_status/.';

CREATE FUNCTION cloud_support.http_content(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN cloud_support.http_data(cloud_support.content(request.query)::json);
END
$$;
COMMENT ON FUNCTION cloud_support.http_content(workorder.http_request) IS
  'WO-6, GET /workorder/workorder_content/.';

CREATE FUNCTION cloud_support.install_http() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.add_api('cloud_support', '/v3_1', '{"meta":{"message":"$message","code":"$status"},"data":{}}', false,
    '{"object": true, "messages": {"malformed": "malformed JSON", "parameter": "$name: not a valid string"}}');
  PERFORM workorder.import_dictionary('cloud_support', 'type', cloud_support.types());
  PERFORM workorder.add_routes('cloud_support', '[
    ["POST", "/workorder/workorder", "http_create_workorder", {"accept": ["application/json", "application/x-www-form-urlencoded"]}],
    ["GET", "/workorder/workorder_list", "http_list_workorders"],
    ["POST", "/workorder/workorder_detail", "http_add_reply"],
    ["GET", "/workorder/workorder_detail", "http_list_replies"],
    ["POST", "/workorder/workorder_status", "http_set_status", {"accept": ["application/json", "application/x-www-form-urlencoded"]}],
    ["GET", "/workorder/workorder_content", "http_content"]]');

  IF to_regclass('api.cloud_support_workorder') IS NULL THEN
    CREATE VIEW api.cloud_support_workorder WITH (security_invoker = true) AS
    SELECT w.id, w.type, w.question, w.support, w.module, w.amount, w.company, w.contact, w.location, w.cellphone, w.email, w.address,
      (SELECT a.id FROM cloud_support.account a WHERE a.tenant_id = w.tenant_id AND a.actor_id = w.creator_id) AS committer,
      cloud_support.status(w.state) AS status,
      w.state, w.revision, w.creator_id, w.created_at, w.entered_at, w.updated_at,
      w.action, w.note, w.last_action, w.last_note
    FROM cloud_support.workorder w
    WHERE w.tenant_id = workorder.tenant_id();
    COMMENT ON VIEW api.cloud_support_workorder IS
      'Support work orders, for /rest/cloud_support_workorder: the caller''s rights and policies. Writing action takes it: PATCH /cloud_support_workorder?id=eq.1 {"action": "solve"}';
  END IF;
END
$$;
COMMENT ON FUNCTION cloud_support.install_http() IS
  'Enters the types, the API''s envelope and its routes, and makes the view api.cloud_support_workorder; part of cloud_support.install(). What was changed in the settings of the API stays.';
CREATE FUNCTION cloud_support.grant_access(role regrole) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.grant_addon('workorder_cloud_support', role, '{install,install_tables,install_http,enrol,grant_access}');
  PERFORM workorder.grant_table('cloud_support.workorder', role);
  EXECUTE format('GRANT SELECT ON cloud_support.account, cloud_support.workorder_number TO %s', role);
  -- The same rights on the view as on the table: it shows and takes nothing else.
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON api.cloud_support_workorder TO %s', role);
END
$$;
COMMENT ON FUNCTION cloud_support.grant_access(regrole) IS
  'Gives a role what an application needs to offer the support API, workorder.grant_access() included. Needs to own the extension and the tables.';

-- What every add-on ends with: nothing of the extension is for PUBLIC.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA cloud_support FROM PUBLIC;
