-- A database that has been worked in: two guarded tables with :tickets tickets
-- (3,000 or more, and 2,250 others) and several thousand acts, and values that
-- a careless dump would lose.
SET client_min_messages = warning;
CREATE EXTENSION workorder CASCADE;
SELECT workorder.install();

SELECT workorder.enrol(format('clerk%s', n), format('Clerk %s', n), '{clerk}') FROM generate_series(1, 20) n;
SELECT workorder.enrol(format('boss%s', n), format('Boss "%s" \ 主任', n), '{boss}') FROM generate_series(1, 3) n;
SELECT workorder.set_password('boss1', 'correct horse battery');
INSERT INTO workorder.dictionary (system, kind, code, label) SELECT 'dump', 'fault', n::text, format('fault %s', n) FROM generate_series(1, 50) n;
SELECT workorder.next_number('orders') FROM generate_series(1, 7) n;

SELECT workorder.publish($${
  "id": "repair", "roles": ["clerk", "boss"], "initial": "open",
  "on": {
    "create": {"allow": "*"}, "view": {"allow": "*"}, "update": {"allow": ["clerk", "boss"]}, "delete": {"allow": ["boss"]},
    "comment": {"allow": "*", "require": ["note"]}, "reply": {"allow": "*"}},
  "states": {
    "open": {
      "initial": "draft",
      "on": {"hold": {"target": "held", "allow": ["clerk", "boss"], "require": ["note"]}},
      "states": {
        "draft": {"on": {"submit": {"target": "review", "allow": ["clerk"], "fields": ["*"]}}},
        "review": {
          "on": {
            "approve": {"target": "#repair.done", "allow": ["boss"], "quorum": 2, "set": {"done_at": "$now"}},
            "reject": {"target": "draft", "allow": ["boss"], "require": ["note"]}},
          "after": {"P3D": {"target": "#repair.expired"}}},
        "last": {"type": "history"}}},
    "held": {"on": {"resume": {"target": "open.last", "allow": ["clerk", "boss"]}}},
    "done": {"type": "final"}, "expired": {"type": "final"}}}$$);
CREATE TYPE mood AS ENUM ('calm', 'cross');
CREATE DOMAIN euro AS numeric(10, 2) CHECK (value >= 0);
CREATE TABLE repair (
  tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(),
  id bigint GENERATED ALWAYS AS IDENTITY,
  "Fault text" text,
  price euro,
  mood mood,
  done_at timestamptz,
  tags text[],
  doc jsonb,
  raw json,
  blob bytea,
  length int GENERATED ALWAYS AS (length("Fault text")) STORED,
  PRIMARY KEY (tenant_id, id));
SELECT workorder.guard('repair', 'repair');
CREATE INDEX repair_search ON repair USING gin ("Fault text" workorder.bigram_ops);
SELECT workorder.count_rows('repair');

CREATE SCHEMA "Own schema";
SELECT workorder.publish('{"id": "order", "initial": "new",
  "on": {"create": {"allow": "*"}, "view": {"allow": "*"}, "update": {"allow": "*"}},
  "states": {"new": {"on": {"pay": {"target": "paid", "allow": "*"}}}, "paid": {"type": "final"}}}');
CREATE TABLE "Own schema"."order" (
  tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(),
  nr int,
  stage text,
  amount int,
  PRIMARY KEY (tenant_id, nr));
INSERT INTO "Own schema"."order" (nr, stage, amount) SELECT n, 'unpaid', n FROM generate_series(1, 2000) n;
SELECT workorder.guard('"Own schema"."order"', 'order', '{"state": "stage", "note": "remark"}', '{"*": "new"}');

SET workorder.actor = 'clerk1';
INSERT INTO repair ("Fault text", price, mood, tags, doc, raw, blob)
SELECT format(E'fault %s\ttab, "quote", \\ and 故障', n), n % 1000 * 1.10, CASE n % 3 WHEN 0 THEN 'calm' WHEN 1 THEN 'cross' END::mood,
  CASE WHEN n % 2 = 0 THEN ARRAY['a', NULL, ''] END, CASE n % 4 WHEN 0 THEN 'null' WHEN 1 THEN '{"k": [1, 2.50]}' END::jsonb,
  CASE WHEN n % 5 = 0 THEN '{"b":1,  "a":2}' END::json, CASE WHEN n % 7 = 0 THEN decode(md5(n::text), 'hex') END
FROM generate_series(1, :tickets) n;
-- From here on tickets start on a second version; those of the first stay on it.
SELECT workorder.publish((SELECT jsonb_set(definition, '{description}', '"second version"') FROM workorder.flow WHERE name = 'repair'));
INSERT INTO repair ("Fault text", price) SELECT 'of the second version', n FROM generate_series(1, 200) n;

-- Acts: by statement, one by one, votes, deletes, and the row that was there.
UPDATE repair SET action = 'submit', price = price + 1 WHERE id <= 3000;
UPDATE repair SET action = 'hold', note = E'waiting for a part\n第二行' WHERE id BETWEEN 1 AND 500;
UPDATE repair SET action = 'resume' WHERE id BETWEEN 1 AND 300;
UPDATE repair SET mood = NULL, doc = NULL, tags = '{}' WHERE id BETWEEN 301 AND 400;
SELECT count(workorder.act('repair', n, 'comment', format('remark %s', n))) FROM generate_series(1000, 1400) n;
SELECT count(workorder.add_reply('repair', n, format(E'reply %s\n回复', n), CASE WHEN n % 2 = 0 THEN '{"image": []}'::jsonb END)) FROM generate_series(1000, 1100) n;
SET workorder.actor = 'boss1';
UPDATE repair SET action = 'approve' WHERE id BETWEEN 600 AND 1500;
SET workorder.actor = 'boss2';
UPDATE repair SET action = 'approve' WHERE id BETWEEN 600 AND 1200;
UPDATE repair SET action = 'reject', note = 'no' WHERE id BETWEEN 1600 AND 1700;
DELETE FROM repair WHERE id BETWEEN 2900 AND 2950;
UPDATE "Own schema"."order" SET action = 'pay', remark = 'cash' WHERE nr <= 700;
INSERT INTO "Own schema"."order" (nr, amount) VALUES (5000, 1);
RESET workorder.actor;

-- What is loaded with a history from elsewhere.
INSERT INTO repair ("Fault text", revision, state, created_at, updated_at, last_action)
OVERRIDING USER VALUE SELECT 'imported', 0, 'held', '2020-01-01', '2020-02-02', 'comment' FROM generate_series(1, 50) n;
SELECT workorder.import_replies('repair', '[{"ticket_id": 1, "at": "2020-01-01", "content": "from elsewhere", "id": 500}]');
SELECT workorder.grant_access('dump_web');
