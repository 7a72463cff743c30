\echo Use "CREATE EXTENSION workorder_afterservice CASCADE" to load this file. \quit

SELECT workorder.define_addon('afterservice', $flow$
@flow@
$flow$);

-- ---------------------------------------------------------------------------
-- Reading input: what workorder.judge_input() finds, in the words of contract
-- 4.0, with places in lists and the tenant's dictionaries.
-- ---------------------------------------------------------------------------

CREATE FUNCTION afterservice.wording() RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '{"required": "missing field: $name", "invalid": "invalid value: $name"}'::jsonb;
COMMENT ON FUNCTION afterservice.wording() IS
  'What the API says of a bad field. Contract 4.0.';

CREATE FUNCTION afterservice.read_fields(fields jsonb, rules jsonb, place text DEFAULT '', held jsonb DEFAULT '{}') RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  result jsonb := '{}';
  field record;
BEGIN
  FOR field IN SELECT * FROM workorder.judge_input(fields, rules) LOOP
    IF field.rule IS NOT NULL THEN
      PERFORM workorder.refuse_input(afterservice.wording(), field.rule, place || field.name, bound => field.bound);
    -- An order may be sent back whole, so what it holds already is never refused.
    ELSIF field.name IN ('type', 'reason') AND field.value IS DISTINCT FROM held -> field.name
          AND NOT workorder.in_dictionary('afterservice', field.name, field.value #>> '{}') THEN
      PERFORM workorder.refuse_input(afterservice.wording(), 'invalid', field.name, 'It is not in the dictionary.');
    END IF;
    result := result || jsonb_build_object(field.name, field.value);
  END LOOP;
  RETURN result;
END
$$;
COMMENT ON FUNCTION afterservice.read_fields(jsonb, jsonb, text, jsonb) IS
  'The checked values of a request by rules as workorder.read_input() takes them; type and reason must be in the tenant''s dictionary, unless the order that is changed (held) has them already. place goes before names in messages ("tracks[0]."). Raises WO400 for the first problem.';

CREATE FUNCTION afterservice.read_list(fields jsonb, name text, rules jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  list jsonb;
  result jsonb := '[]';
  item jsonb;
  i int := 0;
BEGIN
  IF NOT fields ? name THEN
    RETURN NULL;
  END IF;
  list := afterservice.read_fields(fields,
    jsonb_build_array(jsonb_build_object('name', name, 'kind', 'list', 'max', 200, 'null', false, 'blank', false))) -> name;
  FOR item IN SELECT e.value FROM jsonb_array_elements(list) WITH ORDINALITY AS e (value, n) ORDER BY e.n LOOP
    IF jsonb_typeof(item) <> 'object' THEN
      PERFORM workorder.refuse_input(afterservice.wording(), 'invalid', format('%s[%s]', name, i), 'It must be an object.');
    END IF;
    result := result || afterservice.read_fields(item, rules, format('%s[%s].', name, i));
    i := i + 1;
  END LOOP;
  RETURN result;
END
$$;
COMMENT ON FUNCTION afterservice.read_list(jsonb, text, jsonb) IS
  'A field that is a list of at most 200 objects, each with nothing but what the rules know; null if the field was not sent. Raises WO400. Contract AS-3.';

CREATE FUNCTION afterservice.object_of(value jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF jsonb_typeof(value) IS DISTINCT FROM 'object' THEN
    PERFORM workorder.refuse('WO400', 'malformed JSON',
      'The body must be a JSON object.', 'Send {"field": value, ...}.');
  END IF;
  RETURN value;
END
$$;
COMMENT ON FUNCTION afterservice.object_of(jsonb) IS
  'Returns the body of a request if it is an object; raises WO400 "malformed JSON" otherwise.';

CREATE FUNCTION afterservice.time_zone() RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN workorder.time_zone('afterservice', 'Asia/Shanghai');
COMMENT ON FUNCTION afterservice.time_zone() IS
  'Time zone in which the current tenant reads and writes times and numbers its days: workorder.set_setting(''afterservice'', ''time_zone'', ...), or for all systems workorder.set_setting(''workorder'', ''time_zone'', ...), else Asia/Shanghai. Contract 4.0.';

CREATE FUNCTION afterservice.page_number(page text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN page ~ '^0*[1-9][0-9]{0,11}$' THEN page::bigint
            WHEN page ~ '^0*[1-9][0-9]*$' THEN 1000000000000
            ELSE 1 END;
COMMENT ON FUNCTION afterservice.page_number(text) IS
  'The page asked for; 1 unless it is a positive number. Contract 4.0, paging.';

CREATE FUNCTION afterservice.page_size(per_page text) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN per_page ~ '^0*[1-9][0-9]?$' THEN per_page::int
            WHEN per_page ~ '^0*[1-9][0-9]*$' THEN 100
            ELSE 20 END;
COMMENT ON FUNCTION afterservice.page_size(text) IS
  'How many items a page holds: at most 100; 20 unless it is a positive number. Contract 4.0, paging.';
