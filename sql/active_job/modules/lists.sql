CREATE FUNCTION active_job.list_orders(
  search text DEFAULT NULL, order_status numeric DEFAULT 0, contact_status numeric DEFAULT 0,
  page int DEFAULT 1, page_size int DEFAULT 10,
  OUT total bigint, OUT items json)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  zone CONSTANT text := active_job.time_zone();
  tenant CONSTANT bigint := workorder.tenant_id();
  worker CONSTANT bigint := workorder.actor_id();
  part CONSTANT text := lower(nullif(search, ''));
BEGIN
  WITH mine AS MATERIALIZED (
    SELECT o.id, o.order_create_time, o.order_id, o.activity_id
    FROM active_job.orders o
    WHERE o.tenant_id = tenant AND o.holder_id = worker
      AND (coalesce(list_orders.order_status, 0) = 0 OR active_job.status(o.state) = list_orders.order_status)
      AND (coalesce(list_orders.contact_status, 0) = 0 OR o.contact_status = list_orders.contact_status)
      AND (part IS NULL
        OR strpos(lower(o.order_id), part) > 0 OR strpos(lower(o.customer_name), part) > 0
        OR strpos(lower(o.phone), part) > 0 OR strpos(lower(o.mobile), part) > 0
        OR strpos(lower(o.broadband_account), part) > 0
        OR o.activity_id IN (
          SELECT a.activity_id FROM active_job.activity a
          WHERE a.tenant_id = tenant AND strpos(lower(a.activity_name), part) > 0)))
  SELECT (SELECT count(*) FROM mine), coalesce(json_agg(json_build_object(
      'order_id', o.order_id,
      'activity_name', coalesce(a.activity_name, ''),
      'status', active_job.status(o.state),
      'order_create_time', workorder.time_text(o.order_create_time, zone),
      'lastest_contact', json_build_object(
        'contact_time', coalesce(workorder.time_text(o.contact_time, zone), ''),
        'status', coalesce(o.contact_status, 0),
        'status_reason', coalesce(o.contact_status_reason, ''),
        'status_remark', coalesce(o.contact_status_remark, '')))
    ORDER BY o.order_create_time DESC, o.order_id DESC), '[]')
  INTO total, items
  FROM (
    SELECT m.id FROM mine m
    ORDER BY m.order_create_time DESC, m.order_id DESC
    LIMIT list_orders.page_size OFFSET (list_orders.page - 1)::bigint * list_orders.page_size) AS shown
  JOIN active_job.orders o ON o.tenant_id = tenant AND o.id = shown.id
  LEFT JOIN active_job.activity a ON a.tenant_id = o.tenant_id AND a.activity_id = o.activity_id;
END
$$;
COMMENT ON FUNCTION active_job.list_orders(text, numeric, numeric, int, int) IS
  'AJ-1: a page of the orders that the caller holds, newest first, and how many there are. search: a part of order_id, activity_name, customer_name, phone, mobile or broadband_account, in any case; a status of 0 is any.';
