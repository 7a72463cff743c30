-- Events: what has happened, for those who listen.
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE DATABASE regress_workorder_outbox TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
ALTER DATABASE regress_workorder_outbox SET lc_messages = 'C';
\c regress_workorder_outbox
SET client_min_messages = warning;
CREATE EXTENSION workorder CASCADE;
SELECT workorder.install();
SELECT workorder.enrol('ann', 'Ann', '{clerk}');
SELECT workorder.publish('{"id": "slip", "roles": ["clerk"], "initial": "open",
  "on": {"create": {"allow": "*"}, "view": {"allow": ["clerk"]}, "update": {"allow": "*"}, "delete": {"allow": "*"}, "comment": {"allow": "*"}},
  "states": {"open": {"on": {"close": {"target": "shut", "allow": "*"}}}, "shut": {"on": {"open": {"target": "open", "allow": "*"}}}}}');
CREATE TABLE slip (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint, what text, PRIMARY KEY (tenant_id, id));
CREATE TABLE other (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint, what text, PRIMARY KEY (tenant_id, id));
SELECT workorder.guard('slip', 'slip');
SELECT workorder.guard('other', 'slip');
SET workorder.actor = 'ann';
CREATE VIEW waiting AS SELECT ticket_id, revision FROM workorder.outbox ORDER BY 1, 2;
CREATE FUNCTION heard(consumer text, max int DEFAULT 1000)
RETURNS TABLE (n bigint, relation regclass, ticket_id bigint, revision int, action text, from_state text, to_state text, note text, changes jsonb)
LANGUAGE sql AS $$
  SELECT e.number, e.relation, e.ticket_id, e.revision, e.action, e.from_state, e.to_state, e.note, e.changes - 'created_at' FROM workorder.events(heard.consumer, heard.max) e
$$;

-- Nothing is published unasked.
INSERT INTO slip (id) VALUES (1);
SELECT * FROM waiting;
SELECT workorder.publish_events('slip');
SELECT workorder.publish_events('slip');
SELECT relation, published FROM workorder.guarded ORDER BY 1;

-- From then on everything that is journalled is, and nothing else.
INSERT INTO slip (id, what) VALUES (2, 'two'), (3, 'three');
UPDATE slip SET action = 'close', note = 'enough' WHERE id < 3;
UPDATE slip SET what = what;
UPDATE slip SET what = 'drei' WHERE id = 3;
DELETE FROM slip WHERE id = 2;
INSERT INTO other (id) VALUES (1);
RESET workorder.actor;
INSERT INTO slip (id, revision, state) VALUES (9, 5, 'open');
SELECT * FROM waiting;
-- An action on a row that was brought in opens its history by an entry that is no event.
UPDATE slip SET action = 'comment' WHERE id = 9;
SELECT * FROM waiting WHERE ticket_id = 9;
-- What is undone was never said.
BEGIN;
UPDATE slip SET action = 'comment' WHERE id = 1;
SAVEPOINT a;
UPDATE slip SET action = 'open' WHERE id = 1;
ROLLBACK TO a;
UPDATE slip SET action = 'comment', note = 'kept' WHERE id = 1;
COMMIT;
DO $$
BEGIN
  INSERT INTO slip (id) VALUES (77);
  RAISE EXCEPTION 'undone';
EXCEPTION WHEN raise_exception THEN NULL;
END
$$;
-- in the middle of a statement, too
CREATE FUNCTION stumble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'stumbled'; END $$;
CREATE TRIGGER stumble AFTER INSERT ON slip FOR EACH ROW WHEN (NEW.id = 79) EXECUTE FUNCTION stumble();
DO $$
BEGIN
  INSERT INTO slip (id) VALUES (78), (79);
EXCEPTION WHEN raise_exception THEN NULL;
END
$$;
DROP TRIGGER stumble ON slip;
SELECT * FROM waiting WHERE ticket_id IN (1, 77, 78, 79);

-- Consumers.  The first to come gets what is said from now on, or what is kept.
SELECT workorder.subscribe('mailer', 0) = 0 AS from_the_start;
SELECT workorder.subscribe('late') > 0 AS from_now_on;
SELECT * FROM heard('mailer', 3);
SELECT n, ticket_id, revision FROM heard('mailer') ORDER BY n;
SELECT * FROM heard('late');
SELECT * FROM waiting;
SELECT count(*) FROM workorder.events('mailer');
SELECT workorder.acknowledge('mailer', 3);
SELECT n, ticket_id, revision FROM heard('mailer', 1);
-- never back
SELECT workorder.acknowledge('mailer', 1);
SELECT n, ticket_id, revision FROM heard('mailer', 1);
UPDATE slip SET action = 'comment' WHERE id = 3;
SELECT ticket_id, action FROM heard('late');
-- unless it asks for it
SELECT workorder.subscribe('mailer');
SELECT workorder.subscribe('mailer', 2);
SELECT n, ticket_id, revision FROM heard('mailer', 1);
-- Within a transaction one's own are heard, too, and a rollback gives them back.
BEGIN;
UPDATE slip SET action = 'comment', note = 'own' WHERE id = 3;
SELECT ticket_id, note FROM heard('late');
SELECT workorder.acknowledge('late', (SELECT max(number) FROM workorder.events('late')));
SELECT count(*) FROM heard('late');
ROLLBACK;
SELECT ticket_id, note FROM heard('late');

-- The revisions of a ticket come in their order, even if the clock went back.
SET workorder.now = '2030-01-01 12:00:00+00';
UPDATE slip SET action = 'comment', note = 'noon' WHERE id = 3;
SET workorder.now = '2030-01-01 11:00:00+00';
UPDATE slip SET action = 'comment', note = 'eleven' WHERE id = 3;
UPDATE slip SET action = 'comment', note = 'eleven, another' WHERE id = 1;
SET workorder.maintenance = on;
UPDATE slip SET what = 'repaired' WHERE id = 3;
RESET workorder.maintenance;
RESET workorder.now;
SELECT ticket_id, revision, action, note FROM heard('late');

-- Each tenant has its own.
INSERT INTO workorder.tenant VALUES (2, 'another');
SET workorder.tenant = 2;
SELECT * FROM workorder.events('late');
SELECT workorder.subscribe('late');
INSERT INTO slip (id) VALUES (1);
SELECT ticket_id, action FROM heard('late');
SET workorder.tenant = 3;
SELECT workorder.subscribe('late');
RESET workorder.tenant;

-- Whoever may call it needs nothing else.
CREATE ROLE regress_outbox_consumer;
SET ROLE regress_outbox_consumer;
SELECT * FROM workorder.events('late');
RESET ROLE;
GRANT USAGE ON SCHEMA workorder TO regress_outbox_consumer;
GRANT EXECUTE ON FUNCTION workorder.events(text, int), workorder.acknowledge(text, bigint), workorder.subscribe(text, bigint) TO regress_outbox_consumer;
SET ROLE regress_outbox_consumer;
SELECT count(*) FROM workorder.events('late');
SELECT workorder.subscribe('own') > 0 AS subscribed;
SELECT workorder.acknowledge('own', 5);
TABLE workorder.outbox;
TABLE workorder.event;
SELECT workorder.unsubscribe('own');
SELECT workorder.forget_events();
RESET ROLE;

-- What makes no sense.
SELECT * FROM workorder.events('nobody');
SELECT * FROM workorder.events(NULL);
SELECT * FROM workorder.events('late', 0);
SELECT workorder.acknowledge('nobody', 1);
SELECT workorder.acknowledge('late', 999999);
SELECT workorder.acknowledge('late', NULL);
SELECT workorder.subscribe('');
SELECT workorder.subscribe('late', -1);
SELECT workorder.publish_events('waiting');
SELECT workorder.publish_events('slip', NULL);
BEGIN READ ONLY;
SELECT * FROM workorder.events('late');
ROLLBACK;

-- Forgetting: what everybody has dealt with, and what nobody waits for.
SELECT count(*) AS kept FROM workorder.event WHERE tenant_id = 1;
SELECT workorder.forget_events();
SELECT workorder.forget_events('-10 years');
SELECT min(number) FROM workorder.event WHERE tenant_id = 1;
SELECT workorder.unsubscribe('mailer'), workorder.unsubscribe('mailer'), workorder.unsubscribe('own');
SELECT workorder.acknowledge('late', (SELECT max(number) FROM workorder.events('late')));
SELECT workorder.forget_events('-10 years') > 0 AS forgotten;
SELECT count(*) FROM workorder.event WHERE tenant_id = 1;
SELECT count(*) FROM workorder.events('late');
SELECT workorder.unsubscribe('late');
UPDATE slip SET action = 'comment' WHERE tenant_id = 1 AND id = 3;
SELECT workorder.forget_events('-10 years');
SELECT * FROM workorder.outbox;
-- a number once given is not given again
SELECT workorder.subscribe('again') AS since;
UPDATE slip SET action = 'comment' WHERE tenant_id = 1 AND id = 3;
SELECT n > 15 AS later, ticket_id FROM heard('again');

-- A table is counted and heard, and may stop to be either.
SELECT workorder.count_rows('slip');
UPDATE slip SET action = 'open' WHERE tenant_id = 1 AND id = 1;
SELECT workorder.total('slip', '{open}'), (SELECT count(*) FROM slip WHERE tenant_id = 1 AND state = 'open'), (SELECT count(*) FROM waiting);
SELECT workorder.count_rows('slip', false);
UPDATE slip SET action = 'close' WHERE tenant_id = 1 AND id = 1;
SELECT count(*) FROM waiting;
SELECT workorder.publish_events('slip', false);
UPDATE slip SET action = 'open' WHERE tenant_id = 1 AND id = 1;
SELECT count(*) FROM waiting;
SELECT workorder.publish_events('slip');
SELECT workorder.unguard('slip');
SELECT published FROM workorder.guarded WHERE relation = 'slip'::regclass;

-- Partitions: a row that is written past its parent is heard, too.
CREATE TABLE parted (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint, PRIMARY KEY (tenant_id, id)) PARTITION BY HASH (tenant_id, id);
CREATE TABLE part PARTITION OF parted FOR VALUES WITH (MODULUS 1, REMAINDER 0);
SELECT workorder.guard('parted', 'slip');
SELECT workorder.publish_events('parted');
DELETE FROM workorder.outbox;
INSERT INTO parted (id) VALUES (1);
UPDATE part SET action = 'close' WHERE id = 1;
SELECT * FROM waiting;


\c postgres
SET client_min_messages = warning;
DROP DATABASE regress_workorder_outbox;
DROP ROLE regress_outbox_consumer;
