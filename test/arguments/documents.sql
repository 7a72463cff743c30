-- Flow documents that nobody would write: those of the add-ons and two that
-- use everything there is, with parts left out, exchanged, moved and misspelt.
-- Each is checked, drawn, published, and some are played.
SET client_min_messages = error;
SELECT workorder.enrol(p, p, '{staff,manager,finance,clerk}') FROM unnest('{ann,bob,cid}'::text[]) p;

CREATE TABLE document (n int GENERATED ALWAYS AS IDENTITY, body jsonb);
INSERT INTO document (body) VALUES ($json$
{ "id": "leave", "description": "Leave request", "roles": ["staff", "manager", "hr"], "initial": "open", "tags": ["x"], "meta": {"a": [1]},
  "on": {
    "create": {"allow": ["staff"], "require": ["days"]},
    "view": {"allow": ["$creator_id", "manager", "hr"]},
    "comment": {"allow": ["$creator_id", "manager"], "require": ["note"]}},
  "states": {
    "open": { "initial": "draft",
      "on": { "hold": {"target": "held", "allow": ["staff"]}, "cancel": {"target": "cancelled", "allow": ["$creator_id"]}},
      "states": {
        "draft": {"label": "草稿", "code": "d1", "on": {
          "update": {"allow": ["$creator_id"], "fields": ["days", "reason"]},
          "submit": {"target": "review", "allow": ["$creator_id"], "require": ["days", "note"], "set": {"submitted_at": "$now", "who": "$actor.login", "days": "$.days + 1"}}}},
        "review": {
          "on": {
            "approve": [
              {"target": "hr", "guard": "$.days > 5 && $old.days <= $.days", "allow": ["manager"], "exclude": ["submit"]},
              {"target": "#leave.granted", "guard": "exists($.reason ? (@ like_regex \"^a\" flag \"i\")) || $actor.roles[*] == \"staff\"", "allow": ["manager"]}],
            "again": {"target": "review", "reenter": true, "allow": "*"},
            "reject": {"target": "draft", "allow": ["manager"], "require": ["note"]}},
          "after": {"P3D": {"target": "#leave.expired", "set": {"reason": "late"}}, "PT1H": [{"guard": "$.days < 0", "target": "#leave.expired"}]}},
        "hr": {"pauses": true, "on": { "approve": {"target": "#leave.granted", "allow": ["hr", "staff"], "quorum": "60%"}}},
        "last": {"type": "history", "history": "deep", "target": "draft"}}},
    "held": {"id": "hold", "on": { "resume": {"target": "open.last", "allow": ["hr"]}, "leave": {"target": "#hold", "allow": ["hr", "manager"], "quorum": {"each": ["hr", "manager"]}}}},
    "granted": {"type": "final"}, "cancelled": {"type": "final"}, "expired": {"type": "final"}}}$json$), ($json$
{ "id": "expense", "roles": ["staff", "manager", "finance", "clerk"], "initial": "draft",
  "on": { "create": {"allow": ["staff"]}, "view": {"allow": ["*"]}},
  "states": {
    "draft": {"on": {
      "update": {"allow": ["$creator_id"]},
      "submit": [
        {"target": "any", "guard": "$.way == \"any\"", "allow": ["$creator_id"]},
        {"target": "percent", "guard": "$.way starts with \"p\"", "allow": ["$creator_id"]},
        {"target": "weight", "guard": "$.way == \"weight\"", "allow": ["$creator_id"]},
        {"target": "all", "allow": ["$creator_id"]}]}},
    "all": {"on": {
      "approve": {"target": "percent", "exclude": ["$creator_id"], "approvers": {"of": ["manager"], "rule": "all", "none": "fail", "manage": ["finance"], "due": "P1D"}},
      "reject": {"target": "refused", "exclude": ["$creator_id"], "approvers": "approve"}}},
    "any": {"on": {
      "approve": {"target": "granted", "approvers": {"of": ["$lead_id", "$.people[*]"], "rule": "any", "none": {"fallback": [{"actor": "ann"}]}}},
      "reject": {"target": "refused", "approvers": "approve"}}},
    "percent": {"on": {
      "approve": {"target": "sequence", "exclude": ["$creator_id"], "approvers": {"of": ["manager"], "rule": "67%", "none": "fail", "remind": "PT10M"}},
      "reject": {"target": "refused", "approvers": "approve"}}},
    "weight": {"on": {
      "approve": {"target": "granted", "approvers": {"of": [{"actor": "ann", "weight": 60}, {"who": "manager", "weight": 30}], "rule": {"weight": 90}, "none": "fail"}},
      "reject": {"target": "refused", "approvers": "approve"}}},
    "sequence": {"on": {
      "approve": {"target": "pool", "approvers": {"of": [{"actor": "ann"}, {"actor": "bob"}], "rule": "sequence", "none": "fail", "may": ["send_back"]}},
      "reject": {"target": "refused", "approvers": "approve"}}},
    "pool": {"on": { "approve": {"target": "granted", "exclude": ["submit"], "approvers": {"of": ["clerk"], "claim": true, "rule": "any", "none": "skip"}}}},
    "granted": {"type": "final"}, "refused": {"type": "final"}}}$json$);
INSERT INTO document (body) SELECT jsonb_set(replace(f.definition::text, format('"#%s.', f.name), '"#mutant.')::jsonb, '{id}', '"mutant"') FROM workorder.flow f WHERE f.life = 'published' ORDER BY f.name COLLATE "C";

-- Every place in a document, and what stands there.
CREATE TABLE place AS
WITH RECURSIVE down AS (
  SELECT d.n, '{}'::text[] AS path, d.body AS value FROM document d
  UNION ALL
  SELECT down.n, down.path || step.key, step.value
  FROM down, LATERAL (
    SELECT o.key, o.value FROM jsonb_each(CASE jsonb_typeof(down.value) WHEN 'object' THEN down.value ELSE '{}' END) o
    UNION ALL
    SELECT (a.ordinality - 1)::text, a.value FROM jsonb_array_elements(CASE jsonb_typeof(down.value) WHEN 'array' THEN down.value ELSE '[]' END) WITH ORDINALITY a (value)) step)
SELECT row_number() OVER (ORDER BY n, path COLLATE "C")::int AS i, n, path, value FROM down;
ALTER TABLE place ADD PRIMARY KEY (i);
ALTER TABLE document ADD places int4range;
UPDATE document d SET places = (SELECT int4range(min(p.i), max(p.i), '[]') FROM place p WHERE p.n = d.n);
CREATE TABLE word AS
SELECT row_number() OVER ()::int AS i, w.word::jsonb AS word FROM unnest(ARRAY['null', '{}', '[]', '0', '-1', '2', '1.5', '1e400', '9999999999999', 'true', '""', '" "', '"x"', '"*"', '"."', '"#"',
  '".x"', '"#leave.open"', '"#hold"', '"$creator_id"', '"$"', '"$now"', '"$actor.roles"', '"$old"', '"$.days"', '"$[*]"', '"101%"', '"0%"', '"-5%"', '"all"', '"P1D"', '"P-1D"', '"PT"', '"P1W:office"', '"P99999999999Y"',
  '"final"', '"history"', '"parallel"', '"deep"', '"create"', '"view"', '"task"', '"approve"', '["a", "a"]', '[null]', '[[]]', '{"each": []}', '{"target": "x"}', '[{"guard": "1 == 1"}]', '{"fallback": []}',
  '{"weight": -1}', '{"actor": "nobody"}', '"strict $.a[last to 0]"', '"$.a ? (@.b == $c)"', '"($.a + )"', '"$.days like_regex \"(\""', '"$.days / 0 > 1"', '"!(!($.days == null))"', '"\u0001\n"', '"中文 🎉"',
  '"' || repeat('a.', 2000) || '"', '"' || repeat('(', 3000) || '"', repeat('{"states":{"a":', 1200) || '{}' || repeat('}}', 1200), repeat('[', 3000) || repeat(']', 3000)]) w (word);
ALTER TABLE word ADD PRIMARY KEY (i);
ANALYZE place, word;
CREATE FUNCTION any_of(numbers int4range) RETURNS int LANGUAGE sql
RETURN lower(numbers) + floor(random() * (upper(numbers) - lower(numbers)))::int;
CREATE FUNCTION any_word() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  chosen int := any_of((SELECT int4range(1, max(w.i), '[]') FROM word w));
BEGIN
  RETURN (SELECT w.word FROM word w WHERE w.i = chosen);
END
$$;
CREATE FUNCTION any_part() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  chosen int := any_of((SELECT int4range(1, max(p.i), '[]') FROM place p));
BEGIN
  RETURN (SELECT p.value FROM place p WHERE p.i = chosen);
END
$$;

-- Some text with a letter more, less or changed.
CREATE FUNCTION misspelt(given text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  at int := floor(random() * (length(given) + 1));
BEGIN
  RETURN left(given, at) || (ARRAY['', '.', '$', '#', '(', '"', ' ', 'x', '%', '@', '[*]', '&&', '中'])[1 + floor(random() * 13)] || substr(given, at + 1 + floor(random() * 3)::int);
END
$$;

CREATE FUNCTION mutated() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  chosen CONSTANT int := 1 + floor(random() * (SELECT count(*) FROM document));
  result jsonb;
  places int4range;
  spot int;
  p record;
  known CONSTANT text[] := '{id,roles,initial,on,states,after,type,history,target,allow,guard,require,fields,set,quorum,exclude,reenter,approvers,pauses,label,code,meta,of,rule,none,due,remind,may,claim,manage,who,weight,unknown,"",x}';
  key CONSTANT text := known[1 + floor(random() * cardinality(known))];
BEGIN
  SELECT d.body, d.places INTO result, places FROM document d WHERE d.n = chosen;
  FOR i IN 1..1 + floor(random() * 3) LOOP
    spot := any_of(places);
    SELECT x.path, x.value INTO p FROM place x WHERE x.i = spot;
    BEGIN
      CASE floor(random() * 7)
        WHEN 0 THEN result := result #- p.path;
        WHEN 1 THEN result := jsonb_set(result, p.path, any_word(), false);
        WHEN 2 THEN result := jsonb_set(result, p.path, any_part(), false);
        WHEN 3 THEN
          result := jsonb_set(result, p.path || key, CASE WHEN random() < 0.5 THEN any_word() ELSE any_part() END);
        WHEN 4 THEN
          IF jsonb_typeof(p.value) = 'array' THEN
            result := jsonb_insert(result, p.path || '0'::text, any_word());
          END IF;
        ELSE
          IF jsonb_typeof(p.value) = 'string' THEN
            result := jsonb_set(result, p.path, to_jsonb(misspelt(p.value #>> '{}')), false);
          ELSIF cardinality(p.path) > 0 AND jsonb_typeof(result #> p.path[1:cardinality(p.path) - 1]) = 'object' THEN
            -- the same under another name
            result := jsonb_set(result #- p.path, p.path[1:cardinality(p.path) - 1] || misspelt(p.path[cardinality(p.path)]), p.value);
          END IF;
      END CASE;
    EXCEPTION
      -- an earlier change has made something else of the place
      WHEN invalid_text_representation OR invalid_parameter_value THEN NULL;
    END;
  END LOOP;
  RETURN result;
END
$$;

CREATE TABLE tried (n int, what text, state text, message text, definition jsonb);

-- Does one thing with a document, undoes it, and keeps what came of it.
CREATE FUNCTION try(n int, what text, definition jsonb, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  failure text;
  said text;
BEGIN
  SELECT u.* INTO failure, said FROM undone(statement, definition) u;
  INSERT INTO tried VALUES (n, what, failure, left(said, 200), CASE WHEN failure IS NOT NULL AND failure NOT LIKE 'WO%' THEN definition END);
  RETURN failure;
END
$$;

CREATE FUNCTION trial(n int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  definition jsonb := mutated();
  defects bigint;
  steps jsonb;
BEGIN
  PERFORM try(n, 'check', definition, 'SELECT count(c) FROM workorder.check_flow($1) c');
  IF try(n, 'publish', definition, 'SELECT workorder.publish($1)') IS NULL THEN
    -- what is published has no defect, and can be read
    SELECT count(*) INTO defects FROM workorder.check_flow(definition) c WHERE c.blocks;
    IF defects > 0 THEN
      INSERT INTO tried VALUES (n, 'defects', 'ZZ001', 'a document with defects was published', definition);
    END IF;
    PERFORM try(n, 'draw', definition, 'SELECT workorder.diagram($1), (SELECT count(a) FROM workorder.flow_actions($1) a), (SELECT count(workorder.flow_way($1, s.path)) FROM workorder.flow_states($1) s)');
    IF random() < 0.2 THEN
      SELECT '[{"actor": "ann", "action": "create", "changes": {"days": 3, "way": "any"}}]' || coalesce(jsonb_agg(jsonb_build_object(
        'actor', (ARRAY['ann', 'bob', 'cid'])[1 + floor(random() * 3)], 'action', a.action, 'note', 'x')), '[]') INTO steps
      FROM (SELECT DISTINCT a.action FROM workorder.flow_actions(definition) a WHERE a.action NOT IN ('view', 'create', 'delete') LIMIT 12) a;
      PERFORM try(n, 'play', definition, format('SELECT count(s) FROM workorder.simulate($1, %L) s', steps));
    END IF;
  ELSIF random() < 0.1 THEN
    PERFORM try(n, 'draw defects', definition, 'SELECT workorder.diagram($1), (SELECT count(a) FROM workorder.flow_actions($1) a), (SELECT count(s) FROM workorder.flow_states($1) s)');
  END IF;
END
$$;
