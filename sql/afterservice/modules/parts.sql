-- The parts of an order: tracks, deductions and abnormal products.  They live
-- in the order's row, as lists, in the shape that the API shows: whoever
-- changes one changes the order, by the order's rules and in its journal, and
-- they go when the order goes.

CREATE FUNCTION afterservice.abnormal_product_of(value jsonb, place text, current jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  given jsonb := value;
BEGIN
  -- Nothing but a remark is enough to change an item that is there.
  IF current IS NOT NULL AND value ? 'remark' AND NOT value ?| '{skuCode,sku_code}' THEN
    given := given || jsonb_build_object('skuCode', current -> 'skuCode');
  END IF;
  given := afterservice.read_fields(given, '[
    {"name": "skuCode", "kind": "text", "required": true, "max": 64, "from": ["sku_code"]},
    {"name": "remark", "kind": "text", "max": 500}]', place);
  RETURN jsonb_build_object(
    'skuCode', given -> 'skuCode',
    'remark', coalesce(given -> 'remark', CASE WHEN NOT value ? 'remark' THEN current -> 'remark' END, '""'));
END
$$;
COMMENT ON FUNCTION afterservice.abnormal_product_of(jsonb, text, jsonb) IS
  'Returns skuCode and remark of an item that is added, or as it will be if current is given; place goes before names in messages ("[0]."). Raises WO400. Contract AS-10, AS-11.';

CREATE FUNCTION afterservice.put_parts(order_id bigint, abnormal_products jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.act('afterservice.orders', order_id, 'update',
    changes => jsonb_build_object('abnormal_products', abnormal_products));
END
$$;
COMMENT ON FUNCTION afterservice.put_parts(bigint, jsonb) IS
  'Replaces the abnormal products of an order, which is an update of the order.';

CREATE FUNCTION afterservice.numbered_products(list jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  result jsonb := '[]';
  item jsonb;
BEGIN
  FOR item IN SELECT e.value FROM jsonb_array_elements(list) WITH ORDINALITY AS e (value, n) ORDER BY e.n LOOP
    result := result || CASE WHEN item ? 'id' THEN item
      ELSE item || jsonb_build_object('id', workorder.next_number('afterservice.abnormal_product')) END;
  END LOOP;
  RETURN result;
END
$$;
COMMENT ON FUNCTION afterservice.numbered_products(jsonb) IS
  'The same abnormal products, each with its id; those that have none get the next numbers.';

CREATE FUNCTION afterservice.add_abnormal_products(order_id bigint, body jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  o jsonb;
  item jsonb;
  added jsonb := '[]';
  numbered jsonb;
  i int := 0;
BEGIN
  IF jsonb_typeof(body) IS DISTINCT FROM 'array' THEN
    PERFORM afterservice.object_of(body);
  END IF;
  o := afterservice.lock_order(order_id);
  PERFORM afterservice.require_in_progress(o);
  PERFORM afterservice.require_owner(o);

  IF body = '[]' THEN
    PERFORM workorder.refuse_input(afterservice.wording(), 'required', 'skuCode');
  ELSIF jsonb_typeof(body) = 'object' THEN
    added := jsonb_build_array(afterservice.abnormal_product_of(body, '', NULL));
  ELSE
    FOR item IN SELECT e.value FROM jsonb_array_elements(body) WITH ORDINALITY AS e (value, n) ORDER BY e.n LOOP
      IF i = 200 OR jsonb_typeof(item) <> 'object' THEN
        PERFORM workorder.refuse_input(afterservice.wording(), 'invalid', format('[%s]', i), 'The body is an object or a list of at most 200 objects.');
      END IF;
      added := added || afterservice.abnormal_product_of(item, format('[%s].', i), NULL);
      i := i + 1;
    END LOOP;
  END IF;

  -- Numbers are taken once nothing can be refused any more.
  numbered := afterservice.numbered_products(added);
  PERFORM afterservice.put_parts(order_id, (o -> 'abnormal_products') || numbered);
  RETURN numbered;
END
$$;
COMMENT ON FUNCTION afterservice.add_abnormal_products(bigint, jsonb) IS
  'AS-10: adds one abnormal product, or a list of up to 200, all or nothing; returns the added items with their ids. Raises WO400, WO403, WO404, WO409.';

CREATE FUNCTION afterservice.find_abnormal_product(o jsonb, product_id bigint) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  result jsonb;
BEGIN
  SELECT e.value INTO result
  FROM jsonb_array_elements(o -> 'abnormal_products') AS e (value)
  WHERE (e.value ->> 'id')::bigint = product_id;
  IF result IS NULL THEN
    PERFORM workorder.refuse('WO404', 'abnormal product not found',
      'The order has no abnormal product with this id.', 'Check the id.');
  END IF;
  RETURN result;
END
$$;
COMMENT ON FUNCTION afterservice.find_abnormal_product(jsonb, bigint) IS
  'The abnormal product of an order''s row with this id; raises WO404 "abnormal product not found".';

CREATE FUNCTION afterservice.replaced_products(list jsonb, o jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  place text := 'abnormal_products';
  held jsonb := o -> 'abnormal_products';  -- not yet taken by an item of the list
  result jsonb := '[]';
  item jsonb;
  current jsonb;
  i int;
BEGIN
  IF jsonb_typeof(list) IS DISTINCT FROM 'array' OR jsonb_array_length(list) > 200 THEN
    PERFORM workorder.refuse_input(afterservice.wording(), 'invalid', place, 'It must be a list of at most 200 objects.');
  END IF;
  FOR item, i IN SELECT e.value, e.n - 1 FROM jsonb_array_elements(list) WITH ORDINALITY AS e (value, n)
              -- What names its id goes first, so that nothing else takes it for its own.
              ORDER BY coalesce(e.value -> 'id', 'null') = 'null', e.n LOOP
    place := format('abnormal_products[%s]', i);
    IF jsonb_typeof(item) <> 'object' THEN
      PERFORM workorder.refuse_input(afterservice.wording(), 'invalid', place, 'It must be an object.');
    END IF;
    IF coalesce(item -> 'id', 'null') <> 'null' THEN
      current := afterservice.find_abnormal_product(jsonb_build_object('abnormal_products', held), workorder.path_id(item ->> 'id'));
      item := current || CASE WHEN item @> current THEN '{}' ELSE afterservice.abnormal_product_of(item, place || '.', current) END;
    ELSE
      -- Clients that know no ids send back what they were shown.
      SELECT e.value INTO current FROM jsonb_array_elements(held) WITH ORDINALITY AS e (value, n)
      WHERE e.value - 'id' = jsonb_build_object(
        'skuCode', coalesce(item -> 'skuCode', item -> 'sku_code'), 'remark', coalesce(item -> 'remark', '""')) ORDER BY e.n LIMIT 1;
      item := coalesce(current, afterservice.abnormal_product_of(item, place || '.', NULL));
    END IF;
    held := (SELECT coalesce(jsonb_agg(e.value ORDER BY e.n), '[]')
             FROM jsonb_array_elements(held) WITH ORDINALITY AS e (value, n) WHERE e.value IS DISTINCT FROM current);
    result := result || item;
  END LOOP;
  -- By id, and what is new after that in the order sent.
  RETURN afterservice.numbered_products((
    SELECT coalesce(jsonb_agg(e.value ORDER BY (e.value ->> 'id')::bigint NULLS LAST, e.n), '[]')
    FROM jsonb_array_elements(result) WITH ORDINALITY AS e (value, n)));
END
$$;
COMMENT ON FUNCTION afterservice.replaced_products(jsonb, jsonb) IS
  'The abnormal products that an order''s row holds once a list is sent in their place: an item that names its id, or is what the row has, keeps it, the others are new. Raises WO400, and WO404 for an id that the order does not have. Contract AS-3.';

CREATE FUNCTION afterservice.put_abnormal_product(order_id bigint, product_id bigint, body jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  o jsonb;
  item jsonb;
BEGIN
  PERFORM afterservice.object_of(body);
  o := afterservice.lock_order(order_id);
  item := afterservice.find_abnormal_product(o, product_id);
  PERFORM afterservice.require_in_progress(o);
  PERFORM afterservice.require_owner(o);

  item := item || afterservice.abnormal_product_of(body, '', item);
  PERFORM afterservice.put_parts(order_id, (
    SELECT jsonb_agg(CASE WHEN e.value -> 'id' = item -> 'id' THEN item ELSE e.value END ORDER BY e.n)
    FROM jsonb_array_elements(o -> 'abnormal_products') WITH ORDINALITY AS e (value, n)));
  RETURN item;
END
$$;
COMMENT ON FUNCTION afterservice.put_abnormal_product(bigint, bigint, jsonb) IS
  'AS-11: changes skuCode and/or remark of an abnormal product; returns the item. Raises WO400, WO403, WO404, WO409.';

CREATE FUNCTION afterservice.delete_abnormal_product(order_id bigint, product_id bigint) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  o jsonb := afterservice.lock_order(order_id);
  item jsonb := afterservice.find_abnormal_product(o, product_id);
BEGIN
  PERFORM afterservice.require_in_progress(o);
  PERFORM afterservice.require_owner(o);
  PERFORM afterservice.put_parts(order_id, (
    SELECT coalesce(jsonb_agg(e.value ORDER BY e.n), '[]')
    FROM jsonb_array_elements(o -> 'abnormal_products') WITH ORDINALITY AS e (value, n)
    WHERE e.value -> 'id' <> item -> 'id'));
END
$$;
COMMENT ON FUNCTION afterservice.delete_abnormal_product(bigint, bigint) IS
  'AS-12: takes an abnormal product off its order. Raises WO403, WO404, WO409.';
