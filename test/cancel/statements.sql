-- What takes long: one statement a line, "name: SQL", for cancel.js.
verify() of everything: SELECT count(*) FROM workorder.verify()
verify() of a ticket: SELECT count(*) FROM workorder.verify('job', 1)
as_of(): SELECT workorder.as_of('job', 1, 'infinity')
history: SELECT count(changes) FROM workorder.history, generate_series(1, 3)
diagram() of a ticket: SELECT workorder.diagram('job', 1)
an update of many: UPDATE job SET action = 'next' WHERE id > 1000
an insert of many: INSERT INTO job (id) SELECT n FROM generate_series(100001, 110000) n
retime(): SELECT workorder.retime('job')
refresh_tasks(): SELECT workorder.refresh_tasks('job')
sweep(): SET LOCAL workorder.now = '2100-01-01'; SELECT workorder.sweep(100000)
migrate(): SELECT workorder.publish((SELECT definition || '{"description": "another"}' FROM workorder.flow)); SELECT count(*) FROM workorder.migrate('job', (SELECT min(id) FROM workorder.flow)::int, (SELECT max(id) FROM workorder.flow)::int, dry_run => false)
guard() of rows: CREATE TABLE old (tenant_id bigint DEFAULT 1, id bigint, status text, done int, PRIMARY KEY (tenant_id, id)); INSERT INTO old SELECT 1, n, 'open' FROM generate_series(1, 20000) n; SELECT workorder.guard('old', 'loop', '{"state": "status"}', '{"open": "open"}')
seal(): SELECT workorder.seal()
verify_seal(): SELECT count(*) FROM workorder.verify_seal((SELECT workorder.seal()))
permitted(): SELECT count(*) FROM workorder.permitted('job', ARRAY(SELECT id FROM job, generate_series(1, 4)), '{next,close}')
events(): SELECT workorder.subscribe('c', 0); SELECT count(*) FROM workorder.events('c', 100000)
import_replies(): SELECT workorder.import_replies('job', (SELECT jsonb_agg(jsonb_build_object('ticket_id', 1, 'at', '2026-01-01', 'content', 'x' || n)) FROM generate_series(1, 50000) n))
simulate(): SELECT count(*) FROM workorder.simulate((SELECT definition FROM workorder.flow), (SELECT jsonb_agg(jsonb_build_object('actor', 'ann', 'roles', '["worker"]'::jsonb, 'action', CASE n WHEN 0 THEN 'create' ELSE 'next' END)) FROM generate_series(0, 300) n))
check_flow() of many states: SELECT count(f) FROM many_states, workorder.check_flow(flow) f
check_members() of many steps: SELECT count(f) FROM many_hands, workorder.check_members(flow, 1) f
prove() of many states: SELECT workorder.prove(flow, 's400', 's1') FROM many_states
a drawing of many states: SELECT length(workorder.diagram(flow)) FROM many_states
contains() in a long text: SELECT workorder.contains(repeat('ab', 20000000), 'abb')
contains() a long term: SELECT workorder.contains('a', repeat('ab', 10000000))
an index of long texts: CREATE TABLE texts AS SELECT string_agg(chr(19968 + (n * n % 20000)::int) || n, '') AS body FROM generate_series(1, 100000::bigint) n; CREATE INDEX ON texts USING gin (body workorder.bigram_ops)
only_texts(): SELECT workorder.only_texts((SELECT jsonb_object_agg(n, 'x') FROM generate_series(1, 300000) n))
