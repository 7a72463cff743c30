-- People and orders for the clients of load.js, beside the sample data of the
-- five systems: client n works as AJn, ASn, CCn, CSn or LUn.
--
-- psql variables: clients, and orders, how many each client has in active_job

SET client_min_messages = warning;
SELECT active_job.import_workers((
  SELECT jsonb_agg(jsonb_build_object('worker_id', (100 + n)::text, 'login', 'AJ' || n, 'worker_name', 'AJ' || n))
  FROM generate_series(0, :clients - 1) n));
SET workorder.actor = 'FEED';
SELECT imported FROM active_job.import((
  SELECT jsonb_agg(jsonb_build_object('order_id', format('load-%s-%s', n, i), 'activity_id', 'A1', 'worker_id', (100 + n)::text,
    'customer_name', '王小明', 'customer_type', '客户'))
  FROM generate_series(0, :clients - 1, 5) n, generate_series(1, :orders) i), true);
RESET workorder.actor;

SELECT workorder.enrol('AS' || n, 'AS' || n, '{afterservice.creator}') FROM generate_series(0, :clients - 1) n;
SELECT call_center.import('employee', (
  SELECT jsonb_agg(jsonb_build_object('id', 100 + n, 'login', 'CC' || n, 'first_name', 'CC', 'last_name', n::text, 'employee_no', 'cc' || n))
  FROM generate_series(0, :clients - 1) n));
SELECT cloud_support.enrol('CS' || n, 'cs' || n, '{user}', 100 + n) FROM generate_series(0, :clients - 1) n;
SELECT dispatch.enrol(5000 + n, 'LU' || n, 'LU' || n, '{customer}'), workorder.set_password('LU' || n, 'password-' || n)
FROM generate_series(0, :clients - 1) n;
ANALYZE;
