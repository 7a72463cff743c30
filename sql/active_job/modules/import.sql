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
    -- An order stays with its holder, unless it is open and they are not active any more.
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
  rules CONSTANT jsonb := replace('[
    {"name": "activity_id", "required": true},
    {"name": "activity_name", "kind": "text", "required": true, "max": 200},
    {"name": "activity_start_time", "kind": "time", "zone": "$zone"},
    {"name": "activity_end_time", "kind": "time", "end": true, "zone": "$zone"},
    {"name": "products", "kind": "list", "max": 1000, "default": []},
    {"name": "talking_skill", "kind": "text", "max": 20000, "default": ""}]', '$zone', zone);
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
