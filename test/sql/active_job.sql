-- The marketing work orders: the upstream feed, the holder's acts, what others
-- are told, and the ways round it.  The vectors of test/http/vectors/active_job.md run
-- over HTTP.
\set VERBOSITY sqlstate
\set SHOW_CONTEXT never
\pset format unaligned
\pset footer off
SET client_min_messages = warning;
CREATE DATABASE regress_workorder_active_job TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8';
\c regress_workorder_active_job
SET client_min_messages = warning;
SET client_encoding = 'UTF8';
CREATE ROLE regress_active_job_web;
CREATE ROLE regress_active_job_feed;
CREATE EXTENSION workorder_active_job CASCADE;
SELECT workorder.install();
SELECT active_job.install();
SELECT active_job.grant_access('regress_active_job_web');
SELECT active_job.grant_feed('regress_active_job_feed');
-- again, which changes nothing
SELECT active_job.install();
SELECT count(*) FROM workorder.flow;
SELECT * FROM workorder.check_flow(active_job.flow(), 'active_job.orders');

-- The fixture, loaded afresh by :load; :W1 and so on make somebody act, as the
-- role that a web server would have.
\set content `cat "$PG_ABS_SRCDIR/fixtures/active_job.sql"`
CREATE TABLE fixture AS SELECT :'content'::text AS content;
CREATE PROCEDURE load() LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE (SELECT f.content FROM fixture f);
END
$$;
\set load 'RESET ROLE; RESET workorder.actor; CALL load();'
\set W1 'RESET ROLE; SET workorder.actor = ''W1''; SET ROLE regress_active_job_web;'
\set W2 'RESET ROLE; SET workorder.actor = ''W2''; SET ROLE regress_active_job_web;'
\set W4 'RESET ROLE; SET workorder.actor = ''W4''; SET ROLE regress_active_job_web;'
\set anon 'RESET ROLE; SET workorder.actor = ''''; SET ROLE regress_active_job_web;'
\set FEED 'RESET ROLE; SET workorder.actor = ''FEED'';'
\set owner 'RESET ROLE; SET workorder.actor = '''';'

-- Runs a statement; an error as SQLSTATE and message.
CREATE FUNCTION try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  answer text;
BEGIN
  IF statement LIKE 'SELECT%' THEN
    EXECUTE statement INTO answer;
    RETURN answer;
  END IF;
  EXECUTE statement;
  RETURN 'done';
EXCEPTION WHEN OTHERS THEN
  RETURN SQLSTATE;
END
$$;
-- Where an order is.
CREATE FUNCTION place(order_id text) RETURNS text LANGUAGE sql SECURITY DEFINER AS $$
  SELECT concat_ws(' ', o.state, w.worker_id, o.revision, o.contact_status, o.contact_status_reason, o.contact_status_remark, o.retrieve_info)
  FROM active_job.orders o JOIN active_job.worker w USING (tenant_id) WHERE w.actor_id = o.holder_id AND o.order_id = $1
$$;
\pset tuples_only on

-- The fixture may be loaded again and again, and is sound.
SET workorder.now = '2024-01-02 10:00:00';
:load
:load
SELECT count(*) FROM workorder.verify();
SELECT order_id, place(order_id) FROM active_job.orders ORDER BY order_id;

--
-- The holder's acts
--
:W1
SELECT try($$SELECT active_job.contact('1000001', 2, 'r3', '好')$$), place('1000001');
SELECT try($$SELECT active_job.contact('1000001', 2, 'r3', '好')$$), try($$SELECT active_job.contact('1000001', 3, 'any')$$), place('1000001');
-- the same contact twice is two entries, and what was not said again is not forgotten
SELECT jsonb_pretty(contact_log) FROM active_job.logs((SELECT id FROM active_job.orders WHERE order_id = '1000001'));
SELECT try($$SELECT active_job.contact('1000001', 9)$$), try($$SELECT active_job.contact('1000001', 0)$$), try($$SELECT active_job.contact('1000001', NULL)$$);
SELECT try($$SELECT active_job.contact('1000001', 1, 'r3')$$), try($$SELECT active_job.contact('1000001', 3, repeat('测', 201))$$);
SELECT try($$SELECT active_job.contact('1000001', 3, repeat('测', 200), repeat('😀', 1000))$$), try($$SELECT active_job.contact('1000001', 3, '', repeat('😀', 1001))$$);
SELECT try($$SELECT active_job.contact('1000003', 1)$$), try($$SELECT active_job.contact('2000001', 1)$$), try($$SELECT active_job.contact('nothing', 1)$$);
-- a bad value before an order that is not there
SELECT try($$SELECT active_job.contact('nothing', 9)$$), try($$SELECT active_job.close_out('nothing', '[]')$$);
-- an order that is not there before a bad worker
SELECT try($$SELECT active_job.transfer('nothing', '4')$$), try($$SELECT active_job.transfer('2000001', '4')$$), try($$SELECT active_job.transfer('1000003', '4')$$);
SELECT try($$SELECT active_job.transfer('1000001', '1')$$), try($$SELECT active_job.transfer('1000001', '4')$$), try($$SELECT active_job.transfer('1000001', NULL)$$);
SELECT try($$SELECT active_job.transfer('1000001', '2')$$), try($$SELECT active_job.transfer('1000001', '3')$$), left(place('1000001'), 22);
:W2
SELECT try($$SELECT active_job.transfer('1000001', '1')$$);
:W1
SELECT order_log FROM active_job.logs((SELECT id FROM active_job.orders WHERE order_id = '1000001'));
SELECT try(format('SELECT active_job.close_out(%L, %L)', '1000001', i))
FROM unnest(ARRAY['""', '[]', '5', 'true', 'null', '{"type": 42}', '{"type": "1"}', '{"type": 1.5}', '{"type": null}', '{"type": 0}',
  to_jsonb(repeat('长', 4001))::text, jsonb_build_object('a', repeat('x', 16377))::text]) AS i;
SELECT try(format('SELECT active_job.close_out(%L, %L)', '1000001', jsonb_build_object('a', repeat('x', 16376))));
SELECT try($$SELECT active_job.close_out('1000001', '"again"')$$), left(place('1000001'), 20);
SELECT active_job.order_json('1000001') -> 'retrieve_info';

--
-- Whatever statement brings it
--
:load
:W1
SELECT try($$UPDATE active_job.orders SET action = 'contact', contact_status = 1, contact_status_reason = 'r1' WHERE order_id = '1000001'$$), place('1000001');
SELECT try($$UPDATE active_job.orders SET action = 'contact', contact_status = 9 WHERE order_id = '1000001'$$);
SELECT try($$UPDATE active_job.orders SET action = 'contact', contact_status_reason = 'r4' WHERE order_id = '1000001'$$);
SELECT try($$UPDATE active_job.orders SET action = 'close_out', retrieve_info = '[]' WHERE order_id = '1000001'$$);
SELECT try($$UPDATE active_job.orders SET action = 'close_out' WHERE order_id = '1000001'$$);
SELECT try($$UPDATE active_job.orders SET contact_status = 1 WHERE order_id = '1000002'$$);
SELECT try($$UPDATE active_job.orders SET customer_name = 'x' WHERE order_id = '1000002'$$);
SELECT try($$UPDATE active_job.orders SET action = 'contact', customer_name = 'x' WHERE order_id = '1000002'$$);
SELECT try($$UPDATE active_job.orders SET state = 'returned' WHERE order_id = '1000002'$$);
SELECT try($$UPDATE active_job.orders SET past = '{}' WHERE order_id = '1000002'$$);
SELECT try($$UPDATE active_job.orders SET action = 'dispatch', holder_id = (SELECT actor_id FROM active_job.worker WHERE worker_id = '2') WHERE order_id = '1000002'$$);
SELECT try($$DELETE FROM active_job.orders WHERE order_id = '1000002'$$);
SELECT try($$INSERT INTO active_job.orders (order_id, order_create_time, activity_id, holder_id) SELECT 'x', now(), 'A1', workorder.actor_id()$$);
SELECT try(format($$SELECT workorder.act('active_job.orders', %s, 'transfer', changes => jsonb_build_object('holder_id', (SELECT actor_id FROM active_job.worker WHERE worker_id = '4')))$$, id)) FROM active_job.orders WHERE order_id = '1000002';
SELECT try(format($$SELECT workorder.act('active_job.orders', %s, 'transfer', changes => '{"holder_id": 0}')$$, id)) FROM active_job.orders WHERE order_id = '1000002';
SELECT try(format($$SELECT workorder.act('active_job.orders', %s, 'transfer')$$, id)) FROM active_job.orders WHERE order_id = '1000002';
SELECT place('1000002');
-- the view of the API
SELECT order_id, activity_name, order_status, contact_status FROM api.active_job_order ORDER BY order_id;
SELECT try($$UPDATE api.active_job_order SET action = 'close_out', retrieve_info = '"over /rest"' WHERE order_id = '1000002'$$), place('1000002');

--
-- Who sees what
--
:W2
SELECT order_id FROM active_job.orders;
SELECT try($$SELECT active_job.order_json('1000001')$$), try($$SELECT active_job.order_json('no')$$);
SELECT count(*) FROM workorder.history;
SELECT active_job.worker_list();
:W4
SELECT (active_job.list_orders()).*, workorder.has_role('active_job.worker'), active_job.worker_list(), (SELECT count(*) FROM active_job.activity);
:anon
SELECT (active_job.list_orders()).*, workorder.has_role('active_job.worker'), active_job.worker_list(), (SELECT count(*) FROM active_job.activity);
-- another tenant's order is not there
:owner
INSERT INTO workorder.tenant (id, name) VALUES (2, 'other') ON CONFLICT DO NOTHING;
SET workorder.tenant = 2;
SELECT workorder.taken('active_job.orders', 'order_id', '1000001'), count(*) FROM active_job.active_workers();
SELECT workorder.enrol('FEED', 'f', '{active_job.feed}') IS NOT NULL;
SET workorder.actor = 'FEED';
SELECT * FROM active_job.import('[{"order_id": "1000001", "activity_id": "A1", "worker_id": "1"}]');
RESET workorder.tenant;

--
-- Lists
--
:load
:FEED
SELECT imported, refused FROM active_job.import((
  SELECT jsonb_agg(jsonb_build_object('order_id', 'N' || i, 'activity_id', 'A' || 1 + i % 2, 'worker_id', '3', 'customer_name', 'Kunde_' || i,
    'broadband_account', 'KD%' || i, 'marketing_info', '{}'::jsonb))
  FROM generate_series(1, 25) AS i));
RESET ROLE; SET workorder.actor = 'W3'; SET ROLE regress_active_job_web;
SELECT total, (SELECT string_agg(i ->> 'order_id', ' ') FROM json_array_elements(items) AS i) FROM active_job.list_orders();
SELECT total, (SELECT string_agg(i ->> 'order_id', ' ') FROM json_array_elements(items) AS i) FROM active_job.list_orders(page => 3);
SELECT total, (SELECT string_agg(i ->> 'order_id', ' ') FROM json_array_elements(items) AS i) FROM active_job.list_orders(page => 2147483647, page_size => 100);
SELECT total FROM active_job.list_orders('kunde_1'), (SELECT 1) AS x;
SELECT l.total, s FROM unnest(ARRAY['d%1', 'D%', 'n25', '维系', '_2', '\', 'kunde-', '']) AS s, active_job.list_orders(s) AS l;
SELECT l.total, s FROM unnest(ARRAY[0, 1, 2, 3, 77, -1, 99999999999999999999, NULL]) AS s, active_job.list_orders(order_status => s) AS l;
SELECT l.total, s FROM unnest(ARRAY[0, 1, 99999999999999999999]) AS s, active_job.list_orders(contact_status => s) AS l;

--
-- The feed
--
:load
:FEED
SELECT imported, changed, unchanged, refused, jsonb_pretty(problems) FROM active_job.import('[
  {"order_id": "F1", "activity_id": "A1", "worker_id": 2, "customer_name": "甲", "marketing_info": {"备注": "好"}},
  {"order_id": 77, "activity_id": "A2", "worker_id": "3"},
  5, null, [], {}, {"order_id": ""}, {"order_id": null},
  {"order_id": "contact", "activity_id": "A1", "worker_id": "1"},
  {"order_id": "retrieve", "activity_id": "A1", "worker_id": "1"},
  {"order_id": "a b", "activity_id": "A1", "worker_id": "1"},
  {"order_id": true, "activity_id": "A1", "worker_id": "1"},
  {"order_id": {"a": 1}, "activity_id": "A1", "worker_id": "1"},
  {"order_id": "F1", "activity_id": "A2", "worker_id": "3"},
  {"order_id": "F2", "activity_id": "A9", "worker_id": "1"},
  {"order_id": "F3", "activity_id": "", "worker_id": "1"},
  {"order_id": "F4", "activity_id": "A1", "worker_id": "4"},
  {"order_id": "F5", "activity_id": "A1", "worker_id": "99"},
  {"order_id": "F6", "activity_id": "A1"},
  {"order_id": "F7", "activity_id": "A1", "worker_id": "1", "phone": 13800000000},
  {"order_id": "F8", "activity_id": "A1", "worker_id": "1", "marketing_info": {"a": 1}},
  {"order_id": "F9", "activity_id": "A1", "worker_id": "1", "marketing_info": ["a"]},
  {"order_id": "F10", "activity_id": "A1", "worker_id": [1]},
  {"order_id": "F11", "activity_id": "A1", "worker_id": "1", "customer_name": "", "email": null, "unknown": 1}]');
-- one that is wrong among others that are not
SELECT problems FROM unnest(ARRAY['{"phone": 1}', '{"qq": ["1"]}', '{"email": true}', '{"worker_id": 1.5}', '{"marketing_info": {"a": null}}', '[]']::jsonb[]) AS v,
  active_job.import(jsonb_build_array('{"order_id": "M1", "activity_id": "A1"}'::jsonb, '{"order_id": "M2", "activity_id": "A1", "worker_id": "1"}'::jsonb || v));
SELECT * FROM active_job.import(jsonb_build_array(
  jsonb_build_object('order_id', repeat('x', 65), 'activity_id', 'A1', 'worker_id', '1'),
  jsonb_build_object('order_id', repeat('x', 64), 'activity_id', 'A1', 'worker_id', '1'),
  jsonb_build_object('order_id', 'L1', 'activity_id', 'A1', 'worker_id', '1', 'customer_name', repeat('名', 201)),
  jsonb_build_object('order_id', 'L2', 'activity_id', 'A1', 'worker_id', '1', 'customer_name', repeat('名', 200)),
  jsonb_build_object('order_id', 'L3', 'activity_id', 'A1', 'worker_id', '1', 'marketing_info', jsonb_build_object('a', repeat('x', 20000)))));
SELECT try($$SELECT active_job.import('{}')$$), try($$SELECT active_job.import(NULL)$$), try($$SELECT active_job.import('5')$$);
SELECT * FROM active_job.import('[]');
-- nothing of it, if that is wanted
SELECT imported, refused, problems FROM active_job.import('[{"order_id": "G1", "activity_id": "A1", "worker_id": "1"}, {"order_id": "G2", "activity_id": "A1", "worker_id": "4"}]', true);
SELECT count(*) FROM active_job.orders WHERE order_id LIKE 'G%';
SELECT imported, refused, problems FROM active_job.import('[{"order_id": "G1", "activity_id": "A1", "worker_id": "1"}, {"order_id": "G2", "activity_id": "A1", "worker_id": "3"}]', true);
-- the same again changes nothing; what differs is brought up to date, the holder stays
SELECT imported, changed, unchanged, refused FROM active_job.import('[{"order_id": "F1", "activity_id": "A1", "worker_id": 2, "customer_name": "甲", "marketing_info": {"备注": "好"}}, {"order_id": 77, "activity_id": "A2", "worker_id": "3"}]');
SELECT place('F1'), place('77');
SELECT imported, changed, unchanged, refused FROM active_job.import('[{"order_id": "F1", "activity_id": "A1", "worker_id": "3", "customer_name": "甲甲", "marketing_info": {"备注": "好"}}, {"order_id": 77, "activity_id": "A2", "worker_id": "1"}]');
SELECT place('F1'), customer_name, marketing_info FROM active_job.orders WHERE order_id = 'F1';
SELECT action, actor, changes FROM workorder.history WHERE relation = 'active_job.orders'::regclass
  AND ticket_id = (SELECT id FROM active_job.orders WHERE order_id = 'F1') AND revision > 1;
-- an order that is closed out stays as it is, but is not complained of if nothing is new
SELECT imported, changed, unchanged, refused, problems FROM active_job.import('[{"order_id": "1000003", "activity_id": "A2", "worker_id": "1", "customer_name": "孙三", "customer_type": "客户", "mobile": "13800000003"}]');
SELECT imported, changed, unchanged, refused, problems FROM active_job.import('[{"order_id": "1000003", "activity_id": "A2", "worker_id": "1", "customer_name": "孙四"}]');
-- somebody leaves: their open orders are dispatched anew, to whom the feed says
:owner
SELECT workorder.disable('W2');
:FEED
SELECT imported, changed, unchanged, refused, problems FROM active_job.import('[
  {"order_id": "F1", "activity_id": "A1", "worker_id": "2", "customer_name": "甲甲", "marketing_info": {"备注": "好"}},
  {"order_id": "2000001", "activity_id": "A1", "worker_id": "3", "customer_name": "李四", "customer_type": "客户"}]');
SELECT place('F1'), place('2000001');
RESET ROLE; SET workorder.actor = 'W3'; SET ROLE regress_active_job_web;
SELECT order_log FROM active_job.logs((SELECT id FROM active_job.orders WHERE order_id = '2000001'));
:owner
SELECT count(*) FROM workorder.verify('active_job.orders');

-- Activities
SELECT imported, changed, unchanged, refused, jsonb_pretty(problems) FROM active_job.import_activities('[
  {"activity_id": "A1", "activity_name": "宽进融", "activity_start_time": "2018-01-01 00:00:00", "activity_end_time": "2019-01-01 00:00:00",
    "products": [{"product_name": "产品名3", "stage": "顺推"}, {"product_name": "产品名1", "stage": "主推"}, {"product_name": "产品名2", "stage": "次推"}], "talking_skill": "您好"},
  {"activity_id": "A2", "activity_name": "老客户"},
  {"activity_id": 3, "activity_name": "新", "activity_start_time": "2018-01-01T00:00:00Z", "activity_end_time": "2018-01-02"},
  {"activity_id": "A4"}, {"activity_name": "x"}, 5,
  {"activity_id": "A5", "activity_name": "x", "products": {}},
  {"activity_id": "A6", "activity_name": "x", "products": [{"product_name": "p", "stage": "s"}]},
  {"activity_id": "A7", "activity_name": "x", "products": [5]},
  {"activity_id": "A8", "activity_name": "x", "activity_start_time": "soon"},
  {"activity_id": ["A9"], "activity_name": "x"}]');
SELECT activity_id, activity_name, activity_start_time AT TIME ZONE 'UTC', activity_end_time AT TIME ZONE 'UTC' FROM active_job.activity ORDER BY 1;
SELECT try($$SELECT active_job.import_activities('5')$$), try($$SELECT active_job.import_workers('5')$$), try($$SELECT active_job.import_workers('[{"worker_id": "1"}]')$$);
SELECT try($$SELECT active_job.import_workers('[{"worker_id": "1", "login": "W9", "worker_name": "x"}]')$$);

-- Who the feed is: a role that imports, and does nothing else.
SET workorder.actor = '';
SELECT try($$SELECT active_job.import('[{"order_id": "H1", "activity_id": "A1", "worker_id": "1"}]')$$);
:W1
SELECT try($$SELECT active_job.import('[{"order_id": "H1", "activity_id": "A1", "worker_id": "1"}]')$$);
SELECT try($$SELECT active_job.load_orders('[]', false)$$), try($$SELECT active_job.import_activities('[]')$$), try($$SELECT workorder.set_setting('active_job', 'time_zone', 'UTC')$$);
RESET ROLE;
RESET workorder.actor;
SELECT workorder.map_role('FEED', 'regress_active_job_feed');
SET SESSION AUTHORIZATION regress_active_job_feed;
SELECT imported, problems FROM active_job.import('[{"order_id": "H1", "activity_id": "A1", "worker_id": "1"}]');
SELECT imported, refused FROM active_job.import_activities('[{"activity_id": "H", "activity_name": "H"}]');
RESET SESSION AUTHORIZATION;
SELECT p.privilege, string_agg(format('%I.%I', n.nspname, c.relname), ' ')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
  unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS p (privilege)
WHERE n.nspname IN ('workorder', 'active_job', 'api') AND c.relkind IN ('r', 'v')
  AND has_any_column_privilege('regress_active_job_feed', c.oid, p.privilege)
GROUP BY 1;
SELECT f.oid::regprocedure FROM pg_proc f JOIN pg_namespace n ON n.oid = f.pronamespace
WHERE n.nspname IN ('workorder', 'active_job', 'api') AND has_function_privilege('regress_active_job_feed', f.oid, 'EXECUTE') ORDER BY 1;
-- They run as the owner of the tables and not as whoever made the extension.
SELECT f.oid::regprocedure, f.prosecdef, pg_get_userbyid(f.proowner) = pg_get_userbyid(c.relowner)
FROM pg_proc f, pg_class c WHERE f.pronamespace = 'active_job'::regnamespace AND f.prosecdef AND c.oid = 'active_job.orders'::regclass ORDER BY 1;

--
-- Times are the tenant's
--
:load
SELECT try($$SELECT workorder.set_setting('active_job', 'time_zone', 'Mars/Olympus')$$);
SELECT workorder.set_setting('active_job', 'time_zone', 'UTC');
:W1
SELECT active_job.order_json('1000002') -> 'order_log', active_job.order_json('1000002') -> 'activity_info' ->> 'activity_start_time';
:owner
SELECT workorder.set_setting('active_job', 'time_zone', NULL);
:W1
SELECT active_job.order_json('1000002') -> 'order_log';

--
-- An order that was loaded with its history goes on from there
--
:owner
INSERT INTO active_job.orders (order_id, order_create_time, activity_id, holder_id, contact_time, contact_status, contact_status_reason, past, state, revision,
  created_at)
SELECT 'P1', '2017-01-01', 'A1', w.actor_id, '2017-02-01', 1, 'r1',
  '{"contact_log": [{"contact_time": "2017-02-01 00:00:00", "status": 1, "status_reason": "r1", "status_remark": ""}],
    "order_log": [{"worker_name": "李小芳", "type": 2, "act_time": "2017-01-15 00:00:00"}, {"worker_name": "李小芳", "type": 1, "act_time": "2017-01-01 00:00:00"}]}',
  'open.contacting', 0, '2017-01-01'
FROM active_job.worker w WHERE w.worker_id = '1';
:W1
SELECT active_job.contact('P1', 1, 'r1');
SELECT active_job.close_out('P1', '"完"');
SELECT jsonb_pretty(contact_log), jsonb_pretty(order_log) FROM active_job.logs((SELECT id FROM active_job.orders WHERE order_id = 'P1'));
:owner
SELECT try($$UPDATE active_job.orders SET past = '[]' WHERE order_id = 'P1'$$);
SELECT count(*) FROM workorder.verify();

RESET workorder.now;
\c postgres
DROP DATABASE regress_workorder_active_job;
DROP ROLE regress_active_job_web, regress_active_job_feed;
