-- Reading input.  What a request sends is judged by rules that are data: a list
-- of fields, each with its kind and its bounds.  What an API says of a bad
-- field is data too.  Nothing here knows a table or an API.

CREATE FUNCTION workorder.refuse(code text, message text, detail text, hint text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RAISE EXCEPTION USING
    ERRCODE = refuse.code,
    MESSAGE = refuse.message,
    DETAIL = refuse.detail,
    HINT = refuse.hint;
END
$$;
COMMENT ON FUNCTION workorder.refuse(text, text, text, text) IS
'Raises an error: SQLSTATE (WO400, WO403, WO404, WO409 ...), message, detail and hint. Never returns; not immutable, or the planner would run it.';

CREATE FUNCTION workorder.is_blank(value jsonb) RETURNS boolean
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workorder_is_blank';
COMMENT ON FUNCTION workorder.is_blank(jsonb) IS
'Whether a field is absent, null, or a text of nothing but white space and characters that show nothing (the ideographic space and the zero-width space, too): what "require" of a flow calls blank in a text.';

CREATE FUNCTION workorder.only_texts(value jsonb, names text[] DEFAULT NULL) RETURNS boolean
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workorder_only_texts';
COMMENT ON FUNCTION workorder.only_texts(jsonb, text[]) IS
'Whether a value is an object, or a list of nothing but objects, in which every member with one of these names, if it is there, is a text or null; without names, whether every member is a text. Null if the value is null. For whoever reads a long list and does not want to look at each member.';

CREATE FUNCTION workorder.repeated(list jsonb, name text) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workorder_repeated';
COMMENT ON FUNCTION workorder.repeated(jsonb, text) IS
'Which values of a member, texts or numbers, come more than once in a list of objects, and where each comes first: {"value": place}, counted from 1. What is no object or has no such member is passed over. Raises WO400 for what is no list.';

CREATE FUNCTION workorder.slice(list jsonb, start int, count int) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workorder_slice';
COMMENT ON FUNCTION workorder.slice(jsonb, int, int) IS
'Up to count items of a list, from the one at start, counted from 0; an empty list if there are none. Raises WO400 for what is no list. For batches of a long list, as it takes no item apart.';

CREATE FUNCTION workorder.input_time(given text, day_only boolean, at_end boolean) RETURNS text
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workorder_input_time';
COMMENT ON FUNCTION workorder.input_time(text, boolean, boolean) IS
'A day, or a time as "YYYY-MM-DD HH:MM:SS" with the offset that it was given with, if any; null if it is none or no such day exists. A day where a time is wanted becomes its first second, or its last if at_end. Part of read_input().';

CREATE FUNCTION workorder.input_value(given jsonb, rule jsonb, OUT value jsonb, OUT problem text, OUT bound text)
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workorder_input_value';
COMMENT ON FUNCTION workorder.input_value(jsonb, jsonb) IS
'Judges one value that was given by one rule: its value as it is kept, or what is wrong with it. Part of read_input(). Raises 22023 for a kind that does not exist.';

CREATE FUNCTION workorder.judge_input(fields jsonb, rules jsonb)
RETURNS TABLE (name text, value jsonb, rule text, bound text)
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workorder_judge_input';
COMMENT ON FUNCTION workorder.judge_input(jsonb, jsonb) IS
'Every field of the rules that was given or has a default, in the order of the rules, with its value or what is wrong with it. Part of read_input() and check_input(), which explain the rules.';

CREATE FUNCTION workorder.check_input(fields jsonb, rules jsonb)
RETURNS TABLE (name text, rule text, bound text)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT j.name, j.rule, j.bound
  FROM workorder.judge_input(fields, rules) WITH ORDINALITY AS j (name, value, rule, bound, n)
  WHERE j.rule IS NOT NULL
  ORDER BY j.n;
END;
COMMENT ON FUNCTION workorder.check_input(jsonb, jsonb) IS
'What is wrong with the fields of a request, in the order of the rules (see read_input()): the field, of a list''s item as name.0, the rule it breaks (required, min, max, or its kind), and the bound of min and max. Empty if read_input() would succeed.';

CREATE FUNCTION workorder.input_message(wording jsonb, rule text, name text, bound text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN replace(replace(replace(
  coalesce(wording ->> rule, CASE WHEN rule <> 'required' THEN wording ->> 'invalid' END,
    CASE rule WHEN 'required' THEN 'missing field: $name' ELSE 'invalid value: $name' END),
  '$bound', coalesce(bound, '')), '$label', replace(name, '_', ' ')), '$name', name);
COMMENT ON FUNCTION workorder.input_message(jsonb, text, text, text) IS
'What an API says of a field that breaks a rule: the wording''s text for the rule, else for "invalid", with $name, $label (the name with spaces for _) and $bound filled in.';

CREATE FUNCTION workorder.refuse_input(
  wording jsonb, rule text, name text, detail text DEFAULT NULL, bound text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.refuse('WO400', workorder.input_message(wording, rule, name, bound),
    coalesce(detail, CASE rule
      WHEN 'required' THEN 'The field is required here and must not be blank.'
      WHEN 'text' THEN 'It must be a text.'
      WHEN 'int' THEN 'It must be a whole number.'
      WHEN 'money' THEN 'It must be an amount from 0 to 999999999999.99 with at most two decimals.'
      WHEN 'flag' THEN 'It must be true, false, 1 or 0.'
      WHEN 'choice' THEN 'It is none of the values that are possible here.'
      WHEN 'time' THEN 'It must be a time, "2018-03-05 10:00:00", or a day.'
      WHEN 'day' THEN 'It must be a day, "2018-03-05".'
      WHEN 'url' THEN 'It must be an address that begins with http:// or https://.'
      WHEN 'object' THEN 'It must be an object.'
      WHEN 'list' THEN 'It must be a list.'
      WHEN 'min' THEN format('The least that is possible is %s (a text''s or a list''s length).', bound)
      WHEN 'max' THEN format('The most that is possible is %s (a text''s or a list''s length).', bound)
      ELSE 'The field breaks its rule.'
    END),
    CASE rule WHEN 'required' THEN 'Send the field.' ELSE 'Correct the value.' END);
END
$$;
COMMENT ON FUNCTION workorder.refuse_input(jsonb, text, text, text, text) IS
'Raises WO400 for a field that breaks a rule, in the words of the API (input_message()), as read_input() does; with a detail of its own where the rule''s does not tell enough.';

CREATE FUNCTION workorder.read_input(fields jsonb, rules jsonb, wording jsonb DEFAULT '{}') RETURNS jsonb
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'workorder_read_input';
COMMENT ON FUNCTION workorder.read_input(jsonb, jsonb, jsonb) IS
'Takes the fields of a request (body, query or form), judges them by rules and returns the values: one key for each rule whose field was given or has a default. Raises WO400 for the first problem, in the words of the API (input_message()).
A rule: {"name", "kind": text, int, money, flag, choice, time, day, url, object, list or ints (a list of whole numbers, or of choices, also as text with commas); none takes anything; "min", "max": bounds of a number, or of the length of a text, address or list; "in": the choices; "pattern": a regular expression that the value as text must match, and "otherwise": the rule that it breaks if not (its kind); "required": true, or "if given" for a field that may be absent but not blank; "blank": true lets a required text be blank, false takes blank text as a value like any other; "null": true keeps null as a value, false refuses it; "default"; "cap": larger numbers become this one; "lenient": true takes an invalid value as absent; "last": true takes the last of a list, which in a query is a field that came several times (for a form see http_fields(); in JSON a list is no value of a field that takes none); "end": true completes a day to its last second; "zone": the time zone that a time is shown in, UTC without it, where it must lie in the years 1 to 9999, whatever its offset; "from": other names, read if the first is absent}.
Absent are null too and, but for a text that is not required, blank text. Text is kept verbatim, a time as YYYY-MM-DD HH:MM:SS with the offset it came with (see time_of()).';

CREATE FUNCTION workorder.time_of(given text, zone text) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN given ~ ':[0-9]{2}[+-][0-9:]+$' THEN given::timestamptz ELSE given::timestamp AT TIME ZONE zone END;
COMMENT ON FUNCTION workorder.time_of(text, text) IS
'The moment that read_input() has read: by its own offset, else in this time zone. Where clocks are put back, a time that comes twice is the later one; see times_of().';

CREATE FUNCTION workorder.times_of(given text, zone text, OUT earliest timestamptz, OUT latest timestamptz)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  at CONSTANT timestamptz := workorder.time_of(given, zone);
BEGIN
  earliest := at;
  latest := at;
  IF given !~ ':[0-9]{2}[+-][0-9:]+$' THEN
    -- By the clock as it goes before, and as it goes after.
    SELECT least(at, min(m.moment)), greatest(at, max(m.moment)) INTO earliest, latest
    FROM (VALUES (at - interval '1 day'), (at + interval '1 day')) AS around (day),
      LATERAL (SELECT (given::timestamp - ((around.day AT TIME ZONE zone) - (around.day AT TIME ZONE 'UTC'))) AT TIME ZONE 'UTC' AS moment) AS m;
  END IF;
END
$$;
COMMENT ON FUNCTION workorder.times_of(text, text) IS
'Bounds of the moments that a time could stand for which read_input() has read. They differ only within a day of a change of the zone''s clock, where a time may come twice or not at all; who looks for what is shown as a time then compares with what is shown, too.';

CREATE FUNCTION workorder.time_text(at timestamptz, zone text DEFAULT 'UTC') RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN to_char(at AT TIME ZONE zone, 'YYYY-MM-DD HH24:MI:SS');
COMMENT ON FUNCTION workorder.time_text(timestamptz, text) IS
'A moment as people write it, YYYY-MM-DD HH:MM:SS, in a time zone.';

CREATE FUNCTION workorder.path_id(id text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN id ~ '^[0-9]+$' AND id::numeric <= 2147483647 THEN id::bigint END;
COMMENT ON FUNCTION workorder.path_id(text) IS
'The number in a path; null if it is none or beyond 2147483647: there can be no such row.';
