-- ---------------------------------------------------------------------------
-- The conversation about a work order: WO-3, WO-4.  A reply's text is the
-- engine's content; its role and images are the engine's data.
-- ---------------------------------------------------------------------------

CREATE FUNCTION cloud_support.reply_json(number bigint, username text, content text, data jsonb, at timestamptz, zone text) RETURNS json
LANGUAGE sql STABLE PARALLEL SAFE
RETURN json_build_object(
  'committer', coalesce(username, ''),
  'workorder_id', number,
  'role', (data -> 'role')::int,
  'detail', json_build_object('text', content, 'image', data -> 'image'),
  'created_at', cloud_support.time_text(at, zone));
COMMENT ON FUNCTION cloud_support.reply_json(bigint, text, text, jsonb, timestamptz, text) IS
  'The reply object of the API. Contract 4.0.';

CREATE FUNCTION cloud_support.add_reply(body jsonb) RETURNS json
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  detail CONSTANT jsonb := body -> 'detail';
  -- A text is needed unless there are images.
  illustrated CONSTANT boolean := coalesce(detail -> 'image' <> '[]' AND jsonb_typeof(detail -> 'image') = 'array', false);
  given CONSTANT jsonb := workorder.read_input(
    jsonb_build_object('workorder_id', body -> 'workorder_id', 'detail', detail,
      'detail.text', detail -> 'text', 'detail.image', detail -> 'image'),
    jsonb_build_array(
      '{"name": "workorder_id", "kind": "int", "required": true}'::jsonb,
      '{"name": "detail", "kind": "object", "required": true}'::jsonb,
      jsonb_build_object('name', 'detail.text', 'kind', 'text', 'required', NOT illustrated, 'max', 5000),
      '{"name": "detail.image", "kind": "list", "max": 9, "default": []}'::jsonb), cloud_support.wording());
  zone CONSTANT text := cloud_support.time_zone();
  number bigint;
  data jsonb;
  reply json;
  problem record;
BEGIN
  SELECT v.problem AS rule, v.bound INTO problem
  FROM jsonb_array_elements(given -> 'detail.image') WITH ORDINALITY AS i (url, n),
    LATERAL workorder.input_value(i.url, '{"kind": "url", "max": 2048}') AS v
  WHERE v.problem IS NOT NULL
  ORDER BY i.n
  LIMIT 1;
  IF FOUND THEN
    PERFORM workorder.refuse_input(cloud_support.wording(), problem.rule, 'detail.image', bound => problem.bound);
  END IF;

  number := cloud_support.require_workorder((given -> 'workorder_id')::numeric);
  SELECT jsonb_build_object(
    'role', CASE w.creator_id WHEN workorder.actor_id() THEN 0 ELSE 1 END,
    'image', given -> 'detail.image')
  INTO data
  FROM cloud_support.workorder w
  WHERE w.tenant_id = workorder.tenant_id() AND w.id = number;
  PERFORM workorder.add_reply('cloud_support.workorder', number, coalesce(given ->> 'detail.text', ''), data);
  -- It was the last act, so the row has its time.
  SELECT cloud_support.reply_json(number, a.name, coalesce(given ->> 'detail.text', ''), data, w.updated_at, zone)
  INTO reply
  FROM cloud_support.workorder w, workorder.actor a
  WHERE w.tenant_id = workorder.tenant_id() AND w.id = number AND a.tenant_id = w.tenant_id AND a.id = w.acted_by;
  RETURN reply;
EXCEPTION
  WHEN SQLSTATE 'WO403' THEN
    PERFORM cloud_support.refuse_permission();
END
$$;
COMMENT ON FUNCTION cloud_support.add_reply(jsonb) IS
  'WO-3: adds a reply (workorder_id, detail: {text, image}) to the conversation and returns it; who raised the work order asks (role 0), others answer (1). Raises WO400, WO403, WO404.';

CREATE FUNCTION cloud_support.list_replies(number bigint, skipped bigint DEFAULT 0, size bigint DEFAULT NULL, OUT total bigint, OUT results json)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  zone CONSTANT text := cloud_support.time_zone();
BEGIN
  SELECT coalesce(max(r.total), 0),
    coalesce(json_agg(cloud_support.reply_json(list_replies.number, a.name, r.content, r.data, r.at, zone) ORDER BY r.n)
      FILTER (WHERE r.n > skipped AND (size IS NULL OR r.n <= skipped + size)), '[]')
  INTO total, results
  FROM (
    SELECT l.*, count(*) OVER () AS total, row_number() OVER (ORDER BY l.at DESC, l.id DESC) AS n
    FROM workorder.replies('cloud_support.workorder', ARRAY[list_replies.number]) l) AS r
  LEFT JOIN workorder.actor a ON a.tenant_id = workorder.tenant_id() AND a.id = r.actor_id;
END
$$;
COMMENT ON FUNCTION cloud_support.list_replies(bigint, bigint, bigint) IS
  'WO-4: the replies of a work order, the newest first, all or so many after so many, and how many there are; none of a work order that the caller may not see.';
