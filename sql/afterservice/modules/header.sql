\echo Use "CREATE EXTENSION workorder_afterservice CASCADE" to load this file. \quit

-- The schema is not a member of the extension: it also holds the tables that
-- afterservice.install() makes, and those belong to the user.  So make sure
-- that it is ours before anything is put in it.
DO $$
BEGIN
  IF (SELECT n.nspowner <> r.oid
      FROM pg_catalog.pg_namespace n, pg_catalog.pg_roles r
      WHERE n.nspname = 'afterservice' AND r.rolname = current_user) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'insufficient_privilege',
      MESSAGE = 'schema "afterservice" belongs to somebody else',
      DETAIL = 'Whoever owns the schema could replace what the extension calls.',
      HINT = 'Drop the schema, or make the installing role its owner.';
  END IF;
END
$$;

COMMENT ON SCHEMA afterservice IS 'After-sale disputes: orders and their approval. Code belongs to the extension, tables to you.';

-- ---------------------------------------------------------------------------
-- Reading input.  These functions know nothing of orders: they take a JSON
-- value and the name it has in messages, and return a checked SQL value or
-- raise WO400 with "missing field: <name>" or "invalid value: <name>".
-- ---------------------------------------------------------------------------

CREATE FUNCTION afterservice.refuse(code text, message text, detail text, hint text)
RETURNS void
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
COMMENT ON FUNCTION afterservice.refuse(text, text, text, text) IS
  'Raises an error: SQLSTATE (WO400, WO403, WO404, WO409), message, detail and hint. Never returns; not immutable, or the planner would run it.';

CREATE FUNCTION afterservice.refuse_missing(name text)
RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM afterservice.refuse('WO400', 'missing field: ' || name,
    'The field is required here and must not be blank.', 'Send the field.');
END
$$;
COMMENT ON FUNCTION afterservice.refuse_missing(text) IS
  'Raises WO400 "missing field: <name>". Contract 4.0.';

CREATE FUNCTION afterservice.refuse_invalid(name text, rule text)
RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM afterservice.refuse('WO400', 'invalid value: ' || name, rule, 'Correct the value.');
END
$$;
COMMENT ON FUNCTION afterservice.refuse_invalid(text, text) IS
  'Raises WO400 "invalid value: <name>" with the broken rule as detail. Contract 4.0.';

CREATE FUNCTION afterservice.is_blank(value jsonb)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN value IS NULL OR value = 'null'::jsonb
  OR (jsonb_typeof(value) = 'string'
      AND btrim(value #>> '{}', U&' \0009\000A\000B\000C\000D\0085\00A0\2000\2001\2002\2003\2004\2005\2006\2007\2008\2009\200A\2028\2029\202F\205F\3000') = '');
COMMENT ON FUNCTION afterservice.is_blank(jsonb) IS
  'Whether a field is absent, null, or a text of nothing but white space (the ideographic space too).';

CREATE FUNCTION afterservice.object_of(value jsonb)
RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF jsonb_typeof(value) IS DISTINCT FROM 'object' THEN
    PERFORM afterservice.refuse('WO400', 'malformed JSON',
      'The body must be a JSON object.', 'Send {"field": value, ...}.');
  END IF;
  RETURN value;
END
$$;
COMMENT ON FUNCTION afterservice.object_of(jsonb) IS
  'Returns the body of a request if it is an object; raises WO400 "malformed JSON" otherwise.';

CREATE FUNCTION afterservice.text_of(value jsonb, name text, max_length int)
RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  result text := value #>> '{}';
BEGIN
  IF result IS NOT NULL AND (jsonb_typeof(value) <> 'string' OR char_length(result) > max_length) THEN
    PERFORM afterservice.refuse_invalid(name, format('It must be a text of at most %s characters.', max_length));
  END IF;
  RETURN result;
END
$$;
COMMENT ON FUNCTION afterservice.text_of(jsonb, text, int) IS
  'Returns a text verbatim, null for an absent or null field; raises WO400 if it is no text or too long (code points).';

CREATE FUNCTION afterservice.required_text_of(value jsonb, name text, max_length int)
RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF afterservice.is_blank(value) THEN
    PERFORM afterservice.refuse_missing(name);
  END IF;
  RETURN afterservice.text_of(value, name, max_length);
END
$$;
COMMENT ON FUNCTION afterservice.required_text_of(jsonb, text, int) IS
  'Returns a text that is not blank; raises WO400 otherwise.';

CREATE FUNCTION afterservice.money_of(value jsonb, name text)
RETURNS numeric
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  given text := value #>> '{}';
  result numeric;
BEGIN
  IF given IS NULL THEN
    RETURN NULL;
  END IF;
  IF jsonb_typeof(value) = 'number' OR (jsonb_typeof(value) = 'string' AND given ~ '^[0-9]{1,20}(\.[0-9]{1,20})?$') THEN
    result := trim_scale(given::numeric);
    IF result >= 0 AND result < 1e12 AND scale(result) <= 2 THEN
      RETURN result;
    END IF;
  END IF;
  PERFORM afterservice.refuse_invalid(name, 'It must be an amount from 0 to 999999999999.99 with at most two decimals.');
END
$$;
COMMENT ON FUNCTION afterservice.money_of(jsonb, text) IS
  'Returns an amount given as a number or as text, null for an absent or null field; raises WO400 otherwise.';

CREATE FUNCTION afterservice.flag_of(value jsonb, name text)
RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF value IS NULL OR value = 'null' THEN
    RETURN NULL;
  ELSIF value IN ('true', '1') THEN
    RETURN true;
  ELSIF value IN ('false', '0') THEN
    RETURN false;
  END IF;
  PERFORM afterservice.refuse_invalid(name, 'It must be true, false, 1 or 0.');
END
$$;
COMMENT ON FUNCTION afterservice.flag_of(jsonb, text) IS
  'Returns a truth value given as true, false, 1 or 0, null for an absent or null field; raises WO400 otherwise.';

CREATE FUNCTION afterservice.date_of(value jsonb, name text)
RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  given text := value #>> '{}';
  part text[];
BEGIN
  IF given IS NULL THEN
    RETURN NULL;
  END IF;
  IF jsonb_typeof(value) = 'string' THEN
    part := regexp_match(given,
      '^([0-9]{4})-(0[1-9]|1[0-2])-([0-9]{2})( ([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])?$');
  END IF;
  IF part[1]::int > 0
     AND part[3]::int BETWEEN 1 AND extract(day FROM make_date(part[1]::int, part[2]::int, 1) + interval '1 month - 1 day')
  THEN
    RETURN given;
  END IF;
  PERFORM afterservice.refuse_invalid(name, 'It must be a day, "2018-03-05", or a time, "2018-03-05 10:00:00".');
END
$$;
COMMENT ON FUNCTION afterservice.date_of(jsonb, text) IS
  'Returns a day or a time as it was written, once it is known to exist; null for an absent or null field; raises WO400 otherwise.';

CREATE FUNCTION afterservice.time_text(at timestamptz)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN to_char(at, 'YYYY-MM-DD HH24:MI:SS');
COMMENT ON FUNCTION afterservice.time_text(timestamptz) IS
  'A time as the API writes it, in the time zone of the session.';

CREATE FUNCTION afterservice.page_number(page text)
RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN page ~ '^0*[1-9][0-9]{0,11}$' THEN page::bigint
            WHEN page ~ '^0*[1-9][0-9]*$' THEN 1000000000000
            ELSE 1 END;
COMMENT ON FUNCTION afterservice.page_number(text) IS
  'The page asked for; 1 unless it is a positive number. Contract 4.0, paging.';

CREATE FUNCTION afterservice.page_size(per_page text)
RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN per_page ~ '^0*[1-9][0-9]?$' THEN per_page::int
            WHEN per_page ~ '^0*[1-9][0-9]*$' THEN 100
            ELSE 20 END;
COMMENT ON FUNCTION afterservice.page_size(text) IS
  'How many items a page holds: at most 100; 20 unless it is a positive number. Contract 4.0, paging.';

CREATE FUNCTION afterservice.path_id(id text)
RETURNS bigint
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF id !~ '^[0-9]+$' THEN
    PERFORM afterservice.refuse('WO404', 'not found', 'The id in the path is no whole number.', 'Check the path.');
  END IF;
  RETURN CASE WHEN id::numeric <= 2147483647 THEN id::bigint END;
END
$$;
COMMENT ON FUNCTION afterservice.path_id(text) IS
  'The id in a path; null if there can be no such row; raises WO404 "not found" if it is not made of digits. Contract 4.0.';

CREATE FUNCTION afterservice.clock()
RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(nullif(current_setting('workorder.now', true), '')::timestamptz, statement_timestamp());
COMMENT ON FUNCTION afterservice.clock() IS
  'The time of the statement, or the fixed clock of the setting workorder.now.';

CREATE FUNCTION afterservice.actor_name()
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (SELECT a.name FROM workorder.actor a
          WHERE a.tenant_id = workorder.tenant_id() AND a.id = workorder.actor_id());
END
$$;
COMMENT ON FUNCTION afterservice.actor_name() IS
  'Name of the person who acts; null for anonymous.';

CREATE FUNCTION afterservice.require_name(claimed jsonb)
RETURNS void
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF coalesce(claimed, 'null') <> 'null' AND claimed IS DISTINCT FROM to_jsonb(afterservice.actor_name()) THEN
    PERFORM afterservice.refuse('WO403', 'permission denied',
      'The name in the request is not the name of the person who acts.',
      'Leave the name out, or sign in as that person.');
  END IF;
END
$$;
COMMENT ON FUNCTION afterservice.require_name(jsonb) IS
  'Raises WO403 "permission denied" if a name is given and is not the actor''s. Contract 4.0, identity.';

CREATE FUNCTION afterservice.in_dictionary(kind text, code text)
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN EXISTS (
      SELECT FROM workorder.dictionary d
      WHERE d.tenant_id = workorder.tenant_id() AND d.system = 'afterservice'
        AND d.kind = in_dictionary.kind AND d.code = in_dictionary.code)
    OR NOT EXISTS (
      SELECT FROM workorder.dictionary d
      WHERE d.tenant_id = workorder.tenant_id() AND d.system = 'afterservice'
        AND d.kind = in_dictionary.kind);
END
$$;
COMMENT ON FUNCTION afterservice.in_dictionary(text, text) IS
  'Whether a value is in a dictionary of the tenant; an empty dictionary takes any. Contract AS-1, type and reason.';
