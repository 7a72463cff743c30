-- What people read when something is refused: message, detail and hint of every
-- reason, word for word.  The other tests print the SQLSTATE only, so that a
-- change of wording changes one expected file: this one, bad_input (arguments),
-- guard (guard()), flow_check and publish (documents) or verify (findings).
\set SHOW_CONTEXT never
\set admin_database :DBNAME
SET client_min_messages = warning;
CREATE DATABASE regress_workorder_messages TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
ALTER DATABASE regress_workorder_messages SET lc_messages = 'C';
\c regress_workorder_messages
SET client_min_messages = warning;
CREATE EXTENSION workorder CASCADE;
SELECT workorder.install();
SELECT workorder.publish($json$
{ "id": "letter", "roles": ["clerk", "boss"], "initial": "draft",
  "on": {
    "create": {"allow": ["clerk"], "require": ["title"]},
    "view": {"allow": "*"}, "update": {"allow": ["clerk"], "fields": ["title"]},
    "delete": {"allow": ["boss"]}},
  "states": {
    "draft": {"on": {
      "submit": {"target": "review", "allow": ["clerk"], "require": ["note", "amount"]},
      "rush": {"target": "done", "allow": ["clerk"], "guard": "$.amount > 100"},
      "split": {"target": "done", "allow": ["clerk"], "guard": "$.amount / $.parts > 1"},
      "toss": [{"target": "done", "allow": ["boss"], "guard": "$.amount > 100"}, {"target": "review", "allow": ["boss"]}]}},
    "review": {"on": {
      "approve": {"target": "done", "allow": ["clerk", "boss"], "exclude": ["submit"], "quorum": 2},
      "sign": {"target": "done", "allow": ["boss"], "quorum": "all"}}},
    "done": {"type": "final"}}}
$json$) > 0 AS published;
SELECT workorder.publish($json$
{ "id": "expense", "roles": ["staff", "manager", "clerk", "hr"], "initial": "draft",
  "on": {"create": {"allow": ["staff"]}, "view": {"allow": "*"}},
  "states": {
    "draft": {"on": {"submit": [{"target": "two", "guard": "$.way == \"two\"", "allow": ["$creator_id"]},
      {"target": "row", "guard": "$.way == \"row\"", "allow": ["$creator_id"]},
      {"target": "pool", "guard": "$.way == \"pool\"", "allow": ["$creator_id"]},
      {"target": "led", "allow": ["$creator_id"]}]}},
    "two": {"on": {
      "approve": {"target": "done", "exclude": ["$creator_id"], "approvers": {"of": ["manager"], "rule": "all", "none": "fail", "manage": ["hr"], "remind": "PT10M"}},
      "reject": {"target": "done", "exclude": ["$creator_id"], "approvers": "approve"}}},
    "row": {"on": {"approve": {"target": "done", "approvers": {"of": [{"actor": "mia"}, {"actor": "max"}], "rule": "sequence", "none": "fail"}}}},
    "pool": {"on": {"approve": {"target": "done", "approvers": {"of": ["clerk"], "claim": true, "rule": "any", "none": "fail"}}}},
    "led": {"on": {"approve": {"target": "done", "approvers": {"of": ["$lead_id"], "rule": "any", "none": "fail"}}}},
    "done": {"type": "final"}}}
$json$) > 0 AS published;
SELECT count(workorder.enrol(l, l, r)) AS enrolled FROM (VALUES ('ann', ARRAY['clerk', 'staff']), ('bea', ARRAY['clerk']), ('ben', ARRAY['boss']), ('eve', ARRAY[]::text[]),
  ('mia', ARRAY['manager']), ('max', ARRAY['manager']), ('hal', ARRAY['hr'])) v (l, r);
CREATE TABLE letter (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint GENERATED ALWAYS AS IDENTITY, title text, amount int, parts int, PRIMARY KEY (tenant_id, id));
CREATE TABLE expense (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint GENERATED ALWAYS AS IDENTITY, way text, lead_id bigint, PRIMARY KEY (tenant_id, id));
SELECT workorder.guard('letter', 'letter'), workorder.guard('expense', 'expense');

-- Why somebody may not act, and what an error says of it, of which the first reason is one.
CREATE FUNCTION why(login text, statement text) RETURNS TABLE (message text, detail text, hint text) LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('workorder.actor', login, false);
  EXECUTE statement;
  message := 'done';
  RETURN NEXT;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  message := SQLSTATE || ' ' || message;
  RETURN NEXT;
END
$$;
CREATE FUNCTION reasons(login text, relation regclass, id bigint, VARIADIC actions text[]) RETURNS TABLE (action text, code text, message text, detail text, hint text)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('workorder.actor', login, false);
  FOREACH action IN ARRAY actions LOOP
    RETURN QUERY SELECT action, e.* FROM workorder.explain(relation, id, action) e;
  END LOOP;
END
$$;
\pset format unaligned
\pset tuples_only on
\pset fieldsep '\n    '
\pset recordsep '\n'

SET workorder.actor = 'ann';
INSERT INTO letter (title, parts) VALUES ('one', 0);
INSERT INTO letter (title, amount, parts) VALUES ('two', 5, 0), ('three', 7, 1);
-- of a ticket
SELECT r.* FROM reasons('eve', 'letter', 1, 'submit', 'create', 'delete', 'nonsense', 'approve') r;
SELECT r.* FROM reasons('ann', 'letter', 1, 'submit', 'delete', 'toss') r;
SELECT r.* FROM reasons('ann', 'letter', 2, 'rush', 'split') r;
SELECT w.* FROM (VALUES
  ($$SELECT workorder.act('letter', 1, 'submit', changes => '{"amount": 1}')$$), ($$SELECT workorder.act('letter', 1, 'update', changes => '{"amount": 1}')$$),
  ($$UPDATE letter SET amount = 1 WHERE id = 1$$), ($$UPDATE letter SET state = 'done' WHERE id = 1$$), ($$UPDATE letter SET state = 'done' WHERE id = 2$$),
  ($$UPDATE letter SET action = 'submit', state = 'done', note = 'x', amount = 1 WHERE id = 2$$),
  ($$UPDATE letter SET revision = 9 WHERE id = 1$$), ($$UPDATE letter SET tenant_id = 2 WHERE id = 1$$), ($$UPDATE letter SET action = 'view' WHERE id = 1$$),
  ($$INSERT INTO letter (amount) VALUES (1)$$), ($$INSERT INTO letter (title, state) VALUES ('x', 'done')$$), ($$INSERT INTO letter (title, state) VALUES ('x', 'nowhere')$$),
  ($$INSERT INTO letter (title, action) VALUES ('x', 'submit')$$), 
  ($$INSERT INTO letter (title, revision) VALUES ('x', -1)$$), ($$INSERT INTO letter (title, revision, state) VALUES ('x', 1, 'nowhere')$$),
  ($$TRUNCATE letter$$), ($$UPDATE workorder.journal SET note = 'x'$$), ($$DELETE FROM workorder.flow$$), ($$UPDATE workorder.flow SET name = 'x' WHERE name = 'letter'$$)) s (statement),
  LATERAL why('ann', s.statement) w;
SELECT w.* FROM (VALUES ('ALTER TABLE letter DROP COLUMN last_note'), ('DROP TRIGGER "~workorder_guard" ON letter'), ('SELECT workorder.forget(99)'),
  ($$SELECT workorder.altered('letter', '{"nosuch": "x"}')$$), ($$SELECT workorder.enrol('$x', 'x')$$), ($$SELECT workorder.add_reply('pg_class', 1, 'x')$$)) s (statement),
  LATERAL why('ann', s.statement) w;
-- votes
SELECT w.* FROM why('ann', $$SELECT workorder.act('letter', 3, 'submit', 'please', '{"amount": 1}')$$) w;
SELECT w.* FROM why('bea', $$SELECT workorder.act('letter', 3, 'submit', 'please')$$) w;
SELECT w.* FROM why('ben', $$SELECT workorder.act('letter', 3, 'approve')$$) w;
SELECT r.* FROM reasons('ann', 'letter', 3, 'approve') r;
SELECT r.* FROM reasons('ben', 'letter', 3, 'approve') r;
SELECT r.* FROM reasons('bea', 'letter', 3, 'approve') r;
-- tasks
SET workorder.actor = 'ann';
INSERT INTO expense (way) VALUES ('two'), ('row'), ('pool'), ('led');
SELECT r.* FROM reasons('ann', 'expense', 4, 'submit') r;
SELECT w.* FROM (VALUES (1), (2), (3)) t (id), LATERAL why('ann', format('SELECT workorder.act(''expense'', %s, ''submit'')', t.id)) w;
SELECT r.* FROM reasons('max', 'expense', 2, 'approve') r;
SELECT r.* FROM reasons('bea', 'expense', 3, 'approve', 'task release') r;
SELECT w.* FROM why('bea', $$SELECT workorder.claim('expense', 3)$$) w;
SELECT r.* FROM reasons('bea', 'expense', 3, 'task claim') r;
SELECT r.* FROM reasons('mia', 'expense', 1, 'task fly', 'task transfer', 'task transfer [1]', 'task transfer {"to": 1}', 'task transfer {"to": "nobody"}', 'task transfer {"to": "max"}', 'task transfer {"to": "ann"}',
  'task return', 'task claim', 'task release', 'task remove {"who": "ann"}', 'task remove {"who": "max"}', 'task send_back {"to": "row"}', 'task send_back', 'task withdraw', 'task take_back', 'task remind',
  'task copy {"to": []}', 'task add {"to": "hal", "how": "sideways"}') r;
SELECT w.* FROM why('ann', $$SELECT workorder.remind('expense', 1)$$) w;
SELECT r.* FROM reasons('ann', 'expense', 1, 'task remind', 'task take_back', 'approve') r;
SELECT w.* FROM why('mia', $$SELECT workorder.delegate_task('expense', 1, 'hal')$$) w;
SELECT r.* FROM reasons('mia', 'expense', 1, 'approve', 'task delegate {"to": "ben"}') r;
SELECT r.* FROM reasons('hal', 'expense', 1, 'approve') r;
SELECT w.* FROM why('max', $$SELECT workorder.act('expense', 1, 'approve')$$) w;
SELECT r.* FROM reasons('max', 'expense', 1, 'approve') r;
SELECT r.* FROM reasons('ann', 'expense', 1, 'task take_back') r;
SELECT r.* FROM reasons('hal', 'expense', 1, 'task remove {"who": "max"}', 'task remove {"who": "mia"}') r;
SELECT w.* FROM why('mia', $$SELECT workorder.deputise('mia')$$) w;
SELECT w.* FROM why('mia', $$SELECT workorder.deputise('nobody')$$) w;
\pset format aligned
\pset tuples_only off
RESET workorder.actor;
\c :admin_database
DROP DATABASE regress_workorder_messages;
