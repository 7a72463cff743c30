-- HTTP: what handlers take and return, and the functions that a
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
COMMENT ON FUNCTION workorder.http_read(bytea) IS
'Answers a GET, HEAD or OPTIONS: takes the body, reads method, URI and content type of the client from the setting request.headers (x-original-method, x-original-uri, x-original-content-type), finds the route in workorder.route, calls its handler as the caller, and returns the body. Sets response.status and response.headers for this transaction. Errors become the error body of the API (workorder.api). STABLE, so that a gateway runs it in a read-only transaction. Raises WO400 if the headers are missing, 57014 and classes 53 and 57P as they come.';

CREATE FUNCTION workorder.http_write(bytea) RETURNS bytea
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_http';
COMMENT ON FUNCTION workorder.http_write(bytea) IS
'Answers a request of any method, as http_read() does, in a transaction that may write.';

-- What handlers are written with.  None of these reads anything.

CREATE FUNCTION workorder.http_json(status int, body json, headers jsonb DEFAULT NULL) RETURNS workorder.http_response
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ROW(status, body, headers, NULL, NULL)::workorder.http_response;
COMMENT ON FUNCTION workorder.http_json(int, json, jsonb) IS
'A response with a JSON body, which is sent as it is written.';

CREATE FUNCTION workorder.http_bytes(status int, content bytea, content_type text, headers jsonb DEFAULT NULL) RETURNS workorder.http_response
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ROW(status, NULL, headers, content, content_type)::workorder.http_response;
COMMENT ON FUNCTION workorder.http_bytes(int, bytea, text, jsonb) IS
'A response with bytes of some media type, such as an image.';

CREATE FUNCTION workorder.http_empty(status int DEFAULT 204, headers jsonb DEFAULT NULL) RETURNS workorder.http_response
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ROW(status, NULL, headers, NULL, NULL)::workorder.http_response;
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
COMMENT ON FUNCTION workorder.http_error(int, text, text, text) IS
'Raises WO<status> with this message, which becomes the error body of the API with that status. Never returns; so a handler can say RETURN workorder.http_error(404, ''not found''). Raises 22023 for a status that is no error''s.';

CREATE FUNCTION workorder.http_last(fields jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT coalesce(jsonb_object_agg(f.key, CASE jsonb_typeof(f.value) WHEN 'array' THEN f.value -> -1 ELSE f.value END), '{}')
  FROM jsonb_each(fields) AS f;
END;
COMMENT ON FUNCTION workorder.http_last(jsonb) IS
'The fields of a query or form, of each that came several times the last. Not for JSON, where a list is a value.';

CREATE FUNCTION workorder.http_fields(
  request workorder.http_request, malformed text DEFAULT NULL, blank_is_null boolean DEFAULT false, last boolean DEFAULT false) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  fields CONSTANT jsonb := CASE WHEN last THEN workorder.http_last(request.form) ELSE request.form END;
BEGIN
  IF request.body IS NOT NULL THEN
    RETURN request.body;
  ELSIF malformed IS NOT NULL AND request.content_type IS NULL THEN
    PERFORM workorder.refuse('WO400', malformed, 'There is no body.', 'Send a JSON object.');
  ELSIF NOT blank_is_null THEN
    RETURN fields;
  END IF;
  RETURN (
    SELECT coalesce(jsonb_object_agg(f.key, CASE WHEN f.value <> '""' THEN f.value ELSE 'null' END), '{}')
    FROM jsonb_each(fields) AS f);
END
$$;
COMMENT ON FUNCTION workorder.http_fields(workorder.http_request, text, boolean, boolean) IS
'The fields of a request''s body: its JSON, or its form, of which blank fields become null if blank_is_null, for a form has no null; with last, of a field that came several times in the form the last. Raises WO400 with the message malformed, if there is one, for a request without a body.';

CREATE FUNCTION workorder.http_value(fields jsonb, name text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN jsonb_typeof(fields -> name) = 'array' THEN fields -> name ->> -1 ELSE fields ->> name END;
COMMENT ON FUNCTION workorder.http_value(jsonb, text) IS
'One value of a field of query or form, the last if it came several times; null if it did not come. Not for JSON, where a list is a value.';

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
COMMENT ON FUNCTION workorder.http_list(jsonb, text) IS
'All values of a field of query or form, in the order sent: repeated, as name[], or separated by commas. Empty ones are left out; null if the field did not come.';

-- For clients of the schema api, who know a ticket's table by the view they read.

CREATE FUNCTION workorder.api_schema() RETURNS name
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF to_regclass('workorder.installation') IS NULL THEN
    RETURN NULL;
  END IF;
  RETURN (SELECT i.api_schema FROM workorder.installation i WHERE i.extension = 'workorder');
END
$$;
COMMENT ON FUNCTION workorder.api_schema() IS
'The schema that a gateway shows to clients, as install_http() was told; null if there is none.';

CREATE FUNCTION workorder.api_relation(relation text) RETURNS regclass
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  target CONSTANT regclass := CASE
    WHEN api_relation.relation ~ '^[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*$' THEN to_regclass(api_relation.relation)
    WHEN api_relation.relation <> '' THEN to_regclass(format('%I.%I', workorder.api_schema(), api_relation.relation)) END;
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
  RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = 'the table does not exist, or has no flow',
    DETAIL = 'It is not a table with a flow, nor a view in schema api that reads one such table.',
    HINT = 'Give the name of a view in schema api, or schema.table.';
END
$$;
COMMENT ON FUNCTION workorder.api_relation(text) IS
'The guarded table behind a name: a view or table in the schema that clients are shown, or a table as schema.table. Of a view over several guarded tables, the one with the view''s name. Raises WO404 otherwise.';

-- The tables of APIs and routes, and the schema that a gateway shows.

CREATE FUNCTION workorder.http_parts() RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN $ddl$
CREATE TABLE workorder.api (
  name text PRIMARY KEY CHECK (name <> ''),
  prefix text NOT NULL UNIQUE CHECK (prefix ~ '^(/[^/{}]+)*/?$' AND prefix <> ''),
  error json NOT NULL,
  anonymous boolean NOT NULL DEFAULT false,
  settings jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(settings) = 'object'));
COMMENT ON TABLE workorder.api IS 'HTTP interfaces: whose paths they are and what an error looks like.';
COMMENT ON COLUMN workorder.api.name IS 'Name, as routes give it.';
COMMENT ON COLUMN workorder.api.prefix IS 'Paths below this one are the API''s; the longest prefix decides.';
COMMENT ON COLUMN workorder.api.error IS 'Error body: JSON in which the strings $status, $message, $code, $reason, $detail, $data (the detail as JSON), $hint, $name and $label are replaced.';
COMMENT ON COLUMN workorder.api.anonymous IS 'Whether requests are served when nobody acts; otherwise they are answered with 401.';
COMMENT ON COLUMN workorder.api.settings IS 'accept, max_body, object, messages, sqlstates, members, identify, identity (set_identity()), run_as, run_as_anonymous; other keys are the add-on''s own. messages says what the API says in its own words, a text or {"status", "message", "error": a body of its own}: of what the dispatcher refuses (not_found, method, media_type, malformed, parameter ...), of what the engine refuses while a handler runs (required, of the column $name; denied, not_found, conflict; else the engine''s own words are sent), and, by SQLSTATE (WO422), the body of what handlers raise.';

CREATE TABLE workorder.route (
  api text NOT NULL,
  method text NOT NULL CHECK (method IN ('GET', 'POST', 'PUT', 'PATCH', 'DELETE')),
  pattern text NOT NULL CHECK (pattern ~ '^(/([^/{}]+|\{[A-Za-z_][A-Za-z0-9_]*(:int)?\}))*/?$' AND pattern <> ''),
  handler text NOT NULL,
  settings jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(settings) = 'object'),
  PRIMARY KEY (api, method, pattern));
COMMENT ON TABLE workorder.route IS 'Which function answers which requests.';
COMMENT ON COLUMN workorder.route.api IS 'Whose route it is.';
COMMENT ON COLUMN workorder.route.method IS 'GET serves HEAD too; OPTIONS needs no route.';
COMMENT ON COLUMN workorder.route.pattern IS 'The whole path; {name} stands for one segment, {name:int} for one of digits. Literal text goes before digits, digits before any text.';
COMMENT ON COLUMN workorder.route.handler IS 'schema.function, of (workorder.http_request) returning workorder.http_response; runs as the caller.';
COMMENT ON COLUMN workorder.route.settings IS 'accept, max_body, object, where they differ from the API''s.';
ALTER TABLE workorder.route ADD CONSTRAINT route_api_fkey FOREIGN KEY (api) REFERENCES workorder.api (name) ON UPDATE CASCADE ON DELETE CASCADE;

CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON workorder.api
FOR EACH STATEMENT EXECUTE FUNCTION workorder.invalidate();
ALTER TABLE workorder.api ENABLE ALWAYS TRIGGER invalidate;
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON workorder.route
FOR EACH STATEMENT EXECUTE FUNCTION workorder.invalidate();
ALTER TABLE workorder.route ENABLE ALWAYS TRIGGER invalidate;
$ddl$;
COMMENT ON FUNCTION workorder.http_parts() IS
'The tables of APIs and their routes, as workorder.parts() reads them.';

CREATE FUNCTION workorder.refuse_arguments() RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = 'WO404', MESSAGE = 'the function does not have these arguments',
    DETAIL = 'One that it needs is missing, or one was sent that it does not know.', HINT = 'The description at /rest/ tells its arguments.';
END
$$;
COMMENT ON FUNCTION workorder.refuse_arguments() IS
'Raises WO404 for a function that was called over HTTP with other arguments than it has.';

CREATE FUNCTION workorder.api_parts() RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN $ddl$
CREATE DOMAIN @api@."*/*" AS bytea;
COMMENT ON DOMAIN @api@."*/*" IS 'Bytes that the gateway sends as they are, whatever media type is asked for.';

CREATE FUNCTION @api@.http_read(bytea) RETURNS @api@."*/*"
LANGUAGE sql STABLE RETURN workorder.http_read($1);
REVOKE ALL ON FUNCTION @api@.http_read(bytea) FROM PUBLIC;
COMMENT ON FUNCTION @api@.http_read(bytea) IS 'Serves GET and HEAD for the proxy; see workorder.http_read().';
CREATE FUNCTION @api@.http_write(bytea) RETURNS @api@."*/*"
LANGUAGE sql VOLATILE RETURN workorder.http_write($1);
REVOKE ALL ON FUNCTION @api@.http_write(bytea) FROM PUBLIC;
COMMENT ON FUNCTION @api@.http_write(bytea) IS 'Serves all other methods for the proxy; see workorder.http_write().';

CREATE FUNCTION @api@.sign_in(login text, password text, tenant bigint DEFAULT 1) RETURNS text
LANGUAGE sql VOLATILE RETURN workorder.sign_in(tenant, login, password);
REVOKE ALL ON FUNCTION @api@.sign_in(text, text, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @api@.sign_in(text, text, bigint) IS 'Token for who knows their password; the same answer for every other case.';
CREATE FUNCTION @api@.act(relation text, id bigint, action text, note text DEFAULT NULL, changes jsonb DEFAULT NULL,
  expect_revision int DEFAULT NULL, OUT revision int, OUT state text) RETURNS record
LANGUAGE sql VOLATILE
BEGIN ATOMIC
  SELECT a.revision, a.state
  FROM workorder.act(workorder.api_relation(relation), id, action, note, changes, expect_revision) a;
END;
REVOKE ALL ON FUNCTION @api@.act(text, bigint, text, text, jsonb, int) FROM PUBLIC;
COMMENT ON FUNCTION @api@.act(text, bigint, text, text, jsonb, int) IS 'Takes an action on a ticket; relation is the view it is shown in.';
CREATE FUNCTION @api@.can(relation text, id bigint, action text, note text DEFAULT NULL, changes jsonb DEFAULT NULL) RETURNS boolean
LANGUAGE sql STABLE RETURN workorder.can(workorder.api_relation(relation), id, action, note, changes);
REVOKE ALL ON FUNCTION @api@.can(text, bigint, text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @api@.can(text, bigint, text, text, jsonb) IS 'Whether act() with the same arguments would succeed.';
CREATE FUNCTION @api@.explain(relation text, id bigint, action text, note text DEFAULT NULL, changes jsonb DEFAULT NULL)
RETURNS TABLE (code text, message text, detail text, hint text)
LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT e.code, e.message, e.detail, e.hint
  FROM workorder.explain(workorder.api_relation(relation), id, action, note, changes) e;
END;
REVOKE ALL ON FUNCTION @api@.explain(text, bigint, text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @api@.explain(text, bigint, text, text, jsonb) IS 'Every reason why act() with the same arguments would be refused.';
CREATE FUNCTION @api@.actions(relation text, id bigint)
RETURNS TABLE (action text, target text, allowed boolean, needs text[], reasons text[])
LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT a.action, a.target, a.allowed, a.needs, a.reasons
  FROM workorder.actions(workorder.api_relation(relation), id) a;
END;
REVOKE ALL ON FUNCTION @api@.actions(text, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @api@.actions(text, bigint) IS 'What may be done with a ticket now, by whom it is asked.';

-- What PostgREST calls for arguments that no function above takes.  Without them it would look for the function that was
-- meant, at a cost that grows with the square of what was sent.
CREATE FUNCTION @api@.sign_in(json) RETURNS void
LANGUAGE sql VOLATILE RETURN workorder.refuse_arguments();
REVOKE ALL ON FUNCTION @api@.sign_in(json) FROM PUBLIC;
COMMENT ON FUNCTION @api@.sign_in(json) IS 'Refuses arguments that sign_in() does not have.';
CREATE FUNCTION @api@.act(json) RETURNS void
LANGUAGE sql VOLATILE RETURN workorder.refuse_arguments();
REVOKE ALL ON FUNCTION @api@.act(json) FROM PUBLIC;
COMMENT ON FUNCTION @api@.act(json) IS 'Refuses arguments that act() does not have.';
CREATE FUNCTION @api@.can(json) RETURNS void
LANGUAGE sql STABLE RETURN workorder.refuse_arguments();
REVOKE ALL ON FUNCTION @api@.can(json) FROM PUBLIC;
COMMENT ON FUNCTION @api@.can(json) IS 'Refuses arguments that can() does not have.';
CREATE FUNCTION @api@.explain(json) RETURNS void
LANGUAGE sql STABLE RETURN workorder.refuse_arguments();
REVOKE ALL ON FUNCTION @api@.explain(json) FROM PUBLIC;
COMMENT ON FUNCTION @api@.explain(json) IS 'Refuses arguments that explain() does not have.';
CREATE FUNCTION @api@.actions(json) RETURNS void
LANGUAGE sql STABLE RETURN workorder.refuse_arguments();
REVOKE ALL ON FUNCTION @api@.actions(json) FROM PUBLIC;
COMMENT ON FUNCTION @api@.actions(json) IS 'Refuses arguments that actions() does not have.';
$ddl$;
COMMENT ON FUNCTION workorder.api_parts() IS
'What a gateway calls, in the schema that it shows to clients (@api@), as workorder.parts() reads it.';

CREATE FUNCTION workorder.install_http(schema name DEFAULT 'api') RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  known CONSTANT name := workorder.api_schema();
  owner oid;
BEGIN
  IF install_http.schema IS NULL OR install_http.schema = '' OR install_http.schema ~ '^pg_' OR install_http.schema IN ('workorder', 'information_schema')
    OR EXISTS (SELECT FROM pg_extension e WHERE e.extnamespace = to_regnamespace(quote_ident(install_http.schema))) THEN
    RAISE EXCEPTION USING ERRCODE = 'WO400', MESSAGE = format('schema "%s" cannot be shown to clients', install_http.schema),
      DETAIL = 'It must be a schema that holds nothing else than what clients may see.', HINT = 'Give another name.';
  END IF;
  IF known <> install_http.schema THEN
    RAISE EXCEPTION USING ERRCODE = 'WO409', MESSAGE = format('the functions for clients are in schema "%s" already', known),
      DETAIL = 'There is one schema that is shown to clients.',
      HINT = 'Rename that schema, and update workorder.installation.api_schema, to move them.';
  END IF;
  SELECT n.nspowner INTO owner FROM pg_namespace n WHERE n.nspname = install_http.schema;
  IF owner IS NULL THEN
    EXECUTE format('CREATE SCHEMA %I', install_http.schema);
    EXECUTE format('COMMENT ON SCHEMA %I IS ''What a gateway such as PostgREST shows to clients.''', install_http.schema);
    EXECUTE format('ALTER SCHEMA %I OWNER TO %I', install_http.schema, workorder.owner());
  ELSIF owner <> workorder.owner()::oid THEN
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = format('schema "%s" belongs to somebody else', install_http.schema),
      DETAIL = 'Whoever owns the schema could replace what clients call.',
      HINT = format('Make role %I its owner, or name another schema: SELECT workorder.install_http(''name'').', workorder.owner());
  END IF;
  UPDATE workorder.installation i SET api_schema = install_http.schema WHERE i.extension = 'workorder';
  PERFORM workorder.make(workorder.all_parts());
END
$$;
COMMENT ON FUNCTION workorder.install_http(name) IS
'Makes the functions that a gateway calls, in a schema that it shows to clients; it is made if it is not there. install() does this for schema api unless there is one already: which schema to use is then yours to say. Needs to own the engine''s tables. Raises WO400 for a schema of an extension or of the system, WO409 if there is another one already, 42501 for a schema that belongs to another role than the engine''s tables.';
