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
