-- Everything that publish() refuses, one after the other, each with the code it
-- is known by; and whether today's people are enough for a flow.
\set SHOW_CONTEXT never
\set VERBOSITY default
\set admin_database :DBNAME
SET client_min_messages = warning;
CREATE DATABASE regress_workorder_publish TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
ALTER DATABASE regress_workorder_publish SET lc_messages = 'C';
\c regress_workorder_publish
SET client_min_messages = warning;
SET client_encoding = 'UTF8';
CREATE EXTENSION workorder CASCADE;
SELECT workorder.install();

-- A sound flow, and a table that it rules.
CREATE TABLE sound AS SELECT '{"id": "note", "initial": "draft", "roles": ["clerk", "boss"],
  "on": {"create": {"allow": ["*"]}, "view": {"allow": ["*"]}},
  "states": {
    "draft": {"on": {"submit": {"target": "review", "allow": ["clerk"], "guard": "$.days > 0"}}},
    "review": {"on": {"approve": {"target": "done", "allow": ["boss"]}}, "after": {"P3D": "draft"}},
    "done": {"type": "final"}}}'::jsonb AS body;
CREATE TABLE note (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint, days int, PRIMARY KEY (tenant_id, id));
SELECT workorder.publish(body) FROM sound;
SELECT workorder.guard('note', 'note');

-- What publish() says of a document: nothing, or what is wrong.
CREATE FUNCTION verdict(document jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  what text;
BEGIN
  BEGIN
    PERFORM workorder.publish(document);
    RAISE EXCEPTION USING ERRCODE = 'ZZ001';
  EXCEPTION
    WHEN SQLSTATE 'ZZ001' THEN RETURN 'published';
    WHEN SQLSTATE 'WO400' THEN
      GET STACKED DIAGNOSTICS what = PG_EXCEPTION_DETAIL;
      RETURN what;
  END;
END
$$;
SELECT t.defect, verdict(t.document) FROM sound, LATERAL (VALUES
  (0, 'none', body || '{"description": "again"}'),
  (1, 'unknown key', jsonb_set(body, '{states,draft,colour}', '"red"')),
  (2, 'dangling target', jsonb_set(body, '{states,draft,on,submit,target}', '"nowhere"')),
  (3, 'unreachable state', jsonb_set(body, '{states,island}', '{"on": {"leave": {"target": "done", "allow": ["*"]}}}')),
  (4, 'state that cannot reach a final', jsonb_set(body, '{states,review}', '{}')),
  (5, 'ambiguous candidates', jsonb_set(body, '{states,review,on,approve}', '[{"target": "done", "allow": ["boss"]}, {"target": "draft", "allow": ["boss"]}]')),
  (6, 'guard that does not parse', jsonb_set(body, '{states,draft,on,submit,guard}', '"$.days >"')),
  (7, 'guard that names a column that is not there', jsonb_set(body, '{states,draft,on,submit,guard}', '"$.weeks > 0"')),
  (8, 'undeclared role', jsonb_set(body, '{states,review,on,approve,allow}', '["chief"]')),
  (9, 'action nobody may ever take', jsonb_set(body, '{states,review,on,approve}', '{"target": "done"}')),
  (10, 'timer in an unreachable state', jsonb_set(body, '{states,island}', '{"after": {"P1D": "done"}}')),
  (11, 'parallel regions', jsonb_set(body, '{states,draft,type}', '"parallel"')),
  (12, 'action that is the journal''s', jsonb_set(body, '{states,draft,on,migrate}', '{"target": "done", "allow": ["*"]}')),
  (13, 'calendar that is not there', jsonb_set(body, '{states,review,after}', '{"PT8H@office": "draft"}'))
  ) t (n, defect, document) ORDER BY t.n;

-- Quorums that today's people cannot meet.
SELECT workorder.enrol('ann', 'Ann', '{clerk}') IS NOT NULL, workorder.enrol('bob', 'Bob', '{boss}') IS NOT NULL AS enrolled;
SELECT q.quorum, verdict(jsonb_set(body, '{states,review,on,approve,quorum}', q.quorum)) FROM sound,
  LATERAL (VALUES ('1'::jsonb), ('2'), ('"all"'), ('"60%"'), ('{"each": ["boss"]}')) q (quorum);
SELECT verdict(jsonb_set(jsonb_set(body, '{states,review,on,approve,allow}', '["boss", "clerk"]'), '{states,review,on,approve,quorum}', '{"each": ["boss", "clerk"]}')) FROM sound;

-- Who takes a step has had no part in those before: can today's people share them out?
CREATE FUNCTION chain(VARIADIC steps jsonb[]) RETURNS jsonb LANGUAGE sql RETURN jsonb_build_object('id', 'chain', 'initial', 's1',
  'roles', '["a", "b", "c"]'::jsonb, 'on', '{"create": {"allow": ["*"]}, "view": {"allow": ["*"]}}'::jsonb,
  'states', (SELECT jsonb_object_agg('s' || n, jsonb_build_object('on', jsonb_build_object('step' || n, step || jsonb_build_object('target', CASE WHEN n = cardinality(steps) THEN 'end' ELSE 's' || n + 1 END))))
    FROM unnest(steps) WITH ORDINALITY s (step, n)) || '{"end": {"type": "final"}}');
-- Replaces everybody: {"login": ["role", ...]}.
CREATE FUNCTION people(everybody jsonb) RETURNS void LANGUAGE sql AS $$
  DELETE FROM workorder.actor;
  SELECT workorder.enrol(p.key, p.key, ARRAY(SELECT jsonb_array_elements_text(p.value))) FROM jsonb_each(everybody) p;
$$;
CREATE FUNCTION staffed(everybody jsonb, document jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM people(everybody);
  RETURN (SELECT string_agg(format('%s at %s: %s', code, path, message), E'\n') FROM workorder.check_members(document, 1));
END $$;
-- One person holds both roles: there is another for one of them, or there is not.
SELECT staffed('{"u": ["a", "b"]}', chain('{"allow": ["a"]}', '{"allow": ["b"], "exclude": ["step1"]}'));
SELECT staffed('{"u": ["a", "b"], "v": ["a"]}', chain('{"allow": ["a"]}', '{"allow": ["b"], "exclude": ["step1"]}'));
SELECT staffed('{"u": ["a", "b"], "v": ["a", "b"]}', chain('{"allow": ["a"]}', '{"allow": ["b"], "exclude": ["step1"]}'));
SELECT staffed('{"u": ["a", "b"], "v": ["a", "b"], "w": ["a", "b"]}', chain('{"allow": ["a"]}', '{"allow": ["b"], "exclude": ["step1"]}'));
-- Three steps, each by another: whoever comes first to mind will not do.
SELECT staffed('{"u": ["a", "b", "c"], "v": ["a", "b"], "w": ["a"]}', chain('{"allow": ["a"]}', '{"allow": ["b"], "exclude": ["step1"]}', '{"allow": ["c"], "exclude": ["step1", "step2"]}'));
SELECT staffed('{"u": ["a", "b", "c"], "v": ["a", "b"]}', chain('{"allow": ["a"]}', '{"allow": ["b"], "exclude": ["step1"]}', '{"allow": ["c"], "exclude": ["step1", "step2"]}'));
-- Excluding only the neighbour, two are enough.
SELECT staffed('{"u": ["a"], "v": ["a"]}', chain('{"allow": ["a"]}', '{"allow": ["a"], "exclude": ["step1"]}', '{"allow": ["a"], "exclude": ["step2"]}'));
-- With a quorum: two for the second step, and neither of them is the first.
SELECT staffed('{"u": ["a"], "v": ["a"]}', chain('{"allow": ["a"]}', '{"allow": ["a"], "exclude": ["step1"], "quorum": 2}'));
SELECT staffed('{"u": ["a"], "v": ["a"], "w": ["a"], "x": ["a"]}', chain('{"allow": ["a"]}', '{"allow": ["a"], "exclude": ["step1"], "quorum": 2}'));
SELECT staffed('{"u": ["a"], "v": ["a"], "w": ["b"]}', chain('{"allow": ["a"], "quorum": "all"}', '{"allow": ["a", "b"], "exclude": ["step1"], "quorum": 2}'));
-- The creator may not, or nobody but the creator may.
SELECT staffed('{"u": ["a"]}', jsonb_set(chain('{"allow": ["a"], "exclude": ["$creator_id"]}'), '{on,create,allow}', '["a"]'));
SELECT staffed('{"u": ["a"]}', chain('{"allow": ["a"], "exclude": ["$creator_id"]}'));
SELECT staffed('{"u": ["a"]}', jsonb_set(chain('{"allow": ["$creator_id"]}', '{"allow": ["a"], "exclude": ["step1"]}'), '{on,create,allow}', '["a"]'));
-- What can be gone round does not count, and roles that nobody holds yet do not either.
SELECT staffed('{"u": ["a", "b"], "v": ["a"]}', jsonb_set(chain('{"allow": ["b"]}', '{"allow": ["b"], "exclude": ["step1"]}'), '{states,s1,on,pass}', '{"target": "s2", "allow": ["a"]}'));
SELECT staffed('{"u": ["a"]}', chain('{"allow": ["a"]}', '{"allow": ["b"], "exclude": ["step1"]}'));
-- Who is not active is nobody.
SELECT people('{"u": ["a"], "v": ["b"], "w": ["b"], "x": ["b"]}');
SELECT workorder.disable('w');
SELECT workorder.disable('x');
SELECT code, path, message FROM workorder.check_members(chain('{"allow": ["a"]}', '{"allow": ["b"]}'), 1);
-- Many people: the answer is the same and comes soon.
SELECT staffed((SELECT jsonb_object_agg('p' || n, CASE WHEN n % 3 = 0 THEN '["a", "b", "c"]' WHEN n % 3 = 1 THEN '["a"]' ELSE '["b", "c"]' END::jsonb) FROM generate_series(1, 1000) n),
  chain('{"allow": ["a"]}', '{"allow": ["b"], "exclude": ["step1"], "quorum": 30}', '{"allow": ["c"], "exclude": ["step1", "step2"], "quorum": "all"}', '{"allow": ["a", "b"], "exclude": ["step1", "step2", "step3"]}')) IS NULL AS fine;

-- publish() refuses the one, and warns of the other.
SET client_min_messages = notice;
SELECT people('{"u": ["a", "b"]}');
SELECT workorder.publish(chain('{"allow": ["a"]}', '{"allow": ["b"], "exclude": ["step1"]}'));
SELECT people('{"u": ["a", "b"], "v": ["a"]}');
SELECT workorder.publish(chain('{"allow": ["a"]}', '{"allow": ["b"], "exclude": ["step1"]}')) > 0 AS published;
-- It tells what may not be meant: "exclude" of an action that only earlier versions have (what a draft has does not count, and what none has is
-- refused), rows that nobody may make or see, an action that looks as if it left a final state.
SELECT workorder.publish(chain('{"allow": ["*"]}', '{"allow": ["*"]}')) > 0 AS published;
SELECT workorder.draft(jsonb_set(chain('{"allow": ["*"]}'), '{states,s1,on,drafted}', '{"allow": ["*"]}')) > 0 AS drafted;
SELECT workorder.publish(jsonb_set(chain('{"allow": ["*"]}'), '{states,s1,on,step1,exclude}', '["step2"]')) > 0 AS published;
SELECT workorder.publish(jsonb_set(chain('{"allow": ["*"]}'), '{states,s1,on,step1,exclude}', '["stepp2"]'));
SELECT workorder.publish(jsonb_set(chain('{"allow": ["*"]}'), '{states,s1,on,step1,exclude}', '["drafted"]'));
SELECT workorder.publish('{"id": "noc", "initial": "new", "states": {"new": {"type": "final"}}}') > 0 AS published;
SELECT workorder.publish(chain('{"allow": ["*"]}') || '{"on": {"create": {"allow": "*"}, "view": {"allow": "*"}, "reopen": {"target": ".s1", "allow": ["a"]}}}') > 0 AS published;
-- enrol() tells of a role that no flow has, and only when it is new.
SELECT workorder.enrol('zed', 'Zed', '{agnet, "second one", a}') > 0 AS enrolled;
SELECT workorder.enrol('zed', 'Zed', '{agnet, a}') > 0 AS enrolled;
SELECT workorder.enrol('zed', 'Zed', '{agnet, a, b}') > 0 AS enrolled;
RESET client_min_messages;

\c :admin_database
SET client_min_messages = warning;
DROP DATABASE regress_workorder_publish;
