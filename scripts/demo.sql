-- The after-sale order of the demo, step by step, as psql would be given it.
-- scripts/demo runs each paragraph in a session of its own.  Of the comments
-- above a paragraph, "expect:" is its last line of output, "refused:" the
-- SQLSTATE it must fail with, "keep:" the variable that remembers its output.

-- 张三 opens a dispute: the parts from 华东模具厂 are scratched.
-- keep: order
SET workorder.actor = 'CR';
SELECT o ->> 'id' AS "order"
FROM afterservice.create_order('{
  "type": "外协", "customer_name": "华东模具厂", "accuser_name": "原告乙",
  "creator_name": "张三", "reason": "表面划伤", "remark": "表面有划痕"}') AS o;

-- It rests in waiting; 李专员 looks after this supplier.  What may 张三 do now?
-- expect: view yes
SET workorder.actor = 'CR';
SELECT action, CASE WHEN allowed THEN 'yes' ELSE reasons[1] END AS allowed
FROM workorder.actions('afterservice.orders', :order) ORDER BY action;

-- 张三 submits it.
-- expect: service_approving in_progress
SET workorder.actor = 'CR';
SELECT o ->> 'status' AS status, o ->> 'workflow_status' AS workflow
FROM afterservice.put_order(:order, '{"operation": "done", "operator_name": "张三", "remark": "请审核"}') AS o;

-- 周专员 is a specialist too, but this is not their supplier.
-- refused: WO403
SET workorder.actor = 'SV2';
SELECT afterservice.put_order(:order, '{"operation": "done", "operator_name": "周专员"}');

-- 李专员 approves ...
-- expect: service_approved in_progress
SET workorder.actor = 'SV';
SELECT o ->> 'status' AS status, o ->> 'workflow_status' AS workflow
FROM afterservice.put_order(:order, '{"operation": "done", "operator_name": "李专员", "remark": "同意"}') AS o;

-- ... and hands it on to 王经理.
-- expect: manager_reviewing in_progress
SET workorder.actor = 'SV';
SELECT o ->> 'status' AS status, o ->> 'workflow_status' AS workflow
FROM afterservice.put_order(:order, '{"operation": "done", "operator_name": "李专员"}') AS o;

-- 王经理 wants photographs first, and sends it back.
-- expect: service_approved in_progress
SET workorder.actor = 'MG';
SELECT o ->> 'status' AS status, o ->> 'workflow_status' AS workflow
FROM afterservice.put_order(:order, '{"operation": "reject", "operator_name": "王经理", "remark": "请补充照片"}') AS o;

-- The superuser is in a hurry and writes the last state into the table.
-- refused: WO409
UPDATE afterservice.orders SET state = 'done' WHERE id = :order;

-- 李专员 has the photographs and hands it on again.
-- expect: manager_reviewing in_progress
SET workorder.actor = 'SV';
SELECT o ->> 'status' AS status, o ->> 'workflow_status' AS workflow
FROM afterservice.put_order(:order, '{"operation": "done", "operator_name": "李专员", "remark": "照片已补充"}') AS o;

-- 王经理 approves ...
-- expect: manager_reviewed in_progress
SET workorder.actor = 'MG';
SELECT o ->> 'status' AS status, o ->> 'workflow_status' AS workflow
FROM afterservice.put_order(:order, '{"operation": "done", "operator_name": "王经理"}') AS o;

-- ... and hands it on to 赵主管.
-- expect: chief_reviewing in_progress
SET workorder.actor = 'MG';
SELECT o ->> 'status' AS status, o ->> 'workflow_status' AS workflow
FROM afterservice.put_order(:order, '{"operation": "done", "operator_name": "王经理"}') AS o;

-- 赵主管 approves ...
-- expect: chief_reviewed in_progress
SET workorder.actor = 'CH';
SELECT o ->> 'status' AS status, o ->> 'workflow_status' AS workflow
FROM afterservice.put_order(:order, '{"operation": "done", "operator_name": "赵主管"}') AS o;

-- ... and hands it on to 钱会计.
-- expect: finance_reviewing in_progress
SET workorder.actor = 'CH';
SELECT o ->> 'status' AS status, o ->> 'workflow_status' AS workflow
FROM afterservice.put_order(:order, '{"operation": "done", "operator_name": "赵主管"}') AS o;

-- 钱会计 has taken the money off the supplier's account: the order is closed.
-- expect: end done
SET workorder.actor = 'FI';
SELECT o ->> 'status' AS status, o ->> 'workflow_status' AS workflow
FROM afterservice.put_order(:order, '{"operation": "done", "operator_name": "钱会计", "remark": "已扣款"}') AS o;

-- The superuser would rather nobody read that it was sent back.
-- refused: WO403
DELETE FROM workorder.journal WHERE ticket_id = :order AND action = 'reject';

-- What happened, and does the journal still add up to the row?
-- expect: sound
SELECT revision AS n, actor, action, from_state AS "from", to_state AS "to", note
FROM workorder.history
WHERE relation = 'afterservice.orders'::regclass AND ticket_id = :order
ORDER BY revision;
SELECT coalesce(string_agg(message, '; '), 'sound') AS journal
FROM workorder.verify('afterservice.orders', :order);
