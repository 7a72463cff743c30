-- ---------------------------------------------------------------------------
-- The API of contract 4 over HTTP: each function takes a request apart, calls
-- the function that does the work, and puts the answer into the envelope.
-- Refusals are errors (WO400 ...), which the engine puts into the envelope that
-- afterservice.install_http() gives it.
-- ---------------------------------------------------------------------------

CREATE FUNCTION afterservice.http_data(data json, total bigint DEFAULT NULL) RETURNS workorder.http_response
LANGUAGE sql STABLE PARALLEL SAFE
RETURN workorder.http_json(200,
  json_build_object('status', 0, 'message', 'ok', 'data', data),
  CASE WHEN total IS NOT NULL THEN jsonb_build_object('X-Total-Count', total) END);
COMMENT ON FUNCTION afterservice.http_data(json, bigint) IS
  'The envelope of a success: data is a list; total, if it is one page of it, goes into the header X-Total-Count. Contract 4.0.';

CREATE FUNCTION afterservice.http_id(request workorder.http_request, name text DEFAULT 'id') RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN workorder.path_id((request).params ->> name);
COMMENT ON FUNCTION afterservice.http_id(workorder.http_request, text) IS
  'An id in the path of a request, null if there can be no such row.';

CREATE FUNCTION afterservice.http_create_order(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN afterservice.http_data(json_build_array(afterservice.create_order(request.body)));
END
$$;
COMMENT ON FUNCTION afterservice.http_create_order(workorder.http_request) IS
  'AS-1, POST /orders.';

CREATE FUNCTION afterservice.http_list_orders(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (SELECT afterservice.http_data(l.data, l.total) FROM afterservice.list_orders(
    workorder.http_value(request.query, 'status'), workorder.http_value(request.query, 'workflow_status'),
    workorder.http_value(request.query, 'creator_name'),
    workorder.http_value(request.query, 'page'), workorder.http_value(request.query, 'per_page')) AS l);
END
$$;
COMMENT ON FUNCTION afterservice.http_list_orders(workorder.http_request) IS
  'AS-2, GET /orders.';

CREATE FUNCTION afterservice.http_put_order(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN afterservice.http_data(json_build_array(
    afterservice.put_order(afterservice.http_id(request), request.body)));
END
$$;
COMMENT ON FUNCTION afterservice.http_put_order(workorder.http_request) IS
  'AS-3, AS-4, AS-5, PUT /orders/{id}.';

CREATE FUNCTION afterservice.http_delete_order(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM afterservice.delete_order(afterservice.http_id(request));
  RETURN afterservice.http_data('[]');
END
$$;
COMMENT ON FUNCTION afterservice.http_delete_order(workorder.http_request) IS
  'AS-6, DELETE /orders/{id}.';

CREATE FUNCTION afterservice.http_journals(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (SELECT afterservice.http_data(l.data, l.total) FROM afterservice.journals(afterservice.http_id(request),
    workorder.http_value(request.query, 'page'), workorder.http_value(request.query, 'per_page')) AS l);
END
$$;
COMMENT ON FUNCTION afterservice.http_journals(workorder.http_request) IS
  'AS-7, GET /{id}/journals and /orders/{id}/journals.';

CREATE FUNCTION afterservice.http_all_products(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (SELECT afterservice.http_data(l.data, l.total) FROM afterservice.all_products(
    workorder.http_value(request.query, 'page'), workorder.http_value(request.query, 'per_page')) AS l);
END
$$;
COMMENT ON FUNCTION afterservice.http_all_products(workorder.http_request) IS
  'AS-8, GET /all-products.';

CREATE FUNCTION afterservice.http_supplier_user_matcher(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (SELECT afterservice.http_data(l.data, l.total) FROM afterservice.supplier_user_matcher(
    workorder.http_value(request.query, 'key_word'),
    workorder.http_value(request.query, 'page'), workorder.http_value(request.query, 'per_page')) AS l);
END
$$;
COMMENT ON FUNCTION afterservice.http_supplier_user_matcher(workorder.http_request) IS
  'AS-9, GET /supplier_user_matcher.';

CREATE FUNCTION afterservice.http_add_abnormal_products(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN afterservice.http_data(
    afterservice.add_abnormal_products(afterservice.http_id(request), request.body)::json);
END
$$;
COMMENT ON FUNCTION afterservice.http_add_abnormal_products(workorder.http_request) IS
  'AS-10, POST /orders/{id}/abnormal-products.';

CREATE FUNCTION afterservice.http_put_abnormal_product(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN afterservice.http_data(json_build_array(afterservice.put_abnormal_product(
    afterservice.http_id(request), afterservice.http_id(request, 'pid'), request.body)));
END
$$;
COMMENT ON FUNCTION afterservice.http_put_abnormal_product(workorder.http_request) IS
  'AS-11, PUT /orders/{id}/abnormal-products/{pid}.';

CREATE FUNCTION afterservice.http_delete_abnormal_product(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM afterservice.delete_abnormal_product(afterservice.http_id(request), afterservice.http_id(request, 'pid'));
  RETURN afterservice.http_data('[]');
END
$$;
COMMENT ON FUNCTION afterservice.http_delete_abnormal_product(workorder.http_request) IS
  'AS-12, DELETE /orders/{id}/abnormal-products/{pid}.';

CREATE FUNCTION afterservice.http_put_duty_report(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN afterservice.http_data(json_build_array(
    afterservice.put_duty_report(afterservice.http_id(request), request.body)));
END
$$;
COMMENT ON FUNCTION afterservice.http_put_duty_report(workorder.http_request) IS
  'AS-13, PUT /orders/{id}/duty-report.';

CREATE FUNCTION afterservice.http_rank(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN afterservice.http_data(
    CASE substring(request.path FROM '/([a-z]+)rank/?$')
      WHEN 'type' THEN afterservice.type_rank()
      WHEN 'reason' THEN afterservice.reason_rank()
      WHEN 'duty' THEN afterservice.duty_rank()
      WHEN 'compensation' THEN afterservice.compensation_rank()
      WHEN 'publishment' THEN afterservice.publishment_rank()
    END::json);
END
$$;
COMMENT ON FUNCTION afterservice.http_rank(workorder.http_request) IS
  'AS-14 to AS-18, GET /dutyreports/typerank and its four sisters.';

-- ---------------------------------------------------------------------------
-- The compatibility switch of contract 4.0: clients of old send no token, only
-- a name.
-- ---------------------------------------------------------------------------

CREATE FUNCTION afterservice.http_identify(request workorder.http_request) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- AS-1 and AS-3 to AS-5 say who; no other call does.
  claimed CONSTANT text := CASE
    WHEN request.path ~ '/orders/?$' THEN request.body ->> 'creator_name'
    WHEN request.path ~ '/orders/[0-9]+/?$' THEN request.body ->> 'operator_name' END;
  found bigint[];
BEGIN
  found := ARRAY(
    SELECT a.id
    FROM workorder.actor a
    WHERE a.tenant_id = workorder.tenant_id() AND a.name = claimed AND a.active
      AND EXISTS (SELECT FROM workorder.membership m
                  WHERE m.tenant_id = a.tenant_id AND m.actor_id = a.id
                    AND m.role IN ('afterservice.creator', 'afterservice.service', 'afterservice.manager',
                      'afterservice.chief', 'afterservice.finance'))
    LIMIT 2);
  IF cardinality(found) = 1 THEN
    RETURN found[1];
  END IF;
  -- Nobody, or not exactly one: the request goes on as the person without a
  -- name, whose name is not the one that was sent; so it is refused when its
  -- turn comes, and a name that was not sent is no obstacle.
  RETURN (
    SELECT a.id
    FROM workorder.actor a
    WHERE a.tenant_id = workorder.tenant_id() AND a.login = 'afterservice.unnamed');
END
$$;
COMMENT ON FUNCTION afterservice.http_identify(workorder.http_request) IS
  'Who acts if there is no token and names are trusted: the person of that name with a role in the flow, else the one who has no name. Contract 4.0, trust_operator_name.';

CREATE FUNCTION afterservice.trust_operator_name(trust boolean) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF trust THEN
    -- enrol() wants a name, and this one must not have any.
    INSERT INTO workorder.actor (tenant_id, login, name)
    VALUES (workorder.tenant_id(), 'afterservice.unnamed', '')
    ON CONFLICT (tenant_id, login) DO UPDATE SET name = '', active = true;
    INSERT INTO workorder.membership (tenant_id, actor_id, role)
    SELECT a.tenant_id, a.id, a.login
    FROM workorder.actor a
    WHERE a.tenant_id = workorder.tenant_id() AND a.login = 'afterservice.unnamed'
    ON CONFLICT DO NOTHING;
    UPDATE workorder.api a
    SET settings = a.settings || jsonb_build_object(
      'trust_operator_name', true,
      'identify', 'afterservice.http_identify',
      'run_as', coalesce((SELECT s.value FROM workorder.secret s WHERE s.name = 'web_role'), 'workorder_user'))
    WHERE a.name = 'afterservice';
  ELSE
    UPDATE workorder.api a
    SET settings = a.settings - '{identify,run_as}'::text[] || '{"trust_operator_name": false}'
    WHERE a.name = 'afterservice';
  END IF;
END
$$;
COMMENT ON FUNCTION afterservice.trust_operator_name(boolean) IS
  'Switches on or off that a request without a token acts as whoever it names in creator_name or operator_name; one that names nobody is then judged by the order''s status alone. Off unless switched on: with it, anybody who reaches the API is whoever they say. For the current tenant''s people. Contract 4.0.';

CREATE FUNCTION afterservice.install_http() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.add_api('afterservice', '/api/v1/afterservice', '{"status":"$status","message":"$message","data":[]}', false,
    '{"trust_operator_name": false,
      "messages": {"malformed": "malformed JSON", "required": "missing field: $name", "parameter": "invalid value: $name",
        "denied": "permission denied", "not_found": "not found", "conflict": "order is not in progress"}}');
  PERFORM workorder.add_routes('afterservice', '[
    ["POST", "/orders", "http_create_order"],
    ["GET", "/orders", "http_list_orders"],
    ["PUT", "/orders/{id:int}", "http_put_order"],
    ["DELETE", "/orders/{id:int}", "http_delete_order"],
    ["GET", "/{id:int}/journals", "http_journals"],
    ["GET", "/orders/{id:int}/journals", "http_journals"],
    ["GET", "/all-products", "http_all_products"],
    ["GET", "/supplier_user_matcher", "http_supplier_user_matcher"],
    ["POST", "/orders/{id:int}/abnormal-products", "http_add_abnormal_products"],
    ["PUT", "/orders/{id:int}/abnormal-products/{pid:int}", "http_put_abnormal_product"],
    ["DELETE", "/orders/{id:int}/abnormal-products/{pid:int}", "http_delete_abnormal_product"],
    ["PUT", "/orders/{id:int}/duty-report", "http_put_duty_report"],
    ["GET", "/dutyreports/typerank", "http_rank"],
    ["GET", "/dutyreports/reasonrank", "http_rank"],
    ["GET", "/dutyreports/dutyrank", "http_rank"],
    ["GET", "/dutyreports/compensationrank", "http_rank"],
    ["GET", "/dutyreports/publishmentrank", "http_rank"]]');
END
$$;
COMMENT ON FUNCTION afterservice.install_http() IS
  'Enters the API''s envelope and routes; part of afterservice.install(). What was changed in the settings of the API stays.';
