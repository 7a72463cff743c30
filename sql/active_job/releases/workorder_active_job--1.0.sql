\echo Use "CREATE EXTENSION workorder_active_job CASCADE" to load this file. \quit

-- What every add-on begins with.  The schema is no member of the extension: it
-- also holds the tables that install_tables() makes, and those are the user's.
SELECT workorder.own_schema('active_job', (
  SELECT obj_description(e.oid, 'pg_extension') || '. Code belongs to the extension, tables to you.'
  FROM pg_extension e WHERE e.extname = 'workorder_active_job'));

CREATE FUNCTION active_job.flow() RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
SELECT $json$
{
  "id": "active_job",
  "description": "Marketing work order: dispatched by the upstream feed; contacted, handed over and closed out by its holder",
  "roles": ["active_job.worker", "active_job.feed"],
  "initial": "open",
  "on": {
    "create": {"allow": ["active_job.feed"],
      "require": ["order_id", "order_create_time", "activity_id", "holder_id"],
      "fields": ["order_id", "order_create_time", "activity_id", "holder_id", "customer_name", "customer_type", "phone",
        "mobile", "broadband_account", "email", "qq", "marketing_info"]},
    "view": {"allow": ["$holder_id"]}},
  "states": {

    "open": {"label": "未回单", "initial": "assigned",
      "on": {
        "contact": {"target": ".contacting", "allow": ["$holder_id"], "require": ["contact_status"],
          "fields": ["contact_status", "contact_status_reason", "contact_status_remark"],
          "set": {"contact_time": "$now"}},
        "transfer": {"allow": ["$holder_id"], "require": ["holder_id"], "guard": "$.holder_id != $old.holder_id"},
        "close_out": {"target": "returned", "allow": ["$holder_id"], "require": ["retrieve_info"],
          "set": {"retrieve_worker": "$actor.name", "retrieve_time": "$now"}},
        "update": {"allow": ["active_job.feed"],
          "fields": ["activity_id", "customer_name", "customer_type", "phone", "mobile", "broadband_account", "email",
            "qq", "marketing_info"]},
        "dispatch": {"allow": ["active_job.feed"], "require": ["holder_id"], "guard": "$.holder_id != $old.holder_id"}},
      "states": {
        "assigned": {"label": "待接触", "code": 1},
        "contacting": {"label": "接触中", "code": 2}}},

    "returned": {"label": "已回单", "code": 3, "type": "final"}
  }
}
$json$::jsonb
$function$;
COMMENT ON FUNCTION active_job.flow() IS
  'The flow of active_job, as active_job.install() publishes it. Contract 3 and 5.';

CREATE FUNCTION active_job.install() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.enter('workorder_active_job');
  PERFORM workorder.publish(active_job.flow());
  IF NOT EXISTS (SELECT FROM workorder.guarded g JOIN pg_class r ON r.oid = g.relation
                 WHERE r.relnamespace = 'active_job'::regnamespace) THEN
    PERFORM active_job.install_tables();
  END IF;
  PERFORM active_job.install_http();
END
$$;
COMMENT ON FUNCTION active_job.install() IS
  'Makes the tables of the add-on in the schema active_job, publishes its flow and puts the tickets under it; the tables belong to the caller. After workorder.install(). Called again it only publishes the flow, which is a new version if it has changed, and enters the routes anew.';

CREATE FUNCTION active_job.wording() RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '{"required": "missing parameter: $name", "invalid": "invalid parameter: $name"}'::jsonb;
COMMENT ON FUNCTION active_job.wording() IS
  'What the API says of a bad parameter, for workorder.read_input(). Contract 4.0.';

-- Times are kept as moments and written in the tenant's zone.

CREATE FUNCTION active_job.time_zone() RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN workorder.setting('active_job', 'time_zone', 'Asia/Shanghai');
COMMENT ON FUNCTION active_job.time_zone() IS
  'Time zone in which the current tenant reads and writes times. Contract 4.0.';
CREATE FUNCTION active_job.status(state text) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE state WHEN 'open.assigned' THEN 1 WHEN 'open.contacting' THEN 2 WHEN 'returned' THEN 3 END;
COMMENT ON FUNCTION active_job.status(text) IS
  'The API''s order status, a state''s code in the flow, from the engine''s column state. Contract 3.1.';
CREATE FUNCTION active_job.install_tables() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  CREATE TABLE active_job.worker (
    tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(),
    actor_id bigint,
    worker_id text NOT NULL CHECK (char_length(worker_id) BETWEEN 1 AND 64),
    type int NOT NULL DEFAULT 1,
    PRIMARY KEY (tenant_id, actor_id),
    UNIQUE (tenant_id, worker_id),
    FOREIGN KEY (tenant_id, actor_id) REFERENCES workorder.actor (tenant_id, id));
  COMMENT ON TABLE active_job.worker IS 'People who may hold orders; kept by active_job.import_workers()';
  COMMENT ON COLUMN active_job.worker.tenant_id IS 'Whose worker';
  COMMENT ON COLUMN active_job.worker.actor_id IS 'The person (workorder.actor), who has the name and is active or not';
  COMMENT ON COLUMN active_job.worker.worker_id IS 'What the upstream system and the API call the worker';
  COMMENT ON COLUMN active_job.worker.type IS 'Kind of worker, a code of the dictionary worker_type; passed through';

  CREATE TABLE active_job.activity (
    tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(),
    activity_id text COLLATE "C",
    activity_name text NOT NULL CHECK (char_length(activity_name) <= 200),
    activity_start_time timestamptz,
    activity_end_time timestamptz,
    products jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(products) = 'array'),
    talking_skill text NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, activity_id));
  COMMENT ON TABLE active_job.activity IS 'Marketing activities; kept by active_job.import_activities()';
  COMMENT ON COLUMN active_job.activity.tenant_id IS 'Whose activity';
  COMMENT ON COLUMN active_job.activity.activity_id IS 'What the upstream system calls it';
  COMMENT ON COLUMN active_job.activity.activity_name IS 'Name, for people';
  COMMENT ON COLUMN active_job.activity.activity_start_time IS 'When it begins; only shown';
  COMMENT ON COLUMN active_job.activity.activity_end_time IS 'When it ends; only shown';
  COMMENT ON COLUMN active_job.activity.products IS '[{"product_name", "stage"}] as imported; stage is a code of the dictionary product_stage';
  COMMENT ON COLUMN active_job.activity.talking_skill IS 'What to say to the customer';

  -- Activity and holder are looked up where they are written, all orders of an
  -- import at once; foreign keys would look them up one by one, which is a fifth
  -- of what an import costs.
  CREATE TABLE active_job.orders (
    tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(),
    id bigint GENERATED BY DEFAULT AS IDENTITY,
    order_id text COLLATE "C" NOT NULL CHECK (order_id ~ '^[A-Za-z0-9_-]+$' AND char_length(order_id) <= 64
      AND order_id NOT IN ('contact-reason', 'contact', 'shipping', 'retrieve')),
    order_create_time timestamptz NOT NULL,
    activity_id text COLLATE "C" NOT NULL,
    holder_id bigint NOT NULL,
    customer_name text CHECK (char_length(customer_name) <= 200),
    customer_type text CHECK (char_length(customer_type) <= 50),
    phone text CHECK (char_length(phone) <= 50),
    mobile text CHECK (char_length(mobile) <= 50),
    broadband_account text CHECK (char_length(broadband_account) <= 100),
    email text CHECK (char_length(email) <= 200),
    qq text CHECK (char_length(qq) <= 50),
    marketing_info jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(marketing_info) = 'object'),
    contact_time timestamptz,
    contact_status int CHECK (contact_status > 0),
    contact_status_reason text,
    contact_status_remark text,
    retrieve_worker text,
    retrieve_time timestamptz,
    retrieve_info jsonb,
    past jsonb CHECK (jsonb_typeof(past) = 'object' AND jsonb_typeof(coalesce(past -> 'contact_log', '[]')) = 'array'
      AND jsonb_typeof(coalesce(past -> 'order_log', '[]')) = 'array'),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, order_id)
  ) WITH (fillfactor = 90);
  COMMENT ON TABLE active_job.orders IS 'Marketing work orders, guarded by the flow active_job; brought in by active_job.import()';
  COMMENT ON COLUMN active_job.orders.tenant_id IS 'Whose order';
  COMMENT ON COLUMN active_job.orders.id IS 'Number of the order in the engine; people and the API use order_id';
  COMMENT ON COLUMN active_job.orders.order_id IS 'What the upstream system calls the order';
  COMMENT ON COLUMN active_job.orders.order_create_time IS 'When it was imported, in whole seconds';
  COMMENT ON COLUMN active_job.orders.activity_id IS 'The activity it belongs to';
  COMMENT ON COLUMN active_job.orders.holder_id IS 'The worker who holds it (workorder.actor): who sees it and acts on it';
  COMMENT ON COLUMN active_job.orders.customer_name IS 'Customer: name';
  COMMENT ON COLUMN active_job.orders.customer_type IS 'Customer: kind';
  COMMENT ON COLUMN active_job.orders.phone IS 'Customer: telephone';
  COMMENT ON COLUMN active_job.orders.mobile IS 'Customer: mobile telephone';
  COMMENT ON COLUMN active_job.orders.broadband_account IS 'Customer: account';
  COMMENT ON COLUMN active_job.orders.email IS 'Customer: e-mail address';
  COMMENT ON COLUMN active_job.orders.qq IS 'Customer: QQ number';
  COMMENT ON COLUMN active_job.orders.marketing_info IS 'What else is known of the customer: texts by name';
  COMMENT ON COLUMN active_job.orders.contact_time IS 'Latest contact: when';
  COMMENT ON COLUMN active_job.orders.contact_status IS 'Latest contact: result, a code of the dictionary contact_result; null before the first';
  COMMENT ON COLUMN active_job.orders.contact_status_reason IS 'Latest contact: reason, of the dictionary contact_reason.<result> if there is one';
  COMMENT ON COLUMN active_job.orders.contact_status_remark IS 'Latest contact: remark';
  COMMENT ON COLUMN active_job.orders.retrieve_worker IS 'Close-out: name of the worker, as it was then';
  COMMENT ON COLUMN active_job.orders.retrieve_time IS 'Close-out: when';
  COMMENT ON COLUMN active_job.orders.retrieve_info IS 'Close-out: what was submitted, a text or an object';
  COMMENT ON COLUMN active_job.orders.past IS
    'Of an order that was loaded with its history: {"contact_log": [...], "order_log": [...]} from before, as AJ-2 shows them';

  PERFORM workorder.open_directory('active_job.worker', 'active_job.worker');
  PERFORM workorder.open_directory('active_job.activity', 'active_job.worker');

  PERFORM workorder.guard('active_job.orders', 'active_job');
  CREATE TRIGGER active_job_check BEFORE UPDATE ON active_job.orders
    FOR EACH ROW WHEN (NEW.holder_id <> OLD.holder_id OR NEW.retrieve_info IS DISTINCT FROM OLD.retrieve_info
      OR NEW.contact_status IS DISTINCT FROM OLD.contact_status
      OR NEW.contact_status_reason IS DISTINCT FROM OLD.contact_status_reason
      OR NEW.contact_status_remark IS DISTINCT FROM OLD.contact_status_remark)
    EXECUTE FUNCTION active_job.check_order();
  COMMENT ON TRIGGER active_job_check ON active_job.orders IS 'Refuses contacts, holders and close-outs that are not valid';

  -- A worker's list, in its order; nothing in it changes but by a transfer.
  CREATE INDEX ON active_job.orders (tenant_id, holder_id, order_create_time, order_id);

  PERFORM active_job.install_dictionaries();
  PERFORM active_job.install_owner_functions();
END
$$;
COMMENT ON FUNCTION active_job.install_tables() IS
  'Makes the tables of the marketing work orders and puts the tickets under the flow; part of active_job.install().';

CREATE FUNCTION active_job.install_owner_functions() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- They run as the owner of the tables, no member of the extension and no
  -- superuser: what somebody may do by them is what they say and nothing else.
  CREATE FUNCTION active_job.import(orders jsonb, all_or_nothing boolean DEFAULT false,
    OUT imported int, OUT changed int, OUT unchanged int, OUT refused int, OUT problems jsonb)
  LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp
  SET plan_cache_mode = force_generic_plan
  AS $f$
  BEGIN
    SELECT * INTO imported, changed, unchanged, refused, problems
    FROM active_job.load_orders(orders, coalesce(all_or_nothing, false));
  END
  $f$;
  REVOKE ALL ON FUNCTION active_job.import(jsonb, boolean) FROM PUBLIC;
  COMMENT ON FUNCTION active_job.import(jsonb, boolean) IS
    'Brings orders in, [{"order_id", "activity_id", "worker_id", "customer_name", "customer_type", "phone", "mobile", "broadband_account", "email", "qq", "marketing_info": {"name": "text"}}], any number in one call. An order_id that is new is dispatched to the worker; one that is there gets what differs in activity, customer and marketing_info, but stays with its holder unless he is not active any more. problems lists the rows refused, [{"row", "order_id", "reason"}]; with all_or_nothing the others are not imported either. Progress shows in application_name (pg_stat_activity) and as notices. Contract T1. Raises WO400 for what is no list, WO403 unless the caller acts as a feed. Runs as the owner of the tables.';

  CREATE FUNCTION active_job.import_activities(activities jsonb,
    OUT imported int, OUT changed int, OUT unchanged int, OUT refused int, OUT problems jsonb)
  LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp
  AS $f$
  BEGIN
    SELECT * INTO imported, changed, unchanged, refused, problems FROM active_job.load_activities(activities);
  END
  $f$;
  REVOKE ALL ON FUNCTION active_job.import_activities(jsonb) FROM PUBLIC;
  COMMENT ON FUNCTION active_job.import_activities(jsonb) IS
    'Brings activities in, [{"activity_id", "activity_name", "activity_start_time", "activity_end_time", "products": [{"product_name", "stage"}], "talking_skill"}], or up to date; before the orders that belong to them. Times are the tenant''s unless they have an offset. problems lists the rows refused, [{"row", "activity_id", "reason"}]; the others are imported. Raises WO400 for what is no list. Runs as the owner of the tables.';
END
$$;
COMMENT ON FUNCTION active_job.install_owner_functions() IS
  'Makes the functions that do more than their caller may; part of active_job.install(), whose caller owns them as he owns the tables.';

CREATE FUNCTION active_job.install_dictionaries() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  INSERT INTO workorder.dictionary (tenant_id, system, kind, code, label, position)
  SELECT workorder.tenant_id(), 'active_job', d.kind, d.code, d.label, d.position
  FROM (VALUES
    ('order_status', '1', '待接触', 1), ('order_status', '2', '接触中', 2), ('order_status', '3', '已回单', 3),
    ('contact_result', '1', '1', 1), ('contact_result', '2', '2', 2),
    ('order_log_type', '1', '派单', 1), ('order_log_type', '2', '转单', 2), ('order_log_type', '3', '回单', 3),
    ('close_out_type', '1', '正常回单', 1),
    ('worker_type', '1', '1', 1),
    ('product_stage', '主推', '主推', 1), ('product_stage', '次推', '次推', 2), ('product_stage', '顺推', '顺推', 3))
    AS d (kind, code, label, position)
  ON CONFLICT DO NOTHING;
END
$$;
COMMENT ON FUNCTION active_job.install_dictionaries() IS
  'Enters the codes that the system comes with into the current tenant''s dictionaries; what is there stays. Part of active_job.install(); by itself for every further tenant. Contract 3.1.';
-- Workers: people of the engine with the number that the upstream system gives
-- them.

CREATE FUNCTION active_job.active_workers() RETURNS TABLE (actor_id bigint, worker_id text, worker_name text, type int)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY
  SELECT w.actor_id, w.worker_id, a.name, w.type
  FROM active_job.worker w
  JOIN workorder.actor a ON a.tenant_id = w.tenant_id AND a.id = w.actor_id
  WHERE w.tenant_id = workorder.tenant_id() AND a.active;
END
$$;
COMMENT ON FUNCTION active_job.active_workers() IS
  'The workers of the tenant who may hold orders; none to whoever is no worker.';

CREATE FUNCTION active_job.worker_list() RETURNS json
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
    SELECT coalesce(json_agg(json_build_object('worker_name', w.worker_name, 'worker_id', w.worker_id, 'type', w.type)
      ORDER BY CASE WHEN w.worker_id ~ '^[0-9]+$' THEN w.worker_id::numeric END, w.worker_id COLLATE "C"), '[]')
    FROM active_job.active_workers() w
    WHERE w.actor_id IS DISTINCT FROM workorder.actor_id());
END
$$;
COMMENT ON FUNCTION active_job.worker_list() IS
  'AJ-5: to whom the caller may hand an order over, by worker_id.';

CREATE FUNCTION active_job.import_workers(list jsonb) RETURNS int
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  tenant CONSTANT bigint := workorder.tenant_id();
  item jsonb;
  given jsonb;
  actor bigint;
  imported int := 0;
BEGIN
  IF jsonb_typeof(list) IS DISTINCT FROM 'array' THEN
    PERFORM workorder.refuse('WO400', 'workers are imported from a list', 'The argument must be a JSON list of objects.',
      'Give [{"worker_id": "1", "login": "W1", "worker_name": "..."}].');
  END IF;
  FOR item IN SELECT e.value FROM jsonb_array_elements(list) WITH ORDINALITY AS e (value, n) ORDER BY e.n LOOP
    given := workorder.read_input(item, '[
      {"name": "worker_id", "kind": "text", "required": true, "max": 64},
      {"name": "login", "kind": "text", "required": true, "max": 200},
      {"name": "worker_name", "kind": "text", "required": true, "max": 200},
      {"name": "type", "kind": "int", "min": -2147483648, "max": 2147483647, "default": 1},
      {"name": "active", "kind": "flag", "default": true}]');
    actor := workorder.enrol_in('active_job', given ->> 'login', given ->> 'worker_name', '{worker}', keep => true);
    IF NOT (given -> 'active')::boolean THEN
      PERFORM workorder.disable(given ->> 'login');
    END IF;
    INSERT INTO active_job.worker AS w (tenant_id, actor_id, worker_id, type)
    VALUES (tenant, actor, given ->> 'worker_id', (given ->> 'type')::int)
    ON CONFLICT ON CONSTRAINT worker_pkey DO UPDATE SET worker_id = excluded.worker_id, type = excluded.type;
    imported := imported + 1;
  END LOOP;
  RETURN imported;
END
$$;
COMMENT ON FUNCTION active_job.import_workers(jsonb) IS
  'Enrols workers, [{"worker_id", "login", "worker_name", "type": 1, "active": true}], or brings them up to date; returns how many. A person is found by his login; with active false he may not act any more. Other roles he has stay. Raises WO400; 23505 if a worker_id is somebody else''s. For whoever may write the people of the tenant.';
-- Contact results, the reasons that go with each, and the contacts of an order.
-- A result is a code of the dictionary contact_result; its reasons are the
-- dictionary contact_reason.<code>, in the order of their positions.

CREATE FUNCTION active_job.contact_reasons() RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
    SELECT coalesce(jsonb_agg(jsonb_build_object('status', r.code, 'reason', active_job.reasons_of(r.code))
      ORDER BY r.code::numeric), '[]')
    FROM workorder.dictionary r
    WHERE r.tenant_id = workorder.tenant_id() AND r.system = 'active_job' AND r.kind = 'contact_result'
      AND r.active AND r.code ~ '^[1-9][0-9]{0,8}$');
END
$$;
COMMENT ON FUNCTION active_job.contact_reasons() IS
  'AJ-3: the active contact results in numeric order, each with its reasons; codes that are no whole number from 1 are passed over.';

CREATE FUNCTION active_job.reasons_of(code text) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
    SELECT coalesce(jsonb_agg(d.code ORDER BY d.position, d.code), '[]')
    FROM workorder.dictionary d
    WHERE d.tenant_id = workorder.tenant_id() AND d.system = 'active_job'
      AND d.kind = 'contact_reason.' || reasons_of.code AND d.active);
END
$$;
COMMENT ON FUNCTION active_job.reasons_of(text) IS
  'The active reasons of a contact result, a list of texts.';

CREATE FUNCTION active_job.check_contact(status int, reason text, remark text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  reasons jsonb;
BEGIN
  IF status IS NULL OR status < 1 OR NOT EXISTS (
      SELECT FROM workorder.dictionary d
      WHERE d.tenant_id = workorder.tenant_id() AND d.system = 'active_job' AND d.kind = 'contact_result'
        AND d.code = status::text AND d.active) THEN
    PERFORM workorder.refuse_input(active_job.wording(), 'invalid', 'contact_status', 'It is no active contact result.');
  END IF;
  reasons := active_job.reasons_of(status::text);
  IF char_length(reason) > 200 OR (reason <> '' AND reasons <> '[]' AND NOT reasons ? reason) THEN
    PERFORM workorder.refuse_input(active_job.wording(), 'invalid', 'contact_status_reason',
      'It must be a reason of this contact result; if that has none, a text of at most 200 characters.');
  END IF;
  IF char_length(remark) > 1000 THEN
    PERFORM workorder.refuse_input(active_job.wording(), 'invalid', 'contact_status_remark', 'It must be a text of at most 1000 characters.');
  END IF;
END
$$;
COMMENT ON FUNCTION active_job.check_contact(int, text, text) IS
  'Raises WO400 unless the status is an active contact result, the reason one of it (or free, if it has none), and both texts short enough. Contract AJ-4.';

CREATE FUNCTION active_job.contact(order_id text, status int, reason text DEFAULT NULL, remark text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM active_job.check_contact(status, reason, remark);
  PERFORM workorder.act('active_job.orders', active_job.claim(order_id, 'contact'), 'contact', NULL,
    jsonb_build_object('contact_status', status, 'contact_status_reason', nullif(reason, ''),
      'contact_status_remark', nullif(remark, '')));
END
$$;
COMMENT ON FUNCTION active_job.contact(text, int, text, text) IS
  'AJ-4: records a contact with the customer of an order that the caller holds. Raises WO400, WO404, WO403, WO409, in this order.';
-- ---------------------------------------------------------------------------
-- Reading an order.  Policies show a worker the orders he holds and no others.
-- ---------------------------------------------------------------------------

CREATE FUNCTION active_job.refuse_order(order_id text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF workorder.taken('active_job.orders', 'order_id', order_id) THEN
    PERFORM workorder.refuse('WO403', 'not the holder of this order',
      'Whoever holds an order sees it and acts on it, and nobody else.', 'Ask its holder to transfer it to you.');
  END IF;
  PERFORM workorder.refuse('WO404', 'order not found', 'There is no order with this id.', 'Check the id.');
END
$$;
COMMENT ON FUNCTION active_job.refuse_order(text) IS
  'Says why an order is not to be seen: raises WO403 if somebody else holds it, WO404 if there is none. Contract 4.0.';

CREATE FUNCTION active_job.order_json(order_id text) RETURNS json
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  zone CONSTANT text := active_job.time_zone();
  o record;
  a record;
  logs record;
BEGIN
  SELECT * INTO o FROM active_job.orders x
  WHERE x.tenant_id = workorder.tenant_id() AND x.order_id = order_json.order_id;
  IF NOT FOUND THEN
    PERFORM active_job.refuse_order(order_id);
  END IF;
  SELECT * INTO a FROM active_job.activity y WHERE y.tenant_id = o.tenant_id AND y.activity_id = o.activity_id;
  SELECT * INTO logs FROM active_job.logs(o.id);
  RETURN json_build_object(
    'customer_info', json_build_object(
      'customer_name', coalesce(o.customer_name, ''),
      'customer_type', coalesce(o.customer_type, ''),
      'phone', coalesce(o.phone, ''),
      'mobile', coalesce(o.mobile, ''),
      'broadband_account', coalesce(o.broadband_account, ''),
      'email', coalesce(o.email, ''),
      'qq', coalesce(o.qq, '')),
    'order_status', active_job.status(o.state),
    'activity_info', json_build_object(
      'activity_name', coalesce(a.activity_name, ''),
      'activity_start_time', coalesce(workorder.time_text(a.activity_start_time, zone), ''),
      'activity_end_time', coalesce(workorder.time_text(a.activity_end_time, zone), ''),
      'products', active_job.products_in_order(a.products),
      'talking_skill', coalesce(a.talking_skill, '')),
    'retrieve_info', json_build_object(
      'worker', coalesce(o.retrieve_worker, ''),
      'retrieve_time', coalesce(workorder.time_text(o.retrieve_time, zone), ''),
      'type', active_job.retrieve_type(o.retrieve_info)),
    'contact_log', logs.contact_log,
    'order_log', logs.order_log,
    'marketing_info', o.marketing_info);
END
$$;
COMMENT ON FUNCTION active_job.order_json(text) IS
  'AJ-2: an order in full, by its order_id. Raises WO403 for an order that the caller does not hold, WO404.';

CREATE FUNCTION active_job.products_in_order(products jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
    SELECT coalesce(jsonb_agg(p.value ORDER BY d.position, p.n), '[]')
    FROM jsonb_array_elements(products) WITH ORDINALITY AS p (value, n)
    LEFT JOIN workorder.dictionary d ON d.tenant_id = workorder.tenant_id() AND d.system = 'active_job'
      AND d.kind = 'product_stage' AND d.code = p.value ->> 'stage');
END
$$;
COMMENT ON FUNCTION active_job.products_in_order(jsonb) IS
  'The products of an activity by stage, as the dictionary product_stage puts them, and as they were imported within one. Contract AJ-2.';

CREATE FUNCTION active_job.logs(id bigint, OUT contact_log jsonb, OUT order_log jsonb)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  zone CONSTANT text := active_job.time_zone();
  o record;
BEGIN
  SELECT x.order_create_time, x.past INTO o FROM active_job.orders x
  WHERE x.tenant_id = workorder.tenant_id() AND x.id = logs.id;
  WITH line AS MATERIALIZED (
    SELECT h.revision, h.at, h.actor, h.action, h.changes
    FROM workorder.history h
    WHERE h.relation = 'active_job.orders'::regclass AND h.ticket_id = logs.id)
  SELECT (
      SELECT jsonb_agg(jsonb_build_object(
          'contact_time', workorder.time_text(l.at, zone),
          'status', said.value -> 'contact_status',
          'status_reason', coalesce(said.value ->> 'contact_status_reason', ''),
          'status_remark', coalesce(said.value ->> 'contact_status_remark', '')) ORDER BY l.revision DESC)
      FROM line l
      -- A line tells what has changed; what has not was said before.
      CROSS JOIN LATERAL (
        SELECT jsonb_object_agg(c.key, c.value -> 1 ORDER BY before.revision) AS value
        FROM line before, jsonb_each(before.changes) AS c
        WHERE before.revision <= l.revision
          AND c.key IN ('contact_status', 'contact_status_reason', 'contact_status_remark')) AS said
      WHERE l.action = 'contact'),
    (
      SELECT jsonb_agg(jsonb_build_object(
          'worker_name', coalesce(CASE WHEN l.action IN ('create', 'dispatch') THEN receiver.name ELSE l.actor END, ''),
          'type', CASE l.action WHEN 'transfer' THEN 2 WHEN 'close_out' THEN 3 ELSE 1 END,
          'act_time', workorder.time_text(CASE l.action WHEN 'create' THEN o.order_create_time ELSE l.at END, zone))
        ORDER BY l.revision DESC)
      FROM line l
      LEFT JOIN workorder.actor receiver ON receiver.tenant_id = workorder.tenant_id()
        AND receiver.id = (l.changes -> 'holder_id' ->> 1)::bigint
      WHERE l.action IN ('create', 'dispatch', 'transfer', 'close_out'))
  INTO contact_log, order_log;
  contact_log := coalesce(contact_log, '[]') || coalesce(o.past -> 'contact_log', '[]');
  order_log := coalesce(order_log, '[]') || coalesce(o.past -> 'order_log', '[]');
END
$$;
COMMENT ON FUNCTION active_job.logs(bigint) IS
  'The contacts and the acts of an order, by its number, newest first: what the journal tells, and before it what an order that was loaded with its history brought along (column past). Contract AJ-2.';

-- ---------------------------------------------------------------------------
-- Acting on an order: its holder hands it over or closes it out.
-- ---------------------------------------------------------------------------

CREATE FUNCTION active_job.claim(order_id text, action text) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  found_id bigint;
BEGIN
  SELECT o.id INTO found_id FROM active_job.orders o
  WHERE o.tenant_id = workorder.tenant_id() AND o.order_id = claim.order_id
  FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    PERFORM active_job.refuse_order(order_id);
  END IF;
  IF EXISTS (SELECT FROM workorder.explain('active_job.orders', found_id, action) e WHERE e.code = 'state') THEN
    PERFORM workorder.refuse('WO409', 'order already returned',
      'The order is closed out, and that is its end.', 'Look at the order again.');
  END IF;
  RETURN found_id;
END
$$;
COMMENT ON FUNCTION active_job.claim(text, text) IS
  'Locks an order that the caller holds and asks the flow whether the action is possible in its state; returns its number. Raises WO404, WO403, WO409, in this order. Contract 4.0.';

CREATE FUNCTION active_job.transfer(order_id text, worker_id text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  ticket CONSTANT bigint := active_job.claim(order_id, 'transfer');
  target bigint;
BEGIN
  SELECT w.actor_id INTO target FROM active_job.active_workers() w WHERE w.worker_id = transfer.worker_id;
  IF target IS NULL OR target = workorder.actor_id() THEN
    PERFORM workorder.refuse_input(active_job.wording(), 'invalid', 'worker_id', 'It must be an active worker, and not you.');
  END IF;
  PERFORM workorder.act('active_job.orders', ticket, 'transfer', NULL, jsonb_build_object('holder_id', target));
END
$$;
COMMENT ON FUNCTION active_job.transfer(text, text) IS
  'AJ-6: hands an order that the caller holds over to another worker. Raises WO404, WO403, WO409, WO400, in this order.';

CREATE FUNCTION active_job.retrieve_type(info jsonb) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN info IS NULL THEN 0 WHEN info ->> 'type' ~ '^[1-9][0-9]{0,8}$' THEN (info ->> 'type')::int ELSE 1 END;
COMMENT ON FUNCTION active_job.retrieve_type(jsonb) IS
  'The close-out type of an order from what was submitted: 0 if it is not closed out, 1 if nothing else was said. Contract 3.1.';

CREATE FUNCTION active_job.check_retrieve_info(info jsonb) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF coalesce(CASE jsonb_typeof(info)
      WHEN 'string' THEN char_length(info #>> '{}') BETWEEN 1 AND 4000
      -- Its size as a client writes it, which puts no spaces in between.
      WHEN 'object' THEN octet_length(json_strip_nulls(info::text::json)::text) <= 16384
        AND octet_length(info::text) <= 32768
        AND (NOT info ? 'type' OR (jsonb_typeof(info -> 'type') = 'number' AND EXISTS (
          SELECT FROM workorder.dictionary d
          WHERE d.tenant_id = workorder.tenant_id() AND d.system = 'active_job' AND d.kind = 'close_out_type'
            AND d.code = info ->> 'type' AND d.active AND d.code ~ '^[1-9][0-9]{0,8}$')))
    END, false) THEN
    RETURN;
  END IF;
  PERFORM workorder.refuse_input(active_job.wording(), 'invalid', 'retrieve_info',
    'It must be a text of 1 to 4000 characters, or an object of at most 16 KiB whose type, if it has one, is a close-out type.');
END
$$;
COMMENT ON FUNCTION active_job.check_retrieve_info(jsonb) IS
  'Raises WO400 unless it is a text or an object as AJ-7 takes it.';

CREATE FUNCTION active_job.close_out(order_id text, info jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM active_job.check_retrieve_info(info);
  PERFORM workorder.act('active_job.orders', active_job.claim(order_id, 'close_out'), 'close_out', NULL,
    jsonb_build_object('retrieve_info', info));
END
$$;
COMMENT ON FUNCTION active_job.close_out(text, jsonb) IS
  'AJ-7: closes out an order that the caller holds, for good; what is said is kept with it. Raises WO400, WO404, WO403, WO409, in this order.';

CREATE FUNCTION active_job.check_order() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF (NEW.contact_status, NEW.contact_status_reason, NEW.contact_status_remark)
     IS DISTINCT FROM (OLD.contact_status, OLD.contact_status_reason, OLD.contact_status_remark) THEN
    PERFORM active_job.check_contact(NEW.contact_status, NEW.contact_status_reason, NEW.contact_status_remark);
  END IF;
  IF NEW.holder_id IS DISTINCT FROM OLD.holder_id
     AND NOT EXISTS (SELECT FROM active_job.active_workers() w WHERE w.actor_id = NEW.holder_id) THEN
    PERFORM workorder.refuse_input(active_job.wording(), 'invalid', 'holder_id', 'It must be an active worker.');
  END IF;
  IF NEW.retrieve_info IS DISTINCT FROM OLD.retrieve_info THEN
    PERFORM active_job.check_retrieve_info(NEW.retrieve_info);
  END IF;
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION active_job.check_order() IS
  'Trigger of active_job.orders, before the guard: contacts, holders and close-outs are valid whatever statement brings them.';
CREATE FUNCTION active_job.list_orders(
  search text DEFAULT NULL, order_status numeric DEFAULT 0, contact_status numeric DEFAULT 0,
  page int DEFAULT 1, page_size int DEFAULT 10,
  OUT total bigint, OUT items json)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  tenant CONSTANT bigint := workorder.tenant_id();
  worker CONSTANT bigint := workorder.actor_id();
  part CONSTANT text := nullif(search, '');
  wanted_status CONSTANT numeric := nullif(order_status, 0);
  wanted_contact CONSTANT numeric := nullif(contact_status, 0);
  skipped CONSTANT bigint := (page - 1)::bigint * page_size;
  shown text[];
BEGIN
  IF part IS NULL AND wanted_status IS NULL AND wanted_contact IS NULL THEN
    -- Both come off the index alone.
    SELECT count(*) INTO total
    FROM active_job.orders o
    WHERE o.tenant_id = tenant AND o.holder_id = worker;
    shown := ARRAY(
      SELECT o.order_id
      FROM active_job.orders o
      WHERE o.tenant_id = tenant AND o.holder_id = worker
      ORDER BY o.order_create_time DESC, o.order_id DESC
      LIMIT list_orders.page_size OFFSET skipped);
  ELSE
    WITH found AS MATERIALIZED (
      SELECT o.order_create_time, o.order_id
      FROM active_job.orders o
      WHERE o.tenant_id = tenant AND o.holder_id = worker
        AND (wanted_status IS NULL OR active_job.status(o.state) = wanted_status)
        AND (wanted_contact IS NULL OR o.contact_status = wanted_contact)
        AND (part IS NULL
          OR workorder.contains(o.order_id, part) OR workorder.contains(o.customer_name, part)
          OR workorder.contains(o.phone, part) OR workorder.contains(o.mobile, part)
          OR workorder.contains(o.broadband_account, part)
          OR o.activity_id IN (
            SELECT a.activity_id FROM active_job.activity a
            WHERE a.tenant_id = tenant AND workorder.contains(a.activity_name, part))))
    SELECT (SELECT count(*) FROM found), ARRAY(
      SELECT f.order_id FROM found f
      ORDER BY f.order_create_time DESC, f.order_id DESC
      LIMIT list_orders.page_size OFFSET skipped)
    INTO total, shown;
  END IF;
  items := active_job.item_list(shown);
END
$$;
COMMENT ON FUNCTION active_job.list_orders(text, numeric, numeric, int, int) IS
  'AJ-1: a page of the orders that the caller holds, newest first, and how many there are. search: a part of order_id, activity_name, customer_name, phone, mobile or broadband_account, in any case; a status of 0 is any.';

CREATE FUNCTION active_job.item_list(order_ids text[]) RETURNS json
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  zone CONSTANT text := active_job.time_zone();
BEGIN
  RETURN (
    SELECT coalesce(json_agg(json_build_object(
        'order_id', o.order_id,
        'activity_name', coalesce(a.activity_name, ''),
        'status', active_job.status(o.state),
        'order_create_time', workorder.time_text(o.order_create_time, zone),
        'lastest_contact', json_build_object(
          'contact_time', coalesce(workorder.time_text(o.contact_time, zone), ''),
          'status', coalesce(o.contact_status, 0),
          'status_reason', coalesce(o.contact_status_reason, ''),
          'status_remark', coalesce(o.contact_status_remark, '')))
      ORDER BY wanted.n), '[]')
    FROM unnest(order_ids) WITH ORDINALITY AS wanted (order_id, n)
    JOIN active_job.orders o ON o.tenant_id = workorder.tenant_id() AND o.order_id = wanted.order_id
    LEFT JOIN active_job.activity a ON a.tenant_id = o.tenant_id AND a.activity_id = o.activity_id);
END
$$;
COMMENT ON FUNCTION active_job.item_list(text[]) IS
  'The items of AJ-1 for these orders, in this order; what the caller does not hold is left out.';
-- The upstream feed.  active_job.import() and active_job.import_activities(),
-- which install() makes, run these as the owner of the tables, so that the role
-- of the feed needs no right on any of them; who acts is the feed all the same,
-- and the flow judges what it does.

CREATE FUNCTION active_job.load_orders(orders jsonb, all_or_nothing boolean,
  OUT imported int, OUT changed int, OUT unchanged int, OUT refused int, OUT problems jsonb)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
-- No plan depends on the orders, and with one of its own for each they would be copied into it.
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
  batch CONSTANT int := 5000;
  tenant CONSTANT bigint := workorder.tenant_id();
  moment CONSTANT timestamptz := date_trunc('second', workorder.clock());
  program CONSTANT text := current_setting('application_name');
  total int;
  done int := 0;
  -- Of an order that comes several times, where it comes first.
  first_places jsonb;
  result record;
BEGIN
  IF jsonb_typeof(orders) IS DISTINCT FROM 'array' THEN
    PERFORM workorder.refuse('WO400', 'orders are imported from a list', 'The argument must be a JSON list of objects.',
      'Give [{"order_id": "1000001", "activity_id": "...", "worker_id": "1", ...}].');
  END IF;
  total := jsonb_array_length(orders);
  first_places := workorder.repeated(orders, 'order_id');
  imported := 0;
  changed := 0;
  unchanged := 0;
  problems := '[]';
  -- Two imports of one tenant could bring the same order: one after the other.
  PERFORM pg_advisory_xact_lock(hashtextextended('active_job.import', tenant));

  BEGIN
    WHILE done < total LOOP
      SELECT * INTO result FROM active_job.load_batch(
        workorder.slice(orders, done, batch), done, first_places, moment);
      imported := imported + result.imported;
      changed := changed + result.changed;
      unchanged := unchanged + result.unchanged;
      problems := problems || result.problems;
      done := least(done + batch, total);
      IF total > batch THEN
        PERFORM set_config('application_name', format('active_job.import: %s of %s', done, total), true);
        RAISE NOTICE 'active_job.import: % of % orders, % refused', done, total, jsonb_array_length(problems);
      END IF;
    END LOOP;
    PERFORM set_config('application_name', program, true);
    refused := jsonb_array_length(problems);
    IF all_or_nothing AND refused > 0 THEN
      RAISE EXCEPTION USING ERRCODE = 'WO999', MESSAGE = 'nothing is imported';
    END IF;
  EXCEPTION WHEN SQLSTATE 'WO999' THEN
    imported := 0;
    changed := 0;
    unchanged := 0;
  END;
END
$$;
COMMENT ON FUNCTION active_job.load_orders(jsonb, boolean) IS
  'What active_job.import() does, with the rights of whoever calls it.';

CREATE FUNCTION active_job.import_texts() RETURNS TABLE (name text, longest int)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT * FROM (VALUES ('order_id'::text, 64), ('activity_id', 64), ('worker_id', 64), ('customer_name', 200),
    ('customer_type', 50), ('phone', 50), ('mobile', 50), ('broadband_account', 100), ('email', 200), ('qq', 50)) AS t (name, longest);
END;
COMMENT ON FUNCTION active_job.import_texts() IS
  'The texts of an order as it is imported, and how long each may be; those that end in _id may be whole numbers, too.';

CREATE FUNCTION active_job.wrong_text(item jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT t.name
  FROM active_job.import_texts() AS t
  WHERE CASE jsonb_typeof(item -> t.name)
      WHEN 'string' THEN char_length(item ->> t.name) > t.longest
      WHEN 'number' THEN t.name NOT LIKE '%\_id' OR item ->> t.name !~ '^[0-9]{1,40}$'
      WHEN 'null' THEN false
      ELSE item ? t.name
    END
  LIMIT 1;
END;
COMMENT ON FUNCTION active_job.wrong_text(jsonb) IS
  'The first text of an imported order that is none, or too long; null if there is none.';

CREATE FUNCTION active_job.order_problem(item jsonb, mistyped boolean, longest int, twice boolean,
  order_id text, activity_id text, marketing_info jsonb)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
  WHEN order_id IS NULL AND jsonb_typeof(item) <> 'object' THEN 'not an object'
  WHEN coalesce(order_id, '') = '' THEN 'missing field: order_id'
  WHEN (mistyped OR longest > 50) AND active_job.wrong_text(item) IS NOT NULL
    THEN 'invalid value: ' || active_job.wrong_text(item)
  WHEN order_id !~ '^[A-Za-z0-9_-]+$' THEN 'invalid value: order_id'
  WHEN order_id IN ('contact-reason', 'contact', 'shipping', 'retrieve') THEN 'reserved order_id'
  WHEN twice THEN 'order_id comes twice'
  WHEN CASE jsonb_typeof(marketing_info)
      WHEN 'object' THEN pg_column_size(marketing_info) > 16384 OR NOT workorder.only_texts(marketing_info)
      ELSE jsonb_typeof(marketing_info) <> 'null'
    END THEN 'invalid value: marketing_info'
  WHEN coalesce(activity_id, '') = '' THEN 'missing field: activity_id'
END;
COMMENT ON FUNCTION active_job.order_problem(jsonb, boolean, int, boolean, text, text, jsonb) IS
  'What is wrong with an imported order, looked at by itself; null if nothing is. item: the order as it came; mistyped: some order of the list has a text that is none; longest: bytes of the longest text; twice: its order_id came before; the others are its fields. One expression, so that it becomes part of the queries that use it.';

CREATE FUNCTION active_job.load_batch(orders jsonb, before int, first_places jsonb, moment timestamptz,
  OUT imported int, OUT changed int, OUT unchanged int, OUT problems jsonb)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
-- No plan depends on the orders, and with one of its own for each they would be copied into it.
SET plan_cache_mode = force_generic_plan
-- A list passes for a hundred orders with the planner, which would compare each with every worker.
SET enable_nestloop = off
AS $$
#variable_conflict use_column
DECLARE
  tenant CONSTANT bigint := workorder.tenant_id();
  objects jsonb := orders;
  mistyped boolean := false;
  differing jsonb;
  closed jsonb;
BEGIN
  -- One look at all of them tells whether they have to be looked at one by one.
  IF NOT workorder.only_texts(orders, ARRAY(SELECT t.name FROM active_job.import_texts() AS t)) THEN
    mistyped := true;
    SELECT jsonb_agg(CASE WHEN jsonb_typeof(e.value) = 'object' THEN e.value ELSE '{}' END ORDER BY e.n) INTO objects
    FROM jsonb_array_elements(orders) WITH ORDINALITY AS e (value, n);
  END IF;

  -- What is new and in order goes in at once.  The plan outlives the time at
  -- which the table is empty and any index is as good as another; so an order
  -- is asked for in an order that one index alone has.
  INSERT INTO active_job.orders (tenant_id, order_id, order_create_time, activity_id, holder_id, customer_name,
    customer_type, phone, mobile, broadband_account, email, qq, marketing_info)
  SELECT tenant, g.order_id, moment, g.activity_id, w.actor_id, nullif(g.customer_name, ''),
    nullif(g.customer_type, ''), nullif(g.phone, ''), nullif(g.mobile, ''), nullif(g.broadband_account, ''),
    nullif(g.email, ''), nullif(g.qq, ''), coalesce(nullif(g.marketing_info, 'null'), '{}')
  FROM ROWS FROM (jsonb_to_recordset(objects) AS (order_id text, activity_id text, worker_id text, customer_name text,
      customer_type text, phone text, mobile text, broadband_account text, email text, qq text, marketing_info jsonb))
    WITH ORDINALITY AS g (order_id, activity_id, worker_id, customer_name, customer_type, phone, mobile, broadband_account,
      email, qq, marketing_info, n)
  JOIN active_job.activity a ON a.tenant_id = tenant AND a.activity_id = g.activity_id
  JOIN active_job.active_workers() w ON w.worker_id = g.worker_id
  WHERE CASE WHEN active_job.order_problem(orders -> (g.n::int - 1), mistyped,
      greatest(octet_length(g.order_id), octet_length(g.activity_id), octet_length(g.worker_id), octet_length(g.customer_name),
        octet_length(g.customer_type), octet_length(g.phone), octet_length(g.mobile), octet_length(g.broadband_account),
        octet_length(g.email), octet_length(g.qq)),
      (first_places ->> g.order_id)::int <> before + g.n, g.order_id, g.activity_id, g.marketing_info) IS NULL THEN true END
    AND (SELECT o.id FROM active_job.orders o WHERE o.tenant_id = tenant AND o.order_id BETWEEN g.order_id AND g.order_id
      ORDER BY o.order_id LIMIT 1) IS NULL;
  GET DIAGNOSTICS imported = ROW_COUNT;
  changed := 0;
  unchanged := 0;
  problems := '[]';
  IF imported = jsonb_array_length(orders) THEN
    RETURN;
  END IF;

  -- The others are there already, or something is wrong with them.
  SELECT count(*) FILTER (WHERE j.reason IS NULL AND NOT j.differs AND j.is_kept) - imported,
    coalesce(jsonb_agg(to_jsonb(j) ORDER BY j.id) FILTER (WHERE j.reason IS NULL AND (j.differs OR NOT j.is_kept)), '[]'),
    coalesce(jsonb_agg(jsonb_build_object('row', j.place, 'order_id', left(j.order_id, 64), 'reason', j.reason) ORDER BY j.place)
      FILTER (WHERE j.reason IS NOT NULL), '[]')
  INTO unchanged, differing, problems
  FROM (
    SELECT before + g.n::int AS place, g.order_id, g.activity_id, g.worker_id, i.*, o.id, w.actor_id AS holder_id,
      keeps.id IS NOT NULL AS is_kept,
      (g.activity_id, i.customer_name, i.customer_type, i.phone, i.mobile, i.broadband_account, i.email, i.qq, i.marketing_info)
        IS DISTINCT FROM (o.activity_id, o.customer_name, o.customer_type, o.phone, o.mobile, o.broadband_account,
          o.email, o.qq, o.marketing_info) AS differs,
      coalesce(
        active_job.order_problem(orders -> (g.n::int - 1), mistyped,
          greatest(octet_length(g.order_id), octet_length(g.activity_id), octet_length(g.worker_id), octet_length(g.customer_name),
            octet_length(g.customer_type), octet_length(g.phone), octet_length(g.mobile), octet_length(g.broadband_account),
            octet_length(g.email), octet_length(g.qq)),
          (first_places ->> g.order_id)::int <> before + g.n, g.order_id, g.activity_id, g.marketing_info),
        CASE
          WHEN a.activity_id IS NULL THEN 'unknown activity'
          WHEN keeps.id IS NOT NULL THEN NULL
          WHEN coalesce(g.worker_id, '') = '' THEN 'missing field: worker_id'
          WHEN w.actor_id IS NULL THEN CASE
            WHEN EXISTS (SELECT FROM active_job.worker x WHERE x.tenant_id = tenant AND x.worker_id = g.worker_id)
              THEN 'inactive worker' ELSE 'unknown worker' END
        END) AS reason
    FROM ROWS FROM (jsonb_to_recordset(objects) AS (order_id text, activity_id text, worker_id text, customer_name text,
        customer_type text, phone text, mobile text, broadband_account text, email text, qq text, marketing_info jsonb))
      WITH ORDINALITY AS g (order_id, activity_id, worker_id, customer_name, customer_type, phone, mobile, broadband_account,
        email, qq, marketing_info, n)
    CROSS JOIN LATERAL (
      SELECT nullif(g.customer_name, '') AS customer_name, nullif(g.customer_type, '') AS customer_type,
        nullif(g.phone, '') AS phone, nullif(g.mobile, '') AS mobile, nullif(g.broadband_account, '') AS broadband_account,
        nullif(g.email, '') AS email, nullif(g.qq, '') AS qq,
        coalesce(nullif(g.marketing_info, 'null'), '{}') AS marketing_info) AS i
    LEFT JOIN active_job.activity a ON a.tenant_id = tenant AND a.activity_id = g.activity_id
    LEFT JOIN active_job.active_workers() w ON w.worker_id = g.worker_id
    LEFT JOIN LATERAL (SELECT * FROM active_job.orders o WHERE o.tenant_id = tenant
      AND o.order_id BETWEEN g.order_id AND g.order_id ORDER BY o.order_id LIMIT 1) o ON true
    -- An order stays with its holder, unless it is open and he is not active any more.
    LEFT JOIN workorder.actor keeps ON keeps.tenant_id = tenant AND keeps.id = o.holder_id
      AND (keeps.active OR active_job.status(o.state) = 3)) AS j;

  IF differing <> '[]' THEN
    -- Somebody may be closing them out at this moment.
    PERFORM FROM active_job.orders o
    WHERE o.tenant_id = tenant AND o.id IN (SELECT (d.value ->> 'id')::bigint FROM jsonb_array_elements(differing) AS d (value))
    ORDER BY o.id
    FOR NO KEY UPDATE;
    SELECT coalesce(jsonb_agg(d.value), '[]') INTO closed
    FROM jsonb_array_elements(differing) AS d (value)
    WHERE EXISTS (SELECT FROM workorder.explain('active_job.orders', (d.value ->> 'id')::bigint, 'update') e WHERE e.code = 'state');
    SELECT problems || coalesce(jsonb_agg(jsonb_build_object('row', d.value -> 'place', 'order_id', d.value -> 'order_id',
      'reason', 'order already returned')), '[]') INTO problems
    FROM jsonb_array_elements(closed) AS d (value);

    UPDATE active_job.orders o
    SET activity_id = d.activity_id, customer_name = d.customer_name, customer_type = d.customer_type, phone = d.phone,
      mobile = d.mobile, broadband_account = d.broadband_account, email = d.email, qq = d.qq, marketing_info = d.marketing_info
    FROM jsonb_populate_recordset(NULL::active_job.orders, differing) AS d
    WHERE o.tenant_id = tenant AND o.id = d.id AND NOT closed @> jsonb_build_array(jsonb_build_object('id', d.id));
    GET DIAGNOSTICS changed = ROW_COUNT;
    UPDATE active_job.orders o
    SET action = 'dispatch', holder_id = d.holder_id
    FROM jsonb_to_recordset(differing) AS d (id bigint, holder_id bigint, is_kept boolean)
    WHERE o.tenant_id = tenant AND o.id = d.id AND NOT d.is_kept
      AND NOT closed @> jsonb_build_array(jsonb_build_object('id', d.id));
  END IF;
END
$$;
COMMENT ON FUNCTION active_job.load_batch(jsonb, int, jsonb, timestamptz) IS
  'One batch of active_job.load_orders(): inserts what is new in one statement, then judges the rest and brings up to date what differs. before: how many orders came in earlier batches; first_places: of an order_id that comes several times, the row that counts; moment: when the orders are created.';

CREATE FUNCTION active_job.load_activities(list jsonb, OUT imported int, OUT changed int, OUT unchanged int, OUT refused int, OUT problems jsonb)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  tenant CONSTANT bigint := workorder.tenant_id();
  zone CONSTANT text := active_job.time_zone();
  rules CONSTANT jsonb := '[
    {"name": "activity_id", "required": true},
    {"name": "activity_name", "kind": "text", "required": true, "max": 200},
    {"name": "activity_start_time", "kind": "time"},
    {"name": "activity_end_time", "kind": "time", "end": true},
    {"name": "products", "kind": "list", "max": 1000, "default": []},
    {"name": "talking_skill", "kind": "text", "max": 20000, "default": ""}]';
  item jsonb;
  place bigint;
  given jsonb;
  reason text;
  fresh active_job.activity;
  kept active_job.activity;
BEGIN
  IF jsonb_typeof(list) IS DISTINCT FROM 'array' THEN
    PERFORM workorder.refuse('WO400', 'activities are imported from a list', 'The argument must be a JSON list of objects.',
      'Give [{"activity_id": "1", "activity_name": "...", "products": [{"product_name", "stage"}], ...}].');
  END IF;
  imported := 0;
  changed := 0;
  unchanged := 0;
  problems := '[]';
  FOR item, place IN SELECT e.value, e.n FROM jsonb_array_elements(list) WITH ORDINALITY AS e (value, n) ORDER BY e.n LOOP
    reason := NULL;
    IF jsonb_typeof(item) <> 'object' THEN
      reason := 'not an object';
    ELSE
      SELECT workorder.input_message('{}', i.rule, i.name, i.bound) INTO reason
      FROM workorder.check_input(item, rules) AS i LIMIT 1;
      IF reason IS NULL AND (jsonb_typeof(item -> 'activity_id') NOT IN ('string', 'number')
          OR char_length(item ->> 'activity_id') > 64) THEN
        reason := 'invalid value: activity_id';
      ELSIF reason IS NULL AND EXISTS (
          SELECT FROM jsonb_array_elements(nullif(item -> 'products', 'null')) AS p (value)
          WHERE jsonb_typeof(p.value -> 'product_name') IS DISTINCT FROM 'string' OR char_length(p.value ->> 'product_name') NOT BETWEEN 1 AND 200
            OR jsonb_typeof(p.value -> 'stage') IS DISTINCT FROM 'string'
            OR NOT workorder.in_dictionary('active_job', 'product_stage', p.value ->> 'stage')) THEN
        reason := 'invalid value: products';
      END IF;
    END IF;
    IF reason IS NOT NULL THEN
      problems := problems || jsonb_build_object('row', place, 'activity_id', left(item ->> 'activity_id', 64), 'reason', reason);
      CONTINUE;
    END IF;

    given := workorder.read_input(item, rules);
    fresh := ROW(tenant, given ->> 'activity_id', given ->> 'activity_name',
      workorder.time_of(given ->> 'activity_start_time', zone), workorder.time_of(given ->> 'activity_end_time', zone),
      (SELECT coalesce(jsonb_agg(jsonb_build_object('product_name', p.value -> 'product_name', 'stage', p.value -> 'stage') ORDER BY p.n), '[]')
       FROM jsonb_array_elements(given -> 'products') WITH ORDINALITY AS p (value, n)),
      given ->> 'talking_skill');
    SELECT * INTO kept FROM active_job.activity a
    WHERE a.tenant_id = tenant AND a.activity_id = fresh.activity_id
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
      INSERT INTO active_job.activity VALUES (fresh.*);
      imported := imported + 1;
    ELSIF kept = fresh THEN
      unchanged := unchanged + 1;
    ELSE
      UPDATE active_job.activity a
      SET activity_name = fresh.activity_name, activity_start_time = fresh.activity_start_time,
        activity_end_time = fresh.activity_end_time, products = fresh.products, talking_skill = fresh.talking_skill
      WHERE a.tenant_id = tenant AND a.activity_id = fresh.activity_id;
      changed := changed + 1;
    END IF;
  END LOOP;
  refused := jsonb_array_length(problems);
END
$$;
COMMENT ON FUNCTION active_job.load_activities(jsonb) IS
  'What active_job.import_activities() does, with the rights of whoever calls it.';
-- ---------------------------------------------------------------------------
-- The API of contract 4 over HTTP: each function takes a request apart, calls
-- the function that does the work, and puts the answer into the envelope.
-- ---------------------------------------------------------------------------

CREATE FUNCTION active_job.http_data(data json DEFAULT '{}') RETURNS workorder.http_response
LANGUAGE sql STABLE PARALLEL SAFE
RETURN workorder.http_json(200, json_build_object('code', 0, 'message', 'ok', 'data', data));
COMMENT ON FUNCTION active_job.http_data(json) IS
  'The envelope of a success. Contract 4.0.';

CREATE FUNCTION active_job.http_snake(fields jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT coalesce(jsonb_object_agg(replace(f.key, '-', '_'), f.value ORDER BY position('-' IN f.key) = 0), '{}')
  FROM jsonb_each(fields) AS f;
END;
COMMENT ON FUNCTION active_job.http_snake(jsonb) IS
  'The same fields with names in snake case; where both spellings came, the one in snake case counts. Contract 3.3.';

CREATE FUNCTION active_job.http_list_orders(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  given jsonb;
  found record;
BEGIN
  given := workorder.read_input(request.query, '[
    {"name": "search", "kind": "text", "max": 100, "last": true},
    {"name": "order-status", "from": ["order_status"], "kind": "int", "default": 0, "last": true},
    {"name": "contact-status", "from": ["contact_status"], "kind": "int", "default": 0, "last": true},
    {"name": "page", "kind": "int", "min": 1, "max": 2147483647, "default": 1, "last": true},
    {"name": "page-size", "from": ["page_size"], "kind": "int", "min": 1, "cap": 100, "default": 10, "last": true}]',
    active_job.wording());
  SELECT * INTO found FROM active_job.list_orders(given ->> 'search', (given ->> 'order-status')::numeric,
    (given ->> 'contact-status')::numeric, (given ->> 'page')::int, (given ->> 'page-size')::int);
  RETURN active_job.http_data(json_build_object('items', found.items, 'pagination', json_build_object(
    'current_page', given -> 'page',
    'item_size', given -> 'page-size',
    'total_size', found.total,
    'pages_size', ceil(found.total / (given ->> 'page-size')::numeric))));
END
$$;
COMMENT ON FUNCTION active_job.http_list_orders(workorder.http_request) IS
  'AJ-1, GET /active-job.';

CREATE FUNCTION active_job.http_order(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN active_job.http_data(active_job.order_json(request.params ->> 'order_id'));
END
$$;
COMMENT ON FUNCTION active_job.http_order(workorder.http_request) IS
  'AJ-2, GET /active-job/{order_id}.';

CREATE FUNCTION active_job.http_contact_reason(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN active_job.http_data(json_build_object('contact_reason', active_job.contact_reasons()));
END
$$;
COMMENT ON FUNCTION active_job.http_contact_reason(workorder.http_request) IS
  'AJ-3, GET /active-job/contact-reason.';

CREATE FUNCTION active_job.http_contact(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  given jsonb;
BEGIN
  given := workorder.read_input(
    active_job.http_snake(workorder.http_fields(request)) || active_job.http_snake(request.query), '[
    {"name": "contact_status", "kind": "int", "required": true, "min": 1, "max": 2147483647, "last": true},
    {"name": "contact_status_reason", "kind": "text", "max": 200, "last": true},
    {"name": "contact_status_remark", "kind": "text", "max": 1000, "last": true}]',
    active_job.wording());
  PERFORM active_job.contact(request.params ->> 'order_id', (given ->> 'contact_status')::int,
    given ->> 'contact_status_reason', given ->> 'contact_status_remark');
  RETURN active_job.http_data();
END
$$;
COMMENT ON FUNCTION active_job.http_contact(workorder.http_request) IS
  'AJ-4, PUT /active-job/contact/{order_id}.';

CREATE FUNCTION active_job.http_worker_list(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN active_job.http_data(json_build_object('workers', active_job.worker_list()));
END
$$;
COMMENT ON FUNCTION active_job.http_worker_list(workorder.http_request) IS
  'AJ-5, GET /active-job/shipping/worker-list.';

CREATE FUNCTION active_job.http_transfer(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  given jsonb;
BEGIN
  given := workorder.read_input(workorder.http_fields(request),
    '[{"name": "worker_id", "required": true, "null": true, "last": true}]', active_job.wording());
  IF jsonb_typeof(given -> 'worker_id') NOT IN ('string', 'number') THEN
    PERFORM workorder.refuse_input(active_job.wording(), 'invalid', 'worker_id', 'It must be a text or a whole number.');
  END IF;
  PERFORM active_job.transfer(request.params ->> 'order_id', given ->> 'worker_id');
  RETURN active_job.http_data();
END
$$;
COMMENT ON FUNCTION active_job.http_transfer(workorder.http_request) IS
  'AJ-6, POST /active-job/shipping/{order_id}.';

CREATE FUNCTION active_job.http_close_out(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  given jsonb;
BEGIN
  given := workorder.read_input(workorder.http_fields(request),
    '[{"name": "retrieve_info", "required": true, "null": true}]', active_job.wording());
  PERFORM active_job.close_out(request.params ->> 'order_id', given -> 'retrieve_info');
  RETURN active_job.http_data();
END
$$;
COMMENT ON FUNCTION active_job.http_close_out(workorder.http_request) IS
  'AJ-7, POST /active-job/retrieve/{order_id}.';

CREATE FUNCTION active_job.install_http() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.add_api('active_job', '/active-job', '{"code":"$status","message":"$message","data":{}}', false,
    '{"object": true, "members": ["active_job.worker"],
      "accept": ["application/json", "application/x-www-form-urlencoded"],
      "messages": {"unauthenticated": "unauthenticated", "malformed": "malformed JSON",
        "parameter": "invalid parameter: $name"}}');
  PERFORM workorder.add_routes('active_job', '[
    ["GET", "", "http_list_orders"],
    ["GET", "/{order_id}", "http_order"],
    ["GET", "/contact-reason", "http_contact_reason"],
    ["PUT", "/contact/{order_id}", "http_contact"],
    ["GET", "/shipping/worker-list", "http_worker_list"],
    ["POST", "/shipping/{order_id}", "http_transfer"],
    ["POST", "/retrieve/{order_id}", "http_close_out"]]');

  IF to_regclass('api.active_job_order') IS NULL THEN
    CREATE VIEW api.active_job_order WITH (security_invoker = true) AS
    SELECT o.id, o.order_id, o.order_create_time, o.activity_id,
      (SELECT a.activity_name FROM active_job.activity a
       WHERE a.tenant_id = o.tenant_id AND a.activity_id = o.activity_id) AS activity_name,
      o.holder_id,
      o.customer_name, o.customer_type, o.phone, o.mobile, o.broadband_account, o.email, o.qq, o.marketing_info,
      active_job.status(o.state) AS order_status,
      o.contact_time, o.contact_status, o.contact_status_reason, o.contact_status_remark,
      o.retrieve_worker, o.retrieve_time, o.retrieve_info,
      o.state, o.revision, o.created_at, o.entered_at, o.updated_at, o.action, o.note, o.last_action, o.last_note
    FROM active_job.orders o
    WHERE o.tenant_id = workorder.tenant_id();
    COMMENT ON VIEW api.active_job_order IS
      'Marketing work orders that the caller holds, for /rest/active_job_order. Writing action takes it: PATCH /active_job_order?order_id=eq.1000001 {"action": "contact", "contact_status": 1}; transfer, after which the order is out of sight, only by /rpc/act.';
  END IF;
END
$$;
COMMENT ON FUNCTION active_job.install_http() IS
  'Enters the API''s envelope and routes, and makes the view api.active_job_order; part of active_job.install(). What was changed in the settings of the API stays.';
CREATE FUNCTION active_job.grant_access(role regrole) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.grant_addon('workorder_active_job', role, ARRAY[
    'install', 'install_dictionaries', 'install_owner_functions', 'install_http', 'install_tables', 'grant_access', 'grant_feed',
    'import_workers', 'import_texts', 'wrong_text', 'load_orders', 'load_batch', 'load_activities', 'check_order']);
  EXECUTE format('GRANT SELECT ON active_job.worker, active_job.activity TO %s', role);
  -- Orders come by the feed and stay.
  PERFORM workorder.grant_table('active_job.orders', role, insertable => '{}', deletable => false);
  EXECUTE format('GRANT SELECT, UPDATE ON api.active_job_order TO %s', role);
END
$$;
COMMENT ON FUNCTION active_job.grant_access(regrole) IS
  'Gives a role what an application needs to offer the API of the marketing work orders, workorder.grant_access() included. Needs to own the extension and the tables.';

CREATE FUNCTION active_job.grant_feed(role regrole) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  EXECUTE format('GRANT USAGE ON SCHEMA active_job TO %s', role);
  EXECUTE format('GRANT EXECUTE ON FUNCTION active_job.import(jsonb, boolean), active_job.import_activities(jsonb) TO %s', role);
END
$$;
COMMENT ON FUNCTION active_job.grant_feed(regrole) IS
  'Lets a role import orders and activities, and nothing else. For its orders to be accepted it also has to stand for a person with the role active_job.feed: workorder.enrol(), workorder.map_role(). Contract 5. Needs to own the tables.';

-- What every add-on ends with: nothing of the extension is for PUBLIC.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA active_job FROM PUBLIC;
