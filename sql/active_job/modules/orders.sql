-- ---------------------------------------------------------------------------
-- Reading an order.  Policies show a worker the orders they hold and no others.
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
RETURN CASE WHEN info IS NULL THEN 0 WHEN info ->> 'type' ~ '^[1-9][0-9]{0,8}(\.0+)?$' THEN (info ->> 'type')::numeric::int ELSE 1 END;
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
            AND d.code = trim_scale((info ->> 'type')::numeric)::text AND d.active AND d.code ~ '^[1-9][0-9]{0,8}$')))
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
    -- An object without a type means the first; one with nothing else is not blank.
    IF NEW.retrieve_info = '{}' THEN
      NEW.retrieve_info := '{"type": 1}';
    END IF;
  END IF;
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION active_job.check_order() IS
  'Trigger of active_job.orders, before the guard: contacts, holders and close-outs are valid whatever statement brings them.';
