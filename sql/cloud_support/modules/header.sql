\echo Use "CREATE EXTENSION workorder_cloud_support CASCADE" to load this file. \quit

SELECT workorder.own_schema('cloud_support',
  'Support work orders of a cloud platform. Code belongs to the extension, tables to you.');

-- ---------------------------------------------------------------------------
-- Reading input: workorder.read_input() with the words of contract 4.0, and
-- with patterns for what is narrower than its kinds.
-- ---------------------------------------------------------------------------

CREATE FUNCTION cloud_support.wording()
RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '{
  "required": "$name: this field is required",
  "text": "$name: not a valid string",
  "int": "$name: not a valid integer",
  "flag": "$name: not a valid boolean",
  "choice": "$name: not a valid choice",
  "object": "$name: not a valid dict",
  "list": "$name: not a valid list",
  "url": "$name: not a valid url",
  "email": "$name: not a valid email",
  "max": "$name: too long (max $bound)"}'::jsonb;
COMMENT ON FUNCTION cloud_support.wording() IS
  'What the API says of a bad field, by the rule that it breaks. Contract 4.0.';

CREATE FUNCTION cloud_support.refuse_field(name text, rule text, bound text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.refuse('WO400', workorder.input_message(cloud_support.wording(), rule, name, bound),
    'The value is not one that is possible here.', 'Correct the value.');
END
$$;
COMMENT ON FUNCTION cloud_support.refuse_field(text, text, text) IS
  'Raises WO400 in the words of the API: field, the rule it breaks (see wording()), and the bound of max.';

CREATE FUNCTION cloud_support.read_fields(fields jsonb, rules jsonb)
RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  result jsonb := '{}';
  rule jsonb;
BEGIN
  -- One by one, so that the first problem is the first in the order of the rules.
  FOR rule IN SELECT r.value FROM jsonb_array_elements(rules) WITH ORDINALITY AS r (value, n) ORDER BY r.n LOOP
    result := result || workorder.read_input(fields, jsonb_build_array(rule), cloud_support.wording());
    IF result ->> (rule ->> 'name') !~ (rule ->> 'pattern') THEN
      PERFORM cloud_support.refuse_field(rule ->> 'name', coalesce(rule ->> 'otherwise', rule ->> 'kind'));
    END IF;
  END LOOP;
  RETURN result;
END
$$;
COMMENT ON FUNCTION cloud_support.read_fields(jsonb, jsonb) IS
  'The checked values of a request, as workorder.read_input() returns them. A rule may have two keys more: "pattern", a regular expression that the value as text must match, and "otherwise", the rule of wording() that it breaks if not (default: its kind). Raises WO400.';

-- ---------------------------------------------------------------------------
-- What the API's numbers and times are.
-- ---------------------------------------------------------------------------

CREATE FUNCTION cloud_support.time_text(at timestamptz, zone text)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN to_char(at AT TIME ZONE zone, 'YYYY-MM-DD"T"HH24:MI:SS.US');
COMMENT ON FUNCTION cloud_support.time_text(timestamptz, text) IS
  'A moment in a time zone, YYYY-MM-DDTHH:MM:SS.ffffff. Contract 4.0.';

CREATE FUNCTION cloud_support.time_zone()
RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN workorder.setting('cloud_support', 'time_zone', 'UTC');
COMMENT ON FUNCTION cloud_support.time_zone() IS
  'Time zone in which the current tenant is told times: workorder.set_setting(''cloud_support'', ''time_zone'', ''Asia/Shanghai''). Contract 4.0.';

CREATE FUNCTION cloud_support.types()
RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '[
  {"code": "sys", "label": "系统故障"},
  {"code": "licences", "label": "配额"},
  {"code": "module", "label": "购买云模块"},
  {"code": "tech", "label": "技术支持"},
  {"code": "test", "label": "测试协助"}]'::jsonb;
COMMENT ON FUNCTION cloud_support.types() IS
  'The types of work orders. Contract 3.1.';
