-- ---------------------------------------------------------------------------
-- Pages of tickets and directories.  A filter becomes a condition, which is
-- text; a page is found by the numbers of its rows, and only those are dressed.
-- ---------------------------------------------------------------------------

CREATE FUNCTION call_center.contains(columns text[], search text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT '(' || string_agg(format('strpos(lower(t.%I), lower(%L)) > 0', c.name, contains.search), ' OR ') || ')'
  FROM unnest(contains.columns) AS c (name);
END;
COMMENT ON FUNCTION call_center.contains(text[], text) IS
  'The condition that one of these columns contains a text, whatever its case. Contract 4.0, search.';

CREATE FUNCTION call_center.any_of("column" text, numbers bigint[])
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN format(CASE WHEN cardinality(numbers) = 1 THEN 't.%I = %s' ELSE 't.%I = ANY (''{%s}'')' END,
  "column", array_to_string(numbers, ','));
COMMENT ON FUNCTION call_center.any_of(text, bigint[]) IS
  'The condition that a column has one of these numbers.';

CREATE FUNCTION call_center.page_query(relation text, condition text, newest_first boolean, total bigint, skipped bigint, size int)
RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- The last pages are nearer from the other end.
  backwards CONSTANT boolean := skipped > total / 2;
  wanted CONSTANT bigint := greatest(least(size, total - skipped), 0);
BEGIN
  RETURN format('SELECT t.id FROM call_center.%I AS t WHERE %s ORDER BY t.id %s LIMIT %s OFFSET %s',
    relation, condition, CASE WHEN newest_first <> backwards THEN 'DESC' ELSE 'ASC' END,
    wanted, CASE WHEN backwards THEN greatest(total - skipped - wanted, 0) ELSE skipped END);
END
$$;
COMMENT ON FUNCTION call_center.page_query(text, text, boolean, bigint, bigint, int) IS
  'The query for the numbers of the rows on a page, given how many there are in all and how many to skip; the order within the page is not promised.';

CREATE FUNCTION call_center.count_query(relation text, condition text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN format('SELECT count(*) FROM call_center.%I AS t WHERE %s', relation, condition);
COMMENT ON FUNCTION call_center.count_query(text, text) IS
  'The query for how many rows of a table fulfil a condition.';

CREATE FUNCTION call_center.page(
  relation text, condition text, fields jsonb, newest_first boolean, total bigint DEFAULT NULL,
  OUT ids bigint[], OUT meta jsonb)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  asked CONSTANT jsonb := workorder.read_input(fields, '[
    {"name": "page", "kind": "int", "min": 1, "max": 2147483647, "default": 1, "lenient": true, "last": true},
    {"name": "per_page", "kind": "int", "min": 1, "cap": 1000, "lenient": true, "last": true}]');
  size CONSTANT int := coalesce((asked ->> 'per_page')::int, 15);
  skipped CONSTANT bigint := ((asked ->> 'page')::bigint - 1) * size;
  filtered CONSTANT text := format('t.tenant_id = %s', workorder.tenant_id()) || coalesce(' AND ' || condition, '');
BEGIN
  IF total IS NULL THEN
    EXECUTE call_center.count_query(relation, filtered) INTO total;
  END IF;
  IF skipped < total THEN
    EXECUTE format('SELECT array_agg(p.id ORDER BY p.id %s) FROM (%s) AS p',
        CASE WHEN newest_first THEN 'DESC' ELSE 'ASC' END,
        call_center.page_query(relation, filtered, newest_first, total, skipped, size))
      INTO ids;
  END IF;
  ids := coalesce(ids, '{}');
  meta := jsonb_build_object(
    'current_page', asked -> 'page',
    'from', CASE WHEN ids <> '{}' THEN skipped + 1 END,
    'last_page', greatest((total + size - 1) / size, 1),
    'per_page', CASE WHEN asked ? 'per_page' THEN to_jsonb(size::text) ELSE to_jsonb(size) END,
    'to', CASE WHEN ids <> '{}' THEN skipped + cardinality(ids) END,
    'total', total);
END
$$;
COMMENT ON FUNCTION call_center.page(text, text, jsonb, boolean, bigint) IS
  'The numbers of the rows on the page that fields asks for (page, per_page), of those in a table that fulfil a condition (null: all) and that the caller may see, and the meta object. total, if the caller knows it, saves counting. Contract 4.0, paging.';

-- ---------------------------------------------------------------------------
-- TK-1.
-- ---------------------------------------------------------------------------

CREATE FUNCTION call_center.filter_rules()
RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '[
  {"name": "search", "kind": "text", "max": 200, "last": true},
  {"name": "contact_id", "kind": "int", "last": true},
  {"name": "sponsor_id", "kind": "int", "last": true},
  {"name": "statuses", "kind": "ints", "in": [0, 1, 2, 3]},
  {"name": "due_at__start", "kind": "time", "last": true},
  {"name": "due_at__end", "kind": "time", "end": true, "last": true},
  {"name": "created_at__start", "kind": "time", "last": true},
  {"name": "created_at__end", "kind": "time", "end": true, "last": true},
  {"name": "termination_code_ids", "kind": "ints"},
  {"name": "handler_ids", "kind": "ints"},
  {"name": "creater_ids", "kind": "ints", "from": ["creator_ids", "creater_id"]}]'::jsonb;
COMMENT ON FUNCTION call_center.filter_rules() IS
  'The filters of TK-1 as rules of workorder.read_input(); page and per_page are read by call_center.page().';

CREATE FUNCTION call_center.ticket_condition(filters jsonb)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  zone CONSTANT text := call_center.time_zone();
  parts text[] := '{}';
  name text;
  value jsonb;
  at timestamptz;
BEGIN
  FOR name, value IN SELECT f.key, f.value FROM jsonb_each(filters) AS f ORDER BY f.key LOOP
    IF name ~ '_at__' THEN
      at := workorder.time_of(value #>> '{}', zone);
    END IF;
    parts := parts || CASE
      WHEN name = 'search' THEN
        CASE WHEN value <> '""' THEN call_center.contains('{subject,content}', value #>> '{}') END
      WHEN name IN ('contact_id', 'sponsor_id') THEN call_center.any_of(name, ARRAY[call_center.number(value)])
      WHEN name = 'statuses' THEN call_center.any_of('status', call_center.numbers(value))
      WHEN name = 'termination_code_ids' THEN call_center.any_of('termination_code_id', call_center.numbers(value))
      WHEN name = 'handler_ids' THEN call_center.any_of('handler_id', call_center.actors_of(call_center.numbers(value)))
      WHEN name = 'creater_ids' THEN call_center.any_of('creator_id', call_center.actors_of(call_center.numbers(value)))
      -- What is shown as this second still counts.
      WHEN name ~ '__start$' THEN format('t.%I >= %L::timestamptz', left(name, -7), at)
      WHEN name ~ '__end$' THEN format('t.%I < %L::timestamptz', left(name, -5), at + interval '1 second')
    END;
  END LOOP;
  RETURN array_to_string(parts, ' AND ');
END
$$;
COMMENT ON FUNCTION call_center.ticket_condition(jsonb) IS
  'The filters of TK-1, as workorder.read_input() returns them, as a condition over call_center.ticket AS t; empty if there are none. An index serves each of them.';

CREATE FUNCTION call_center.list_tickets(fields jsonb DEFAULT '{}', OUT data jsonb, OUT meta jsonb)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  filters jsonb;
  found record;
BEGIN
  PERFORM call_center.refuse_problems(call_center.problems(fields, call_center.filter_rules()));
  filters := workorder.read_input(fields, call_center.filter_rules());
  found := call_center.page('ticket', nullif(call_center.ticket_condition(filters), ''), fields, true,
    call_center.total(filters));
  data := call_center.ticket_list(found.ids);
  meta := found.meta;
END
$$;
COMMENT ON FUNCTION call_center.list_tickets(jsonb) IS
  'TK-1: a page of the tickets that the caller may see, newest first, by the filters of the query. Raises WO422.';

CREATE FUNCTION call_center.total(filters jsonb)
RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION call_center.total(jsonb) IS
  'How many tickets there are, if that is known without counting: of all, or of some statuses. Null otherwise.';

CREATE FUNCTION call_center.ticket_list(ids bigint[])
RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  tenant CONSTANT bigint := workorder.tenant_id();
  zone CONSTANT text := call_center.time_zone();
BEGIN
  RETURN (
    WITH page AS MATERIALIZED (
      SELECT t.*, w.n
      FROM unnest(ids) WITH ORDINALITY AS w (id, n)
      JOIN call_center.ticket AS t ON t.tenant_id = tenant AND t.id = w.id),
    calls AS MATERIALIZED (
      SELECT c.*
      FROM call_center.interact_collection AS c
      WHERE c.tenant_id = tenant AND c.ticket_id = ANY (ids) AND NOT c.deleted),
    people AS MATERIALIZED (
      SELECT p.*
      FROM call_center.people(
        ARRAY(SELECT DISTINCT c.handler_id FROM calls AS c),
        ARRAY(SELECT p.creator_id FROM page AS p UNION SELECT p.handler_id FROM page AS p)) AS p),
    talks AS (
      SELECT c.ticket_id, jsonb_agg(call_center.shown(to_jsonb(c)) - 'ticket_id' || jsonb_build_object(
        'first_enter_queue_at', workorder.time_text(c.first_enter_queue_at, zone),
        'acw_at', workorder.time_text(c.acw_at, zone),
        'last_finished_at', workorder.time_text(c.last_finished_at, zone),
        'handler', handler.item) ORDER BY c.id) AS items
      FROM calls AS c
      LEFT JOIN people AS handler ON handler.id = c.handler_id
      GROUP BY c.ticket_id)
    SELECT coalesce(jsonb_agg(jsonb_build_object(
        'id', p.id,
        'subject', p.subject,
        'content', p.content,
        'due_at', workorder.time_text(p.due_at, zone),
        'status', p.status,
        'status_memo', p.status_memo,
        'priority', p.priority,
        'contact', call_center.shown(to_jsonb(contact)),
        'contact_id', p.contact_id,
        'sub_category', call_center.shown(to_jsonb(sub_category)) || jsonb_build_object('category', call_center.shown(to_jsonb(category))),
        'sub_category_id', p.sub_category_id,
        'creater', creater.item,
        'handler_id', handler.id,
        'handler', handler.item,
        'interact_collections', coalesce(talks.items, '[]'),
        'sponsor_id', p.sponsor_id,
        'sponsor', call_center.shown(to_jsonb(sponsor)),
        'campaign_queue', call_center.shown(to_jsonb(campaign_queue)),
        'campaign_queue_id', p.campaign_queue_id,
        'created_at', workorder.time_text(p.created_at, zone),
        'updated_at', workorder.time_text(p.updated_at, zone),
        'termination_code_id', p.termination_code_id,
        'termination_code', call_center.shown(to_jsonb(termination_code)),
        'category', call_center.shown(to_jsonb(category)),
        'category_id', category.id) ORDER BY p.n), '[]')
    FROM page AS p
    LEFT JOIN people AS creater ON creater.actor_id = p.creator_id
    LEFT JOIN people AS handler ON handler.actor_id = p.handler_id
    LEFT JOIN talks ON talks.ticket_id = p.id
    LEFT JOIN call_center.contact ON contact.tenant_id = tenant AND contact.id = p.contact_id
    LEFT JOIN call_center.sub_category ON sub_category.tenant_id = tenant AND sub_category.id = p.sub_category_id
    LEFT JOIN call_center.category ON category.tenant_id = tenant AND category.id = sub_category.category_id
    LEFT JOIN call_center.sponsor ON sponsor.tenant_id = tenant AND sponsor.id = p.sponsor_id
    LEFT JOIN call_center.campaign_queue ON campaign_queue.tenant_id = tenant AND campaign_queue.id = p.campaign_queue_id
    LEFT JOIN call_center.termination_code ON termination_code.tenant_id = tenant AND termination_code.id = p.termination_code_id);
END
$$;
COMMENT ON FUNCTION call_center.ticket_list(bigint[]) IS
  'The ticket objects of the API with these numbers, in this order; what the caller may not see is left out. Contract 4.0, ticket.';

-- ---------------------------------------------------------------------------
-- TK-6 to TK-10.
-- ---------------------------------------------------------------------------

CREATE FUNCTION call_center.list_directory(directory text, fields jsonb DEFAULT '{}', OUT data jsonb, OUT meta jsonb)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  searched CONSTANT text[] := CASE directory
    WHEN 'employee' THEN '{name,identity_no,employee_no}'
    WHEN 'termination_code' THEN '{name,description}' END;
  rules CONSTANT jsonb := CASE
    WHEN searched IS NOT NULL THEN '[{"name": "search", "kind": "text", "max": 200, "last": true}]'
    WHEN directory = 'sub_category' THEN '[{"name": "category_id", "kind": "int", "last": true}]'
    ELSE '[]' END;
  filters jsonb;
  found record;
BEGIN
  PERFORM call_center.refuse_problems(call_center.problems(fields, rules));
  filters := workorder.read_input(fields, rules);
  found := call_center.page(directory,
    concat_ws(' AND ', 'NOT t.deleted',
      CASE WHEN filters ->> 'search' <> '' THEN call_center.contains(searched, filters ->> 'search') END,
      CASE WHEN filters ? 'category_id' THEN call_center.any_of('category_id', ARRAY[call_center.number(filters -> 'category_id')]) END),
    fields, directory = 'employee');
  data := call_center.directory_list(directory, found.ids);
  meta := found.meta;
END
$$;
COMMENT ON FUNCTION call_center.list_directory(text, jsonb) IS
  'TK-6 (employee), TK-7 (sponsor), TK-8 (termination_code), TK-9 (category), TK-10 (sub_category): a page of a directory by the fields of the query. Raises WO422.';
