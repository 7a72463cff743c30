-- ---------------------------------------------------------------------------
-- Images: what a client sends, what a ticket holds, what a client gets.
-- A ticket holds addresses as they were given, and of an image that was
-- uploaded its name, <uuid>.<ext>; the address of that is made when it is shown.
-- ---------------------------------------------------------------------------

CREATE TYPE dispatch.image AS (name text, url text, content bytea, content_type text);
COMMENT ON TYPE dispatch.image IS 'An image that a client has sent.';
COMMENT ON COLUMN dispatch.image.name IS 'Name of a file of ours: a new one, or one that the address names.';
COMMENT ON COLUMN dispatch.image.url IS 'The address, if one was sent.';
COMMENT ON COLUMN dispatch.image.content IS 'The bytes, if they were sent.';
COMMENT ON COLUMN dispatch.image.content_type IS 'What the bytes are.';

CREATE FUNCTION dispatch.image_base_url() RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN rtrim(workorder.setting('dispatch', 'image_base_url', coalesce(workorder.http_origin(), '') || '/api/ticket/images'), '/');
COMMENT ON FUNCTION dispatch.image_base_url() IS
  'Where uploaded images are served: the setting image_base_url of the system dispatch, else the gateway''s own path, as the client reaches it. Contract 4.0.';

CREATE FUNCTION dispatch.image_signature(name text) RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN workorder.sign_address('dispatch ' || name,
  coalesce(substring(workorder.setting('dispatch', 'image_seconds') FROM '^[1-9][0-9]{0,8}$'), '86400')::int);
COMMENT ON FUNCTION dispatch.image_signature(text) IS
  'What an image''s address proves by that it was shown to who acts; it holds for the setting image_seconds, else a day. Null without a key (workorder.rotate_address_key()). Contract 4.0, images.';

CREATE FUNCTION dispatch.image_urls(images jsonb, base_url text) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
  SELECT coalesce(jsonb_agg(CASE WHEN i.held ~* '^https?://' THEN i.held
    ELSE concat_ws('/', base_url, dispatch.image_signature(i.held), i.held) END ORDER BY i.n), '[]')
  FROM jsonb_array_elements_text(images) WITH ORDINALITY AS i (held, n);
END;
COMMENT ON FUNCTION dispatch.image_urls(jsonb, text) IS
  'The addresses of what a ticket holds as images, for who acts: of those that were uploaded, signed ones. Contract 4.0.';

CREATE FUNCTION dispatch.image_url(said text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN char_length(said) <= 2048 THEN substring(said FROM '^[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#]+[^\s]*$') END;
COMMENT ON FUNCTION dispatch.image_url(text) IS
  'An address that may be shown as an image; null for any other text. Contract 4.0.';

CREATE FUNCTION dispatch.image_name(said text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN substring(said FROM '^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.(?:png|jpg|gif|webp)$');
COMMENT ON FUNCTION dispatch.image_name(text) IS
  'The name of an image that was uploaded; null for any other text.';

CREATE FUNCTION dispatch.read_images(given jsonb, files workorder.http_file[]) RETURNS dispatch.image[]
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  base_url CONSTANT text := dispatch.image_base_url() || '/';
  result dispatch.image[] := '{}';
  image dispatch.image;
  file workorder.http_file;
  entry jsonb;
  said text;
  part text[];
BEGIN
  IF jsonb_typeof(given) = 'string' THEN
    given := jsonb_build_array(given);
  END IF;
  IF given IS NOT NULL AND jsonb_typeof(given) <> 'array' OR jsonb_array_length(given) > 9 THEN
    PERFORM workorder.refuse_input(dispatch.wording(), 'invalid', 'images');
  END IF;

  FOR entry IN SELECT e.value FROM jsonb_array_elements(given) WITH ORDINALITY AS e (value, n) ORDER BY e.n LOOP
    image := NULL;
    IF jsonb_typeof(entry) = 'string' THEN
      said := entry #>> '{}';
      IF octet_length(said) <= 8192 THEN
        -- An address of ours, however it was reached and whenever it was signed.
        part := regexp_match(CASE WHEN starts_with(said, base_url) THEN substr(said, length(base_url) + 1)
            ELSE substring(said FROM '^(?:[Hh][Tt][Tt][Pp][Ss]?://[^/?#]+)?/api/ticket/images/(.*)$') END,
          '^([0-9]+\.[0-9]+\.[0-9]+\.[A-Za-z0-9_-]{43}/)?([^/]+)$');
        image.name := dispatch.image_name(part[2]);
        -- One that was signed is no address to hand on: it opens the image of another ticket.
        image.url := CASE WHEN part[1] IS NULL OR image.name IS NULL THEN dispatch.image_url(said) END;
      END IF;
      IF image.name IS NULL AND image.url IS NULL THEN
        SELECT i.content, i.content_type INTO image.content, image.content_type FROM workorder.read_image(said) i;
      END IF;
    END IF;
    result := result || image;
  END LOOP;

  -- A form whose field for files was left empty has a file without a name and without bytes.
  FOREACH file IN ARRAY coalesce(files, '{}') LOOP
    CONTINUE WHEN file.name <> 'images' OR (file.filename = '' AND file.content = '');
    image := (NULL, NULL, file.content, workorder.image_type(file.content))::dispatch.image;
    IF file.content_type LIKE 'image/%' AND replace(file.content_type, 'image/jpg', 'image/jpeg') <> image.content_type THEN
      image.content_type := NULL;
    END IF;
    result := result || image;
  END LOOP;

  IF cardinality(result) > 9 THEN
    PERFORM workorder.refuse_input(dispatch.wording(), 'invalid', 'images');
  END IF;
  FOR i IN 1 .. cardinality(result) LOOP
    image := result[i];
    IF image.name IS NULL AND image.url IS NULL THEN
      IF image.content_type IS NULL OR octet_length(image.content) > 8388608 THEN
        PERFORM workorder.refuse_input(dispatch.wording(), 'invalid', 'images');
      END IF;
      image.name := gen_random_uuid() || '.' || workorder.image_extension(image.content_type);
      result[i] := image;
    END IF;
  END LOOP;
  RETURN result;
END
$$;
COMMENT ON FUNCTION dispatch.read_images(jsonb, workorder.http_file[]) IS
  'The images that a client has sent, as a list of texts and as files of a form; what is uploaded gets its name here. Raises WO400 "invalid images". Contract 4.0.';

CREATE FUNCTION dispatch.held_images(images dispatch.image[], held jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- The address of an image of ours is one that this ticket has, or any address.
  IF EXISTS (SELECT FROM unnest(images) AS i
             WHERE i.url IS NULL AND i.content IS NULL AND NOT coalesce(held, '[]') ? i.name) THEN
    PERFORM workorder.refuse_input(dispatch.wording(), 'invalid', 'images');
  END IF;
  RETURN (
    SELECT coalesce(jsonb_agg(CASE WHEN i.content IS NOT NULL OR coalesce(held, '[]') ? i.name THEN i.name ELSE i.url END ORDER BY i.n), '[]')
    FROM unnest(images) WITH ORDINALITY AS i (name, url, content, content_type, n));
END
$$;
COMMENT ON FUNCTION dispatch.held_images(dispatch.image[], jsonb) IS
  'What a ticket that held these images will hold. Raises WO400 "invalid images" for the address of a file that it does not have.';

CREATE FUNCTION dispatch.attach_images(ticket_id bigint, images dispatch.image[]) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.attach('dispatch.ticket', ticket_id, i.content, i.content_type,
    uuid => split_part(i.name, '.', 1)::uuid)
  FROM unnest(images) AS i
  WHERE i.content IS NOT NULL;
END
$$;
COMMENT ON FUNCTION dispatch.attach_images(bigint, dispatch.image[]) IS
  'Stores the images that were uploaded with a ticket, for who may edit it: the flow allows "attach" to whom it allows "update".';

CREATE FUNCTION dispatch.check_images() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  held CONSTANT jsonb := CASE TG_OP WHEN 'UPDATE' THEN OLD.images ELSE '[]' END;
  said text;
BEGIN
  IF EXISTS (SELECT FROM jsonb_array_elements(NEW.images) i WHERE jsonb_typeof(i.value) <> 'string') THEN
    PERFORM workorder.refuse_input(dispatch.wording(), 'invalid', 'images');
  END IF;
  FOR said IN SELECT i.value FROM jsonb_array_elements_text(NEW.images) AS i (value) LOOP
    CONTINUE WHEN held ? said OR dispatch.image_url(said) IS NOT NULL;
    -- What was uploaded is the ticket's own.
    IF dispatch.image_name(said) IS NULL OR NOT EXISTS (
        SELECT FROM workorder.attachments a
        WHERE a.uuid = split_part(said, '.', 1)::uuid AND a.relation = 'dispatch.ticket'::regclass AND a.ticket_id = NEW.id
          AND workorder.image_extension(a.content_type) = split_part(said, '.', 2)) THEN
      PERFORM workorder.refuse_input(dispatch.wording(), 'invalid', 'images');
    END IF;
  END LOOP;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION dispatch.check_images() IS
  'Trigger of dispatch.ticket, however it is written: an image is an address that may be shown, a file that was uploaded to this ticket, or one that the ticket had. Raises WO400 "invalid images".';

CREATE FUNCTION dispatch.image_file(name text, OUT content bytea, OUT content_type text)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  part CONSTANT text[] := regexp_match(name, '^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([a-z]+)$');
BEGIN
  SELECT a.content, a.content_type INTO image_file.content, image_file.content_type
  FROM workorder.attachments a
  WHERE a.uuid = part[1]::uuid AND a.relation = 'dispatch.ticket'::regclass
    AND workorder.image_extension(a.content_type) = part[2];
END
$$;
COMMENT ON FUNCTION dispatch.image_file(text) IS
  'The image of this name (uuid.ext) and what it is, if the caller may see the ticket that it was uploaded to; else nulls.';
