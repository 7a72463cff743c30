-- ---------------------------------------------------------------------------
-- Pages of tickets and directories.  A filter becomes a condition, which is
-- text; a page is found by the numbers of its rows, and only those are dressed.
-- ---------------------------------------------------------------------------

CREATE FUNCTION call_center.contains(columns text[], search text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT '(' || string_agg(format('workorder.contains(t.%I, %L)', c.name, contains.search), ' OR ') || ')'
  FROM unnest(contains.columns) AS c (name);
END;
COMMENT ON FUNCTION call_center.contains(text[], text) IS
  'The condition that one of these columns contains a text, whatever its case. Contract 4.0, search.';

CREATE FUNCTION call_center.rows_query(relation text, condition text) RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN format('SELECT t.id FROM call_center.%I AS t WHERE t.tenant_id = %s', relation, workorder.tenant_id())
  || coalesce(' AND ' || condition, '');
COMMENT ON FUNCTION call_center.rows_query(text, text) IS
  'The query for the numbers of all rows of a table that fulfil a condition over it AS t; null: of all rows.';

CREATE FUNCTION call_center.found_query(relation text, condition text, newest_first boolean, skipped bigint, size int) RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN format('WITH found AS MATERIALIZED (%s)
  SELECT (SELECT count(*) FROM found), ARRAY(SELECT f.id FROM found AS f ORDER BY f.id %s LIMIT %s OFFSET %s)',
  call_center.rows_query(relation, condition), CASE WHEN newest_first THEN 'DESC' ELSE 'ASC' END, size, skipped);
COMMENT ON FUNCTION call_center.found_query(text, text, boolean, bigint, int) IS
  'The query for how many rows fulfil a condition, and the numbers of those on a page, whatever the condition: they are looked for once. To go through all rows in order until enough are found would be quick if they were everywhere, but they may all be old.';

CREATE FUNCTION call_center.page_query(
  relation text, newest_first boolean, total bigint, skipped bigint, size int, "column" text DEFAULT NULL, numbers bigint[] DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- The last pages are nearer from the other end.
  backwards CONSTANT boolean := skipped > total / 2;
  wanted CONSTANT bigint := greatest(least(size, total - skipped), 0);
  passed CONSTANT bigint := CASE WHEN backwards THEN greatest(total - skipped - wanted, 0) ELSE skipped END;
  ordered CONSTANT text := format('ORDER BY id %s', CASE WHEN newest_first <> backwards THEN 'DESC' ELSE 'ASC' END);
BEGIN
  RETURN format('SELECT p.id FROM (%s) AS p %s LIMIT %s OFFSET %s',
    CASE
      WHEN "column" IS NULL THEN call_center.rows_query(relation, NULL)
      -- Its index has the rows of each number in order.
      ELSE format('SELECT m.id FROM unnest(%L::bigint[]) AS v (number), LATERAL (%s %s LIMIT %s) AS m',
        numbers, call_center.rows_query(relation, format('t.%I = v.number', "column")), ordered, passed + wanted)
    END, ordered, wanted, passed);
END
$$;
COMMENT ON FUNCTION call_center.page_query(text, boolean, bigint, bigint, int, text, bigint[]) IS
  'The query for the numbers of the rows on a page, in either order, of all rows, or of those with one of these numbers in a column, given how many these are and how many to skip. An index must have the rows in order.';

CREATE FUNCTION call_center.page(
  relation text, condition text, fields jsonb, newest_first boolean, total bigint DEFAULT NULL,
  "column" text DEFAULT NULL, numbers bigint[] DEFAULT NULL, OUT ids bigint[], OUT meta jsonb)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
-- Nobody waits for a whole table to be read; where much was changed since the
-- last vacuum the planner would think of it.
SET enable_seqscan = off
AS $$
DECLARE
  asked CONSTANT jsonb := workorder.read_input(fields, '[
    {"name": "page", "kind": "int", "min": 1, "max": 2147483647, "default": 1, "lenient": true, "last": true},
    {"name": "per_page", "kind": "int", "min": 1, "cap": 1000, "lenient": true, "last": true}]');
  size CONSTANT int := coalesce((asked ->> 'per_page')::int, 15);
  skipped CONSTANT bigint := ((asked ->> 'page')::bigint - 1) * size;
BEGIN
  IF total IS NULL AND "column" IS NULL THEN
    EXECUTE call_center.found_query(relation, condition, newest_first, skipped, size) INTO total, ids;
  ELSE
    IF total IS NULL THEN
      EXECUTE format('SELECT count(*) FROM (%s) AS t', call_center.rows_query(relation, condition)) INTO total;
    END IF;
    IF skipped < total THEN
      EXECUTE format('SELECT array_agg(p.id ORDER BY p.id %s) FROM (%s) AS p',
          CASE WHEN newest_first THEN 'DESC' ELSE 'ASC' END,
          call_center.page_query(relation, newest_first, total, skipped, size, "column", numbers))
        INTO ids;
    END IF;
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
COMMENT ON FUNCTION call_center.page(text, text, jsonb, boolean, bigint, text, bigint[]) IS
  'The numbers of the rows on the page that fields asks for (page, per_page), of those in a table that fulfil a condition (null: all) and that the caller may see, and the meta object. total, if the caller knows it, saves counting; column and numbers say so if the condition is just that the column has one of the numbers. Contract 4.0, paging.';

-- ---------------------------------------------------------------------------
-- TK-1.
-- ---------------------------------------------------------------------------

CREATE FUNCTION call_center.filter_rules() RETURNS jsonb
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN replace('[
  {"name": "search", "kind": "text", "max": 200, "last": true},
  {"name": "contact_id", "kind": "int", "last": true},
  {"name": "sponsor_id", "kind": "int", "last": true},
  {"name": "statuses", "kind": "ints", "in": [0, 1, 2, 3]},
  {"name": "due_at__start", "kind": "time", "zone": "$zone", "last": true},
  {"name": "due_at__end", "kind": "time", "zone": "$zone", "end": true, "last": true},
  {"name": "created_at__start", "kind": "time", "zone": "$zone", "last": true},
  {"name": "created_at__end", "kind": "time", "zone": "$zone", "end": true, "last": true},
  {"name": "termination_code_ids", "kind": "ints"},
  {"name": "handler_ids", "kind": "ints"},
  {"name": "creater_ids", "kind": "ints", "from": ["creator_ids", "creater_id"]}]', '$zone', call_center.time_zone())::jsonb;
COMMENT ON FUNCTION call_center.filter_rules() IS
  'The filters of TK-1 as rules of workorder.read_input(); page and per_page are read by call_center.page().';

CREATE FUNCTION call_center.time_condition("column" text, given text, at_end boolean, zone text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  bounds CONSTANT record := workorder.times_of(given, zone);
  result text := CASE WHEN at_end THEN format('t.%I < %L', "column", bounds.latest + interval '1 second')
    ELSE format('t.%I >= %L', "column", bounds.earliest) END;
BEGIN
  -- What is shown as this second counts, and near a change of the clock nothing else does.
  IF bounds.earliest < bounds.latest THEN
    result := result || format(' AND date_trunc(''second'', t.%I AT TIME ZONE %L) %s %L::timestamp',
      "column", zone, CASE WHEN at_end THEN '<=' ELSE '>=' END, given);
  END IF;
  RETURN result;
END
$$;
COMMENT ON FUNCTION call_center.time_condition(text, text, boolean, text) IS
  'The condition that a column of call_center.ticket AS t is shown, in this zone, as a time from the one given, or up to it. Contract TK-1.';

CREATE FUNCTION call_center.ticket_filter(
  filters jsonb, OUT condition text, OUT "column" text, OUT numbers bigint[])
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  zone CONSTANT text := call_center.time_zone();
  name text;
  value jsonb;
  parts text[] := '{}';
BEGIN
  FOR name, value IN SELECT f.key, f.value FROM jsonb_each(filters) AS f WHERE f.value <> '""' ORDER BY f.key LOOP
    "column" := CASE name
      WHEN 'contact_id' THEN name
      WHEN 'sponsor_id' THEN name
      WHEN 'statuses' THEN 'status'
      WHEN 'termination_code_ids' THEN 'termination_code_id'
      WHEN 'handler_ids' THEN 'handler_id'
      WHEN 'creater_ids' THEN 'creator_id' END;
    IF "column" IS NOT NULL THEN
      numbers := call_center.numbers(value);
      IF name IN ('handler_ids', 'creater_ids') THEN
        numbers := call_center.actors_of(numbers);
      END IF;
      parts := parts || format('t.%I = ANY (%L)', "column", numbers);
    ELSIF name = 'search' THEN
      parts := parts || call_center.contains('{subject,content}', value #>> '{}');
    ELSE
      parts := parts || call_center.time_condition(split_part(name, '__', 1), value #>> '{}', name ~ '__end$', zone);
    END IF;
  END LOOP;
  condition := nullif(array_to_string(parts, ' AND '), '');
  IF cardinality(parts) <> 1 THEN
    "column" := NULL;
  END IF;
END
$$;
COMMENT ON FUNCTION call_center.ticket_filter(jsonb) IS
  'The filters of TK-1, as workorder.read_input() returns them, as a condition over call_center.ticket AS t; null if there are none. If there is one only, and it asks for numbers in a column, column and numbers say so. An index serves each filter.';

CREATE FUNCTION call_center.ticket_total(condition text, "column" text, numbers bigint[]) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF condition IS NULL THEN
    RETURN workorder.total('call_center.ticket');
  ELSIF "column" = 'status' THEN
    RETURN workorder.total('call_center.ticket', call_center.states_of(numbers));
  END IF;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION call_center.ticket_total(text, text, bigint[]) IS
  'How many tickets a filter finds, if that is known without counting: all of them, or those of some statuses. Null otherwise.';

CREATE FUNCTION call_center.list_tickets(fields jsonb DEFAULT '{}', OUT data json, OUT meta jsonb)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  filter record;
  found record;
BEGIN
  PERFORM call_center.refuse_problems(call_center.problems(fields, call_center.filter_rules()));
  filter := call_center.ticket_filter(workorder.read_input(fields, call_center.filter_rules()));
  found := call_center.page('ticket', filter.condition, fields, true,
    call_center.ticket_total(filter.condition, filter."column", filter.numbers), filter."column", filter.numbers);
  data := call_center.ticket_list(found.ids);
  meta := found.meta;
END
$$;
COMMENT ON FUNCTION call_center.list_tickets(jsonb) IS
  'TK-1: a page of the tickets that the caller may see, newest first, by the filters of the query. Raises WO422.';

CREATE FUNCTION call_center.ticket_list(ids bigint[]) RETURNS json
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  tenant CONSTANT bigint := workorder.tenant_id();
  zone CONSTANT text := call_center.time_zone();
BEGIN
  -- What several tickets refer to is dressed once.  json, not jsonb: an object
  -- that is finished goes into the next as it is.
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
      SELECT p.id, p.actor_id, p.item::json AS item
      FROM call_center.people(
        ARRAY(SELECT DISTINCT c.handler_id FROM calls AS c),
        ARRAY(SELECT p.creator_id FROM page AS p UNION SELECT p.handler_id FROM page AS p)) AS p),
    contacts AS MATERIALIZED (
      SELECT r.id, call_center.shown(to_jsonb(r))::json AS item
      FROM call_center.contact AS r
      WHERE r.tenant_id = tenant AND r.id = ANY (ARRAY(SELECT p.contact_id FROM page AS p))),
    sponsors AS MATERIALIZED (
      SELECT r.id, call_center.shown(to_jsonb(r))::json AS item
      FROM call_center.sponsor AS r
      WHERE r.tenant_id = tenant AND r.id = ANY (ARRAY(SELECT p.sponsor_id FROM page AS p))),
    queues AS MATERIALIZED (
      SELECT r.id, call_center.shown(to_jsonb(r))::json AS item
      FROM call_center.campaign_queue AS r
      WHERE r.tenant_id = tenant AND r.id = ANY (ARRAY(SELECT p.campaign_queue_id FROM page AS p))),
    codes AS MATERIALIZED (
      SELECT r.id, call_center.shown(to_jsonb(r))::json AS item
      FROM call_center.termination_code AS r
      WHERE r.tenant_id = tenant AND r.id = ANY (ARRAY(SELECT p.termination_code_id FROM page AS p))),
    matters AS MATERIALIZED (
      SELECT r.id, c.id AS category_id, call_center.shown(to_jsonb(c))::json AS category,
        (call_center.shown(to_jsonb(r)) || jsonb_build_object('category', call_center.shown(to_jsonb(c))))::json AS item
      FROM call_center.sub_category AS r
      LEFT JOIN call_center.category AS c ON c.tenant_id = tenant AND c.id = r.category_id
      WHERE r.tenant_id = tenant AND r.id = ANY (ARRAY(SELECT p.sub_category_id FROM page AS p))),
    talks AS MATERIALIZED (
      SELECT c.ticket_id, json_agg(call_center.shown(to_jsonb(c)) - 'ticket_id' || jsonb_build_object(
        'first_enter_queue_at', workorder.time_text(c.first_enter_queue_at, zone),
        'acw_at', workorder.time_text(c.acw_at, zone),
        'last_finished_at', workorder.time_text(c.last_finished_at, zone),
        'handler', handler.item) ORDER BY c.id) AS items
      FROM calls AS c
      LEFT JOIN people AS handler ON handler.id = c.handler_id
      GROUP BY c.ticket_id)
    SELECT coalesce(json_agg(json_build_object(
        'id', p.id,
        'subject', p.subject,
        'content', p.content,
        'due_at', workorder.time_text(p.due_at, zone),
        'status', p.status,
        'status_memo', p.status_memo,
        'priority', p.priority,
        'contact', contacts.item,
        'contact_id', p.contact_id,
        'sub_category', matters.item,
        'sub_category_id', p.sub_category_id,
        'creater', creater.item,
        'handler_id', handler.id,
        'handler', handler.item,
        'interact_collections', coalesce(talks.items, '[]'),
        'sponsor_id', p.sponsor_id,
        'sponsor', sponsors.item,
        'campaign_queue', queues.item,
        'campaign_queue_id', p.campaign_queue_id,
        'created_at', workorder.time_text(p.created_at, zone),
        'updated_at', workorder.time_text(p.updated_at, zone),
        'termination_code_id', p.termination_code_id,
        'termination_code', codes.item,
        'category', matters.category,
        'category_id', matters.category_id) ORDER BY p.n), '[]')
    FROM page AS p
    LEFT JOIN people AS creater ON creater.actor_id = p.creator_id
    LEFT JOIN people AS handler ON handler.actor_id = p.handler_id
    LEFT JOIN contacts ON contacts.id = p.contact_id
    LEFT JOIN sponsors ON sponsors.id = p.sponsor_id
    LEFT JOIN queues ON queues.id = p.campaign_queue_id
    LEFT JOIN codes ON codes.id = p.termination_code_id
    LEFT JOIN matters ON matters.id = p.sub_category_id
    LEFT JOIN talks ON talks.ticket_id = p.id);
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
      CASE WHEN filters ? 'category_id' THEN format('t.category_id = %s', call_center.number(filters -> 'category_id')) END),
    fields, directory = 'employee');
  data := call_center.directory_list(directory, found.ids);
  meta := found.meta;
END
$$;
COMMENT ON FUNCTION call_center.list_directory(text, jsonb) IS
  'TK-6 (employee), TK-7 (sponsor), TK-8 (termination_code), TK-9 (category), TK-10 (sub_category): a page of a directory by the fields of the query. Raises WO422.';
