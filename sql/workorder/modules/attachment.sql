-- Files that belong to tickets: bytes once per tenant and digest, and for each
-- ticket that has them a number of its own, under which they are served.

CREATE FUNCTION workorder.attach(relation regclass, ticket_id bigint, content bytea, content_type text,
  filename text DEFAULT '', uuid uuid DEFAULT gen_random_uuid()) RETURNS uuid
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workorder_attach';
COMMENT ON FUNCTION workorder.attach(regclass, bigint, bytea, text, text, uuid) IS
'Stores a file with a ticket and returns the number that workorder.attachments shows it under. Who may is the flow''s: the caller must be able to take its action "attach" on the ticket (workorder.explain()), so a flow without that action takes no files, and a final state none unless the flow has the action there or for all states. The action is not taken, for a file by itself changes nothing of the ticket. Bytes that the tenant has already are not stored again. The type is believed: see image_type(). Raises WO400 for an argument that is null and for a blank type, and for the action what explain() tells: WO403, WO404, WO409; 23505 for a number that is there already.';

CREATE FUNCTION workorder.image_type(content bytea) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
  WHEN substring(content FROM 1 FOR 8) = '\x89504e470d0a1a0a'::bytea THEN 'image/png'
  WHEN substring(content FROM 1 FOR 3) = '\xffd8ff'::bytea THEN 'image/jpeg'
  WHEN substring(content FROM 1 FOR 6) IN ('\x474946383761'::bytea, '\x474946383961'::bytea) THEN 'image/gif'
  WHEN substring(content FROM 1 FOR 4) = '\x52494646'::bytea AND substring(content FROM 9 FOR 4) = '\x57454250'::bytea
    THEN 'image/webp'
END;
COMMENT ON FUNCTION workorder.image_type(bytea) IS
'The media type of an image, by its first bytes: image/png, image/jpeg, image/gif or image/webp; null for anything else, whatever it may be called.';

CREATE FUNCTION workorder.image_extension(content_type text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE content_type WHEN 'image/png' THEN 'png' WHEN 'image/jpeg' THEN 'jpg' WHEN 'image/gif' THEN 'gif'
  WHEN 'image/webp' THEN 'webp' END;
COMMENT ON FUNCTION workorder.image_extension(text) IS
'How the name of a file with such an image ends; null for another type.';

CREATE FUNCTION workorder.decode_base64(given text) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN decode(given, 'base64');
EXCEPTION WHEN invalid_parameter_value THEN
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION workorder.decode_base64(text) IS
'The bytes that base64 stands for, null for text that is not base64.';

CREATE FUNCTION workorder.read_image(given text, OUT content bytea, OUT content_type text)
LANGUAGE plpgsql IMMUTABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- Of a long text only the beginning is looked at.
  said CONSTANT text := substring(left(given, 64) FROM '^data:(image/(?:png|jpeg|gif|webp));base64,');
BEGIN
  IF said IS NOT NULL THEN
    content := workorder.decode_base64(substr(given, length(said) + 14));
  ELSIF octet_length(given) >= 64 THEN
    content := workorder.decode_base64(given);
  END IF;
  content_type := workorder.image_type(content);
  IF content_type IS NULL OR content_type <> said THEN
    content := NULL;
    content_type := NULL;
  END IF;
END
$$;
COMMENT ON FUNCTION workorder.read_image(text) IS
'An image that was sent as text: data:image/png;base64,... (or jpeg, gif, webp), or bare base64 of at least 64 characters. Nulls for anything else, and for bytes that are no such image or another one than was said.';

CREATE FUNCTION workorder.attachment_parts() RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN $ddl$
CREATE TABLE workorder.attachment (
  tenant_id bigint NOT NULL,
  digest bytea NOT NULL CHECK (octet_length(digest) = 32),
  content bytea NOT NULL,
  PRIMARY KEY (tenant_id, digest));
-- Images and archives are compressed already.
ALTER TABLE workorder.attachment ALTER COLUMN content SET STORAGE EXTERNAL;
COMMENT ON TABLE workorder.attachment IS 'Bytes of files, once for each tenant, however many tickets have them. Written by workorder.attach().';
COMMENT ON COLUMN workorder.attachment.tenant_id IS 'Whose file.';
COMMENT ON COLUMN workorder.attachment.digest IS 'SHA-256 of the bytes.';
COMMENT ON COLUMN workorder.attachment.content IS 'The bytes.';

CREATE TABLE workorder.attached (
  tenant_id bigint NOT NULL,
  uuid uuid NOT NULL,
  guarded_id int NOT NULL,
  ticket_id bigint NOT NULL,
  digest bytea NOT NULL,
  size bigint NOT NULL,
  content_type text NOT NULL,
  filename text NOT NULL,
  actor_id bigint,
  at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, uuid));
COMMENT ON TABLE workorder.attached IS 'Which ticket has which file. Written by workorder.attach(), read through workorder.attachments.';
COMMENT ON COLUMN workorder.attached.tenant_id IS 'Whose ticket it is.';
COMMENT ON COLUMN workorder.attached.uuid IS 'What the file is served under; another one for each ticket that has it.';
COMMENT ON COLUMN workorder.attached.guarded_id IS 'The table (workorder.guarded.id).';
COMMENT ON COLUMN workorder.attached.ticket_id IS 'The ticket.';
COMMENT ON COLUMN workorder.attached.digest IS 'The bytes.';
COMMENT ON COLUMN workorder.attached.size IS 'How many.';
COMMENT ON COLUMN workorder.attached.content_type IS 'Media type that it is served with.';
COMMENT ON COLUMN workorder.attached.filename IS 'Name it was sent with, for people; may be empty.';
COMMENT ON COLUMN workorder.attached.actor_id IS 'Who attached it; null for anonymous.';
COMMENT ON COLUMN workorder.attached.at IS 'When.';
ALTER TABLE workorder.attached ADD CONSTRAINT attached_tenant_id_digest_fkey FOREIGN KEY (tenant_id, digest) REFERENCES workorder.attachment (tenant_id, digest);
CREATE INDEX attached_ticket ON workorder.attached (tenant_id, guarded_id, ticket_id);
CREATE INDEX attached_digest ON workorder.attached (tenant_id, digest);

CREATE VIEW workorder.attachments WITH (security_barrier = true) AS
SELECT g.relation, t.ticket_id, t.uuid, t.content_type, t.filename, t.size, t.actor_id, t.at, b.content
FROM workorder.attached t
JOIN workorder.guarded g ON g.id = t.guarded_id
JOIN workorder.attachment b ON b.tenant_id = t.tenant_id AND b.digest = t.digest
WHERE t.tenant_id = workorder.tenant_id() AND workorder.visible(g.relation, t.ticket_id);
COMMENT ON VIEW workorder.attachments IS 'Files of the tickets that the caller may see. Give uuid, or relation and ticket_id.';
$ddl$;
COMMENT ON FUNCTION workorder.attachment_parts() IS
'The tables of files and the view on them, as workorder.parts() reads them.';
