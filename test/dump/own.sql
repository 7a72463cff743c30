-- What users add to such a database: to the tables that are guarded, to those
-- of the engine, and beside them.  Every kind of fact in inventory.sql is here.
SET client_min_messages = warning;

-- Columns, their storage, and what is demanded of them.
ALTER TABLE repair ADD COLUMN gone int, ADD COLUMN added text DEFAULT 'added', ADD COLUMN weight int NOT NULL DEFAULT 5,
  ADD COLUMN name text COLLATE "C", ADD COLUMN term daterange;
ALTER TABLE repair DROP COLUMN gone;
ALTER TABLE repair ALTER COLUMN blob SET STORAGE EXTERNAL, ALTER COLUMN doc SET COMPRESSION pglz, ALTER COLUMN price SET STATISTICS 500,
  ALTER COLUMN tags SET (n_distinct = -0.5);
ALTER TABLE repair SET (fillfactor = 85, autovacuum_enabled = off, toast.autovacuum_enabled = off);
ALTER TABLE repair ADD CONSTRAINT weight_is_real CHECK (weight > 0), ADD CONSTRAINT cheap CHECK (price < 1000) NOT VALID,
  ADD CONSTRAINT one_name UNIQUE (tenant_id, name) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE workorder.actor ADD COLUMN telephone text;
UPDATE workorder.actor SET telephone = format('+49 %s', id);
CREATE INDEX actor_telephone ON workorder.actor (tenant_id, telephone);
CREATE INDEX journal_at ON workorder.journal USING brin (at);
ALTER TABLE workorder.counter REPLICA IDENTITY FULL;

-- Indexes and statistics.
CREATE INDEX repair_price ON repair (price) WHERE price > 100;
CREATE INDEX repair_lower ON repair (lower("Fault text") text_pattern_ops) INCLUDE (mood);
CREATE UNIQUE INDEX repair_clustered ON repair (tenant_id, id DESC);
ALTER TABLE repair CLUSTER ON repair_clustered;
CREATE STATISTICS repair_statistics (ndistinct, mcv) ON price, mood FROM repair;
ALTER STATISTICS repair_statistics SET STATISTICS 200;

-- Triggers: ordinary, disabled, and such as fire where rows are replicated.
CREATE FUNCTION own_trigger() RETURNS trigger LANGUAGE plpgsql SET work_mem = '8MB' AS $$ BEGIN NEW.added := 'by trigger'; RETURN NEW; END $$;
CREATE TRIGGER own_trigger BEFORE UPDATE OF mood ON repair FOR EACH ROW WHEN (NEW.mood IS NULL) EXECUTE FUNCTION own_trigger();
CREATE TRIGGER own_disabled BEFORE INSERT ON repair FOR EACH ROW EXECUTE FUNCTION own_trigger();
ALTER TABLE repair DISABLE TRIGGER own_disabled;
CREATE TABLE note (
  id serial PRIMARY KEY,
  tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(),
  repair_id bigint NOT NULL,
  about text NOT NULL,
  added text,
  FOREIGN KEY (tenant_id, repair_id) REFERENCES repair (tenant_id, id) ON DELETE CASCADE);
CREATE TRIGGER always BEFORE UPDATE ON note FOR EACH ROW EXECUTE FUNCTION own_trigger();
ALTER TABLE note ENABLE ALWAYS TRIGGER always;
CREATE TRIGGER replica BEFORE UPDATE ON note FOR EACH ROW EXECUTE FUNCTION own_trigger();
ALTER TABLE note ENABLE REPLICA TRIGGER replica;
CREATE TABLE long_note (more text) INHERITS (note);
ALTER TABLE note REPLICA IDENTITY USING INDEX note_pkey;
INSERT INTO note (repair_id, about) SELECT n, format('about %s', n) FROM generate_series(1, 500) n;
INSERT INTO long_note (repair_id, about, more) SELECT n, 'long', repeat('故障 ', 5000) FROM generate_series(1, 3) n;
CREATE RULE no_delete AS ON DELETE TO long_note DO INSTEAD NOTHING;

-- Policies, views, comments.
CREATE POLICY own_policy ON repair AS RESTRICTIVE FOR SELECT USING (price IS NULL OR price < 1000000);
CREATE POLICY own_for_one ON repair FOR SELECT TO dump_web USING (weight = 5);
CREATE VIEW open_repair WITH (security_invoker = true, security_barrier = true) AS
SELECT r.*, a.name AS creator FROM repair r LEFT JOIN workorder.actor a ON a.tenant_id = r.tenant_id AND a.id = r.creator_id
WHERE r.state LIKE 'open.%' AND r.tenant_id = workorder.tenant_id();
CREATE VIEW cheap_repair AS SELECT id, price FROM repair WHERE price < 10 WITH CASCADED CHECK OPTION;
CREATE MATERIALIZED VIEW repair_by_state AS SELECT state, count(*) AS n, max(entered_at) AS latest FROM repair GROUP BY state;
CREATE UNIQUE INDEX repair_by_state_key ON repair_by_state (state);
COMMENT ON TABLE repair IS 'What is being repaired; 故障.';
COMMENT ON COLUMN repair.added IS 'Not the engine''s';
COMMENT ON POLICY own_policy ON repair IS 'Of the user';
COMMENT ON TRIGGER own_trigger ON repair IS 'Of the user';
COMMENT ON INDEX repair_price IS 'Of the user';
COMMENT ON CONSTRAINT weight_is_real ON repair IS 'Of the user';
COMMENT ON VIEW open_repair IS 'Of the user';
COMMENT ON COLUMN workorder.actor.telephone IS 'Of the user';
CREATE TYPE span AS RANGE (subtype = numeric);
CREATE FUNCTION price_of(id bigint) RETURNS euro LANGUAGE sql STABLE BEGIN ATOMIC SELECT r.price FROM public.repair r WHERE r.id = price_of.id LIMIT 1; END;
CREATE AGGREGATE most (text) (sfunc = textcat, stype = text);
CREATE PROCEDURE nothing() LANGUAGE plpgsql AS $$ BEGIN END $$;

-- A partitioned table, guarded, with a partition that is partitioned itself.
CREATE TABLE visit (
  tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(),
  id bigint,
  place text,
  PRIMARY KEY (tenant_id, id)) PARTITION BY RANGE (id);
CREATE TABLE visit_1 PARTITION OF visit FOR VALUES FROM (1) TO (1000);
CREATE TABLE visit_2 PARTITION OF visit FOR VALUES FROM (1000) TO (2000) PARTITION BY HASH (tenant_id);
CREATE TABLE visit_2_0 PARTITION OF visit_2 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE visit_2_1 PARTITION OF visit_2 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE visit_rest PARTITION OF visit DEFAULT;
CREATE INDEX visit_place ON visit (place);
SELECT workorder.guard('visit', 'order');
INSERT INTO visit (id, place) SELECT n, format('place %s', n) FROM generate_series(900, 2100) n;
UPDATE visit SET action = 'pay' WHERE id % 3 = 0;

-- Another tenant, and who may do what.
INSERT INTO workorder.tenant (id, name) VALUES (2, 'the other one');
SET workorder.tenant = 2;
SELECT workorder.enrol(format('clerk%s', n), format('Other clerk %s', n), '{clerk}') FROM generate_series(1, 3) n;
SET workorder.actor = 'clerk1';
INSERT INTO repair ("Fault text", price) SELECT format('of the other tenant %s', n), n FROM generate_series(1, 100) n;
INSERT INTO visit (id, place) SELECT n, 'elsewhere' FROM generate_series(1500, 1510) n;
SELECT count(workorder.act('repair', id, 'submit')) FROM repair WHERE tenant_id = 2 AND id % 2 = 0;
RESET workorder.actor;
RESET workorder.tenant;

-- A column and a label that were renamed and a type that was altered: verify()
-- and as_of() read entries from before by what altered() has told the journal.
ALTER TABLE visit ALTER COLUMN place TYPE varchar(100);
ALTER TABLE visit RENAME COLUMN place TO spot;
ALTER TYPE mood RENAME VALUE 'calm' TO 'composed';
SELECT workorder.altered('visit', '{"place": "spot"}'), workorder.altered('repair', labels => '{"mood": {"calm": "composed"}}');
UPDATE visit SET action = 'pay' WHERE id % 31 = 1 AND state = 'new';
SELECT workorder.grant_access('dump_web');
GRANT USAGE ON SCHEMA "Own schema" TO dump_web;
GRANT SELECT (id, about), UPDATE (about) ON note TO dump_web;
GRANT SELECT, INSERT ON note TO dump_owner WITH GRANT OPTION;
GRANT USAGE ON SEQUENCE note_id_seq TO dump_web;
GRANT USAGE ON TYPE mood TO dump_web;
REVOKE USAGE ON TYPE euro FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION price_of(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION price_of(bigint), workorder.verify(regclass, bigint) TO dump_owner;
ALTER TABLE note OWNER TO dump_owner;
ALTER DEFAULT PRIVILEGES IN SCHEMA "Own schema" GRANT SELECT ON TABLES TO dump_web;
ALTER ROLE dump_web SET statement_timeout = '15s';
GRANT SET ON PARAMETER workorder.actor TO dump_owner;
SELECT format('ALTER DATABASE %I SET workorder.durable = off', current_database()) \gexec
SELECT format('ALTER ROLE dump_web IN DATABASE %I SET search_path = public, workorder', current_database()) \gexec
SELECT format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO dump_web WITH GRANT OPTION', current_database()) \gexec
SELECT format('COMMENT ON DATABASE %I IS %L', current_database(), 'Of the user') \gexec

CREATE PUBLICATION own_publication FOR TABLE repair, workorder.journal;
CREATE FUNCTION own_event() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM 1; END $$;
CREATE EVENT TRIGGER own_event ON ddl_command_end WHEN TAG IN ('CREATE SEQUENCE') EXECUTE FUNCTION own_event();
ALTER EVENT TRIGGER own_event DISABLE;
REFRESH MATERIALIZED VIEW repair_by_state;
