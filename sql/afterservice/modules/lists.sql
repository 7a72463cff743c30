CREATE FUNCTION afterservice.list_orders(
  status text DEFAULT NULL, workflow_status text DEFAULT NULL, creator_name text DEFAULT NULL,
  page text DEFAULT NULL, per_page text DEFAULT NULL,
  OUT total bigint, OUT data json)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan -- see order_list()
AS $$
DECLARE
  tenant CONSTANT bigint := workorder.tenant_id();
  size CONSTANT int := afterservice.page_size(per_page);
  skipped CONSTANT bigint := (afterservice.page_number(page) - 1) * size;
  wanted_status CONSTANT text := CASE WHEN status = 'waitting' THEN 'waiting' ELSE nullif(status, '') END;
  wanted_workflow CONSTANT text := nullif(workflow_status, '');
  wanted_creator CONSTANT text := nullif(creator_name, '');
  states text[];
  stopped text[];
  ids bigint[];
BEGIN
  IF wanted_status NOT IN ('created', 'waiting', 'service_approving', 'service_approved', 'manager_reviewing',
      'manager_reviewed', 'chief_reviewing', 'chief_reviewed', 'finance_reviewing', 'end') THEN
    PERFORM workorder.refuse_input(afterservice.wording(), 'invalid', 'status', 'It is none of the ten statuses.');
  ELSIF wanted_workflow NOT IN ('halt', 'in_progress', 'done', 'cancel', 'overdue') THEN
    PERFORM workorder.refuse_input(afterservice.wording(), 'invalid', 'workflow_status', 'It is none of the five workflow statuses.');
  END IF;

  IF wanted_creator IS NOT NULL THEN
    states := afterservice.states_of(wanted_status, wanted_workflow);
    SELECT count(*) INTO total
    FROM afterservice.orders o
    WHERE o.tenant_id = tenant AND o.creator_name = wanted_creator AND o.state = ANY (states)
      AND (wanted_status IS NULL OR afterservice.status(o.state, o.history) = wanted_status);
    ids := ARRAY(
      SELECT o.id
      FROM afterservice.orders o
      WHERE o.tenant_id = tenant AND o.creator_name = wanted_creator AND o.state = ANY (states)
        AND (wanted_status IS NULL OR afterservice.status(o.state, o.history) = wanted_status)
      ORDER BY o.created_at DESC, o.id DESC
      LIMIT size OFFSET skipped);
  ELSIF wanted_status IS NOT NULL OR wanted_workflow IS NOT NULL THEN
    states := afterservice.states_of(wanted_status, wanted_workflow);
    -- Where an order was when it was halted, cancelled or overdue, its row alone tells.
    stopped := CASE WHEN wanted_status IS NULL THEN '{}'
      ELSE ARRAY(SELECT s FROM unnest(states) AS s WHERE s IN ('halt', 'overdue', 'cancel')) END;
    total := workorder.total('afterservice.orders', ARRAY(SELECT s FROM unnest(states) AS s WHERE s <> ALL (stopped)))
      + (SELECT count(*)
         FROM afterservice.orders o
         WHERE o.tenant_id = tenant AND o.state = ANY (stopped)
           AND afterservice.status(o.state, o.history) = wanted_status);
    -- The newest of each state come off the index; then they are merged.
    ids := ARRAY(
      SELECT newest.id
      FROM unnest(states) AS s (state)
      CROSS JOIN LATERAL (
        SELECT o.id, o.created_at
        FROM afterservice.orders o
        WHERE o.tenant_id = tenant AND o.state = s.state
          AND (wanted_status IS NULL OR afterservice.status(o.state, o.history) = wanted_status)
        ORDER BY o.created_at DESC, o.id DESC
        LIMIT skipped + size) AS newest
      ORDER BY newest.created_at DESC, newest.id DESC
      LIMIT size OFFSET skipped);
  ELSE
    total := workorder.total('afterservice.orders');
    ids := ARRAY(
      SELECT o.id
      FROM afterservice.orders o
      WHERE o.tenant_id = tenant
      ORDER BY o.created_at DESC, o.id DESC
      LIMIT size OFFSET skipped);
  END IF;
  data := afterservice.order_list(ids);
END
$$;
COMMENT ON FUNCTION afterservice.list_orders(text, text, text, text, text) IS
  'AS-2: a page of the orders that the caller may see, newest first, and how many there are; empty filters mean all. Arguments as they come in the query. Raises WO400.';

CREATE FUNCTION afterservice.journals(
  order_id bigint, page text DEFAULT NULL, per_page text DEFAULT NULL,
  OUT total bigint, OUT data json)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  size CONSTANT int := afterservice.page_size(per_page);
  skipped CONSTANT bigint := (afterservice.page_number(page) - 1) * size;
  zone CONSTANT text := afterservice.time_zone();
  present text;
BEGIN
  SELECT afterservice.status(o.state, o.history) INTO present
  FROM afterservice.orders o
  WHERE o.tenant_id = workorder.tenant_id() AND o.id = order_id;
  IF NOT FOUND THEN
    PERFORM workorder.refuse('WO404', 'order not found',
      'There is no such order, or you may not see it.', 'Check the id.');
  END IF;
  WITH entry AS (
    SELECT l.*,
      -- The status before and after, where the states tell; those outside in_progress keep the one there was.
      CASE WHEN l.from_state ~ '^(in_progress\.|done$)' THEN afterservice.status(l.from_state, NULL) END AS from_status,
      CASE WHEN l.to_state ~ '^(in_progress\.|done$)' THEN afterservice.status(l.to_state, NULL) END AS to_status,
      -- A change of the workflow status is one of the flow, whoever made it.
      l.action IN ('create', 'done', 'reject')
        OR afterservice.workflow_status(l.from_state) <> afterservice.workflow_status(l.to_state) AS shown
    FROM workorder.history l
    WHERE l.relation = 'afterservice.orders'::regclass AND l.ticket_id = order_id),
  kept AS (
    SELECT e.*, count(*) OVER () AS total, row_number() OVER (ORDER BY e.revision) AS n
    FROM entry e WHERE e.shown)
  SELECT coalesce(max(k.total), 0),
    coalesce(json_agg(json_build_object(
      'id', k.revision,
      'order_id', order_id,
      'operation', CASE WHEN k.action IN ('create', 'done', 'reject') THEN k.action
        WHEN k.to_state LIKE 'in\_progress.%' THEN 'resume' ELSE k.to_state END,
      'from_status', CASE WHEN k.from_state IS NOT NULL THEN coalesce(k.from_status, k.to_status, s.status) END,
      'to_status', coalesce(k.to_status, k.from_status, s.status),
      'workflow_status', afterservice.workflow_status(k.to_state),
      'remark', coalesce(k.note, ''),
      'operator_name', coalesce(k.actor, ''),
      'created_at', workorder.time_text(k.at, zone)) ORDER BY k.revision)
      FILTER (WHERE k.n > skipped AND k.n <= skipped + size), '[]')
  INTO total, data
  FROM kept k
  LEFT JOIN LATERAL (
    -- From one state outside to another: what was before, or else what came after, tells.
    SELECT coalesce(
      (SELECT coalesce(e.to_status, e.from_status) FROM entry e
       WHERE e.revision < k.revision AND coalesce(e.to_status, e.from_status) IS NOT NULL ORDER BY e.revision DESC LIMIT 1),
      (SELECT coalesce(e.from_status, e.to_status) FROM entry e
       WHERE e.revision > k.revision AND coalesce(e.from_status, e.to_status) IS NOT NULL ORDER BY e.revision LIMIT 1),
      present) AS status) AS s ON k.from_status IS NULL AND k.to_status IS NULL AND k.n > skipped AND k.n <= skipped + size;
END
$$;
COMMENT ON FUNCTION afterservice.journals(bigint, text, text) IS
  'AS-7: a page of an order''s flow history, oldest first, and its length: steps, and changes of the workflow status by whoever; content edits are left out. An entry''s id is the revision of the order. Raises WO404.';

CREATE FUNCTION afterservice.all_products(page text DEFAULT NULL, per_page text DEFAULT NULL, OUT total bigint, OUT data json)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  size CONSTANT int := afterservice.page_size(per_page);
  skipped CONSTANT bigint := (afterservice.page_number(page) - 1) * size;
BEGIN
  SELECT count(*) INTO total
  FROM afterservice.product p
  WHERE p.tenant_id = workorder.tenant_id();
  SELECT coalesce(json_agg(json_build_object('id', l.id, 'skuCode', l.sku_code, 'name', l.name) ORDER BY l.sku_code), '[]')
  INTO data
  FROM (
    SELECT p.id, p.sku_code, p.name
    FROM afterservice.product p
    WHERE p.tenant_id = workorder.tenant_id()
    ORDER BY p.sku_code
    LIMIT size OFFSET skipped) AS l;
END
$$;
COMMENT ON FUNCTION afterservice.all_products(text, text) IS
  'AS-8: a page of the product directory by skuCode, and its length.';

CREATE FUNCTION afterservice.supplier_user_matcher(
  key_word text DEFAULT NULL, page text DEFAULT NULL, per_page text DEFAULT NULL,
  OUT total bigint, OUT data json)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  size CONSTANT int := afterservice.page_size(per_page);
  skipped CONSTANT bigint := (afterservice.page_number(page) - 1) * size;
  part CONSTANT text := lower(coalesce(key_word, ''));
BEGIN
  IF char_length(key_word) > 100 THEN
    PERFORM workorder.refuse_input(afterservice.wording(), 'invalid', 'key_word', 'It must be a text of at most 100 characters.');
  END IF;
  SELECT count(*),
    coalesce(json_agg(json_build_object(
      'supplier_id', l.supplier_id, 'supplier_name', l.supplier_name,
      'user_id', l.user_id, 'user_name', l.user_name) ORDER BY l.n)
      FILTER (WHERE l.n > skipped AND l.n <= skipped + size), '[]')
  INTO total, data
  FROM (
    SELECT m.supplier_id, s.name AS supplier_name, m.user_id, a.name AS user_name,
      row_number() OVER (ORDER BY m.supplier_id, m.user_id) AS n
    FROM afterservice.matcher m
    JOIN afterservice.supplier s ON s.tenant_id = m.tenant_id AND s.id = m.supplier_id
    JOIN workorder.actor a ON a.tenant_id = m.tenant_id AND a.id = m.user_id
    WHERE m.tenant_id = workorder.tenant_id()
      AND (strpos(lower(s.name), part) > 0 OR strpos(lower(a.name), part) > 0)) AS l;
END
$$;
COMMENT ON FUNCTION afterservice.supplier_user_matcher(text, text, text) IS
  'AS-9: a page of the pairs of supplier and specialist whose names contain key_word, and how many there are. Raises WO400.';

-- ---------------------------------------------------------------------------
-- Loading the directories.  Both take the shape that the API shows, and may
-- be repeated: what is there is brought up to date, nothing is taken away.
-- ---------------------------------------------------------------------------

CREATE FUNCTION afterservice.import_suppliers(list jsonb) RETURNS int
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  tenant CONSTANT bigint := workorder.tenant_id();
BEGIN
  INSERT INTO afterservice.supplier AS s (tenant_id, id, name)
  SELECT DISTINCT ON (i.supplier_id) tenant, i.supplier_id, i.supplier_name
  FROM jsonb_to_recordset(list) AS i (supplier_id bigint, supplier_name text)
  ORDER BY i.supplier_id
  ON CONFLICT ON CONSTRAINT supplier_pkey DO UPDATE SET name = excluded.name WHERE s.name <> excluded.name;

  INSERT INTO afterservice.matcher (tenant_id, supplier_id, user_id)
  SELECT DISTINCT tenant, i.supplier_id, i.user_id
  FROM jsonb_to_recordset(list) AS i (supplier_id bigint, user_id bigint)
  WHERE i.user_id IS NOT NULL
  ON CONFLICT DO NOTHING;
  RETURN (SELECT count(DISTINCT i.supplier_id) FROM jsonb_to_recordset(list) AS i (supplier_id bigint));
END
$$;
COMMENT ON FUNCTION afterservice.import_suppliers(jsonb) IS
  'Loads suppliers and their specialists, [{"supplier_id", "supplier_name", "user_id": actor or null}], as AS-9 shows them; returns how many suppliers. May be repeated.';

CREATE FUNCTION afterservice.import_products(list jsonb) RETURNS int
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  tenant CONSTANT bigint := workorder.tenant_id();
  imported int;
BEGIN
  INSERT INTO afterservice.product AS p (tenant_id, id, sku_code, name)
  SELECT DISTINCT ON (i.id) tenant, i.id, i."skuCode", i.name
  FROM jsonb_to_recordset(list) AS i (id bigint, "skuCode" text, name text)
  ORDER BY i.id
  ON CONFLICT ON CONSTRAINT product_pkey DO UPDATE SET sku_code = excluded.sku_code, name = excluded.name;
  GET DIAGNOSTICS imported = ROW_COUNT;
  RETURN imported;
END
$$;
COMMENT ON FUNCTION afterservice.import_products(jsonb) IS
  'Loads products, [{"id", "skuCode", "name"}], as AS-8 shows them; returns how many. May be repeated.';
