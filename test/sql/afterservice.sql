-- The after-sale system: every vector of test/http/vectors/afterservice.md that can be
-- said in SQL, every step of its flow, and the ways round it.
\set VERBOSITY sqlstate
\set SHOW_CONTEXT never
\pset format unaligned
\pset footer off
SET client_min_messages = warning;
CREATE DATABASE regress_workorder_afterservice TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
\c regress_workorder_afterservice
SET client_min_messages = warning;
SET client_encoding = 'UTF8';
CREATE ROLE regress_afterservice_web;
CREATE EXTENSION workorder_afterservice CASCADE;
SELECT workorder.install();
SELECT afterservice.install();
SELECT afterservice.grant_access('regress_afterservice_web');
-- again, which changes nothing
SELECT afterservice.install();
SELECT count(*) FROM workorder.flow;
SELECT * FROM workorder.check_flow(afterservice.flow(), 'afterservice.orders');

-- Everything happens at ten o'clock, where the API's times are told.
SET workorder.now = '2024-01-02 10:00:00+08';

-- The fixture, loaded afresh by :load; :CR and so on make somebody act, as the
-- role that a web server would have.
\set content `cat "$PG_ABS_SRCDIR/fixtures/afterservice.sql"`
CREATE TABLE fixture AS SELECT :'content'::text AS content;
CREATE PROCEDURE load() LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE (SELECT f.content FROM fixture f);
END
$$;
\set load 'RESET ROLE; RESET workorder.actor; CALL load();'
\set CR 'RESET ROLE; SET workorder.actor = ''CR''; SET ROLE regress_afterservice_web;'
\set CR2 'RESET ROLE; SET workorder.actor = ''CR2''; SET ROLE regress_afterservice_web;'
\set SV 'RESET ROLE; SET workorder.actor = ''SV''; SET ROLE regress_afterservice_web;'
\set SV2 'RESET ROLE; SET workorder.actor = ''SV2''; SET ROLE regress_afterservice_web;'
\set MG 'RESET ROLE; SET workorder.actor = ''MG''; SET ROLE regress_afterservice_web;'
\set CH 'RESET ROLE; SET workorder.actor = ''CH''; SET ROLE regress_afterservice_web;'
\set FI 'RESET ROLE; SET workorder.actor = ''FI''; SET ROLE regress_afterservice_web;'
\set AD 'RESET ROLE; SET workorder.actor = ''AD''; SET ROLE regress_afterservice_web;'
\set anon 'RESET ROLE; SET workorder.actor = ''''; SET ROLE regress_afterservice_web;'

-- Calls a function and shows what it returns, or of it these keys only; an
-- error as SQLSTATE and message.
CREATE FUNCTION ask(call text, VARIADIC keys text[] DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  answer jsonb;
  data jsonb;
BEGIN
  EXECUTE format('SELECT to_jsonb(a) FROM (SELECT * FROM afterservice.%s AS result) AS a', call) INTO answer;
  data := coalesce(answer -> 'data', answer -> 'result');
  IF keys <> '{}' THEN
    data := (
      SELECT coalesce(jsonb_agg((SELECT jsonb_object_agg(k, item -> k) FROM unnest(keys) AS k)), '[]')
      FROM jsonb_array_elements(CASE jsonb_typeof(data) WHEN 'array' THEN data ELSE jsonb_build_array(data) END) AS item);
  END IF;
  RETURN concat_ws(' of ', data, answer ->> 'total');
EXCEPTION WHEN OTHERS THEN
  RETURN SQLSTATE;
END
$$;

:load

--
-- AS-1
--
\pset tuples_only on
:CR
SELECT ask($$create_order('{"type":"外协","customer_name":"A&B 五金","accuser_name":"原告乙","creator_name":"张三","reason":"表面划伤","remark":"表面有划痕 😀 ''); DROP TABLE x; --"}')$$);
SELECT ask('journals(6)');
SELECT ask($$create_order('{"type":"外协","customer_name":"X","accuser_name":"Y","creator_name":"张三","reason":"漏发"}')$$);
SELECT ask($$create_order('{"type":"外协","customer_name":"  ","accuser_name":"Y","creator_name":"张三","reason":"漏发","remark":"r"}')$$);
SELECT ask($$create_order('{"type":"外协","customer_name":"X","accuser_name":"Y","creator_name":"张三","reason":"不存在的原因","remark":"r"}')$$);
SELECT ask(format($$create_order('{"type":"外协","customer_name":"X","accuser_name":"Y","creator_name":"张三","reason":"漏发","remark":"%s"}')$$, repeat('长', 2001)));
SELECT ask(format($$create_order('{"type":"外协","customer_name":"X","accuser_name":"Y","creator_name":"张三","reason":"漏发","remark":"%s"}')$$, repeat('😀', 2000)), 'id', 'serial_number', 'saler');
SELECT ask($$create_order('{"type":"外协","customer_name":"X","accuser_name":"Y","creator_name":"李四","reason":"漏发","remark":"r"}')$$);
SELECT ask($$create_order('{"type":5,"customer_name":"X","accuser_name":"Y","creator_name":"张三","reason":"漏发","remark":"r"}')$$);
SELECT ask($$create_order('[]')$$), ask('create_order(NULL)');
-- missing before permission, permission before values
SELECT ask($$create_order('{"type":5,"customer_name":"X","accuser_name":"Y","creator_name":"李四","reason":"漏发"}')$$);
SELECT ask($$create_order('{"type":5,"customer_name":"X","accuser_name":"Y","creator_name":"李四","reason":"漏发","remark":"r"}')$$);
:MG
SELECT ask($$create_order('{"type":"外协","customer_name":"X","accuser_name":"Y","creator_name":"王经理","reason":"漏发","remark":"r"}')$$);
:anon
SELECT ask($$create_order('{"type":"外协","customer_name":"X","accuser_name":"Y","creator_name":"王经理","reason":"漏发","remark":"r"}')$$);

--
-- AS-2
--
:load
:CR
SELECT ask($$list_orders(page => '1', per_page => '2')$$, 'id');
SELECT ask($$list_orders(page => '9', per_page => '2')$$);
SELECT ask($$list_orders(page => '0', per_page => 'abc')$$, 'id');
SELECT ask($$list_orders(page => '-1')$$, 'id');
SELECT ask($$list_orders(page => '99999999999999999999', per_page => '99999999999999999999')$$, 'id');
SELECT ask($$list_orders('waiting', 'in_progress')$$, 'id', 'status', 'abnormal_products');
SELECT ask($$list_orders('waitting')$$, 'id', 'status', 'workflow_status');
SELECT ask($$list_orders('waiting', page => '2', per_page => '1')$$, 'id');
SELECT ask($$list_orders('', '', '李四', '', '')$$, 'id', 'duty_report');
SELECT ask($$list_orders('end', NULL, '李四')$$, 'id'), ask($$list_orders(NULL, 'done')$$, 'id'), ask($$list_orders('end', 'in_progress')$$, 'id');
SELECT ask($$list_orders(NULL, 'halt', '张三')$$, 'id'), ask($$list_orders(NULL, 'overdue')$$, 'id');
SELECT ask($$list_orders(creator_name => ''' OR 1=1 --')$$);
SELECT ask($$list_orders('nonsense')$$), ask($$list_orders(workflow_status => 'running')$$);
SELECT ask($$list_orders('nonsense', 'running')$$), ask($$list_orders('  ')$$);
-- people without a role in the flow, and strangers
:anon
SELECT ask('list_orders()'), ask('journals(2)'), ask('all_products()'), ask('type_rank()');

--
-- AS-3
--
:CR
SELECT ask($$put_order(1, '{"remark":"新描述","reason":"尺寸不符","status":"end","serial_number":"HACK","tracks":[{"remark":"已电话"},{"remark":"已寄样"}]}')$$,
  'id', 'status', 'serial_number', 'remark', 'reason', 'tracks', 'updated_at', 'creator_name');
:SV
SELECT ask($$put_order(2, '{"deductions":[{"compensation":"120.50","has_receipt":1,"remark":"首笔"}]}')$$, 'status', 'charge_number', 'deductions');
-- the number stays, whatever becomes of the deductions
SELECT ask($$put_order(2, '{"deductions":[]}')$$, 'charge_number', 'deductions');
SELECT ask($$put_order(2, '{"deductions":[{"compensation":0}],"charge_number":"HACK"}')$$, 'charge_number', 'deductions');
:load
:CR
SELECT ask($$put_order(999, '{"remark":"x"}')$$), ask($$put_order(workorder.path_id('abc'), '{"remark":"x"}')$$), ask($$put_order(workorder.path_id('99999999999999999999'), '{"remark":"x"}')$$);
SELECT ask($$put_order(2, '{"remark":"x"}')$$), ask($$put_order(5, '{"remark":"x"}')$$), ask($$put_order(4, '{"remark":"x"}')$$);
SELECT ask($$put_order(1, '{"deductions":[{"compensation":-1}]}')$$), ask($$put_order(1, '{"tracks":[{"remark":"a"},{}]}')$$);
SELECT ask($$put_order(1, '[]')$$), ask($$put_order(1, 'null')$$), ask('put_order(1, NULL)');
SELECT ask($$put_order(1, '{"remark":" "}')$$), ask($$put_order(1, '{"type":null}')$$), ask($$put_order(1, '{"customer_name":7}')$$);
SELECT ask($$put_order(1, '{"tracks":null}')$$), ask($$put_order(1, '{"tracks":["x"]}')$$), ask($$put_order(1, '{"deductions":[{"compensation":1,"has_receipt":2}]}')$$), ask($$put_order(1, '{"deductions":[{}]}')$$);
SELECT ask($$put_order(1, '{"deductions":[{"compensation":1.005}]}')$$), ask($$put_order(1, '{"deductions":[{"compensation":1000000000000}]}')$$), ask($$put_order(1, '{"deductions":[{"compensation":"1e3"}]}')$$);
SELECT ask($$put_order(1, '{"deductions":[{"compensation":999999999999.99},{"compensation":"0012.30","has_receipt":false,"remark":null,"extra":1}]}')$$, 'deductions');
SELECT ask(format($$put_order(1, jsonb_build_object('tracks', (SELECT jsonb_agg('{"remark":"x"}'::jsonb) FROM generate_series(1, %s))))$$, 201));
SELECT jsonb_array_length(afterservice.put_order(1, jsonb_build_object('tracks', (SELECT jsonb_agg('{"remark":"x"}'::jsonb) FROM generate_series(1, 200)))) -> 'tracks');
-- the specialist
SELECT ask($$put_order(1, '{"saler":"周专员"}')$$, 'saler'), ask($$put_order(1, '{"saler":null}')$$, 'saler');
SELECT ask($$put_order(1, '{"saler":"王经理"}')$$), ask($$put_order(1, '{"saler":""}')$$), ask($$put_order(1, '{"saler":21}')$$);
-- nothing to change is a change all the same: somebody has looked at it
SELECT ask($$put_order(1, '{}')$$, 'id', 'updated_at');
-- an order may be sent back whole, even what a dictionary no longer knows
RESET ROLE;
DELETE FROM workorder.dictionary WHERE code = '漏发';
:CR
SELECT ask('put_order(1, afterservice.order_json(1))', 'id', 'reason', 'remark', 'saler');
SELECT afterservice.order_json(1) = afterservice.put_order(1, afterservice.order_json(1)) AS the_same;

--
-- AS-4
--
:load
:CR
SELECT ask($$put_order(1, '{"operation":"done","operator_name":"张三","remark":"请审核"}')$$, 'id', 'status', 'workflow_status', 'summitted_at', 'remark');
:load
:CR
SELECT ask($$put_order(1, '{"operation":"reject","operator_name":"张三","remark":"x"}')$$), ask($$put_order(1, '{"operation":"cancel","operator_name":"张三"}')$$);
SELECT ask($$put_order(1, '{"operation":"done","operator_name":"王经理"}')$$), ask($$put_order(1, '{"operation":"done","reason":"不存在的原因"}')$$);
SELECT ask($$list_orders('waiting', 'in_progress')$$, 'id', 'summitted_at');
SELECT ask($$put_order(1, '{"operation":5}')$$), ask($$put_order(1, '{"operation":""}')$$), ask($$put_order(1, '{"operation":null}')$$, 'status');
SELECT ask($$put_order(1, '{"operation":"done","operator_name":5}')$$), ask($$put_order(1, '{"operation":"done","operator_name":""}')$$);
SELECT ask(format($$put_order(1, '{"operation":"done","remark":"%s"}')$$, repeat('x', 2001))), ask($$put_order(1, '{"operation":"done","remark":5}')$$);
-- 404 before 409 before 400 before 403 before 409 before 400
SELECT ask($$put_order(999, '{"operation":"x"}')$$), ask($$put_order(5, '{"operation":"x"}')$$), ask($$put_order(2, '{"operation":"x"}')$$);
SELECT ask($$put_order(2, '{"operation":"reject","operator_name":"王经理"}')$$), ask($$put_order(2, '{"operation":"done","reason":7}')$$), ask($$put_order(1, '{"operation":"reject","reason":7}')$$);
-- content goes along with the step
SELECT ask($$put_order(1, '{"operation":"done","customer_name":"新厂","deductions":[{"compensation":5}],"remark":"note"}')$$,
  'status', 'customer_name', 'charge_number', 'remark');

--
-- AS-3 with the parts of an order: what has endpoints of its own is written as there
--
:load
:SV
SELECT ask($$put_order(2, '{"duty_report":{"abnormal_type":"质量","DutyDate":"2018-03-05","duty_to":"华东模具厂","duty_to_id":999},"abnormal_products":[{"skuCode":"M-001","remark":"划伤"}]}')$$, 'duty_report', 'abnormal_products');
-- an id is kept by who names it, or sends the item as it is; partly is as AS-11
SELECT ask($$put_order(2, '{"abnormal_products":[{"skuCode":"M-009"},{"skuCode":"M-001","remark":"划伤"},{"sku_code":"M-009","remark":""}]}')$$, 'abnormal_products');
SELECT ask($$put_order(2, '{"abnormal_products":[{"id":"5","remark":"缺角"},{"id":3,"skuCode":"M-001","remark":"划伤"},{"skuCode":"M-009"}]}')$$, 'abnormal_products');
SELECT ask($$put_order(2, '{"abnormal_products":[{"id":5},{"id":5}]}')$$), ask($$put_order(2, '{"abnormal_products":[{"id":2,"skuCode":"of order 1"}]}')$$), ask($$put_order(2, '{"abnormal_products":[{"id":{}}]}')$$);
SELECT ask($$put_order(2, '{"abnormal_products":[{"skuCode":"a"},{"remark":"x"}]}')$$), ask($$put_order(2, '{"abnormal_products":[{"skuCode":"a"},5]}')$$), ask($$put_order(2, '{"abnormal_products":null}')$$), ask($$put_order(2, '{"abnormal_products":{}}')$$);
SELECT ask($$put_order(2, '{"duty_report":null}')$$), ask($$put_order(2, '{"duty_report":[]}')$$), ask($$put_order(2, '{"duty_report":{"compensation":"1; DELETE"}}')$$), ask($$put_order(2, '{"duty_report":{"DutyDate":"2018-02-30"}}')$$);
SELECT ask($$put_order(2, format('{"abnormal_products":%s}', (SELECT jsonb_agg('{"skuCode":"x"}'::jsonb) FROM generate_series(1, 201)))::jsonb)$$);
SELECT ask($$put_order(2, '{}')$$, 'duty_report', 'abnormal_products');
-- sent back whole it changes nothing of its parts
SELECT ask($$put_order(2, (afterservice.order_json(2) || '{"saler": "李专员"}'))$$, 'duty_report', 'abnormal_products', 'tracks');
-- with a step, in one
SELECT ask($$put_order(2, '{"operation":"done","duty_report":{"compensation":"12.50"},"abnormal_products":[]}')$$, 'status', 'duty_report', 'abnormal_products');
RESET ROLE;
SELECT h.action, h.changes -> 'compensation' AS compensation, h.changes ? 'abnormal_products' AS products FROM workorder.history h
WHERE h.relation = 'afterservice.orders'::regclass AND h.ticket_id = 2 ORDER BY h.revision DESC LIMIT 1;
-- nobody else, and not in another status
:CR
SELECT ask($$put_order(2, '{"duty_report":{"abnormal_type":"交期"}}')$$), ask($$put_order(5, '{"abnormal_products":[]}')$$);
RESET ROLE;
--
-- AS-5
--
:load
:SV
SELECT ask($$put_order(2, '{"operation":"done","operator_name":"李专员","remark":"同意"}')$$, 'status');
SELECT ask($$put_order(2, '{"operation":"done","operator_name":"李专员"}')$$, 'status');
:MG
SELECT ask($$put_order(2, '{"operation":"done","operator_name":"王经理"}')$$, 'status');
SELECT ask($$put_order(2, '{"operation":"done","operator_name":"王经理"}')$$, 'status');
:CH
SELECT ask($$put_order(2, '{"operation":"done","operator_name":"赵主管"}')$$, 'status');
SELECT ask($$put_order(2, '{"operation":"done","operator_name":"赵主管"}')$$, 'status');
:FI
SELECT ask($$put_order(2, '{"operation":"done","operator_name":"钱会计","remark":"已扣款"}')$$, 'status', 'workflow_status', 'remark');
SELECT ask($$put_order(2, '{"operation":"done","operator_name":"钱会计"}')$$);
SELECT ask($$journals(2, '4', '3')$$);
:load
:SV
SELECT ask($$put_order(2, '{"operation":"reject","operator_name":"李专员","remark":"资料不全"}')$$, 'status', 'summitted_at');
:CR
SELECT ask($$put_order(2, '{"operation":"done","operator_name":"张三"}')$$, 'status', 'summitted_at');
:FI
SELECT ask($$put_order(3, '{"operation":"reject","operator_name":"钱会计"}')$$, 'status'), ask($$put_order(3, '{"operation":"reject","operator_name":"钱会计"}')$$);
:CH
SELECT ask($$put_order(3, '{"operation":"reject","operator_name":"赵主管"}')$$, 'status');
:load
:SV2
SELECT ask($$put_order(2, '{"operation":"done","operator_name":"周专员"}')$$);
:CR
SELECT ask($$put_order(2, '{"operation":"done","operator_name":"张三"}')$$);
:MG
SELECT ask($$put_order(2, '{"operation":"done","operator_name":"李专员"}')$$);
-- nobody makes the order their own by the call that needs it to be
:SV2
SELECT ask($$put_order(2, '{"operation":"done","saler":"周专员"}')$$), ask($$put_order(2, '{"saler":"周专员"}')$$);
-- who has it may give it away
:SV
SELECT ask($$put_order(2, '{"operation":"done","saler":"周专员"}')$$, 'status', 'saler'), ask($$put_order(2, '{"operation":"done"}')$$);
:SV2
SELECT ask($$put_order(2, '{"operation":"reject","saler":null}')$$, 'status', 'saler');
-- without a specialist any of them will do
:SV
SELECT ask($$put_order(2, '{"operation":"done"}')$$, 'status', 'saler');

--
-- AS-6
--
:load
:CR
SELECT ask('delete_order(1)'), ask('delete_order(1)'), ask('journals(1)'), ask('list_orders()', 'id');
:load
:CR
SELECT ask('delete_order(2)'), ask('delete_order(5)'), ask('delete_order(4)');
:SV
SELECT ask('delete_order(2)'), ask('delete_order(1)');
:CR2
SELECT ask('delete_order(1)'), ask('delete_order(3)');
:anon
SELECT ask('delete_order(1)');

--
-- AS-7, AS-8, AS-9
--
:CR
SELECT ask($$journals(2, '1', '2')$$);
SELECT ask($$journals(2, '2', '2')$$);
SELECT ask('journals(999)'), ask('journals(1)'), ask($$journals(2, '7')$$);
SELECT ask($$all_products('1', '2')$$);
SELECT ask($$supplier_user_matcher('华东')$$);
SELECT ask($$supplier_user_matcher('50%_')$$);
SELECT ask($$supplier_user_matcher('a&b', '1', '5')$$, 'supplier_id');
SELECT ask('supplier_user_matcher()', 'supplier_id'), ask($$supplier_user_matcher('', '2', '2')$$, 'supplier_id'), ask($$supplier_user_matcher('李')$$, 'supplier_id');
SELECT ask(format($$supplier_user_matcher('%s')$$, repeat('长', 101))), ask(format($$supplier_user_matcher('%s')$$, repeat('长', 100)));

--
-- AS-10, AS-11, AS-12
--
SELECT ask($$add_abnormal_products(1, '[{"skuCode":"M-002","remark":"变形 😀"},{"skuCode":"NEW-1"}]')$$);
SELECT ask($$add_abnormal_products(1, '{"skuCode":"Z-900","remark":"异响"}')$$);
:load
:CR
SELECT ask($$add_abnormal_products(1, '[{"skuCode":"M-002"},{"remark":"x"}]')$$), ask($$add_abnormal_products(1, '[]')$$);
SELECT ask(format($$add_abnormal_products(1, '{"skuCode":"%s"}')$$, repeat('A', 65))), ask($$add_abnormal_products(2, '{"skuCode":"M-001"}')$$), ask($$add_abnormal_products(999, '{"skuCode":"M-001"}')$$);
SELECT ask($$add_abnormal_products(1, '[5]')$$), ask($$add_abnormal_products(1, '5')$$), ask($$add_abnormal_products(1, '{"skuCode":"x","remark":5}')$$), ask($$add_abnormal_products(5, '{}')$$);
SELECT ask($$add_abnormal_products(1, (SELECT jsonb_agg('{"skuCode":"x"}'::jsonb) FROM generate_series(1, 201)))$$);
SELECT ask($$list_orders('waiting', 'in_progress')$$, 'abnormal_products');
SELECT ask($$add_abnormal_products(1, '{"sku_code":"old client"}')$$);
SELECT ask($$put_abnormal_product(1, 1, '{"skuCode":"M-001","remark":"缺角"}')$$), ask($$put_abnormal_product(1, 1, '{"remark":""}')$$), ask($$put_abnormal_product(1, 1, '{"sku_code":"M-003"}')$$);
SELECT ask($$put_abnormal_product(1, 2, '{"remark":"x"}')$$), ask($$put_abnormal_product(1, 1, '{}')$$), ask($$put_abnormal_product(1, 1, '[]')$$), ask($$put_abnormal_product(1, 1, '{"skuCode":null,"remark":"x"}')$$);
SELECT ask($$put_abnormal_product(2, 2, '{"remark":"x"}')$$), ask($$put_abnormal_product(999, 2, '{"remark":"x"}')$$);
SELECT ask('delete_abnormal_product(1, 1)'), ask('delete_abnormal_product(1, 1)'), ask('delete_abnormal_product(2, 2)'), ask('delete_abnormal_product(1, 3)');
SELECT afterservice.order_json(1) -> 'abnormal_products' AS none_left;

--
-- AS-13
--
:SV
SELECT ask($$put_duty_report(2, '{"abnormal_type":"质量","abnormal_reason":"来料不良","publishment":"罚款","publish_to":"供应商","compensation":"500","duty_to_id":999,"duty_to":"华东模具厂","DutyDate":"2018-03-05"}')$$);
SELECT ask($$put_duty_report(2, '{"duty_date":"2018-03-06 10:00:00","compensation":null}')$$);
SELECT ask($$put_duty_report(2, '{"duty_date":"2018-03-07","DutyDate":"2018-03-08","duty_to":"谁"}')$$, 'duty_date', 'duty_to', 'duty_to_id');
SELECT ask($$put_duty_report(2, '{"compensation":"1; DELETE FROM x"}')$$), ask($$put_duty_report(2, '{"DutyDate":"2018-02-30"}')$$), ask($$put_duty_report(2, '{"duty_date":"2018-03-06T10:00:00"}')$$);
SELECT ask($$put_duty_report(4, '{"publishment":"x"}')$$), ask($$put_duty_report(1, '{"publishment":"x"}')$$), ask($$put_duty_report(2, '7')$$), ask($$put_duty_report(2, '{"publish_to":7}')$$);
SELECT ask($$put_duty_report(2, '{"abnormal_type":null,"abnormal_reason":null,"publishment":null,"publish_to":null,"duty_to":null,"duty_date":null}')$$);

--
-- AS-14 to AS-18
--
:load
:CR
SELECT ask('type_rank()'), ask('reason_rank()'), ask('duty_rank()');
SELECT ask('compensation_rank()'), ask('publishment_rank()');

--
-- Every status, everybody: who may do what.  Order 10 + n rests in status n, 20
-- is halted, 21 overdue, 22 cancelled.  All were created by CR and belong to
-- SV, but 23 and 24 belong to no specialist.
--
:load
INSERT INTO afterservice.orders (id, serial_number, type, customer_name, accuser_name, creator_name, reason, remark, saler_id,
  state, history, revision, creator_id)
SELECT 9 + n, 'T' || n, '外协', 'X', 'Y', '张三', '漏发', 'r', CASE WHEN n <= 13 THEN 21 END, s, h, 0, 23
FROM unnest(ARRAY['created', 'waiting', 'service_approving', 'service_approved', 'manager_reviewing', 'manager_reviewed',
    'chief_reviewing', 'chief_reviewed', 'finance_reviewing', NULL, NULL, NULL, NULL, 'service_approving', 'service_approved'],
  ARRAY[NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'done', 'halt', 'overdue', 'cancel'])
  WITH ORDINALITY AS t (p, q, n),
  LATERAL (SELECT coalesce(q, 'in_progress.' || p), CASE WHEN q IN ('halt', 'overdue', 'cancel') THEN '{"in_progress": "in_progress.chief_reviewed"}' END) AS u (s, h);

CREATE FUNCTION as_login(login text) RETURNS text LANGUAGE sql AS $$ SELECT set_config('workorder.actor', login, false) $$;
CREATE TABLE matrix (id bigint, state text, login text, action text, can boolean);
DO $$
DECLARE
  person text;
BEGIN
  FOREACH person IN ARRAY ARRAY['CR', 'CR2', 'SV', 'SV2', 'MG', 'CH', 'FI', 'AD', ''] LOOP
    PERFORM as_login(person);
    INSERT INTO matrix
    SELECT o.id, o.state, person, a.action, workorder.can('afterservice.orders', o.id, a.action)
    FROM afterservice.orders o
    CROSS JOIN unnest(ARRAY['view', 'update', 'done', 'reject', 'delete', 'halt', 'resume', 'cancel', 'expire', 'assign']) AS a (action)
    WHERE o.id >= 10;
  END LOOP;
END
$$;
\pset tuples_only off
SELECT m.id, m.state,
  string_agg(DISTINCT m.login, ' ') FILTER (WHERE m.can AND m.action = 'update') AS "update",
  string_agg(DISTINCT m.login, ' ') FILTER (WHERE m.can AND m.action = 'done') AS done,
  string_agg(DISTINCT m.login, ' ') FILTER (WHERE m.can AND m.action = 'reject') AS reject,
  string_agg(DISTINCT m.login, ' ') FILTER (WHERE m.can AND m.action = 'delete') AS "delete",
  string_agg(DISTINCT m.login, ' ') FILTER (WHERE m.can AND m.action = 'halt') AS halt,
  string_agg(DISTINCT m.login, ' ') FILTER (WHERE m.can AND m.action = 'resume') AS resume,
  string_agg(DISTINCT m.login, ' ') FILTER (WHERE m.can AND m.action = 'cancel') AS cancel,
  string_agg(DISTINCT m.login, ' ') FILTER (WHERE m.can AND m.action = 'expire') AS expire,
  string_agg(DISTINCT m.login, ' ') FILTER (WHERE m.can AND m.action = 'assign') AS assign
FROM matrix m GROUP BY m.id, m.state ORDER BY m.id;
SELECT m.login, count(*) FILTER (WHERE m.can) AS may_see, count(*) FILTER (WHERE NOT m.can) AS may_not_see
FROM matrix m WHERE m.action = 'view' GROUP BY m.login ORDER BY m.login;

-- What was said is what happens: every one of these steps is tried, by plain
-- SQL, and taken back.
CREATE FUNCTION tried(person text, order_id bigint, act text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  worked boolean := false;
BEGIN
  PERFORM as_login(person);
  BEGIN
    CASE act
      WHEN 'update' THEN UPDATE afterservice.orders SET remark = 'tried' WHERE id = order_id;
      WHEN 'delete' THEN DELETE FROM afterservice.orders WHERE id = order_id;
      ELSE UPDATE afterservice.orders SET action = act WHERE id = order_id;
    END CASE;
    worked := true;
    RAISE EXCEPTION 'taken back';
  EXCEPTION WHEN OTHERS THEN
    RETURN worked;
  END;
END
$$;
SELECT count(*) AS steps, count(*) FILTER (WHERE m.can) AS allowed,
  count(*) FILTER (WHERE tried(m.login, m.id, m.action) IS DISTINCT FROM m.can) AS wrong
FROM matrix m WHERE m.action <> 'view';

-- Where each step leads.
CREATE TABLE steps (id bigint, state text, action text, leads_to text);
DO $$
DECLARE
  m record;
BEGIN
  FOR m IN SELECT DISTINCT ON (id, action) * FROM matrix WHERE can AND action NOT IN ('view', 'update', 'delete') ORDER BY id, action, login LOOP
    PERFORM as_login(m.login);
    INSERT INTO steps
    SELECT m.id, m.state, a.action, a.target FROM workorder.actions('afterservice.orders', m.id) a WHERE a.action = m.action;
  END LOOP;
END
$$;
SELECT s.state, string_agg(s.leads_to, '') FILTER (WHERE s.action = 'done') AS done,
  string_agg(s.leads_to, '') FILTER (WHERE s.action = 'reject') AS reject,
  string_agg(s.leads_to, '') FILTER (WHERE s.action = 'resume') AS resume
FROM steps s WHERE s.id < 23 GROUP BY s.id, s.state ORDER BY s.id;

--
-- Plain SQL, as a creator with a web role
--
:load
:CR
INSERT INTO afterservice.orders (type, customer_name, accuser_name, reason, remark)
VALUES ('外协', '华东模具厂', 'Y', '漏发', 'r')
RETURNING id, serial_number, creator_name, saler_id, state, revision;
INSERT INTO afterservice.orders (type, customer_name, accuser_name, reason, remark) VALUES ('外协', ' ', 'Y', '漏发', 'r');
INSERT INTO afterservice.orders (serial_number, type, customer_name, accuser_name, reason, remark) VALUES ('HACK', '外协', 'X', 'Y', '漏发', 'r');
INSERT INTO afterservice.orders (charge_number, type, customer_name, accuser_name, reason, remark) VALUES ('HACK', '外协', 'X', 'Y', '漏发', 'r');
INSERT INTO afterservice.orders (creator_name, type, customer_name, accuser_name, reason, remark) VALUES ('李四', '外协', 'X', 'Y', '漏发', 'r');
INSERT INTO afterservice.orders (type, customer_name, accuser_name, reason, remark, state) VALUES ('外协', 'X', 'Y', '漏发', 'r', 'done');
UPDATE afterservice.orders SET serial_number = 'HACK' WHERE id = 6;
UPDATE afterservice.orders SET creator_name = '李四' WHERE id = 6;
UPDATE afterservice.orders SET summitted_at = now() WHERE id = 6;
UPDATE afterservice.orders SET state = 'in_progress.finance_reviewing' WHERE id = 6;
UPDATE afterservice.orders SET remark = 'mine' WHERE id = 2;
UPDATE afterservice.orders SET action = 'reject' WHERE id = 1;
UPDATE afterservice.orders SET action = 'done', remark = 'not with this step' WHERE id = 1;
UPDATE afterservice.orders SET charge_number = 'HACK', deductions = '[{"compensation": 1, "has_receipt": false, "remark": ""}]' WHERE id = 6
RETURNING charge_number;
UPDATE afterservice.orders SET charge_number = NULL WHERE id = 6 RETURNING charge_number;
DELETE FROM afterservice.orders WHERE id = 2;
TRUNCATE afterservice.orders;
UPDATE afterservice.supplier SET name = 'mine';
INSERT INTO afterservice.product (id, sku_code, name) VALUES (9, 'X', 'mine');
SELECT * FROM workorder.journal;
-- The owner of the tables goes no other way.
RESET ROLE;
INSERT INTO afterservice.orders (creator_name, type, customer_name, accuser_name, reason, remark) VALUES ('李四', '外协', 'X', 'Y', '漏发', 'r')
RETURNING id, creator_name;
UPDATE afterservice.orders SET state = 'in_progress.service_approving' WHERE id = 1 RETURNING state, last_action, summitted_at;
UPDATE afterservice.orders SET state = 'done' WHERE id = 1;
SET workorder.actor = '';
UPDATE afterservice.orders SET action = 'done' WHERE id = 1;
TRUNCATE afterservice.orders;
SELECT workorder.as_of('afterservice.orders', 2, '2018-03-02 08:30:00+08') ->> 'state' AS state_of_2_at_half_past_eight;

--
-- The administrator: halt, resume, cancel, overdue
--
\pset tuples_only on
:load
:AD
SELECT ask($$halt_order(3, '等发票')$$, 'status', 'workflow_status'), ask('halt_order(3)');
:FI
SELECT ask($$put_order(3, '{"operation":"done"}')$$), ask($$add_abnormal_products(3, '{"skuCode":"x"}')$$), ask($$put_duty_report(3, '{}')$$), ask('resume_order(3)'), ask('halt_order(2)');
SELECT ask($$list_orders('finance_reviewing')$$, 'id', 'workflow_status'), ask($$list_orders('finance_reviewing', 'in_progress')$$, 'id');
:AD
SELECT ask('resume_order(3)', 'status', 'workflow_status'), ask('resume_order(3)'), ask('resume_order(4)');
:FI
SELECT ask($$put_order(3, '{"operation":"reject"}')$$, 'status');
:AD
SELECT ask('halt_order(3)', 'status', 'workflow_status'), ask('cancel_order(3)', 'status', 'workflow_status'), ask('resume_order(3)'), ask('cancel_order(3)');
SELECT ask('resume_order(5)', 'status', 'workflow_status'), ask('expire_order(5)', 'status', 'workflow_status'), ask('resume_order(5)', 'status', 'workflow_status');
SELECT ask('halt_order(4)'), ask('cancel_order(4)'), ask('expire_order(999)');
SELECT ask($$put_order(1, '{"remark":"x"}')$$), ask($$put_order(2, '{"operation":"done"}')$$), ask('delete_order(1)');
-- a specialist who is gone: new orders do not go to them, the others are given away
RESET ROLE;
SELECT workorder.disable('SV');
:AD
SELECT ask($$assign_order(2, '李专员')$$), ask($$assign_order(2, '周专员', '李专员离职')$$, 'saler', 'status'), ask($$assign_order(4, '周专员')$$);
:SV
SELECT ask($$put_order(2, '{"operation":"done"}')$$);
:CR
SELECT ask($$create_order('{"type":"外协","customer_name":"华东模具厂","accuser_name":"Y","creator_name":"张三","reason":"漏发","remark":"r"}')$$, 'saler');
RESET ROLE;
SELECT workorder.enrol('SV', '李专员') AS sv;
-- nor does one decide who is no specialist any more
SELECT workorder.enrol('SV2', '周专员', '{afterservice.creator}') AS sv2;
:SV2
SELECT ask($$put_order(2, '{"operation":"done"}')$$);
:AD
-- the API's journal has the steps, and changes of the workflow status by whoever; not the specialist's change of orders 2 and 3
SELECT ask('journals(3)');
SELECT ask('journals(5)', 'id', 'operation', 'from_status', 'to_status', 'workflow_status', 'operator_name');
SELECT ask($$journals(5, '2', '2')$$, 'id', 'operation'), ask('journals(2)', 'operation');
SELECT h.revision, h.action, h.from_state, h.to_state, h.actor, h.note FROM workorder.history h
WHERE h.relation = 'afterservice.orders'::regclass AND h.ticket_id = 3 ORDER BY h.revision;
-- overdue by the clock, if the tenant wants it
RESET ROLE;
SELECT workorder.sweep();
SELECT afterservice.set_overdue_after('five years');
SELECT afterservice.set_overdue_after('P5Y') AS retimed;
-- whoever touches an order has it counted anew, content alone will do
:AD
SELECT ask($$assign_order(2, '李专员')$$, 'status');
RESET ROLE;
SELECT ticket_id, state, delay, due_at FROM workorder.timer ORDER BY ticket_id;
SELECT * FROM workorder.verify('afterservice.orders');
SELECT workorder.sweep(), workorder.sweep();
SELECT h.ticket_id, h.actor, h.action, h.from_state, h.to_state FROM workorder.history h WHERE h.actor = 'system' ORDER BY h.ticket_id;
:AD
SELECT ask($$list_orders(workflow_status => 'overdue')$$, 'id', 'status');
SELECT ask('journals(1)', 'operation', 'from_status', 'to_status', 'workflow_status', 'operator_name');
SELECT ask('resume_order(1)', 'status');
RESET ROLE;
SELECT afterservice.set_overdue_after(NULL) AS retimed;
SELECT workorder.sweep(), count(*) AS timers FROM workorder.timer;
:FI
SELECT afterservice.set_overdue_after('P1D');

-- the directories: loading them again changes nothing, and only the administrator may
:AD
SELECT afterservice.import_suppliers('[{"supplier_id":11,"supplier_name":"华东模具厂","user_id":21},{"supplier_id":14,"supplier_name":"新厂"}]');
SELECT afterservice.import_products('[{"id":1,"skuCode":"M-001","name":"螺丝"},{"id":4,"skuCode":"A-1","name":"垫片"}]');
SELECT ask('supplier_user_matcher()', 'supplier_id'), ask('all_products()');
:FI
SELECT ask($$import_products('[{"id":5,"skuCode":"A-2","name":"x"}]')$$), ask($$import_suppliers('[{"supplier_id":15,"supplier_name":"x"}]')$$);

--
-- Another tenant
--
RESET ROLE;
INSERT INTO workorder.tenant (id, name) VALUES (2, 'other');
SET workorder.tenant = '2';
SELECT workorder.enrol('CR', 'Otto', '{afterservice.creator}') IS NOT NULL AS enrolled;
:CR
SELECT ask('list_orders()'), ask('journals(2)'), ask('all_products()'), ask('supplier_user_matcher()'), ask('type_rank()');
SELECT ask($$put_order(1, '{"remark":"x"}')$$), ask('delete_order(1)'), ask($$add_abnormal_products(1, '{"skuCode":"x"}')$$);
SELECT ask($$create_order('{"type":"any","customer_name":"华东模具厂","accuser_name":"Y","creator_name":"Otto","reason":"no dictionary","remark":"r"}')$$, 'serial_number', 'saler', 'status');
RESET ROLE;

-- Numbers carry the day of the zone: the system's, else the one of all systems, else Asia/Shanghai.
SET workorder.tenant = '1';
SET workorder.now = '2024-01-02 18:00:00+00';
CREATE FUNCTION numbered() RETURNS text LANGUAGE sql
RETURN ask($$create_order('{"type":"t","customer_name":"X","accuser_name":"Y","creator_name":"张三","reason":"漏发","remark":"r"}')$$, 'serial_number', 'created_at');
:CR
SELECT public.numbered();
RESET ROLE;
SELECT workorder.set_setting('workorder', 'time_zone', 'America/New_York');
:CR
SELECT public.numbered();
RESET ROLE;
SELECT workorder.set_setting('afterservice', 'time_zone', 'Asia/Tokyo');
:CR
SELECT public.numbered();
RESET ROLE;
SELECT workorder.set_setting('workorder', 'time_zone', 'Nowhere/Land');
SELECT workorder.set_setting('workorder', 'time_zone', NULL), workorder.set_setting('afterservice', 'time_zone', NULL);
SET workorder.now = '2024-01-02 10:00:00+08';
SET workorder.tenant = '2';

-- Everything that happened adds up, in both tenants.
SELECT * FROM workorder.verify('afterservice.orders');
SET workorder.tenant = '1';
SELECT * FROM workorder.verify('afterservice.orders');

-- The code does not go while the tables need it.
DROP EXTENSION workorder_afterservice;

RESET workorder.now;
\c postgres
DROP DATABASE regress_workorder_afterservice;
DROP ROLE regress_afterservice_web;
