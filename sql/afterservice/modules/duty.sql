CREATE FUNCTION afterservice.duty_changes(body jsonb, place text DEFAULT '') RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  changes jsonb := afterservice.read_fields(body, '[
    {"name": "abnormal_type", "kind": "text", "max": 200, "null": true},
    {"name": "abnormal_reason", "kind": "text", "max": 200, "null": true},
    {"name": "publishment", "kind": "text", "max": 200, "null": true},
    {"name": "publish_to", "kind": "text", "max": 200, "null": true},
    {"name": "duty_to", "kind": "text", "max": 200, "null": true},
    {"name": "compensation", "kind": "money", "null": true, "blank": false},
    {"name": "duty_date", "from": ["DutyDate"], "kind": "text", "null": true}]', place);
  -- A day or a time, kept as it was written once it is known to exist.
  given_date CONSTANT text := changes ->> 'duty_date';
BEGIN
  IF given_date !~ '^[0-9-]{10}( [0-9:]{8})?$' OR (given_date IS NOT NULL AND workorder.input_time(given_date, false, false) IS NULL) THEN
    PERFORM workorder.refuse_input(afterservice.wording(), 'invalid', place || 'duty_date',
      'It must be a day, "2018-03-05", or a time, "2018-03-05 10:00:00".');
  END IF;
  IF changes ? 'duty_to' THEN
    changes := changes || jsonb_build_object('duty_to_id', afterservice.supplier_named(changes ->> 'duty_to'));
  END IF;
  RETURN changes;
END
$$;
COMMENT ON FUNCTION afterservice.duty_changes(jsonb, text) IS
  'The columns that a duty report which was sent changes, in the order''s row; place goes before names in messages ("duty_report."). Raises WO400. Contract AS-13.';

CREATE FUNCTION afterservice.put_duty_report(order_id bigint, body jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  o jsonb;
BEGIN
  PERFORM afterservice.object_of(body);
  o := afterservice.lock_order(order_id);
  PERFORM afterservice.require_in_progress(o);
  PERFORM afterservice.require_owner(o);

  PERFORM workorder.act('afterservice.orders', order_id, 'update', changes => afterservice.duty_changes(body));
  RETURN afterservice.order_json(order_id) -> 'duty_report';
END
$$;
COMMENT ON FUNCTION afterservice.put_duty_report(bigint, jsonb) IS
  'AS-13: writes the keys given into the duty report of an order, null clears; returns the report. Raises WO400, WO403, WO404, WO409.';

CREATE FUNCTION afterservice.supplier_named(name text) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
    SELECT min(s.id)
    FROM afterservice.supplier s
    WHERE s.tenant_id = workorder.tenant_id() AND s.name = supplier_named.name);
END
$$;
COMMENT ON FUNCTION afterservice.supplier_named(text) IS
  'The id of the supplier of this name, null if the directory has none. Contract 4.0, duty_to_id.';

-- ---------------------------------------------------------------------------
-- Rankings: what the duty reports of existing orders say, and how often; then
-- the entries of the tenant's dictionary that none of them has used.
-- ---------------------------------------------------------------------------

CREATE FUNCTION afterservice.rank(field text) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  result jsonb;
BEGIN
  EXECUTE format($query$
      SELECT coalesce(jsonb_agg(jsonb_build_object('value', r.value, 'count', r.n)
                                ORDER BY r.n DESC, r.value COLLATE "C"), '[]')
      FROM (
        SELECT u.value, sum(u.n) AS n
        FROM (
          SELECT o.%1$I AS value, count(*) AS n
          FROM afterservice.orders o
          WHERE o.tenant_id = workorder.tenant_id() AND o.%1$I IS NOT NULL
          GROUP BY o.%1$I
          UNION ALL
          SELECT d.code, 0
          FROM workorder.dictionary d
          WHERE d.tenant_id = workorder.tenant_id() AND d.system = 'afterservice' AND d.kind = $1 AND d.active
            AND workorder.is_member('afterservice')) AS u
        GROUP BY u.value) AS r $query$, field)
    USING field
    INTO result;
  RETURN result;
END
$$;
COMMENT ON FUNCTION afterservice.rank(text) IS
  'Values of a text column of the duty report with how many orders have them, the most used first, then by value (byte order); the dictionary of the same name fills up.';

CREATE FUNCTION afterservice.type_rank() RETURNS jsonb
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN afterservice.rank('abnormal_type');
COMMENT ON FUNCTION afterservice.type_rank() IS 'AS-14: ranking of abnormal types, [{"value", "count"}].';

CREATE FUNCTION afterservice.reason_rank() RETURNS jsonb
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN afterservice.rank('abnormal_reason');
COMMENT ON FUNCTION afterservice.reason_rank() IS 'AS-15: ranking of abnormal reasons, [{"value", "count"}].';

CREATE FUNCTION afterservice.duty_rank() RETURNS jsonb
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN afterservice.rank('duty_to');
COMMENT ON FUNCTION afterservice.duty_rank() IS 'AS-16: ranking of those at fault, [{"value", "count"}].';

CREATE FUNCTION afterservice.compensation_rank() RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
    SELECT coalesce(jsonb_agg(jsonb_build_object('value', trim_scale(r.value), 'count', r.n)
                              ORDER BY r.n DESC, r.value), '[]')
    FROM (
      SELECT o.compensation AS value, count(*) AS n
      FROM afterservice.orders o
      WHERE o.tenant_id = workorder.tenant_id() AND o.compensation IS NOT NULL
      GROUP BY o.compensation) AS r);
END
$$;
COMMENT ON FUNCTION afterservice.compensation_rank() IS 'AS-17: ranking of amounts, [{"value": number, "count"}].';

CREATE FUNCTION afterservice.publishment_rank() RETURNS jsonb
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN afterservice.rank('publishment');
COMMENT ON FUNCTION afterservice.publishment_rank() IS 'AS-18: ranking of penalties, [{"value", "count"}].';
