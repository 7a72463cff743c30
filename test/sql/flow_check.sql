-- What publish() and check_flow() find wrong with a flow: the document of the
-- manual is sound, and for every finding there is a document that has it.
\set SHOW_CONTEXT never
\set admin_database :DBNAME
SET client_min_messages = warning;
CREATE DATABASE regress_workorder_flow_check TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
ALTER DATABASE regress_workorder_flow_check SET lc_messages = 'C';
\c regress_workorder_flow_check
SET client_min_messages = warning;
SET client_encoding = 'UTF8';
CREATE EXTENSION workorder CASCADE;

CREATE TEMP TABLE document (body jsonb);
\set leave `cat "$PG_ABS_SRCDIR/fixtures/leave.json"`
INSERT INTO document VALUES (:'leave');

-- The document is sound, and is read as it is meant.
SELECT d.* FROM document, workorder.check_flow(body) d;
SELECT s.* FROM document, workorder.flow_states(body) s;
SELECT a.* FROM document, workorder.flow_actions(body) a;

-- One mutation each: a value put at a path, or ("null") a key taken away.
CREATE TEMP TABLE mutation (n serial, code text, path text[], value jsonb);
INSERT INTO mutation (code, path, value) VALUES
  ('unknown_key',       '{colour}', '"red"'),
  ('unknown_key',       '{states,held,entry}', '[]'),
  ('unknown_key',       '{on,comment,actions}', '[]'),
  ('unknown_key',       '{on,create,cond}', '"$.days > 1"'),
  ('misplaced_key',     '{states,held,history}', '"deep"'),
  ('misplaced_key',     '{states,held,initial}', '"x"'),
  ('misplaced_key',     '{states,held,target}', '"granted"'),
  ('misplaced_key',     '{states,granted,states}', '{"a": {}}'),
  ('misplaced_key',     '{states,open,states,last,on}', '{}'),
  ('bad_type',          '{states,held}', '"held"'),
  ('bad_type',          '{states,held,on}', '[]'),
  ('bad_type',          '{states,held,label}', '1'),
  ('bad_type',          '{states,held,code}', 'true'),
  ('bad_type',          '{states,held,on,resume}', '5'),
  ('bad_type',          '{states,held,on,resume,target}', '["open"]'),
  ('bad_type',          '{states,held,on,resume,reenter}', '"yes"'),
  ('bad_type',          '{roles}', '["employee", "manager", "hr", 1]'),
  ('bad_type',          '{on,create,require}', '{"days": true}'),
  ('bad_value',         '{states,held,type}', '"normal"'),
  ('bad_value',         '{type}', '"final"'),
  ('bad_value',         '{states,open,states,last,history}', '"medium"'),
  ('bad_value',         '{states,held,on,resume}', '[]'),
  ('bad_name',          '{states,a.b}', '{}'),
  ('bad_name',          '{states,$a}', '{}'),
  ('bad_name',          '{states,a#}', '{}'),
  ('bad_name',          '{states,""}', '{}'),
  ('bad_name',          '{on,*}', '{"allow": "*"}'),
  ('bad_name',          ARRAY['on', repeat('x', 64)], '{"allow": "*"}'),
  ('bad_name',          '{id}', '"le.ave"'),
  ('bad_name',          '{roles}', '["employee", "manager", "hr", "$boss", "*"]'),
  ('no_id',             '{id}', 'null'),
  ('no_states',         '{states}', 'null'),
  ('no_states',         '{states,held,type}', '"compound"'),
  ('no_initial',        '{initial}', 'null'),
  ('no_initial',        '{states,open,initial}', 'null'),
  ('bad_initial',       '{initial}', '"nowhere"'),
  ('bad_initial',       '{initial}', '"open.draft"'),
  ('bad_initial',       '{states,open,initial}', '"last"'),
  ('parallel',          '{states,open,type}', '"parallel"'),
  ('duplicate_id',      '{states,held,id}', '"leave"'),
  ('duplicate_code',    '{states,granted,code}', '1'),
  ('duplicate_role',    '{roles}', '["employee", "manager", "hr", "hr"]'),
  ('history_without_siblings', '{states,held,states}', '{"h": {"type": "history"}}'),
  ('history_loop',      '{states,open,states,last,target}', '"again"'),
  ('history_outside',   '{states,open,states,last,target}', '"#leave.held"'),
  ('history_outside',   '{states,open,states,last,target}', '"#leave.open"'),
  ('final_with_exit',   '{states,granted,on}', '{"reopen": {"target": "open", "allow": ["hr"]}}'),
  ('final_with_exit',   '{states,granted,after}', '{"P1D": "expired"}'),
  ('dangling_target',   '{states,held,on,resume,target}', '"closed"'),
  ('dangling_target',   '{states,held,on,resume,target}', '"#other.open"'),
  ('dangling_target',   '{states,held,on,resume,target}', '"open."'),
  ('dangling_target',   '{states,held,on,resume,target}', '""'),
  ('dangling_target',   '{on,comment,target}', '"held"'),
  ('dangling_target',   '{states,open,states,last,target}', '".draft"'),
  ('bad_guard',         '{states,held,on,resume,guard}', '"$.days >"'),
  ('bad_guard',         '{states,held,on,resume,guard}', '"$.reason like_regex \"(\""'),
  ('bad_guard',         '{states,held,on,resume,guard}', '""'),
  ('not_a_predicate',   '{states,held,on,resume,guard}', '"$ ? (@.days > 5)"'),
  ('not_a_predicate',   '{states,held,on,resume,guard}', '"$.days + 1"'),
  ('bad_path',          '{states,held,on,resume,set}', '{"reason": "$.days +"}'),
  ('unknown_variable',  '{states,held,on,resume,guard}', '"$new.days > $limit && $new.days > 0"'),
  ('unknown_variable',  '{states,held,on,resume,guard}', '"$actor.role == \"hr\""'),
  ('unknown_variable',  '{states,held,on,resume,set}', '{"reason": "$today"}'),
  ('undeclared_role',   '{states,held,on,resume,allow}', '["boss", "hr"]'),
  ('undeclared_role',   '{states,open,states,hr,on,approve,quorum}', '{"each": ["hr", "legal"]}'),
  ('unknown_action',    '{states,held,on,resume,exclude}', '["submitt"]'),
  ('bad_quorum',        '{states,held,on,resume,quorum}', '0'),
  ('bad_quorum',        '{states,held,on,resume,quorum}', '1.5'),
  ('bad_quorum',        '{states,held,on,resume,quorum}', '1e999'),
  ('bad_quorum',        '{states,held,on,resume,quorum}', '"101%"'),
  ('bad_quorum',        '{states,held,on,resume,quorum}', '{"each": []}'),
  ('bad_quorum',        '{states,held,on,resume,quorum}', '{"some": ["hr"]}'),
  ('bad_duration',      '{states,held,after}', '{"3 days": ".."}'),
  ('bad_duration',      '{states,held,after}', '{"PT": {"target": "expired"}, "P0D": {"target": "expired"}, "P1DT": {"target": "expired"}, "-P1D": {"target": "expired"}, "P1.5D2H": {"target": "expired"}, "P101Y": {"target": "expired"}, "1000": {"target": "expired"}}'),
  ('timer_key',         '{states,open,states,review,after,P3D,allow}', '["hr"]'),
  ('view_only_allow',   '{on,view,guard}', '"$.days > 1"'),
  ('view_only_allow',   '{on,view,target}', '".held"'),
  ('nobody',            '{states,held,on,resume,allow}', 'null'),
  ('nobody',            '{states,held,on,resume,allow}', '[]'),
  ('nobody',            '{states,held,on,resume}', '{"target": "open", "allow": ["$creator_id"], "exclude": ["$creator_id"]}'),
  ('quorum_unreachable', '{states,open,on,cancel,quorum}', '2'),
  ('quorum_role',       '{states,open,states,hr,on,approve,quorum}', '{"each": ["hr", "manager"]}'),
  ('reserved_column',   '{states,open,states,draft,on,update,fields}', '["days", "state", "note"]'),
  ('reserved_column',   '{states,open,states,draft,on,submit,set}', '{"revision": 5}'),
  ('reserved_column',   '{on,create,require}', '["creator_id", "note"]'),
  ('reserved_column',   '{on,comment,allow}', '["$revision"]'),
  ('row_operation',     '{on,create,quorum}', '2'),
  ('row_operation',     '{states,held,on,delete}', '{"target": "open", "allow": ["hr"]}'),
  ('misplaced_create',  '{states,held,on,create}', '{"allow": ["hr"]}'),
  ('ambiguous',         '{states,open,states,review,on,approve,0,guard}', 'null'),
  ('ambiguous',         '{states,open,states,review,on,reject}', '[{"allow": ["manager"]}, {"target": "draft", "allow": ["manager"], "guard": "$.days > 1"}, {"target": "draft", "allow": ["hr"]}]'),
  ('ambiguous',         '{states,open,states,review,after,P3D}', '["#leave.expired", "#leave.cancelled"]'),
  ('unreachable_state', '{states,limbo}', '{"initial": "a", "states": {"a": {"on": {"go": {"target": "#leave.granted", "allow": "*"}}}}}'),
  ('unreachable_state', '{states,held,on,resume,target}', '"open"'),
  ('timer_unreachable', '{states,limbo}', '{"after": {"P1D": "expired"}}'),
  ('dead_end',          '{states,held,on,resume}', 'null'),
  ('dead_end',          '{states,open,states,hr,on}', '{"approve": {"target": "done", "allow": ["hr"]}, "cancel": {"allow": []}, "hold": {"allow": []}}'),
  ('nobody_creates',    '{on,create}', 'null'),
  ('nobody_views',      '{on,view}', 'null'),
  ('final_stays',       '{on,reopen}', '{"target": ".open.draft", "allow": ["hr"]}');

CREATE TEMP VIEW mutant AS
SELECT m.n, m.code, m.path, m.value, CASE
    WHEN m.value = 'null' THEN body #- m.path
    WHEN m.path[array_upper(m.path, 1)] = 'target' AND m.code = 'history_loop'
      THEN jsonb_set(jsonb_set(body, m.path, m.value), '{states,open,states,again}', '{"type": "history", "target": "last"}')
    WHEN m.code = 'duplicate_code' THEN jsonb_set(jsonb_set(body, m.path, m.value), '{states,expired,code}', '"1"')
    WHEN m.code = 'dead_end' THEN jsonb_set(jsonb_set(body, m.path, m.value), '{states,open,states,done}', '{"type": "final", "on": {"hold": {"allow": []}, "cancel": {"allow": []}}}')
    ELSE jsonb_set(body, m.path, m.value) END AS body
FROM mutation m, document;

-- (What PostgreSQL says of a jsonpath differs from version to version.)
SELECT m.n, m.code AS expected, d.code AS found, d.path,
  CASE WHEN d.code NOT IN ('bad_guard', 'bad_path') THEN d.message END AS message
FROM mutant m LEFT JOIN LATERAL workorder.check_flow(m.body) WITH ORDINALITY d ON true
ORDER BY m.n, d.ordinality;

-- Not one of them passed.
SELECT m.n, m.code FROM mutant m
WHERE m.code NOT IN (SELECT d.code FROM workorder.check_flow(m.body) d);

-- What is only told does not block.
SELECT DISTINCT d.code FROM mutant m, workorder.check_flow(m.body) d WHERE NOT d.blocks ORDER BY 1;

-- An action of every state that leads to where nothing else does, or to an end, is as it should be; so is
-- "view" in one state, and "create" by whoever creates.
SELECT v.change, d.code FROM (VALUES
  ('{"on": {"park": {"target": ".lot", "allow": "*"}, "stop": {"target": ".z", "allow": "*"}}}'::jsonb),
  ('{"on": {"park": {"target": ".lot", "allow": "*"}, "again": {"target": ".a", "allow": "*"}}}'),
  ('{"on": {"park": {"target": ".lot", "allow": "*"}, "again": {"target": ".a", "allow": []}}}')) v (change),
  workorder.check_flow('{"id": "w", "initial": "a", "states": {
    "a": {"on": {"create": {"allow": ["$owner_id"], "guard": "$.n > 1"}, "end": {"target": "z", "allow": "*"}}},
    "lot": {"on": {"view": {"allow": "*"}, "end": {"target": "z", "allow": "*"}}}, "z": {"type": "final"}}}'::jsonb || v.change) d;

-- Every finding has a hint, or says it all.
SELECT DISTINCT d.code, d.hint FROM mutant m, workorder.check_flow(m.body) d WHERE d.hint IS NOT NULL ORDER BY 1, 2;

-- What is unusual but sound: shutting an action in one state, a transition
-- that is only a target, targets of every form, a quorum of every form,
-- reentering, deep history, a guard on a boolean column, no end at all.
SELECT m.path, d.* FROM (VALUES
  ('{states,open,states,hr,on,cancel}', '{"allow": []}'),
  ('{states,held,after}', '{"P1Y2M3DT4H5M6.5S": "expired", "P2W": [{"target": "expired", "guard": "$.days > 1"}, "#leave"]}'),
  ('{states,held,on,again}', '[{"target": "held", "reenter": true, "allow": "hr", "guard": "$.urgent"}, {"target": "#leave.open.last", "allow": "*", "guard": "$old.days > $.days && $actor.id != 5 && exists($actor.roles[*] ? (@ == \"hr\"))"}]'),
  ('{states,held}', '{"initial": "a", "on": {"resume": {"target": "open.last", "allow": "hr"}, "in": {"target": ".a", "allow": "*"}}, "states": {"a": {"on": {"b": {"target": "a", "allow": "*"}}}}}'),
  ('{states,held,id}', '"waiting"'),
  ('{states,held,on,resume,quorum}', '"all"'),
  ('{states,held,on,resume,quorum}', '"60%"'),
  ('{states,held,on,resume,quorum}', '{"each": ["hr"]}'),
  ('{states,held,on,resume,quorum}', '1'),
  ('{states,open,states,last}', '{"type": "history", "history": "deep", "target": "#leave.open.review"}'),
  ('{states,open,states,last}', '{"history": true}'),
  ('{states,granted,on}', '{"view": {"allow": "*"}, "comment": {"allow": "hr"}}'),
  ('{states,held,on,resume,set}', '{"reason": null, "meta": {"a": [1]}, "by": "$actor.id", "was": "$old.days"}'),
  ('{on,delete}', '{"allow": "hr", "require": "note"}'),
  ('{meta}', '{"anything": ["goes"]}')) m (path, value),
  document, workorder.check_flow(jsonb_set(body, m.path::text[], m.value::jsonb)) d;
SELECT d.* FROM workorder.check_flow('{"id": "ring", "initial": "a", "states": {
  "a": {"on": {"next": {"target": "b", "allow": "*"}}}, "b": {"on": {"next": {"target": "a", "allow": "*"}}}}}') d;

-- History recalls what was visited, and only that.
SELECT d.* FROM workorder.check_flow('{"id": "h", "initial": "p", "states": {
  "p": {"initial": "a", "states": {
    "a": {"on": {"jump": {"target": "c.y", "allow": "*"}}},
    "c": {"initial": "x", "states": {"x": {"on": {"out": {"target": "#h.end", "allow": "*"}}}, "y": {}}},
    "h": {"type": "history"}},
    "on": {"pause": {"target": "q", "allow": "*"}}},
  "q": {"on": {"back": {"target": "p.h", "allow": "*"}}},
  "end": {"type": "final"}}}') d;

-- Anything that is not a flow.
SELECT v.value, d.code, d.message
FROM (VALUES (NULL), ('null'), ('1'), ('"leave"'), ('true'), ('[]'), ('[{}]'), ('{}')) v (value),
  workorder.check_flow(v.value::jsonb) d;
SELECT count(*) FROM workorder.flow_states(NULL);
SELECT count(*) FROM workorder.flow_actions('[1]');

-- Nesting without end, a megabyte, too much of everything.
SELECT d.code, length(d.path) AS path, d.message FROM workorder.check_flow(
  (repeat('{"id": "deep", "states": {"a": ', 5000) || '{}' || repeat('}}', 5000))::jsonb) d
WHERE d.code = 'too_deep';
SELECT d.code, d.path, d.message FROM workorder.check_flow(
  (repeat('[', 5000) || repeat(']', 5000))::jsonb) d;
SELECT count(*) FROM document, workorder.check_flow(
  jsonb_set(body, '{meta}', (repeat('[', 5000) || repeat(']', 5000))::jsonb)) d;
SELECT d.code, d.path FROM document, workorder.check_flow(
  jsonb_set(body, '{on,comment,guard}', to_jsonb(repeat('(', 100000)))) d;
SELECT d.code, d.path, d.message FROM document, workorder.check_flow(
  jsonb_set(body, '{meta}', to_jsonb(repeat('x', 1048576)))) d;
SELECT d.code, d.path, d.message FROM document, workorder.check_flow(
  jsonb_set(body, '{states,held,label}', to_jsonb(repeat('x', 500000)))) d;
SELECT d.code, d.path, d.message FROM document, workorder.check_flow(
  jsonb_set(body, ARRAY[repeat('x', 500000)], '1')) d;
SELECT d.code, d.path, d.message FROM document, workorder.check_flow(
  jsonb_set(body, '{states}', (SELECT jsonb_object_agg('s' || i, '{}'::jsonb) FROM generate_series(1, 1001) i))) d;
SELECT d.code, d.path, d.message FROM document, workorder.check_flow(
  jsonb_set(body, '{on}', (SELECT jsonb_object_agg('a' || i, '{"allow": "*"}'::jsonb) FROM generate_series(1, 1001) i))) d;
SELECT d.code, d.path, d.message FROM document, workorder.check_flow(
  jsonb_set(body, '{on,comment}', (SELECT jsonb_agg('{"allow": "hr"}'::jsonb) FROM generate_series(1, 101) i))) d;
SELECT d.code, count(*) FROM document, workorder.check_flow(
  body || (SELECT jsonb_object_agg('key' || i, 1) FROM generate_series(1, 500) i)) d GROUP BY d.code ORDER BY 1;

-- With a table: what the document names must be there, and fit.
CREATE TABLE request (tenant_id bigint, id bigint, days int, owner_id text, boss_id int, PRIMARY KEY (tenant_id, id));
SELECT d.code, d.path, d.message FROM document, workorder.check_flow(body, 'request') d;
SELECT d.code, d.path, d.message FROM document, workorder.check_flow(
  jsonb_set(body, '{on,comment,allow}', '["$owner_id", "$boss_id", "$manager_id"]'), 'request') d
WHERE d.path = 'on.comment';
SELECT d.code, d.path, d.message FROM document, workorder.check_flow(
  jsonb_set(body, '{on,comment,guard}', '"$.dais > 1 && $old.dais > 1 && $.days > 1 && $.state == \"a\" && exists($.id ? (@.x > $.y))"'), 'request') d
WHERE d.path = 'on.comment';
DROP TABLE request;
SELECT * FROM workorder.check_flow('{}', 1234567::oid::regclass);

\c :admin_database
DROP DATABASE regress_workorder_flow_check;
