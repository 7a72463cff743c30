-- Input judged by rules that are data, and what add-ons are made with.
\set VERBOSITY sqlstate
\set SHOW_CONTEXT never
\pset null null
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS workorder CASCADE;
SELECT workorder.install();

-- Every kind, taken and refused.
SELECT t.kind, t.given, v.value, v.problem, v.bound
FROM (VALUES
  ('text', '"a"'), ('text', '1'), ('text', '["a"]'), ('text', '"abcd"'),
  ('int', '7'), ('int', '"7"'), ('int', '"-07"'), ('int', '7.0'), ('int', '7.5'), ('int', '"7.5"'), ('int', '"x"'), ('int', '1e30'), ('int', 'true'),
  ('int', '7e0'), ('int', '70e-1'), ('int', '[7]'), ('flag', '1.0'), ('flag', '0e5'), ('choice', '1.0'), ('choice', '10e-1'), ('choice', '[1]'),
  ('int', '"99999999999999999999999999999999999999999999999999"'),
  ('money', '0'), ('money', '"12.50"'), ('money', '12.505'), ('money', '-1'), ('money', '1e12'),
  ('flag', 'true'), ('flag', '0'), ('flag', '"1"'), ('flag', '2'), ('flag', '["1"]'),
  ('choice', '1'), ('choice', '"1"'), ('choice', '"b"'), ('choice', '"c"'),
  ('time', '"2018-03-05 10:00:00"'), ('time', '"2018-03-05T10:00:00+08:00"'), ('time', '"2018-03-05T10:00:00.123Z"'), ('time', '"2018-03-05"'),
  ('time', '"2018-02-30"'), ('time', '"0000-01-01"'), ('time', '"2018-03-05 24:00:00"'), ('time', '"now"'), ('time', '20180305'),
  ('day', '"2020-02-29"'), ('day', '"2019-02-29"'), ('day', '"2019-02-28 10:00:00"'),
  ('url', '"https://a.example/x?y#z"'), ('url', '"javascript:alert(1)"'), ('url', '"http://"'), ('url', '"http://a b"'),
  ('object', '{}'), ('object', '[]'), ('list', '[]'), ('list', '{}'), ('list', '[1,2,3,4]')) AS t (kind, given),
  LATERAL workorder.input_value(t.given::jsonb,
    jsonb_build_object('kind', t.kind, 'in', '[1, "b"]'::jsonb)
      || CASE WHEN t.kind IN ('text', 'list') THEN '{"max": 3}' WHEN t.kind = 'int' THEN '{"min": -100, "max": 100}' ELSE '{}' END::jsonb) v;

-- What is absent, blank or null.
SELECT f.fields, r.rule, j.rule AS problem, j.value
FROM (VALUES (NULL), ('{}'), ('{"a": null}'), ('{"a": " \u3000"}'), ('{"a": "x"}')) AS f0 (text),
  LATERAL (SELECT f0.text::jsonb) AS f (fields),
  LATERAL (SELECT v::jsonb FROM (VALUES
    ('{"name": "a", "kind": "text"}'), ('{"name": "a", "kind": "text", "required": true}'),
    ('{"name": "a", "kind": "text", "required": "if given"}'), ('{"name": "a", "kind": "text", "required": true, "blank": true}'),
    ('{"name": "a", "kind": "int", "null": true}'), ('{"name": "a", "kind": "int", "null": false}'),
    ('{"name": "a", "kind": "int", "default": 5, "lenient": true}')) AS l (v)) AS r (rule)
  LEFT JOIN LATERAL workorder.judge_input(f.fields, jsonb_build_array(r.rule)) AS j ON true;

-- One definition of blank: the characters that show nothing.
SELECT string_agg(to_hex(c), ' ' ORDER BY c) FROM generate_series(1, 65535) AS c
WHERE c NOT BETWEEN 55296 AND 57343 AND workorder.is_blank(to_jsonb(chr(c)));
-- (versions differ in how wide a zero-width space is)
\pset format unaligned
SELECT v, workorder.is_blank(v) FROM unnest(ARRAY[NULL, 'null', '""', '" \u200b\u3000"', '"\u200bx"', '0', 'false', '[]', '{}']::jsonb[]) AS v;
\pset format aligned

-- Lists of numbers, aliases, caps, the last of several.
SELECT workorder.read_input(
  '{"ids": ["1", "2,"], "other": "[3, 4]", "one": 5, "statuses": "0,3", "old_name": 6, "size": 5000, "page": ["1", "2"]}',
  '[{"name": "other", "kind": "ints"}, {"name": "one", "kind": "ints"}, {"name": "statuses", "kind": "ints", "in": [0, 1, 2, 3]},
    {"name": "new_name", "kind": "int", "from": ["old_name"]}, {"name": "size", "kind": "int", "cap": 100},
    {"name": "page", "kind": "int", "last": true}, {"name": "nothing", "kind": "ints"}]');
SELECT * FROM workorder.check_input('{"ids": ["1", "x", "", "3.5"], "statuses": [0, 9], "subject": "abcd", "n": "-1"}',
  '[{"name": "subject", "kind": "text", "max": 3}, {"name": "ids", "kind": "ints"}, {"name": "statuses", "kind": "ints", "in": [0, 1]},
    {"name": "n", "kind": "int", "min": 0}, {"name": "content", "kind": "text", "required": true}]');

-- The first problem is raised, in the words of the API.
SELECT workorder.read_input('{}', '[{"name": "a"}, {"name": "b", "required": true}]');
SELECT workorder.read_input('{"due_at": "x"}', '[{"name": "due_at", "kind": "time"}]', '{"time": "The $label is not a valid date.", "invalid": "no"}');
SELECT workorder.read_input('{"q": "abcd"}', '[{"name": "q", "kind": "text", "max": 3}]', '{"max": "$name: too long (max $bound)"}');
SELECT workorder.read_input('{"q": 1}', '[{"name": "q", "kind": "text"}]', '{"invalid": "invalid parameter: $name"}');
SELECT workorder.read_input('{"q": 1}', '[{"name": "q", "kind": "colour"}]');

-- Moments.
SELECT workorder.time_text(workorder.time_of(t, 'Asia/Taipei'), 'Asia/Taipei')
FROM unnest(ARRAY['2019-01-01 08:00:00', '2019-01-01 08:00:00+00', '2019-01-01 08:00:00-02:30']) t;
-- The years that a time leaves by its offset, in the zone that it is shown in.
SELECT z, t, v.value, v.problem
FROM unnest('{UTC,Asia/Taipei,Pacific/Pago_Pago}'::text[]) AS z,
  unnest('{9999-12-31 23:59:59,9999-12-31T23:59:59-12:00,9999-12-31T23:59:59+14:00,0001-01-01,0001-01-01T00:00:00+14:00,0001-01-01T06:00:00-06:00}'::text[]) AS t,
  LATERAL workorder.input_value(to_jsonb(t), jsonb_build_object('kind', 'time', 'zone', z)) AS v;
-- Times that come twice, or not at all.
SET timezone = 'UTC';
SELECT z, t, m.*
FROM unnest('{Asia/Taipei,Europe/Berlin,America/New_York}'::text[]) AS z,
  unnest('{2026-10-25 02:30:00,2026-10-25 02:30:00+01,2026-11-01 01:30:00,2026-03-29 02:30:00,2026-07-01 12:00:00}'::text[]) AS t,
  LATERAL workorder.times_of(t, z) AS m;
RESET timezone;
SELECT workorder.http_last('{"a": ["1", "2"], "b": "x", "c": ["3"]}'), workorder.http_last('{}');
SELECT left(id, 12) AS id, workorder.path_id(id) FROM unnest(ARRAY['0', '007', '2147483647', '2147483648', '-1', 'x', '', NULL, repeat('9', 500)]) id;

-- Texts where texts are wanted.
SELECT v, workorder.only_texts(v, '{a,b,NULL}'), workorder.only_texts(v)
FROM unnest(ARRAY['{}', '[]', '[{}]', '{"a": "x"}', '{"a": null}', '{"a": 5}', '{"c": 5}', '{"a": ["x"]}', '{"a": {"b": "x"}}', '{"aa": true}',
  '[{"a": "x", "b": "y", "c": "z"}, {"b": "x"}]', '[{"a": "x"}, {"b": false}]', '[{"a": "x"}, 5]', '[{"a": "x"}, null]', '[[{"a": "x"}]]', '"x"', 'null', NULL]::jsonb[]) AS v;
SELECT workorder.only_texts('{"a": 5}', '{}');

-- Long lists: what comes twice in them, and pieces of them.
SELECT v, workorder.repeated(v, 'a')
FROM unnest(ARRAY['[]', '[{"a": 1}, {"a": "1"}, {"a": "x"}, 5, {"b": "x"}, {"a": "x"}, {"a": "x"}, {"a": "1"}]', '[{"a": null}, {"a": null}, {"a": true}, {"a": true}]',
  '[{"a": "ab"}, {"a": "ba"}, {"a": "b"}, {"a": ""}, {"a": ""}]', NULL]::jsonb[]) AS v;
WITH list AS (
  SELECT jsonb_agg((ARRAY[to_jsonb(i), to_jsonb(repeat('长', i)), jsonb_build_object('a', repeat('y', i), 'b', i), 'null', '[true, 1.50, ["z", {}]]'])[i % 5 + 1] ORDER BY i) AS v
  FROM generate_series(1, 100) i)
SELECT count(*), bool_and(record_image_eq(ROW(piece), ROW((SELECT coalesce(jsonb_agg(e.value ORDER BY e.n), '[]')
    FROM jsonb_array_elements(list.v) WITH ORDINALITY AS e (value, n) WHERE e.n > s AND e.n <= s + 40)))) AS as_stored
FROM list, generate_series(0, 105) s, workorder.slice(list.v, s, 40) piece;
SELECT workorder.slice('[1, 2, 3]', -1, 2), workorder.slice('[1, 2, 3]', 1, -1), workorder.slice('[1, 2, 3]', 2147483647, 2147483647), workorder.slice('[]', 0, 1);
SELECT workorder.slice('{"a": 1}', 0, 1);
SELECT workorder.repeated('5', 'a');

-- Settings and lists.
SELECT workorder.setting('demo', 'zone', 'UTC'), workorder.set_setting('demo', 'zone', 'Asia/Shanghai');
SELECT workorder.setting('demo', 'zone', 'UTC'), workorder.set_setting('demo', 'zone', NULL);
SELECT workorder.setting('demo', 'zone');
SELECT workorder.in_dictionary('demo', 'colour', 'anything');
SELECT workorder.import_dictionary('demo', 'colour', '[{"code": "r", "label": "红"}, {"code": "g", "label": "绿", "active": false}, {"code": "r", "label": "红色"}]');
SELECT workorder.import_dictionary('demo', 'colour', '[{"code": "r", "label": "红色", "position": 3}]');
SELECT code, label, position, active FROM workorder.dictionary ORDER BY position;
SELECT c, workorder.in_dictionary('demo', 'colour', c) FROM unnest(ARRAY['r', 'g', 'b']) c;
SELECT workorder.import_dictionary('demo', 'colour', '{}');

-- APIs keep what somebody has set.
SELECT workorder.add_api('demo', '/demo', '{"m": "$message"}', true, '{"max_body": 10, "accept": ["text/plain"]}');
UPDATE workorder.api SET settings = settings || '{"max_body": 20}' WHERE name = 'demo';
SELECT workorder.add_api('demo', '/elsewhere', '{"error": "$message"}', false, '{"max_body": 10, "object": true}');
SELECT workorder.add_routes('demo', '[["GET", "/a", "http_a"], ["POST", "/a/{id:int}", "http_b", {"max_body": 5}]]');
SELECT workorder.add_routes('demo', '[["GET", "/a", "http_a"]]');
SELECT * FROM workorder.api;
SELECT * FROM workorder.route;
CREATE ROLE regress_input;
CREATE SCHEMA regress_input AUTHORIZATION regress_input;
SELECT workorder.own_schema('regress_input', 'ours');
DROP SCHEMA regress_input;
DROP ROLE regress_input;

DELETE FROM workorder.api WHERE name = 'demo';
DELETE FROM workorder.dictionary WHERE system = 'demo';
