-- Prints what nginx has to know of the APIs, from the table workorder.api:
--
--   psql -X -q -At -d yours -f deploy/apis.sql >/run/workorder/apis.conf
--
-- $workorder_api is the API that a path belongs to, the longest prefix first.
-- $workorder_error is the body for an error that nginx or PostgREST has to
-- report for it, in the envelope and the words that the API has for its own.

WITH wording (status, reason, message) AS (
  VALUES (400, 'request', 'malformed request'),
    (401, 'unauthenticated', 'authentication required'),
    (403, 'denied', 'permission denied'),
    (404, 'not_found', 'not found'),
    (405, 'method', 'method not allowed'),
    (408, 'timeout', 'request timeout'),
    (413, 'too_large', 'body too large'),
    (414, 'uri_too_long', 'uri too long'),
    (415, 'media_type', 'unsupported media type'),
    (429, 'too_many', 'too many requests'),
    (431, 'headers_too_large', 'headers too large'),
    (500, 'internal', 'internal error'),
    (502, 'busy', 'service unavailable'),
    (503, 'busy', 'service unavailable'),
    (504, 'busy', 'service unavailable')),
-- The APIs by number, for a name may hold anything.
numbered AS (
  SELECT a.*, row_number() OVER (ORDER BY a.name) AS n
  FROM workorder.api a),
-- The words of an API: by reason, else by status; a text, or an object with more.
api AS (
  SELECT a.n, w.status AS raised, w.reason,
    coalesce((said.value ->> 'status')::int, w.status) AS status,
    coalesce(said.value ->> 'message', said.value #>> '{}', w.message) AS message,
    coalesce(said.value ->> 'error', a.error::text) AS template
  FROM numbered a
  CROSS JOIN wording w
  CROSS JOIN LATERAL (
    SELECT coalesce(a.settings -> 'messages' -> w.reason, a.settings -> 'messages' -> w.status::text) AS value) AS said),
body AS (
  SELECT f.n, f.raised, g.text
  FROM api f
  CROSS JOIN LATERAL (
    -- First the values that stand alone, then those within a text.
    SELECT regexp_replace(replace(replace(replace(f.template,
        '"$status"', f.status::text),
        '"$message"', to_json(f.message)::text),
        '"$reason"', to_json(f.reason)::text),
        '"\$(code|detail|hint|name|label)"', 'null', 'g') AS text) AS v
  CROSS JOIN LATERAL (
    SELECT replace(replace(replace(v.text,
        '$status', f.status::text),
        '$message', btrim(to_json(f.message)::text, '"')),
        '$reason', f.reason) AS text) AS g),
quoted AS (
  SELECT b.n, b.raised,
    '''' || replace(replace(replace(b.text, '\', '\\'), '''', '\'''), '$', '${workorder_dollar}') || '''' AS text
  FROM body b),
line (place, part) AS (
  SELECT 0, 'geo $workorder_dollar { default "$"; }'
  UNION ALL
  -- The request line is there even when nginx cannot make sense of it.
  SELECT 1, E'map $request $workorder_api {\n  default "";\n  "~^[^ ]+ (?:[A-Za-z]+://[^/ ]*)?/rest[/? ]" "/rest";'
  UNION ALL
  SELECT 2, string_agg(format('  "~^[^ ]+ (?:[A-Za-z]+://[^/ ]*)?%s[/? ]" "%s";',
    regexp_replace(rtrim(a.prefix, '/'), '([][\\.^$*+?(){}|])', '\\\1', 'g'), a.n), E'\n'
    ORDER BY length(a.prefix) DESC, a.n)
  FROM numbered a
  UNION ALL
  SELECT 3, '}'
  UNION ALL
  SELECT 4, E'map "$workorder_api $status" $workorder_error {\n  default ''{"code":$status,"message":"error"}'';'
  UNION ALL
  -- PostgREST's own shape, below /rest and where no API is.
  SELECT 5, string_agg(format('  "/rest %s" ''{"code":"%s","message":"%s","details":null,"hint":null}'';',
    w.status, w.status, w.message), E'\n' ORDER BY w.status)
  FROM wording w
  UNION ALL
  SELECT 6, string_agg(format('  " %s" ''{"code":%s,"message":"%s"}'';', w.status, w.status, w.message), E'\n' ORDER BY w.status)
  FROM wording w
  UNION ALL
  SELECT 7, string_agg(format('  "%s %s" %s;', q.n, q.raised, q.text), E'\n' ORDER BY q.n, q.raised)
  FROM quoted q
  UNION ALL
  SELECT 8, '}')
SELECT l.part FROM line l WHERE l.part IS NOT NULL ORDER BY l.place;
