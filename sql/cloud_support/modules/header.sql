\echo Use "CREATE EXTENSION workorder_cloud_support CASCADE" to load this file. \quit

SELECT workorder.define_addon('cloud_support', $flow$
@flow@
$flow$);

CREATE FUNCTION cloud_support.wording() RETURNS jsonb
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

-- ---------------------------------------------------------------------------
-- What the API's numbers and times are.
-- ---------------------------------------------------------------------------

CREATE FUNCTION cloud_support.time_text(at timestamptz, zone text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN to_char(at AT TIME ZONE zone, 'YYYY-MM-DD"T"HH24:MI:SS.US');
COMMENT ON FUNCTION cloud_support.time_text(timestamptz, text) IS
  'A moment in a time zone, YYYY-MM-DDTHH:MM:SS.ffffff. Contract 4.0.';

CREATE FUNCTION cloud_support.time_zone() RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN workorder.time_zone('cloud_support', 'Asia/Shanghai');
COMMENT ON FUNCTION cloud_support.time_zone() IS
  'Time zone in which the current tenant reads and writes times: workorder.set_setting(''cloud_support'', ''time_zone'', ...), or for all systems workorder.set_setting(''workorder'', ''time_zone'', ...), else Asia/Shanghai. Contract 4.0.';

CREATE FUNCTION cloud_support.types() RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '[
  {"code": "sys", "label": "系统故障"},
  {"code": "licences", "label": "配额"},
  {"code": "module", "label": "购买云模块"},
  {"code": "tech", "label": "技术支持"},
  {"code": "test", "label": "测试协助"}]'::jsonb;
COMMENT ON FUNCTION cloud_support.types() IS
  'The types of work orders. Contract 3.1.';
