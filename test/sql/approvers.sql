-- Approvers by name: every rule, every order, and the lists that follow.
\set VERBOSITY sqlstate
\set SHOW_CONTEXT never
\set admin_database :DBNAME
SET client_min_messages = warning;
CREATE DATABASE regress_workorder_approvers TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
ALTER DATABASE regress_workorder_approvers SET lc_messages = 'C';
\c regress_workorder_approvers
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE EXTENSION workorder CASCADE;
SELECT workorder.install();

SELECT workorder.publish($json$
{ "id": "expense", "roles": ["staff", "manager", "finance", "clerk", "hr"], "initial": "draft",
  "on": {
    "create": {"allow": ["staff"]},
    "view": {"allow": ["*"]}},
  "states": {
    "draft": {"on": {
      "update": {"allow": ["$creator_id"]},
      "submit": [
        {"target": "all", "guard": "$.way == \"all\"", "allow": ["$creator_id"]},
        {"target": "any", "guard": "$.way == \"any\"", "allow": ["$creator_id"]},
        {"target": "two", "guard": "$.way == \"two\"", "allow": ["$creator_id"]},
        {"target": "percent", "guard": "$.way == \"percent\"", "allow": ["$creator_id"]},
        {"target": "weight", "guard": "$.way == \"weight\"", "allow": ["$creator_id"]},
        {"target": "sequence", "guard": "$.way == \"sequence\"", "allow": ["$creator_id"]},
        {"target": "skip", "guard": "$.way == \"skip\"", "allow": ["$creator_id"]},
        {"target": "pool", "allow": ["$creator_id"]}]}},
    "all": {"on": {
      "approve": {"target": "two", "exclude": ["$creator_id"],
        "approvers": {"of": ["manager"], "rule": "all", "none": "fail", "manage": ["hr"], "due": "P1D"}},
      "reject": {"target": "refused", "exclude": ["$creator_id"], "approvers": "approve"}}},
    "any": {"on": {
      "approve": {"target": "granted", "approvers": {"of": ["$lead_id", "$.people[*]"], "rule": "any", "none": {"fallback": [{"actor": "boss"}]}}},
      "reject": {"target": "refused", "approvers": "approve"}}},
    "two": {"on": {
      "approve": {"target": "granted", "approvers": {"of": ["finance"], "rule": 2, "none": "fail", "remind": "PT10M"}},
      "reject": {"target": "refused", "approvers": "approve"}}},
    "percent": {"on": {
      "approve": {"target": "granted", "exclude": ["$creator_id"], "approvers": {"of": ["manager"], "rule": "67%", "none": "fail"}},
      "reject": {"target": "refused", "approvers": "approve"}}},
    "weight": {"on": {
      "approve": {"target": "granted", "approvers": {"of": [{"actor": "boss", "weight": 60}, {"who": "manager", "weight": 30}], "rule": {"weight": 90}, "none": "fail"}},
      "reject": {"target": "refused", "approvers": "approve"}}},
    "sequence": {"on": {
      "approve": {"target": "granted", "approvers": {"of": [{"actor": "m3"}, {"actor": "m1"}], "rule": "sequence", "none": "fail", "may": ["send_back"]}},
      "reject": {"target": "refused", "approvers": "approve"}}},
    "skip": {"on": {
      "approve": {"target": "two", "approvers": {"of": ["$lead_id"], "none": "skip"}}}},
    "pool": {"on": {
      "approve": {"target": "granted", "exclude": ["submit"], "approvers": {"of": ["clerk"], "claim": true, "rule": "any", "none": "fail"}}}},
    "granted": {"type": "final"}, "refused": {"type": "final"}}}
$json$);
SELECT count(workorder.enrol(l, l, r)) FROM (VALUES
  ('ann', ARRAY['staff', 'clerk']), ('bob', ARRAY['staff', 'manager']), ('m1', ARRAY['manager']), ('m2', ARRAY['manager']),
  ('m3', ARRAY['manager']), ('f1', ARRAY['finance']), ('f2', ARRAY['finance']), ('f3', ARRAY['finance']),
  ('c1', ARRAY['clerk']), ('c2', ARRAY['clerk']), ('boss', ARRAY[]::text[]), ('hr', ARRAY['hr']), ('out', ARRAY[]::text[])) v (l, r);
CREATE TABLE expense (
  tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(),
  id bigint GENERATED ALWAYS AS IDENTITY,
  way text, lead_id bigint, people jsonb,
  PRIMARY KEY (tenant_id, id));
SELECT workorder.guard('expense', 'expense');

-- begins a ticket and submits it; does something as somebody
CREATE FUNCTION begin(login text, way text, lead_id bigint DEFAULT NULL, people jsonb DEFAULT NULL) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  result bigint;
BEGIN
  PERFORM set_config('workorder.actor', login, false);
  INSERT INTO expense (way, lead_id, people) VALUES (begin.way, begin.lead_id, begin.people) RETURNING id INTO result;
  PERFORM workorder.act('expense', result, 'submit');
  RETURN result;
END
$$;
CREATE FUNCTION say(login text, id bigint, action text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('workorder.actor', login, false);
  RETURN (workorder.act('expense', say.id, say.action)).state;
EXCEPTION WHEN SQLSTATE 'WO400' OR SQLSTATE 'WO403' OR SQLSTATE 'WO404' OR SQLSTATE 'WO409' THEN
  RETURN SQLSTATE;
END
$$;
CREATE FUNCTION run(login text, command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  result text;
BEGIN
  PERFORM set_config('workorder.actor', login, false);
  EXECUTE command INTO result;
  RETURN result;
EXCEPTION WHEN SQLSTATE 'WO400' OR SQLSTATE 'WO403' OR SQLSTATE 'WO404' OR SQLSTATE 'WO409' THEN
  RETURN SQLSTATE;
END
$$;
CREATE FUNCTION todo(id bigint) RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(coalesce(t.person, '(' || t.role || ')') || CASE WHEN t.open THEN '' ELSE ' waits' END || coalesce(' for ' || t.owner, ''), ', ' ORDER BY t.number)
  FROM workorder.open_tasks t WHERE t.ticket_id = todo.id
$$;

-- 会签: all of them; who made it is not asked
SELECT begin('bob', 'all') AS t \gset
SELECT todo(:t);
SELECT say('bob', :t, 'approve'), say('out', :t, 'approve');
SELECT say('m1', :t, 'approve');
SELECT todo(:t);
SELECT say('m1', :t, 'approve'), say('m2', :t, 'approve'), say('m3', :t, 'approve');
-- the next step: two of three
SELECT todo(:t);
SELECT say('f1', :t, 'reject'), say('f2', :t, 'approve'), say('f3', :t, 'approve');
SELECT todo(:t);
-- one refusal refuses
SELECT begin('ann', 'all') AS t \gset
SELECT say('m1', :t, 'approve'), say('m2', :t, 'reject');

-- 或签: from a column and a path; whoever is first decides
SELECT begin('ann', 'any', 3, '["m2", 5, 99, "nobody", 3]') AS t \gset
SELECT todo(:t);
SELECT say('m2', :t, 'approve'), say('m1', :t, 'approve');
SELECT begin('ann', 'any') AS t \gset
SELECT todo(:t), say('boss', :t, 'reject');

-- 票签: two of three are not 67 %, three of four are; refused as soon as it cannot be met
SELECT begin('bob', 'percent') AS t \gset
SELECT say('m1', :t, 'approve'), say('m2', :t, 'approve'), say('m3', :t, 'approve');
SELECT begin('ann', 'percent') AS t \gset
SELECT say('bob', :t, 'approve'), say('m1', :t, 'approve'), say('m2', :t, 'approve');
SELECT begin('ann', 'percent') AS t \gset
SELECT say('bob', :t, 'reject'), say('m1', :t, 'reject');
SELECT begin('ann', 'weight') AS t \gset
SELECT say('m1', :t, 'approve'), say('m2', :t, 'approve'), say('boss', :t, 'approve');
SELECT begin('ann', 'weight') AS t \gset
SELECT say('m1', :t, 'reject'), say('m2', :t, 'reject'), say('boss', :t, 'reject');

-- 顺签: one after the other, in the order of the flow
SELECT begin('ann', 'sequence') AS t \gset
SELECT todo(:t);
SELECT say('m1', :t, 'approve'), say('m3', :t, 'approve'), todo(:t);
SELECT run('m1', format('SELECT workorder.transfer_task(''expense'', %s, ''m2'')', :t));
SELECT say('m1', :t, 'approve');

-- nobody to ask: skip passes over, fail refuses, and is foreseen
SELECT begin('ann', 'skip') AS t \gset
SELECT state, votes -> '$return_path' AS return_path FROM expense WHERE id = :t;
SELECT run('ann', format('SELECT count(*) FROM workorder.membership')) <> '0' AS staffed;
UPDATE workorder.membership SET role = 'was finance' WHERE role = 'finance' AND actor_id <> (SELECT id FROM workorder.actor WHERE login = 'f1');
INSERT INTO expense (way) VALUES ('skip') RETURNING id AS t \gset
SELECT workorder.can('expense', :t, 'submit'), code FROM workorder.explain('expense', :t, 'submit');
SELECT say('ann', :t, 'submit');
UPDATE workorder.membership SET role = 'finance' WHERE role = 'was finance';
SELECT target, allowed FROM workorder.actions('expense', :t) WHERE action = 'submit';
SELECT say('ann', :t, 'submit');

-- 加签 before, after and beside; 减签
SELECT begin('ann', 'all') AS t \gset
SELECT run('m1', format('SELECT (workorder.add_approver(''expense'', %s, ''f1'', ''before'')).state', :t));
SELECT run('m2', format('SELECT (workorder.add_approver(''expense'', %s, ''f2'', ''after'')).state', :t));
SELECT run('m3', format('SELECT (workorder.add_approver(''expense'', %s, ''f3'')).state', :t));
SELECT todo(:t);
SELECT run('m3', format('SELECT (workorder.add_approver(''expense'', %s, ''f3'')).state', :t)),
  run('m3', format('SELECT (workorder.add_approver(''expense'', %s, ''ann'')).state', :t)),
  run('out', format('SELECT (workorder.add_approver(''expense'', %s, ''c1'')).state', :t)),
  run('m3', format('SELECT (workorder.add_approver(''expense'', %s, ''c1'', ''sideways'')).state', :t));
SELECT say('m1', :t, 'approve'), say('f1', :t, 'approve'), say('m1', :t, 'approve'), say('m2', :t, 'approve');
SELECT run('m1', format('SELECT (workorder.remove_approver(''expense'', %s, ''f3'')).state', :t)),
  run('m3', format('SELECT (workorder.remove_approver(''expense'', %s, ''f3'')).state', :t)),
  run('hr', format('SELECT (workorder.remove_approver(''expense'', %s, ''f1'')).state', :t)),
  run('hr', format('SELECT (workorder.remove_approver(''expense'', %s, ''bob'')).state', :t));
SELECT todo(:t);
SELECT say('m3', :t, 'approve');
SELECT run('hr', format('SELECT (workorder.remove_approver(''expense'', %s, ''f2'')).state', :t));

-- 转办, 委派 and its return
SELECT begin('ann', 'all') AS t \gset
SELECT run('m1', format('SELECT (workorder.transfer_task(''expense'', %s, ''out'', ''on leave'')).state', :t)),
  run('m2', format('SELECT (workorder.delegate_task(''expense'', %s, ''c1'', ''please look'')).state', :t));
SELECT todo(:t);
SELECT say('m1', :t, 'approve'), say('m2', :t, 'approve'), say('c1', :t, 'approve'), say('out', :t, 'approve');
SELECT run('c1', format('SELECT (workorder.return_task(''expense'', %s, ''looks good'')).state', :t)), say('m2', :t, 'approve');
SELECT run('m3', format('SELECT (workorder.transfer_task(''expense'', %s, ''ann'')).state', :t)),
  run('m3', format('SELECT (workorder.transfer_task(''expense'', %s, ''out'')).state', :t)),
  run('m3', format('SELECT (workorder.transfer_task(''expense'', %s, ''nobody'')).state', :t));
-- 离职转办
SELECT run('hr', 'SELECT format(''%s %s'', ticket_id, problem) FROM workorder.hand_over(''m3'', ''boss'') ORDER BY 1');
SELECT todo(:t), run('out', 'SELECT count(*) FROM workorder.hand_over(''bob'', ''boss'') WHERE problem IS NULL');

-- 代理: in their name, while it lasts; never one's own request, never twice
SELECT begin('ann', 'all') AS t \gset
SELECT run('m1', 'SELECT workorder.deputise(''out'')'), run('m2', 'SELECT workorder.deputise(''out'')'),
  run('m3', 'SELECT workorder.deputise(''c1'', now() - interval ''2 days'', now() - interval ''1 day'')'),
  run('bob', 'SELECT workorder.deputise(''ann'')');
SELECT set_config('workorder.actor', 'out', false);
SELECT ticket_id = :t AS this, for_actor FROM workorder.my_tasks WHERE ticket_id = :t ORDER BY for_actor;
SELECT say('out', :t, 'approve'), say('out', :t, 'approve'), say('c1', :t, 'approve'), say('ann', :t, 'approve');
SELECT actor, for_actor, action, changes -> 'votes' -> 1 -> '$act' AS act FROM workorder.history
WHERE relation = 'expense'::regclass AND ticket_id = :t ORDER BY revision DESC LIMIT 1;
SELECT say('m1', :t, 'approve'), todo(:t);
-- Who stands in for somebody and has a task too decides once: the lists show what can be decided, and nothing else.
SELECT begin('ann', 'all') AS t \gset
SELECT run('m1', 'SELECT workorder.deputise(''m2'')'), run('m1', 'SELECT workorder.deputise(''ann'')');
\set lists 'SELECT p.login, run(p.login, format($$SELECT string_agg(coalesce((SELECT a.login FROM workorder.actor a WHERE a.id = t.for_actor), ''self'') || '' '' || workorder.can(''expense'', t.ticket_id, ''approve''), '', '') FROM workorder.my_tasks t WHERE t.ticket_id = %s$$, :t)) AS tasks FROM unnest(ARRAY[''m1'', ''m2'', ''m3'', ''out'', ''ann'']) AS p (login);'
:lists
SELECT set_config('workorder.actor', 'm1', false);
SELECT a.value ->> 'action' AS action, jsonb_path_query_array(a.value, '$.people[*].login') AS people FROM jsonb_array_elements(workorder.why('expense', :t) -> 'actions') AS a WHERE a.value ->> 'action' = 'approve';
SELECT say('m2', :t, 'approve');
:lists
SELECT say('m2', :t, 'approve'), say('out', :t, 'approve');
:lists
SELECT set_config('workorder.actor', 'm1', false);
SELECT a.value ->> 'action' AS action, jsonb_path_query_array(a.value, '$.people[*].login') AS people FROM jsonb_array_elements(workorder.why('expense', :t) -> 'actions') AS a WHERE a.value ->> 'action' = 'approve';
SELECT say('m3', :t, 'approve'), todo(:t);
SELECT run('m1', 'SELECT workorder.deputise(''m2'', until => now() - interval ''1 day'')'), run('m1', 'SELECT workorder.deputise(''ann'', until => now() - interval ''1 day'')');
SELECT run('m2', 'SELECT workorder.deputise(''out'', until => now() - interval ''1 day'')');
SELECT run('m2', 'SELECT workorder.deputise(''nobody'')'), run('m2', 'SELECT workorder.deputise(''m2'')');

-- 驳回 with replay, with jump; 撤回; 拿回
SELECT begin('ann', 'all') AS t \gset
SELECT run('ann', format('SELECT (workorder.take_back(''expense'', %s)).state', :t)), say('ann', :t, 'submit');
SELECT say('bob', :t, 'approve'), run('ann', format('SELECT (workorder.take_back(''expense'', %s)).state', :t));
SELECT say('m1', :t, 'approve'), say('m2', :t, 'approve'), say('m3', :t, 'approve');
SELECT run('f1', format('SELECT (workorder.send_back(''expense'', %s, ''nowhere'')).state', :t)),
  run('ann', format('SELECT (workorder.send_back(''expense'', %s)).state', :t)),
  run('f1', format('SELECT (workorder.send_back(''expense'', %s, ''start'', ''receipt is missing'', ''jump'')).state', :t));
SELECT say('ann', :t, 'submit'), todo(:t);
SELECT votes -> '$return_path' AS return_path, votes -> '$resume' AS resume FROM expense WHERE id = :t;
SELECT run('f1', format('SELECT (workorder.send_back(''expense'', %s)).state', :t)), todo(:t);
SELECT run('m1', format('SELECT (workorder.withdraw(''expense'', %s)).state', :t)),
  run('ann', format('SELECT (workorder.withdraw(''expense'', %s)).state', :t)), todo(:t);
SELECT votes FROM expense WHERE id = :t;

-- 催办, 抄送
SELECT begin('ann', 'two') AS t \gset
SET workorder.now = '2026-01-05 08:00+00';
SELECT begin('ann', 'two') AS t \gset
SELECT run('ann', format('SELECT (workorder.remind(''expense'', %s)).state', :t));
SET workorder.now = '2026-01-05 08:09+00';
SELECT run('ann', format('SELECT (workorder.remind(''expense'', %s)).state', :t)), run('c1', format('SELECT (workorder.remind(''expense'', %s)).state', :t));
SET workorder.now = '2026-01-05 08:10+00';
SELECT run('ann', format('SELECT (workorder.remind(''expense'', %s)).state', :t));
SELECT DISTINCT reminded_at FROM workorder.task WHERE ticket_id = :t;
SELECT run('ann', format('SELECT (workorder.copy_to(''expense'', %s, ''{c1,c2}'', ''fyi'')).state', :t)),
  run('c1', format('SELECT (workorder.copy_to(''expense'', %s, ''{c2}'')).state', :t));
SELECT set_config('workorder.actor', 'c2', false);
SELECT ticket_id = :t AS this, at FROM workorder.copied_to_me;
SELECT run('f1', format('SELECT (workorder.act(''expense'', %s, ''task fly'')).state', :t)),
  run('f1', format('SELECT (workorder.act(''expense'', %s, ''task transfer [1]'')).state', :t)),
  run('f1', format('SELECT (workorder.act(''expense'', %s, ''task transfer'')).state', :t));
RESET workorder.now;

-- 认领: a role's task, claimed and released
SELECT begin('ann', 'pool') AS t \gset
SELECT begin('ann', 'pool') AS t2 \gset
SELECT todo(:t), run('ann', format('SELECT (workorder.claim(''expense'', %s)).state', :t));
SELECT run('c1', 'SELECT workorder.claim_next(''expense'')') = :'t' AS first, run('c2', 'SELECT workorder.claim_next(''expense'')') = :'t2' AS second,
  run('c1', 'SELECT workorder.claim_next(''expense'')') AS third;
SELECT todo(:t), run('c2', format('SELECT (workorder.claim(''expense'', %s)).state', :t)), say('c2', :t, 'approve');
SELECT run('c1', format('SELECT (workorder.release(''expense'', %s)).state', :t)), todo(:t), say('c1', :t2, 'approve');
SELECT say('c2', :t2, 'approve'), say('c1', :t, 'approve');

-- the lists
SELECT set_config('workorder.actor', 'm1', false);
SELECT relation, state, ticket_id FROM workorder.my_tasks ORDER BY since, guarded_id, ticket_id, number;
SELECT count(*) > 5 AS decided FROM workorder.decided_by_me;
SELECT set_config('workorder.actor', 'ann', false);
SELECT count(*) > 10 AS started FROM workorder.started_by_me;
SELECT count(*) AS of_others FROM workorder.my_tasks;
SET workorder.now = '2100-01-01';
SELECT set_config('workorder.actor', 'bob', false);
SELECT count(*) > 0 AS overdue FROM workorder.overdue_tasks;
RESET workorder.now;

-- can() and explain() say what happens; an order changes no column
SELECT begin('ann', 'all') AS t \gset
SELECT set_config('workorder.actor', 'm1', false);
SELECT workorder.can('expense', :t, 'approve'), workorder.can('expense', :t, 'task transfer {"to": "out"}'), workorder.can('expense', :t, 'task withdraw');
UPDATE expense SET action = 'task transfer {"to": "out"}', way = 'any' WHERE id = :t;
UPDATE expense SET votes = NULL WHERE id = :t;
UPDATE expense SET action = 'task transfer {"to": "out"}', note = 'by hand' WHERE id = :t;
SELECT todo(:t);
SELECT revision, actor, action, note FROM workorder.history WHERE relation = 'expense'::regclass AND ticket_id = :t ORDER BY revision;

-- an application's role needs no more than grant_access() gives
CREATE ROLE regress_approvers_web;
GRANT SET ON PARAMETER workorder.actor TO regress_approvers_web;
SELECT workorder.grant_access('regress_approvers_web');
SET ROLE regress_approvers_web;
SELECT set_config('workorder.actor', 'm2', false);
SELECT ticket_id = :t AS this FROM workorder.my_tasks ORDER BY since DESC, ticket_id DESC LIMIT 1;
SELECT state FROM workorder.delegate_task('expense', :t, 'c2', 'please');
SELECT person, owner FROM workorder.open_tasks WHERE ticket_id = :t ORDER BY number;
SELECT count(*) FROM workorder.group_tasks;
SELECT workorder.deputise('c1');
SELECT workorder.claim_next('expense');
SELECT count(*) FROM workorder.task;
RESET ROLE;

-- fold(journal) = row, and the lists are what the rows say
SELECT * FROM workorder.verify();
UPDATE workorder.task SET actor_id = 1 WHERE ticket_id = :t AND number = 2;
INSERT INTO workorder.task SELECT tenant_id, guarded_id, 4711, number, actor_id, owner_id, role, open, state, since, due_at FROM workorder.task LIMIT 1;
SELECT relation, ticket_id = :t AS this, code FROM workorder.verify();
SELECT workorder.refresh_tasks('expense') > 10 AS refreshed;
SELECT * FROM workorder.verify();
SELECT count(*) > 20 AS entries, count(for_actor) AS for_somebody FROM workorder.journal;

-- what is gone is on no list
BEGIN;
SET LOCAL workorder.maintenance = on;
DELETE FROM expense WHERE id = :t;
SELECT count(*) FROM workorder.task WHERE ticket_id = :t;
SELECT count(*) FROM workorder.participant WHERE ticket_id = :t;
ROLLBACK;

-- what publish refuses
SELECT code, path FROM workorder.check_flow($json$
{ "id": "bad", "roles": ["a"], "initial": "s", "on": {"view": {"allow": ["a"]}, "create": {"allow": ["a"]}},
  "states": {
    "s": {"on": {
      "approve": {"target": "t", "approvers": {"of": ["a", "stranger"], "rule": "101%"}},
      "reject": {"target": "t", "approvers": "aprove"},
      "task go": {"target": "t", "allow": ["a"]}}},
    "t": {"on": {
      "approve": [{"target": "u", "guard": "$.x == 1", "approvers": {"of": "a", "none": "skip"}}, {"target": "u", "approvers": {"of": "a", "none": "skip"}}],
      "agree": {"approvers": {"of": [], "none": "perhaps", "may": ["fly"]}}}},
    "u": {"initial": "v", "states": {"v": {"type": "final"}}, "on": {
      "approve": {"target": "w", "allow": ["a"], "approvers": {"of": ["a"], "none": "fail", "colour": 1}}}},
    "x": {"on": {"update": {"target": "w", "approvers": {"of": ["a"], "none": "fail"}}}},
    "w": {"type": "final"}}}
$json$) ORDER BY code, path;

\c :admin_database
SET client_min_messages = warning;
DROP DATABASE regress_workorder_approvers WITH (FORCE);
REVOKE SET ON PARAMETER workorder.actor FROM regress_approvers_web;
DROP ROLE regress_approvers_web;
