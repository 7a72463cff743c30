-- ---------------------------------------------------------------------------
-- What the table does by itself, whoever writes it and however.
-- ---------------------------------------------------------------------------

CREATE FUNCTION afterservice.next_number(prefix text) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  stem text := prefix || to_char(workorder.clock() AT TIME ZONE afterservice.time_zone(), 'YYYYMMDD');
  n text := workorder.next_number('afterservice.' || stem);
BEGIN
  RETURN stem || lpad(n, greatest(length(n), 4), '0');
END
$$;
COMMENT ON FUNCTION afterservice.next_number(text) IS
  'The next number of a kind (AS, KK) today, such as AS202401020001; the tenant''s counter of the day is locked until the end of the transaction. Contract 4.0.';

CREATE FUNCTION afterservice.complete_order() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    NEW.serial_number := coalesce(NEW.serial_number, afterservice.next_number('AS'));
    NEW.saler_id := coalesce(NEW.saler_id, afterservice.specialist_of(NEW.customer_name));
  ELSIF OLD.charge_number IS NOT NULL THEN
    NEW.charge_number := OLD.charge_number;
  ELSE
    NEW.charge_number := CASE WHEN NEW.deductions <> '[]' THEN afterservice.next_number('KK') END;
  END IF;
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION afterservice.complete_order() IS
  'Trigger of afterservice.orders, before the guard: a new order gets its serial number and its specialist, the first deductions get a charge number, which then stays. Contract 3.3 T1, AS-3.';

-- ---------------------------------------------------------------------------
-- Reading orders.
-- ---------------------------------------------------------------------------

CREATE FUNCTION afterservice.order_list(ids bigint[]) RETURNS json
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan -- planning under policies takes longer than twenty orders
AS $$
DECLARE
  zone CONSTANT text := afterservice.time_zone();
BEGIN
  -- A row as JSON is made in a third of the time of json_build_object().
  RETURN (
    SELECT coalesce(json_agg(to_json(shown) ORDER BY wanted.n), '[]')
    FROM unnest(ids) WITH ORDINALITY AS wanted (id, n)
    JOIN afterservice.orders o ON o.tenant_id = workorder.tenant_id() AND o.id = wanted.id
    LEFT JOIN workorder.actor s ON s.tenant_id = o.tenant_id AND s.id = o.saler_id,
    LATERAL (
      SELECT o.abnormal_type, o.abnormal_reason, o.publishment, o.publish_to,
        trim_scale(o.compensation) AS compensation, o.duty_to_id, o.duty_to, o.duty_date) AS duty_report,
    LATERAL (
      SELECT o.id, o.serial_number, o.charge_number, o.type, o.customer_name,
        afterservice.status(o.state, o.history) AS status, afterservice.workflow_status(o.state) AS workflow_status,
        workorder.time_text(o.summitted_at, zone) AS summitted_at, workorder.time_text(o.created_at, zone) AS created_at,
        workorder.time_text(o.updated_at, zone) AS updated_at, o.accuser_name, o.creator_name, s.name AS saler,
        o.remark, o.reason, o.abnormal_products, duty_report, o.tracks, o.deductions) AS shown);
END
$$;
COMMENT ON FUNCTION afterservice.order_list(bigint[]) IS
  'The order objects of the API with these ids, in this order; what the caller may not see is left out. Contract 4.0, order object.';

CREATE FUNCTION afterservice.order_json(order_id bigint) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN (afterservice.order_list(ARRAY[order_id]) -> 0)::jsonb;
COMMENT ON FUNCTION afterservice.order_json(bigint) IS
  'The order object of the API, null if there is no such order for the caller. Contract 4.0.';

CREATE FUNCTION afterservice.lock_order(order_id bigint) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  result jsonb;
BEGIN
  SELECT to_jsonb(o) INTO result
  FROM afterservice.orders o
  WHERE o.tenant_id = workorder.tenant_id() AND o.id = order_id
  FOR NO KEY UPDATE OF o;
  IF result IS NULL THEN
    PERFORM workorder.refuse('WO404', 'order not found',
      'There is no such order, or you may not see it.', 'Check the id.');
  END IF;
  RETURN result;
END
$$;
COMMENT ON FUNCTION afterservice.lock_order(bigint) IS
  'Locks an order until the end of the transaction and returns its row as it is then; raises WO404 "order not found".';

CREATE FUNCTION afterservice.require_in_progress(o jsonb) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF afterservice.workflow_status(o ->> 'state') <> 'in_progress' THEN
    PERFORM workorder.refuse('WO409', 'order is not in progress',
      format('Its workflow_status is %s.', afterservice.workflow_status(o ->> 'state')),
      'Only an order in progress can be changed.');
  END IF;
END
$$;
COMMENT ON FUNCTION afterservice.require_in_progress(jsonb) IS
  'Raises WO409 "order is not in progress" if the row rests outside in_progress. Contract 3.3.';

CREATE FUNCTION afterservice.require_owner(o jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT workorder.can('afterservice.orders', (o ->> 'id')::bigint, 'update') THEN
    PERFORM workorder.refuse('WO403', 'permission denied',
      format('The status %s belongs to somebody else.', afterservice.status(o ->> 'state', o ->> 'history')),
      'workorder.actions() tells what you may do now, and why not.');
  END IF;
END
$$;
COMMENT ON FUNCTION afterservice.require_owner(jsonb) IS
  'Raises WO403 "permission denied" unless the actor owns the order''s current status, that is, may update the order. Contract 3.2.';

-- ---------------------------------------------------------------------------
-- AS-1, AS-3, AS-4, AS-5, AS-6.
-- ---------------------------------------------------------------------------

CREATE FUNCTION afterservice.create_order(body jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  rules CONSTANT jsonb := '[
    {"name": "type", "kind": "text", "required": true, "max": 50},
    {"name": "customer_name", "kind": "text", "required": true, "max": 200},
    {"name": "accuser_name", "kind": "text", "required": true, "max": 200},
    {"name": "creator_name", "required": true},
    {"name": "reason", "kind": "text", "required": true, "max": 200},
    {"name": "remark", "kind": "text", "required": true, "max": 2000}]';
  missing text;
  given jsonb;
  order_id bigint;
BEGIN
  PERFORM afterservice.object_of(body);
  SELECT c.name INTO missing
  FROM workorder.check_input(body, rules) WITH ORDINALITY AS c (name, rule, bound, n)
  WHERE c.rule = 'required'
  ORDER BY c.n
  LIMIT 1;
  IF FOUND THEN
    PERFORM workorder.refuse_input(afterservice.wording(), 'required', missing);
  END IF;

  IF NOT workorder.has_role('afterservice.creator') THEN
    PERFORM workorder.refuse('WO403', 'permission denied',
      'Orders are created by people with the role afterservice.creator.', 'Ask for the role.');
  END IF;
  PERFORM afterservice.require_name(body -> 'creator_name');

  given := afterservice.read_fields(body, rules);
  INSERT INTO afterservice.orders AS o (type, customer_name, accuser_name, reason, remark)
  VALUES (given ->> 'type', given ->> 'customer_name', given ->> 'accuser_name', given ->> 'reason', given ->> 'remark')
  RETURNING o.id INTO order_id;
  PERFORM workorder.act('afterservice.orders', order_id, 'done');
  RETURN afterservice.order_json(order_id);
END
$$;
COMMENT ON FUNCTION afterservice.create_order(jsonb) IS
  'AS-1: creates an order from the body and returns it, resting in waiting; journals create and done. Raises WO400, WO403.';

CREATE FUNCTION afterservice.put_order(order_id bigint, body jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  o jsonb;
  status text;
  operation text;
  note text;
  changes jsonb;
  saler text;
  saler_id bigint;
BEGIN
  PERFORM afterservice.object_of(body);
  o := afterservice.lock_order(order_id);
  status := afterservice.status(o ->> 'state', o ->> 'history');
  PERFORM afterservice.require_in_progress(o);

  operation := body ->> 'operation';
  IF operation IS NOT NULL AND body -> 'operation' NOT IN ('"done"', '"reject"') THEN
    PERFORM workorder.refuse('WO400', 'unsupported operation: ' || operation,
      'An operation is done or reject.', 'Leave operation out to change the content only.');
  END IF;
  PERFORM afterservice.require_name(body -> 'operator_name');
  IF NOT workorder.can('afterservice.orders', order_id, coalesce(operation, 'update')) THEN
    PERFORM afterservice.require_owner(o);
    -- The status is the caller's, so it is the step that is refused.
    IF EXISTS (SELECT FROM workorder.explain('afterservice.orders', order_id, operation) e WHERE e.code = 'state') THEN
      PERFORM workorder.refuse('WO409', format('%s is not allowed in status %s', operation, status),
        'There is no such step from this status.', 'Send done to pass the order on.');
    END IF;
    PERFORM workorder.refuse('WO403', 'permission denied',
      'The flow does not let you take this step.', 'workorder.explain() tells why.');
  END IF;

  changes := afterservice.read_fields(body, jsonb_build_array(
    -- With an operation the remark is what is said of it, else it is the order's.
    jsonb_build_object('name', 'remark', 'kind', 'text', 'max', 2000)
      || CASE WHEN operation IS NULL THEN '{"required": "if given"}'::jsonb ELSE '{}' END,
    '{"name": "type", "kind": "text", "required": "if given", "max": 50}'::jsonb,
    '{"name": "customer_name", "kind": "text", "required": "if given", "max": 200}'::jsonb,
    '{"name": "accuser_name", "kind": "text", "required": "if given", "max": 200}'::jsonb,
    '{"name": "reason", "kind": "text", "required": "if given", "max": 200}'::jsonb), held => o);
  IF operation IS NOT NULL THEN
    note := nullif(changes ->> 'remark', '');
    changes := changes - 'remark';
  END IF;
  saler := (SELECT a.name FROM workorder.actor a WHERE a.tenant_id = workorder.tenant_id() AND a.id = (o ->> 'saler_id')::bigint);
  IF body ? 'saler' AND body -> 'saler' <> coalesce(to_jsonb(saler), 'null') THEN
    IF body -> 'saler' <> 'null' THEN
      IF jsonb_typeof(body -> 'saler') = 'string' THEN
        saler_id := afterservice.specialist_named(body ->> 'saler');
      END IF;
      IF saler_id IS NULL THEN
        PERFORM workorder.refuse_input(afterservice.wording(), 'invalid', 'saler', 'It must be the name of an active person with the role service.');
      END IF;
    END IF;
    changes := changes || jsonb_build_object('saler_id', saler_id);
  END IF;
  changes := changes || jsonb_strip_nulls(jsonb_build_object(
    'tracks', afterservice.read_list(body, 'tracks', '[{"name": "remark", "kind": "text", "required": true, "max": 2000}]'),
    'deductions', afterservice.read_list(body, 'deductions', '[
      {"name": "compensation", "kind": "money", "required": true},
      {"name": "has_receipt", "kind": "flag", "default": false, "blank": false},
      {"name": "remark", "kind": "text", "max": 2000, "default": ""}]')));
  IF body ? 'duty_report' THEN
    IF jsonb_typeof(body -> 'duty_report') <> 'object' THEN
      PERFORM workorder.refuse_input(afterservice.wording(), 'object', 'duty_report');
    END IF;
    -- What the order has already is no change, and is never refused.
    changes := changes || afterservice.duty_changes((
      SELECT coalesce(jsonb_object_agg(d.key, d.value), '{}')
      FROM jsonb_each(body -> 'duty_report') AS d
      WHERE d.value IS DISTINCT FROM o -> CASE d.key WHEN 'DutyDate' THEN 'duty_date' ELSE d.key END), 'duty_report.');
  END IF;
  IF body ? 'abnormal_products' AND body -> 'abnormal_products' <> o -> 'abnormal_products' THEN
    changes := changes || jsonb_build_object('abnormal_products', afterservice.replaced_products(body -> 'abnormal_products', o));
  END IF;

  PERFORM workorder.act('afterservice.orders', order_id, coalesce(operation, 'update'), note, changes);
  RETURN afterservice.order_json(order_id);
END
$$;
COMMENT ON FUNCTION afterservice.put_order(bigint, jsonb) IS
  'AS-3, AS-4, AS-5: changes the content of an order and, with operation, passes it on (done) or back (reject), in one step; returns the order. Raises WO400, WO403, WO404, WO409 in the order of contract 4.0.';

CREATE FUNCTION afterservice.delete_order(order_id bigint) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  o jsonb := afterservice.lock_order(order_id);
BEGIN
  PERFORM afterservice.require_in_progress(o);
  IF ((o ->> 'creator_id')::bigint IS DISTINCT FROM workorder.actor_id() OR workorder.actor_id() IS NULL)
     AND NOT workorder.has_role('afterservice.unnamed') THEN
    PERFORM workorder.refuse('WO403', 'permission denied',
      'An order is deleted by its creator.', 'Ask the creator, or send the order back.');
  END IF;
  IF NOT workorder.can('afterservice.orders', order_id, 'delete') THEN
    PERFORM workorder.refuse('WO409',
      format('delete is not allowed in status %s', afterservice.status(o ->> 'state', o ->> 'history')),
      'An order can be deleted until it is submitted.', 'Have the order sent back first.');
  END IF;
  DELETE FROM afterservice.orders d
  WHERE d.tenant_id = workorder.tenant_id() AND d.id = order_id;
END
$$;
COMMENT ON FUNCTION afterservice.delete_order(bigint) IS
  'AS-6: deletes an order that waits to be submitted; its journal is kept. Raises WO403, WO404, WO409.';

-- ---------------------------------------------------------------------------
-- What the API does not offer: the administrator's steps (contract 3.1).
-- ---------------------------------------------------------------------------

CREATE FUNCTION afterservice.step_order(order_id bigint, step text, note text) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM afterservice.lock_order(order_id);
  PERFORM workorder.act('afterservice.orders', order_id, step, note);
  RETURN afterservice.order_json(order_id);
END
$$;
COMMENT ON FUNCTION afterservice.step_order(bigint, text, text) IS
  'Takes a step with an order and returns the order as it is then. Raises WO403, WO404, WO409.';

CREATE FUNCTION afterservice.halt_order(order_id bigint, note text DEFAULT NULL) RETURNS jsonb
LANGUAGE sql VOLATILE PARALLEL UNSAFE
RETURN afterservice.step_order(order_id, 'halt', note);
COMMENT ON FUNCTION afterservice.halt_order(bigint, text) IS
  'Halts an order in progress; it keeps its status. Returns the order. Raises WO403, WO404, WO409.';

CREATE FUNCTION afterservice.resume_order(order_id bigint, note text DEFAULT NULL) RETURNS jsonb
LANGUAGE sql VOLATILE PARALLEL UNSAFE
RETURN afterservice.step_order(order_id, 'resume', note);
COMMENT ON FUNCTION afterservice.resume_order(bigint, text) IS
  'Puts an order that was halted or is overdue back into the status it had. Returns the order. Raises WO403, WO404, WO409.';

CREATE FUNCTION afterservice.cancel_order(order_id bigint, note text DEFAULT NULL) RETURNS jsonb
LANGUAGE sql VOLATILE PARALLEL UNSAFE
RETURN afterservice.step_order(order_id, 'cancel', note);
COMMENT ON FUNCTION afterservice.cancel_order(bigint, text) IS
  'Cancels an order that is not done, for good; it keeps its status. Returns the order. Raises WO403, WO404, WO409.';

CREATE FUNCTION afterservice.expire_order(order_id bigint, note text DEFAULT NULL) RETURNS jsonb
LANGUAGE sql VOLATILE PARALLEL UNSAFE
RETURN afterservice.step_order(order_id, 'expire', note);
COMMENT ON FUNCTION afterservice.expire_order(bigint, text) IS
  'Makes an order in progress overdue; it keeps its status. Returns the order. Raises WO403, WO404, WO409.';

CREATE FUNCTION afterservice.assign_order(order_id bigint, saler text, note text DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  saler_id CONSTANT bigint := afterservice.specialist_named(saler);
BEGIN
  PERFORM afterservice.lock_order(order_id);
  IF saler_id IS NULL AND saler IS NOT NULL THEN
    PERFORM workorder.refuse_input(afterservice.wording(), 'invalid', 'saler', 'It must be the name of an active person with the role service.');
  END IF;
  PERFORM workorder.act('afterservice.orders', order_id, 'assign', note, jsonb_build_object('saler_id', saler_id));
  RETURN afterservice.order_json(order_id);
END
$$;
COMMENT ON FUNCTION afterservice.assign_order(bigint, text, text) IS
  'Gives an order in progress to another specialist, by name, or to any of them (null): for when the one it has is gone. Returns the order. Raises WO400, WO403, WO404, WO409.';

CREATE FUNCTION afterservice.set_overdue_after(term text) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.set_setting('afterservice', 'overdue_after', term);
  RETURN workorder.retime('afterservice.orders');
END
$$;
COMMENT ON FUNCTION afterservice.set_overdue_after(text) IS
  'How long an order of this tenant may be in progress without anybody touching it before workorder.sweep() makes it overdue: an ISO 8601 duration, P30D, or P10D@office for working days of a calendar; null, as in the beginning, for ever. It holds for the orders that are there, too, from when each was last touched. Returns how many orders got another timer. For who owns the tables. Raises WO400 for what is no duration. Contract 3.1.';
