\echo Use "CREATE EXTENSION workorder_call_center CASCADE" to load this file. \quit

SELECT workorder.define_addon('call_center', $flow$
@flow@
$flow$);

CREATE FUNCTION call_center.wording() RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '{
  "required": "The $label field is required.",
  "text": "The $label must be a string.",
  "int": "The $label must be an integer.",
  "time": "The $label is not a valid date.",
  "length": "The $label may not be greater than $bound characters.",
  "invalid": "The selected $label is invalid."}'::jsonb;
COMMENT ON FUNCTION call_center.wording() IS
  'What the API says of a field, by the rule that it breaks; length is the max of a text. Contract 4.0, 422 texts.';

CREATE FUNCTION call_center.problems(fields jsonb, rules jsonb) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT coalesce(jsonb_object_agg(p.name, jsonb_build_array(workorder.input_message(call_center.wording(),
    CASE WHEN p.rule = 'max' AND r.value ->> 'kind' = 'text' THEN 'length' ELSE p.rule END, p.name, p.bound))), '{}')
  FROM workorder.check_input(problems.fields, problems.rules) AS p
  LEFT JOIN jsonb_array_elements(problems.rules) AS r (value) ON r.value ->> 'name' = p.name;
END;
COMMENT ON FUNCTION call_center.problems(jsonb, jsonb) IS
  'What is wrong with the fields of a request by these rules (workorder.read_input()), {"field": ["text"]}; {} if nothing is. Contract 4.0.';

CREATE FUNCTION call_center.refuse_problems(problems jsonb) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF problems <> '{}' THEN
    PERFORM workorder.refuse('WO422', 'The given data was invalid.', problems::text, 'Correct the fields named in the detail.');
  END IF;
END
$$;
COMMENT ON FUNCTION call_center.refuse_problems(jsonb) IS
  'Raises WO422 "The given data was invalid." with the problems as detail, unless there are none. Contract 4.0.';

CREATE FUNCTION call_center.refuse_unknown() RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.refuse('WO404', 'Not Found', 'There is no such ticket, or you may not see it.', 'Check the id.');
END
$$;
COMMENT ON FUNCTION call_center.refuse_unknown() IS
  'Raises WO404 "Not Found". Contract 4.0.';

CREATE FUNCTION call_center.time_zone() RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN workorder.time_zone('call_center', 'Asia/Taipei');
COMMENT ON FUNCTION call_center.time_zone() IS
  'Time zone in which the current tenant reads and writes times: workorder.set_setting(''call_center'', ''time_zone'', ...), or for all systems workorder.set_setting(''workorder'', ''time_zone'', ...), else Asia/Taipei. Contract 4.0.';

CREATE FUNCTION call_center.number(value jsonb) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN greatest(-1, least(2147483648, (value #>> '{}')::numeric))::bigint;
COMMENT ON FUNCTION call_center.number(jsonb) IS
  'A whole number that names a row; one beyond 2147483647, or below 0, names none. Null stays null.';

CREATE FUNCTION call_center.numbers(value jsonb) RETURNS bigint[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT array_agg(DISTINCT call_center.number(n.value))
  FROM jsonb_array_elements(CASE jsonb_typeof(numbers.value) WHEN 'array' THEN numbers.value ELSE jsonb_build_array(numbers.value) END) AS n (value);
END;
COMMENT ON FUNCTION call_center.numbers(jsonb) IS
  'Such a number, or a list of them, each once.';

CREATE FUNCTION call_center.shown(item jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN item - '{tenant_id,deleted}'::text[];
COMMENT ON FUNCTION call_center.shown(jsonb) IS
  'A row of a directory as the API shows it: its columns, but for those that are the database''s own. Contract 4.0, nested shapes.';
