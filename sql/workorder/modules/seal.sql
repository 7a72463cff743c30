-- Seals: what the journal was at a time, in one line of text that is kept
-- elsewhere.  The chain of a ticket tells that an entry of it was changed, but
-- not that its end was cut off, that it is gone as a whole, or that all its
-- digests were computed anew by somebody who may do everything here.  A seal
-- tells all three.  It also holds the versions of flows, of which no journal
-- tells: who may do what is written in them.
--
-- workorder.sealed says how far each chain went, workorder.seal binds those
-- rows of each seal, and the seal before, in one digest.  Neither needs to be
-- trusted: the digest that was kept elsewhere vouches for both.

CREATE FUNCTION workorder.seal_parts() RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN $ddl$
CREATE TABLE workorder.seal (
  tenant_id bigint NOT NULL,
  number int NOT NULL,
  at timestamptz NOT NULL,
  chains bigint NOT NULL,
  digest bytea NOT NULL,
  PRIMARY KEY (tenant_id, number));
COMMENT ON TABLE workorder.seal IS 'Seals of the journal, made by seal(). Only the owner reads them.';
COMMENT ON COLUMN workorder.seal.tenant_id IS 'Whose journal.';
COMMENT ON COLUMN workorder.seal.number IS 'From 1, without a gap.';
COMMENT ON COLUMN workorder.seal.at IS 'When it was made.';
COMMENT ON COLUMN workorder.seal.chains IS 'How many chains had grown since the seal before.';
COMMENT ON COLUMN workorder.seal.digest IS 'SHA-256 over the seal before, this row and its rows of workorder.sealed.';

CREATE TABLE workorder.sealed (
  tenant_id bigint NOT NULL,
  number int NOT NULL,
  guarded_id int NOT NULL,
  ticket_id bigint NOT NULL,
  revision int NOT NULL,
  digest bytea NOT NULL,
  PRIMARY KEY (tenant_id, guarded_id, ticket_id, revision));
COMMENT ON TABLE workorder.sealed IS 'How far the chains of the journal went that had grown when a seal was made: the last entry of each; and the versions of flows that were new. Only the owner reads it.';
COMMENT ON COLUMN workorder.sealed.tenant_id IS 'Whose seal.';
COMMENT ON COLUMN workorder.sealed.number IS 'The seal.';
COMMENT ON COLUMN workorder.sealed.guarded_id IS 'Table, as in the journal; -1 for a version of a flow.';
COMMENT ON COLUMN workorder.sealed.ticket_id IS 'Number of the ticket; of a flow, its id.';
COMMENT ON COLUMN workorder.sealed.revision IS 'Its last entry; of a flow, the version.';
COMMENT ON COLUMN workorder.sealed.digest IS 'The digest of that entry; of a flow, SHA-256 over the text of its definition.';
$ddl$;
COMMENT ON FUNCTION workorder.seal_parts() IS
'The tables of the seals, as workorder.parts() reads them.';

CREATE FUNCTION workorder.seal_digest(tenant_id bigint, number int, at timestamptz, chains bigint, previous bytea) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT sha256(coalesce(previous, '\x') || int8send(seal_digest.tenant_id) || int4send(seal_digest.number)
    || int8send((extract(epoch FROM at - '2000-01-01 00:00+00') * 1000000)::bigint) || int8send(chains)
    || coalesce(string_agg(b.digest, NULL ORDER BY b.guarded_id, b.bucket), '\x'))
  FROM (
    -- in two steps, since one value holds no more than a gigabyte
    SELECT s.guarded_id, s.ticket_id >> 16 AS bucket,
      sha256(string_agg(int4send(s.guarded_id) || int8send(s.ticket_id) || int4send(s.revision) || s.digest, NULL
        ORDER BY s.ticket_id, s.revision)) AS digest
    FROM workorder.sealed s
    WHERE s.tenant_id = seal_digest.tenant_id AND s.number = seal_digest.number
    GROUP BY 1, 2) b
$$;
COMMENT ON FUNCTION workorder.seal_digest(bigint, int, timestamptz, bigint, bytea) IS
'The digest of a seal: SHA-256 over the digest of the seal before (nothing for the first), tenant, number, time in microseconds since 2000 and number of chains as big-endian integers, and one SHA-256 for each table and 65,536 ticket numbers, over relation, ticket, revision and digest of each row of workorder.sealed in the order of its key. The form is part of what is kept elsewhere: it cannot change.';

CREATE FUNCTION workorder.seal() RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  tenant CONSTANT bigint := workorder.tenant_id();
  made workorder.seal;
  last workorder.seal;
BEGIN
  -- one after the other; nobody who acts waits for this
  LOCK TABLE workorder.seal IN SHARE ROW EXCLUSIVE MODE;
  SELECT * INTO last FROM workorder.seal s WHERE s.tenant_id = tenant ORDER BY s.number DESC LIMIT 1;
  made.tenant_id := tenant;
  made.number := coalesce(last.number, 0) + 1;
  made.at := clock_timestamp();
  INSERT INTO workorder.sealed (tenant_id, number, guarded_id, ticket_id, revision, digest)
  SELECT tenant, made.number, j.guarded_id, j.ticket_id, j.revision, j.digest
  FROM (SELECT DISTINCT ON (l.guarded_id, l.ticket_id) l.guarded_id, l.ticket_id, l.revision, l.digest
    FROM workorder.journal l WHERE l.tenant_id = tenant ORDER BY l.guarded_id, l.ticket_id, l.revision DESC) j
  WHERE NOT EXISTS (SELECT FROM workorder.sealed s
    WHERE s.tenant_id = tenant AND s.guarded_id = j.guarded_id AND s.ticket_id = j.ticket_id AND s.revision >= j.revision);
  GET DIAGNOSTICS made.chains = ROW_COUNT;
  INSERT INTO workorder.sealed (tenant_id, number, guarded_id, ticket_id, revision, digest)
  SELECT tenant, made.number, -1, f.id, f.version, sha256(convert_to(f.definition::text, 'UTF8'))
  FROM workorder.flow f
  WHERE f.life <> 'draft' AND NOT EXISTS (SELECT FROM workorder.sealed s
    WHERE s.tenant_id = tenant AND s.guarded_id = -1 AND s.ticket_id = f.id AND s.revision = f.version);
  made.digest := workorder.seal_digest(tenant, made.number, made.at, made.chains, last.digest);
  INSERT INTO workorder.seal VALUES (made.*);
  RETURN format('%s.%s.%s', tenant, made.number, encode(made.digest, 'hex'));
END
$$;
COMMENT ON FUNCTION workorder.seal() IS
'Seals every entry that the journal of the current tenant holds, and every version of a flow that was published, and returns the seal: tenant, number and digest, one line of text. Keep it where whoever may change this database may not change it (another server, a mail, paper), and give it to verify_seal() one day. It costs a pass over the journal and one row for each ticket with new entries; who acts meanwhile does not wait, and what they do is in the next seal. Needs to own the engine''s tables.';

CREATE FUNCTION workorder.framed(value text) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce('\x01'::bytea || int4send(octet_length(convert_to(value, 'UTF8'))) || convert_to(value, 'UTF8'), '\x00');
COMMENT ON FUNCTION workorder.framed(text) IS
'A text as the digest of a journal entry takes it: a byte that says whether it is there, its length in UTF-8 in four bytes, and itself.';

CREATE FUNCTION workorder.verify_seal(seal text)
RETURNS TABLE (relation regclass, ticket_id bigint, revision int, code text, message text)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  part CONSTANT text[] := regexp_match(btrim(seal, E' \t\r\n'), '^([0-9]{1,18})\.([0-9]{1,9})\.([0-9a-f]{64})$');
  sealed_tenant bigint;
  sealed_number int;
  kept workorder.seal;
  previous bytea;
  expected int := 1;
BEGIN
  IF part IS NULL THEN
    PERFORM workorder.refuse('WO400', 'not a seal', 'A seal is a tenant, a number and 64 hexadecimal digits, with points between them.',
      'Give the whole text that workorder.seal() returned.');
  END IF;
  sealed_tenant := part[1]::bigint;
  sealed_number := part[2]::int;

  -- the seals themselves
  FOR kept IN SELECT * FROM workorder.seal s WHERE s.tenant_id = sealed_tenant AND s.number <= sealed_number ORDER BY s.number LOOP
    EXIT WHEN kept.number <> expected;
    IF kept.digest IS DISTINCT FROM workorder.seal_digest(sealed_tenant, kept.number, kept.at, kept.chains, previous) THEN
      RETURN QUERY SELECT NULL::regclass, NULL::bigint, NULL::int, 'seal',
        format('seal %s of tenant %s is not what was sealed', kept.number, sealed_tenant);
    END IF;
    previous := kept.digest;
    expected := expected + 1;
  END LOOP;
  IF expected <> sealed_number + 1 THEN
    RETURN QUERY SELECT NULL::regclass, NULL::bigint, NULL::int, 'seal_missing',
      format('seal %s of tenant %s is missing', expected, sealed_tenant);
  ELSIF previous IS DISTINCT FROM decode(part[3], 'hex') THEN
    RETURN QUERY SELECT NULL::regclass, NULL::bigint, NULL::int, 'seal',
      format('seal %s of tenant %s is another one than the seal given', sealed_number, sealed_tenant);
  END IF;

  -- what they sealed
  RETURN QUERY
  SELECT g.relation, s.ticket_id, s.revision,
    CASE WHEN j.digest IS NULL THEN 'entry_missing' ELSE 'entry_changed' END,
    CASE WHEN j.digest IS NULL THEN 'the entry was there when it was sealed' ELSE 'the entry, or one before it, is another one than was sealed' END
  FROM workorder.sealed s
  LEFT JOIN workorder.journal j ON j.tenant_id = s.tenant_id AND j.guarded_id = s.guarded_id AND j.ticket_id = s.ticket_id
    AND j.revision = s.revision
  LEFT JOIN workorder.guarded g ON g.id = s.guarded_id
  WHERE s.tenant_id = sealed_tenant AND s.number <= sealed_number AND s.guarded_id >= 0 AND j.digest IS DISTINCT FROM s.digest
  ORDER BY s.guarded_id, s.ticket_id, s.revision;
  RETURN QUERY
  SELECT 'workorder.flow'::regclass, s.ticket_id, s.revision, CASE WHEN f.id IS NULL THEN 'flow_missing' ELSE 'flow_changed' END,
    format(CASE WHEN f.id IS NULL THEN 'version %s of the flow with id %s was there when it was sealed'
      ELSE 'version %s of the flow with id %s is another one than was sealed' END, s.revision, s.ticket_id)
  FROM workorder.sealed s
  LEFT JOIN workorder.flow f ON f.id = s.ticket_id AND f.version = s.revision
  WHERE s.tenant_id = sealed_tenant AND s.number <= sealed_number AND s.guarded_id = -1
    AND s.digest IS DISTINCT FROM sha256(convert_to(f.definition::text, 'UTF8'))
  ORDER BY s.ticket_id;

  -- and every entry up to there, told by its own digest
  RETURN QUERY
  SELECT g.relation, j.ticket_id, j.revision, 'digest', 'the entry is not what was written, or one before it is missing'
  FROM (
    SELECT l.*, lag(l.digest) OVER (PARTITION BY l.guarded_id, l.ticket_id ORDER BY l.revision) AS previous
    FROM workorder.journal l WHERE l.tenant_id = sealed_tenant) j
  JOIN (
    SELECT s.guarded_id, s.ticket_id, max(s.revision) AS revision
    FROM workorder.sealed s WHERE s.tenant_id = sealed_tenant AND s.number <= sealed_number GROUP BY 1, 2) s
    ON s.guarded_id = j.guarded_id AND s.ticket_id = j.ticket_id AND s.revision >= j.revision
  LEFT JOIN workorder.guarded g ON g.id = j.guarded_id
  WHERE j.digest <> sha256(CASE WHEN j.key IS NULL THEN '\x01'::bytea ELSE '\x02' END || coalesce(j.previous, decode(repeat('00', 32), 'hex'))
    || int8send(j.tenant_id) || int4send(j.guarded_id) || int8send(j.ticket_id) || int4send(j.revision)
    || int8send((extract(epoch FROM j.at - '2000-01-01 00:00+00') * 1000000)::bigint)
    || coalesce('\x01' || int8send(j.actor_id), '\x00') || coalesce('\x01' || int8send(j.for_actor), '\x00')
    || workorder.framed(j.action) || workorder.framed(j.from_state) || workorder.framed(j.to_state)
    || CASE WHEN j.key IS NULL THEN '' ELSE workorder.framed(j.key) END
    || sha256(coalesce('\x01'::bytea || int4send(octet_length(j.salt)) || j.salt, '\x00')
      || workorder.framed(j.note) || workorder.framed(j.changes::text)))
  ORDER BY j.guarded_id, j.ticket_id, j.revision;
END
$$;
COMMENT ON FUNCTION workorder.verify_seal(text) IS
'Whether the journal still holds every entry that it held when this seal was made, word for word; no row means that it does, and that nothing was put between them. Otherwise: seal_missing, seal (the record of the seals was changed, or this is not one of them), entry_missing, entry_changed (ticket and revision tell which), flow_missing, flow_changed (a version of a flow, its id as the ticket), digest (an entry that does not fit its digest). Verify the newest seal: it vouches for those before. Raises WO400 for what is no seal. Needs to own the engine''s tables.';
