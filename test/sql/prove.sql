-- What can be proved of a flow.
\set VERBOSITY sqlstate
\set SHOW_CONTEXT never
\pset null null
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS workorder CASCADE;
SELECT workorder.install();
CREATE EXTENSION IF NOT EXISTS workorder_afterservice CASCADE;
SELECT afterservice.install();

-- Nobody's order ends without the manager, and none without finance; some end unseen by whoever halts.
SELECT * FROM workorder.prove('afterservice', 'end', passes => 'manager_reviewing');
SELECT * FROM workorder.prove('afterservice', 'done', passes => 'in_progress.finance_reviewing');
SELECT * FROM workorder.prove('afterservice', 'done', passes => 'halt');
SELECT * FROM workorder.prove('afterservice', 'cancel', passes => 'waiting');
SELECT * FROM workorder.prove('afterservice', 'halt', passes => 'in_progress');

-- Short cuts through history, parents and timers are found.
CREATE FUNCTION pg_temp.flow(more jsonb) RETURNS jsonb LANGUAGE sql AS $$
SELECT jsonb_set('{"id": "regress_prove", "initial": "work", "roles": ["r"], "on": {"create": {"allow": ["*"]}, "view": {"allow": ["*"]}},
  "states": {"work": {"initial": "draft", "states": {
      "draft": {"on": {"submit": {"target": "review", "allow": ["r"]}}},
      "review": {"code": 7, "on": {"approve": {"target": "#regress_prove.end", "allow": ["r"]}}},
      "last": {"type": "history", "history": "deep"}}},
    "held": {"on": {"resume": {"target": "work.last", "allow": ["r"]}}},
    "end": {"type": "final"}}}', '{states,work,on}', more) $$;
SELECT * FROM workorder.prove(pg_temp.flow('{}'), 'end', passes => '7');
SELECT * FROM workorder.prove(pg_temp.flow('{"hold": {"target": "held", "allow": ["r"]}}'), 'end', passes => 'review');
-- What history remembers counts: who held a draft gets a draft back.
SELECT * FROM workorder.prove(pg_temp.flow('{"hold": {"target": "held", "allow": ["r"]}}'), 'end', passes => 'held');
SELECT * FROM workorder.prove(pg_temp.flow('{"skip": {"target": "end", "allow": ["r"]}}'), 'end', passes => 'review');
SELECT * FROM workorder.prove(pg_temp.flow('{"skip": {"target": "end", "allow": []}}'), 'end', passes => 'review');
SELECT * FROM workorder.prove(pg_temp.flow('{"skip": [{"target": "end", "guard": "$.n > 1", "allow": ["r"]}]}'), 'end', passes => 'review');
SELECT * FROM workorder.prove(jsonb_set(pg_temp.flow('{}'), '{states,work,states,draft,after}', '{"P1D": {"target": "#regress_prove.end"}}'), 'end', passes => 'review');

-- What cannot be asked.
SELECT * FROM workorder.prove('regress_none', 'a', passes => 'b');
SELECT * FROM workorder.prove(pg_temp.flow('{}'), 'end', passes => 'nowhere');
SELECT * FROM workorder.prove(pg_temp.flow('{}'), 'held', passes => 'review');
SELECT * FROM workorder.prove(pg_temp.flow('{}'), 'end', passes => NULL);
