-- Where a ticket stands, who can move it and how, what is due, what I may do.
\set VERBOSITY sqlstate
\set SHOW_CONTEXT never
\set admin_database :DBNAME
SET client_min_messages = warning;
CREATE DATABASE regress_workorder_why TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
ALTER DATABASE regress_workorder_why SET lc_messages = 'C';
\c regress_workorder_why
SET client_min_messages = warning;
SET client_encoding = 'UTF8';
CREATE EXTENSION workorder CASCADE;
SELECT workorder.install();
SELECT workorder.enrol('ann', 'Ann', '{clerk}') AS ann, workorder.enrol('bob', 'Bob', '{boss}') AS bob, workorder.enrol('cid', 'Cid', '{boss,clerk}') AS cid,
  workorder.enrol('dan', 'Dan', '{boss}') AS dan, workorder.enrol('eve', 'Eve', '{outsider}') AS eve \gset
SELECT workorder.publish('{"id": "trip", "initial": "draft", "roles": ["clerk", "boss", "outsider"],
  "on": {"create": {"allow": ["clerk"]}, "view": {"allow": ["clerk", "boss"]}, "comment": {"allow": ["*"]}},
  "states": {
    "draft": {"label": "草稿", "on": {"submit": {"target": "review", "allow": ["$creator_id", "outsider"], "require": ["note", "days"]}}},
    "review": {"label": "审核", "pauses": false, "after": {"P3D": "draft"},
      "on": {"approve": {"target": "granted", "allow": ["boss"], "exclude": ["submit"], "quorum": 2},
             "big": {"target": "granted", "allow": ["boss"], "guard": "$.days > 5"},
             "mine": {"target": "draft", "allow": ["boss"], "guard": "$actor.login == \"dan\""}}},
    "granted": {"type": "final"}}}') > 0 AS published;
CREATE TABLE trip (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint, days int, PRIMARY KEY (tenant_id, id));
SELECT workorder.guard('trip', 'trip');
SET workorder.now = '2026-03-02 08:00+00';
SET workorder.actor = 'cid';
INSERT INTO trip (id) VALUES (1);
SELECT jsonb_pretty(workorder.why('trip', 1));
UPDATE trip SET action = 'submit', note = 'off', days = 3 WHERE id = 1;
SELECT jsonb_pretty(workorder.why('trip', 1));
-- A vote is given; who has given it is not among those who may.
SET workorder.actor = 'bob';
UPDATE trip SET action = 'approve' WHERE id = 1;
SELECT jsonb_path_query_array(workorder.why('trip', 1), '$.actions[*] ? (@.action == "approve")');

-- What is said of others is what can() says to them.
CREATE FUNCTION said(login text) RETURNS TABLE (action text, said boolean, so boolean) LANGUAGE plpgsql AS $$
DECLARE
  all_said jsonb := workorder.why('trip', 1);
BEGIN
  PERFORM set_config('workorder.actor', login, false);
  RETURN QUERY SELECT a ->> 'action', coalesce((a -> 'everybody')::boolean, false) OR EXISTS (SELECT FROM jsonb_array_elements(a -> 'people') p WHERE p ->> 'login' = login),
    workorder.can('trip', 1, a ->> 'action', 'note') FROM jsonb_array_elements(all_said -> 'actions') a;
END $$;
SELECT l, s.* FROM unnest('{ann,bob,cid,dan}'::text[]) l, LATERAL (SELECT x.* FROM set_config('workorder.actor', 'cid', false), said(l) x) s WHERE s.said <> s.so;
SET workorder.actor = 'cid';
SELECT count(*), count(*) FILTER (WHERE s.said) AS said FROM unnest('{ann,bob,cid,dan}'::text[]) l, LATERAL (SELECT x.* FROM set_config('workorder.actor', 'cid', false), said(l) x) s;
-- Who does not see the ticket learns nothing, and nobody is told that they could act.
SET workorder.actor = 'eve';
CREATE ROLE regress_workorder_asker;
SELECT workorder.grant_access('regress_workorder_asker');
SET ROLE regress_workorder_asker;
SELECT workorder.why('trip', 1);
SELECT * FROM workorder.eligible('trip', 1);
SELECT * FROM workorder.clocks('trip', 1);
RESET ROLE;
SET workorder.actor = 'ann';
SET ROLE regress_workorder_asker;
SELECT workorder.why('trip', 1) #> '{actions,0}';
RESET ROLE;
-- Names only for who may read them.
REVOKE SELECT (name) ON workorder.actor FROM regress_workorder_asker;
SET ROLE regress_workorder_asker;
SELECT jsonb_path_query_array(workorder.why('trip', 1), '$.actions[*] ? (@.action == "approve")');
RESET ROLE;
-- Many people: fifty by name, and how many more.
SELECT count(workorder.enrol('p' || g, 'P ' || g, '{boss}')) FROM generate_series(1, 1200) g;
SELECT a ->> 'action' AS action, jsonb_array_length(a -> 'people') AS told, a -> 'more' AS more, a -> 'perhaps_more' AS perhaps
FROM jsonb_array_elements(workorder.why('trip', 1) -> 'actions') a ORDER BY 1;
SELECT workorder.why(NULL, 1);
SELECT workorder.why('trip', 99);

RESET workorder.actor;
DROP OWNED BY regress_workorder_asker;
DROP ROLE regress_workorder_asker;
\c :admin_database
SET client_min_messages = warning;
DROP DATABASE regress_workorder_why;
