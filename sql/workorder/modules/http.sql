-- The door for HTTP: what handlers take and return, and the functions that a
-- gateway calls.  Routes and APIs are rows in tables of yours (install.sql).

CREATE TYPE workorder.http_file AS (name text, filename text, content_type text, content bytea);
COMMENT ON TYPE workorder.http_file IS 'A file of a multipart/form-data body.';
COMMENT ON COLUMN workorder.http_file.name IS 'The field''s name; of name[] and name[0], name.';
COMMENT ON COLUMN workorder.http_file.filename IS 'The name the client gave it, directories left out. May be empty.';
COMMENT ON COLUMN workorder.http_file.content_type IS 'Media type the client gave, lower case, without parameters; null if none. Believe the content instead.';
COMMENT ON COLUMN workorder.http_file.content IS 'The bytes.';

CREATE TYPE workorder.http_request AS (
  api text, method text, path text, params jsonb, query jsonb, content_type text, body jsonb, form jsonb,
  files workorder.http_file[], raw bytea, uri text);
COMMENT ON TYPE workorder.http_request IS 'A request as handlers get it: decoded once, valid UTF-8, no NUL.';
COMMENT ON COLUMN workorder.http_request.api IS 'Name of the API (workorder.api).';
COMMENT ON COLUMN workorder.http_request.method IS 'The route''s method; a HEAD arrives as GET.';
COMMENT ON COLUMN workorder.http_request.path IS 'The path, decoded, without a slash at the end.';
COMMENT ON COLUMN workorder.http_request.params IS 'What the pattern''s parameters stand for, as text: {"id": "12"}.';
COMMENT ON COLUMN workorder.http_request.query IS 'Fields of the query: {"k": "v"}; of a k that came several times, or as k[] or k[0]: {"k": ["a", "b"]}, in the order sent.';
COMMENT ON COLUMN workorder.http_request.content_type IS 'Media type of the body, lower case, without parameters; null if the body is empty.';
COMMENT ON COLUMN workorder.http_request.body IS 'The body, if it is JSON; null otherwise.';
COMMENT ON COLUMN workorder.http_request.form IS 'Text fields of a form, urlencoded or multipart, in the same shape as query.';
COMMENT ON COLUMN workorder.http_request.files IS 'Files of a multipart body.';
COMMENT ON COLUMN workorder.http_request.raw IS 'The bytes of the body; null if it is empty, or multipart (see files).';
COMMENT ON COLUMN workorder.http_request.uri IS 'Path and query as the client sent them.';

CREATE TYPE workorder.http_response AS (status int, body json, headers jsonb, content bytea, content_type text);
COMMENT ON TYPE workorder.http_response IS 'What a handler answers. A status of 400 or more also undoes what the handler did.';
COMMENT ON COLUMN workorder.http_response.status IS '200 if null.';
COMMENT ON COLUMN workorder.http_response.body IS 'Sent as it is written. Body and content both null: empty.';
COMMENT ON COLUMN workorder.http_response.headers IS 'More headers: {"Name": value or list of values}.';
COMMENT ON COLUMN workorder.http_response.content IS 'Bytes to send instead of a body.';
COMMENT ON COLUMN workorder.http_response.content_type IS 'Default application/json for a body, application/octet-stream for content.';

CREATE FUNCTION workorder.http_read(bytea) RETURNS bytea
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_http';
REVOKE ALL ON FUNCTION workorder.http_read(bytea) FROM PUBLIC;
COMMENT ON FUNCTION workorder.http_read(bytea) IS
'Answers a GET, HEAD or OPTIONS: takes the body, reads method, URI and content type of the client from the setting request.headers (x-original-method, x-original-uri, x-original-content-type), finds the route in workorder.route, calls its handler as the caller, and returns the body. Sets response.status and response.headers for this transaction. Errors become the error body of the API (workorder.api). STABLE, so that a gateway runs it in a read-only transaction. Raises WO400 if the headers are missing, 57014 and classes 53 and 57P as they come.';

CREATE FUNCTION workorder.http_write(bytea) RETURNS bytea
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_http';
REVOKE ALL ON FUNCTION workorder.http_write(bytea) FROM PUBLIC;
COMMENT ON FUNCTION workorder.http_write(bytea) IS
'Answers a request of any method, as http_read() does, in a transaction that may write.';

-- What handlers are written with.  None of these reads anything.

CREATE FUNCTION workorder.http_json(status int, body json, headers jsonb DEFAULT NULL) RETURNS workorder.http_response
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ROW(status, body, headers, NULL, NULL)::workorder.http_response;
REVOKE ALL ON FUNCTION workorder.http_json(int, json, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.http_json(int, json, jsonb) IS
'A response with a JSON body, which is sent as it is written.';

CREATE FUNCTION workorder.http_bytes(status int, content bytea, content_type text, headers jsonb DEFAULT NULL) RETURNS workorder.http_response
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ROW(status, NULL, headers, content, content_type)::workorder.http_response;
REVOKE ALL ON FUNCTION workorder.http_bytes(int, bytea, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.http_bytes(int, bytea, text, jsonb) IS
'A response with bytes of some media type, such as an image.';

CREATE FUNCTION workorder.http_empty(status int DEFAULT 204, headers jsonb DEFAULT NULL) RETURNS workorder.http_response
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ROW(status, NULL, headers, NULL, NULL)::workorder.http_response;
REVOKE ALL ON FUNCTION workorder.http_empty(int, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION workorder.http_empty(int, jsonb) IS
'A response without a body.';

CREATE FUNCTION workorder.http_error(status int, message text, detail text DEFAULT NULL, hint text DEFAULT NULL) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF http_error.status IS NULL OR http_error.status NOT BETWEEN 400 AND 599 THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'status of an error is out of range',
      DETAIL = 'An error has a status from 400 to 599.', HINT = 'Use http_json() or http_empty() for success.';
  END IF;
  RAISE EXCEPTION USING
    ERRCODE = 'WO' || http_error.status,
    MESSAGE = coalesce(http_error.message, ''),
    DETAIL = coalesce(http_error.detail, 'The request was refused.'),
    HINT = coalesce(http_error.hint, 'Correct the request.');
END
$$;
REVOKE ALL ON FUNCTION workorder.http_error(int, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.http_error(int, text, text, text) IS
'Raises WO<status> with this message, which becomes the error body of the API with that status. Never returns; so a handler can say RETURN workorder.http_error(404, ''not found''). Raises 22023 for a status that is no error''s.';

CREATE FUNCTION workorder.http_value(fields jsonb, name text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN jsonb_typeof(fields -> name) = 'array' THEN fields -> name ->> -1 ELSE fields ->> name END;
REVOKE ALL ON FUNCTION workorder.http_value(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.http_value(jsonb, text) IS
'One value of a field of query or form, the last if it came several times; null if it did not come.';

CREATE FUNCTION workorder.http_list(fields jsonb, name text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT CASE WHEN fields -> name IS NOT NULL THEN coalesce(array_agg(part ORDER BY i, j), '{}') END
  FROM jsonb_array_elements_text(
         CASE jsonb_typeof(fields -> name) WHEN 'array' THEN fields -> name ELSE jsonb_build_array(fields -> name) END)
         WITH ORDINALITY v (value, i),
       LATERAL unnest(string_to_array(v.value, ',')) WITH ORDINALITY p (part, j)
  WHERE part <> '';
END;
REVOKE ALL ON FUNCTION workorder.http_list(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.http_list(jsonb, text) IS
'All values of a field of query or form, in the order sent: repeated, as name[], or separated by commas. Empty ones are left out; null if the field did not come.';

-- For clients of the schema api, who know a ticket's table by the view they read.

CREATE FUNCTION workorder.api_relation(relation text) RETURNS regclass
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  target CONSTANT regclass := CASE
    WHEN api_relation.relation ~ '^[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*$' THEN to_regclass(api_relation.relation)
    WHEN api_relation.relation <> '' THEN to_regclass(format('api.%I', api_relation.relation)) END;
  tables regclass[];
BEGIN
  -- The tables behind the view that have a flow; a table is behind itself.
  WITH RECURSIVE behind (relation) AS (
    SELECT target::oid WHERE target IS NOT NULL
    UNION
    SELECT d.refobjid
    FROM behind b
    JOIN pg_rewrite w ON w.ev_class = b.relation
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
    JOIN pg_class c ON c.oid = b.relation AND c.relkind = 'v')
  SELECT array_agg(DISTINCT t.tgrelid::regclass) INTO tables
  FROM behind b JOIN pg_trigger t ON t.tgrelid = b.relation AND t.tgname = '~workorder_guard';
  IF cardinality(tables) > 1 THEN
    SELECT array_agg(c.oid::regclass) INTO tables
    FROM unnest(tables) x JOIN pg_class c ON c.oid = x
    WHERE c.relname = (SELECT v.relname FROM pg_class v WHERE v.oid = target);
  END IF;
  IF cardinality(tables) = 1 THEN
    RETURN tables[1];
  END IF;
  RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = 'no such table with a flow',
    DETAIL = 'It is not a table with a flow, nor a view in schema api that reads one such table.',
    HINT = 'Give the name of a view in schema api, or schema.table.';
END
$$;
REVOKE ALL ON FUNCTION workorder.api_relation(text) FROM PUBLIC;
COMMENT ON FUNCTION workorder.api_relation(text) IS
'The guarded table behind a name: a view or table in schema api, or a table as schema.table. Of a view over several guarded tables, the one with the view''s name. Raises WO404 otherwise.';
