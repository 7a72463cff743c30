-- Requests that may come again.  The dispatcher does it by itself for requests with
-- the header Idempotency-Key; recall() and remember() are for functions in SQL.

CREATE FUNCTION workorder.idempotency_parts() RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN $ddl$
CREATE TABLE workorder.idempotency (
  tenant_id bigint NOT NULL,
  actor_id bigint NOT NULL,
  scope text NOT NULL,
  key text NOT NULL,
  request bytea NOT NULL,
  status int NOT NULL,
  content_type text NOT NULL,
  headers text NOT NULL,
  body bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, actor_id, scope, key));
COMMENT ON TABLE workorder.idempotency IS 'Results of requests with a key, to be answered again. Only the owner reads it; forget_idempotency() empties it. No foreign key and no second index: it is written with the request.';
COMMENT ON COLUMN workorder.idempotency.tenant_id IS 'Whose person sent it.';
COMMENT ON COLUMN workorder.idempotency.actor_id IS 'Who sent it; nobody else gets the result.';
COMMENT ON COLUMN workorder.idempotency.scope IS 'http:<api>, or sql:<scope> of remember().';
COMMENT ON COLUMN workorder.idempotency.key IS 'The key.';
COMMENT ON COLUMN workorder.idempotency.request IS 'SHA-256 of the request: method, path and query, media type, body.';
COMMENT ON COLUMN workorder.idempotency.status IS 'Status that was answered.';
COMMENT ON COLUMN workorder.idempotency.content_type IS 'Content type that was answered.';
COMMENT ON COLUMN workorder.idempotency.headers IS 'Other headers that were answered.';
COMMENT ON COLUMN workorder.idempotency.body IS 'Body that was answered.';
COMMENT ON COLUMN workorder.idempotency.created_at IS 'When; what is a day old is forgotten.';
$ddl$;
COMMENT ON FUNCTION workorder.idempotency_parts() IS
'The table of results of requests with a key, as workorder.parts() reads them.';

CREATE FUNCTION workorder.recall(scope text, key text, request jsonb) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_recall';
COMMENT ON FUNCTION workorder.recall(text, text, jsonb) IS
'What the person who acts was answered to this request with this key, null if it is new. Whoever asks for the same key meanwhile waits until this transaction ends. request is whatever makes it the same request. Needs no privilege on workorder.idempotency. Raises WO400 for a key that is not 1 to 255 printable ASCII characters, WO401 if nobody acts, WO422 if the key was used for another request.';

CREATE FUNCTION workorder.remember(scope text, key text, request jsonb, result jsonb) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_remember';
COMMENT ON FUNCTION workorder.remember(text, text, jsonb, jsonb) IS
'Keeps the result of a request with a key, for recall(), together with what the transaction did. Raises as recall() does, WO400 for a null result, and WO409 if the request has a result already.';

CREATE FUNCTION workorder.forget_idempotency(older_than interval DEFAULT '24 hours') RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  forgotten bigint;
BEGIN
  DELETE FROM workorder.idempotency i WHERE i.created_at < now() - forget_idempotency.older_than;
  GET DIAGNOSTICS forgotten = ROW_COUNT;
  RETURN forgotten;
END
$$;
COMMENT ON FUNCTION workorder.forget_idempotency(interval) IS
'Forgets the results of requests that are older, of all tenants, and returns how many. For a job that runs every hour or so. Needs to own workorder.idempotency.';
