\echo Use "CREATE EXTENSION workorder_afterservice CASCADE" to load this file. \quit

-- What every add-on begins with.  The schema is no member of the extension: it
-- also holds the tables that install_tables() makes, and those are the user's.
SELECT workorder.own_schema('afterservice', (
  SELECT obj_description(e.oid, 'pg_extension') || '. Code belongs to the extension, tables to you.'
  FROM pg_extension e WHERE e.extname = 'workorder_afterservice'));

CREATE FUNCTION afterservice.flow() RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
SELECT $json$
{
  "id": "afterservice",
  "description": "After-sale order: submitted by its creator, then four approvers in turn, one position per step",
  "roles": ["afterservice.creator", "afterservice.service", "afterservice.manager", "afterservice.chief",
    "afterservice.finance", "afterservice.administrator", "afterservice.unnamed"],
  "initial": "in_progress",
  "on": {
    "create": {"allow": ["afterservice.creator"],
      "require": ["type", "customer_name", "accuser_name", "reason", "remark"],
      "fields": ["serial_number", "type", "customer_name", "accuser_name", "reason", "remark", "saler_id",
        "tracks", "deductions", "abnormal_products"],
      "set": {"creator_name": "$actor.name"}},
    "view": {"allow": ["afterservice.creator", "afterservice.service", "afterservice.manager", "afterservice.chief",
      "afterservice.finance", "afterservice.administrator", "afterservice.unnamed"]}},
  "states": {

    "in_progress": {"label": "进行中", "code": "in_progress", "initial": "created",
      "on": {
        "halt": {"target": "halt", "allow": ["afterservice.administrator"]},
        "cancel": {"target": "cancel", "allow": ["afterservice.administrator"]},
        "expire": {"target": "overdue", "allow": ["afterservice.administrator"]},
        "assign": {"target": ".last", "reenter": true, "allow": ["afterservice.administrator"], "fields": ["saler_id"]}},
      "states": {
        "created": {"label": "已创建", "code": "created", "after": {"$overdue_after": "#afterservice.overdue"}, "on": {
          "update": {"target": "created", "reenter": true, "allow": ["$creator_id", "afterservice.unnamed"],
            "fields": [
              "type", "customer_name", "accuser_name", "reason", "remark", "saler_id", "tracks", "deductions",
              "charge_number", "abnormal_products", "abnormal_type", "abnormal_reason", "publishment", "publish_to",
              "compensation", "duty_to_id", "duty_to", "duty_date"]},
          "done": {"target": "waiting", "allow": ["$creator_id"],
            "fields": ["type", "customer_name", "accuser_name", "reason", "saler_id",
              "tracks", "deductions", "charge_number"]}}},

        "waiting": {"label": "等待提交", "code": "waiting", "after": {"$overdue_after": "#afterservice.overdue"}, "on": {
          "update": {"target": "waiting", "reenter": true, "allow": ["$creator_id", "afterservice.unnamed"],
            "fields": [
              "type", "customer_name", "accuser_name", "reason", "remark", "saler_id", "tracks", "deductions",
              "charge_number", "abnormal_products", "abnormal_type", "abnormal_reason", "publishment", "publish_to",
              "compensation", "duty_to_id", "duty_to", "duty_date"]},
          "done": {"target": "service_approving", "allow": ["$creator_id"], "set": {"summitted_at": "$now"},
            "fields": ["type", "customer_name", "accuser_name", "reason", "saler_id",
              "tracks", "deductions", "charge_number"]},
          "delete": {"allow": ["$creator_id", "afterservice.unnamed"]}}},

        "service_approving": {"label": "等待售后专员审核", "code": "service_approving", "after": {"$overdue_after": "#afterservice.overdue"}, "on": {
          "update": [
            {"target": "service_approving", "reenter": true, "allow": ["afterservice.service", "afterservice.unnamed"],
              "guard": "$old.saler_id == null || $old.saler_id == $actor.id",
              "fields": [
                "type", "customer_name", "accuser_name", "reason", "remark", "saler_id", "tracks", "deductions",
                "charge_number", "abnormal_products", "abnormal_type", "abnormal_reason", "publishment", "publish_to",
                "compensation", "duty_to_id", "duty_to", "duty_date"]},
            {"target": "service_approving", "reenter": true, "allow": ["$saler_id", "afterservice.unnamed"],
              "guard": "$old.saler_id != null && $old.saler_id != $actor.id"}],
          "done": [
            {"target": "service_approved", "allow": ["afterservice.service"],
              "guard": "$old.saler_id == null || $old.saler_id == $actor.id",
              "fields": ["type", "customer_name", "accuser_name", "reason", "saler_id",
                "tracks", "deductions", "charge_number"]},
            {"target": "service_approved", "allow": ["$saler_id"],
              "guard": "$old.saler_id != null && $old.saler_id != $actor.id"}],
          "reject": [
            {"target": "waiting", "allow": ["afterservice.service"],
              "guard": "$old.saler_id == null || $old.saler_id == $actor.id",
              "fields": ["type", "customer_name", "accuser_name", "reason", "saler_id",
                "tracks", "deductions", "charge_number"]},
            {"target": "waiting", "allow": ["$saler_id"],
              "guard": "$old.saler_id != null && $old.saler_id != $actor.id"}]}},

        "service_approved": {"label": "售后专员已审核", "code": "service_approved", "after": {"$overdue_after": "#afterservice.overdue"}, "on": {
          "update": [
            {"target": "service_approved", "reenter": true, "allow": ["afterservice.service", "afterservice.unnamed"],
              "guard": "$old.saler_id == null || $old.saler_id == $actor.id",
              "fields": [
                "type", "customer_name", "accuser_name", "reason", "remark", "saler_id", "tracks", "deductions",
                "charge_number", "abnormal_products", "abnormal_type", "abnormal_reason", "publishment", "publish_to",
                "compensation", "duty_to_id", "duty_to", "duty_date"]},
            {"target": "service_approved", "reenter": true, "allow": ["$saler_id", "afterservice.unnamed"],
              "guard": "$old.saler_id != null && $old.saler_id != $actor.id"}],
          "done": [
            {"target": "manager_reviewing", "allow": ["afterservice.service"],
              "guard": "$old.saler_id == null || $old.saler_id == $actor.id",
              "fields": ["type", "customer_name", "accuser_name", "reason", "saler_id",
                "tracks", "deductions", "charge_number"]},
            {"target": "manager_reviewing", "allow": ["$saler_id"],
              "guard": "$old.saler_id != null && $old.saler_id != $actor.id"}],
          "reject": [
            {"target": "service_approving", "allow": ["afterservice.service"],
              "guard": "$old.saler_id == null || $old.saler_id == $actor.id",
              "fields": ["type", "customer_name", "accuser_name", "reason", "saler_id",
                "tracks", "deductions", "charge_number"]},
            {"target": "service_approving", "allow": ["$saler_id"],
              "guard": "$old.saler_id != null && $old.saler_id != $actor.id"}]}},

        "manager_reviewing": {"label": "等待负责人审批", "code": "manager_reviewing", "after": {"$overdue_after": "#afterservice.overdue"}, "on": {
          "update": {"target": "manager_reviewing", "reenter": true, "allow": ["afterservice.manager", "afterservice.unnamed"],
            "fields": [
              "type", "customer_name", "accuser_name", "reason", "remark", "saler_id", "tracks", "deductions",
              "charge_number", "abnormal_products", "abnormal_type", "abnormal_reason", "publishment", "publish_to",
              "compensation", "duty_to_id", "duty_to", "duty_date"]},
          "done": {"target": "manager_reviewed", "allow": ["afterservice.manager"],
            "fields": ["type", "customer_name", "accuser_name", "reason", "saler_id",
              "tracks", "deductions", "charge_number"]},
          "reject": {"target": "service_approved", "allow": ["afterservice.manager"],
            "fields": ["type", "customer_name", "accuser_name", "reason", "saler_id",
              "tracks", "deductions", "charge_number"]}}},

        "manager_reviewed": {"label": "负责人已审批", "code": "manager_reviewed", "after": {"$overdue_after": "#afterservice.overdue"}, "on": {
          "update": {"target": "manager_reviewed", "reenter": true, "allow": ["afterservice.manager", "afterservice.unnamed"],
            "fields": [
              "type", "customer_name", "accuser_name", "reason", "remark", "saler_id", "tracks", "deductions",
              "charge_number", "abnormal_products", "abnormal_type", "abnormal_reason", "publishment", "publish_to",
              "compensation", "duty_to_id", "duty_to", "duty_date"]},
          "done": {"target": "chief_reviewing", "allow": ["afterservice.manager"],
            "fields": ["type", "customer_name", "accuser_name", "reason", "saler_id",
              "tracks", "deductions", "charge_number"]},
          "reject": {"target": "manager_reviewing", "allow": ["afterservice.manager"],
            "fields": ["type", "customer_name", "accuser_name", "reason", "saler_id",
              "tracks", "deductions", "charge_number"]}}},

        "chief_reviewing": {"label": "(小碗)等待主管审批", "code": "chief_reviewing", "after": {"$overdue_after": "#afterservice.overdue"}, "on": {
          "update": {"target": "chief_reviewing", "reenter": true, "allow": ["afterservice.chief", "afterservice.unnamed"],
            "fields": [
              "type", "customer_name", "accuser_name", "reason", "remark", "saler_id", "tracks", "deductions",
              "charge_number", "abnormal_products", "abnormal_type", "abnormal_reason", "publishment", "publish_to",
              "compensation", "duty_to_id", "duty_to", "duty_date"]},
          "done": {"target": "chief_reviewed", "allow": ["afterservice.chief"],
            "fields": ["type", "customer_name", "accuser_name", "reason", "saler_id",
              "tracks", "deductions", "charge_number"]},
          "reject": {"target": "manager_reviewed", "allow": ["afterservice.chief"],
            "fields": ["type", "customer_name", "accuser_name", "reason", "saler_id",
              "tracks", "deductions", "charge_number"]}}},

        "chief_reviewed": {"label": "主管已审批", "code": "chief_reviewed", "after": {"$overdue_after": "#afterservice.overdue"}, "on": {
          "update": {"target": "chief_reviewed", "reenter": true, "allow": ["afterservice.chief", "afterservice.unnamed"],
            "fields": [
              "type", "customer_name", "accuser_name", "reason", "remark", "saler_id", "tracks", "deductions",
              "charge_number", "abnormal_products", "abnormal_type", "abnormal_reason", "publishment", "publish_to",
              "compensation", "duty_to_id", "duty_to", "duty_date"]},
          "done": {"target": "finance_reviewing", "allow": ["afterservice.chief"],
            "fields": ["type", "customer_name", "accuser_name", "reason", "saler_id",
              "tracks", "deductions", "charge_number"]},
          "reject": {"target": "chief_reviewing", "allow": ["afterservice.chief"],
            "fields": ["type", "customer_name", "accuser_name", "reason", "saler_id",
              "tracks", "deductions", "charge_number"]}}},

        "finance_reviewing": {"label": "等待财务审批", "code": "finance_reviewing", "after": {"$overdue_after": "#afterservice.overdue"}, "on": {
          "update": {"target": "finance_reviewing", "reenter": true, "allow": ["afterservice.finance", "afterservice.unnamed"],
            "fields": [
              "type", "customer_name", "accuser_name", "reason", "remark", "saler_id", "tracks", "deductions",
              "charge_number", "abnormal_products", "abnormal_type", "abnormal_reason", "publishment", "publish_to",
              "compensation", "duty_to_id", "duty_to", "duty_date"]},
          "done": {"target": "#afterservice.done", "allow": ["afterservice.finance"],
            "fields": ["type", "customer_name", "accuser_name", "reason", "saler_id",
              "tracks", "deductions", "charge_number"]},
          "reject": {"target": "chief_reviewed", "allow": ["afterservice.finance"],
            "fields": ["type", "customer_name", "accuser_name", "reason", "saler_id",
              "tracks", "deductions", "charge_number"]}}},

        "last": {"type": "history"}}},

    "halt": {"label": "暂停", "code": "halt", "on": {
      "resume": {"target": "in_progress.last", "allow": ["afterservice.administrator"]},
      "cancel": {"target": "cancel", "allow": ["afterservice.administrator"]}}},

    "overdue": {"label": "已过期(超时)", "code": "overdue", "on": {
      "resume": {"target": "in_progress.last", "allow": ["afterservice.administrator"]},
      "cancel": {"target": "cancel", "allow": ["afterservice.administrator"]}}},

    "done": {"label": "财务已审批(结束)", "code": "end", "type": "final"},

    "cancel": {"label": "已取消", "code": "cancel", "type": "final"}}}
$json$::jsonb
$function$;
COMMENT ON FUNCTION afterservice.flow() IS
  'The flow of afterservice, as afterservice.install() publishes it. Contract 3 and 5.';

CREATE FUNCTION afterservice.install() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.enter('workorder_afterservice');
  PERFORM workorder.publish(afterservice.flow());
  IF NOT EXISTS (SELECT FROM workorder.guarded g JOIN pg_class r ON r.oid = g.relation
                 WHERE r.relnamespace = 'afterservice'::regnamespace) THEN
    PERFORM afterservice.install_tables();
  END IF;
  PERFORM afterservice.install_http();
END
$$;
COMMENT ON FUNCTION afterservice.install() IS
  'Makes the tables of the add-on in the schema afterservice, publishes its flow and puts the tickets under it; the tables belong to the caller. After workorder.install(). Called again it only publishes the flow, which is a new version if it has changed, and enters the routes anew.';

-- ---------------------------------------------------------------------------
-- Reading input: what workorder.judge_input() finds, in the words of contract
-- 4.0, with places in lists and the tenant's dictionaries.
-- ---------------------------------------------------------------------------

CREATE FUNCTION afterservice.wording() RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '{"required": "missing field: $name", "invalid": "invalid value: $name"}'::jsonb;
COMMENT ON FUNCTION afterservice.wording() IS
  'What the API says of a bad field. Contract 4.0.';

CREATE FUNCTION afterservice.read_fields(fields jsonb, rules jsonb, place text DEFAULT '', held jsonb DEFAULT '{}') RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  result jsonb := '{}';
  field record;
BEGIN
  FOR field IN SELECT * FROM workorder.judge_input(fields, rules) LOOP
    IF field.rule IS NOT NULL THEN
      PERFORM workorder.refuse_input(afterservice.wording(), field.rule, place || field.name, bound => field.bound);
    -- An order may be sent back whole, so what it holds already is never refused.
    ELSIF field.name IN ('type', 'reason') AND field.value IS DISTINCT FROM held -> field.name
          AND NOT workorder.in_dictionary('afterservice', field.name, field.value #>> '{}') THEN
      PERFORM workorder.refuse_input(afterservice.wording(), 'invalid', field.name, 'It is not in the dictionary.');
    END IF;
    result := result || jsonb_build_object(field.name, field.value);
  END LOOP;
  RETURN result;
END
$$;
COMMENT ON FUNCTION afterservice.read_fields(jsonb, jsonb, text, jsonb) IS
  'The checked values of a request by rules as workorder.read_input() takes them; type and reason must be in the tenant''s dictionary, unless the order that is changed (held) has them already. place goes before names in messages ("tracks[0]."). Raises WO400 for the first problem.';

CREATE FUNCTION afterservice.read_list(fields jsonb, name text, rules jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  list jsonb;
  result jsonb := '[]';
  item jsonb;
  i int := 0;
BEGIN
  IF NOT fields ? name THEN
    RETURN NULL;
  END IF;
  list := afterservice.read_fields(fields,
    jsonb_build_array(jsonb_build_object('name', name, 'kind', 'list', 'max', 200, 'null', false, 'blank', false))) -> name;
  FOR item IN SELECT e.value FROM jsonb_array_elements(list) WITH ORDINALITY AS e (value, n) ORDER BY e.n LOOP
    IF jsonb_typeof(item) <> 'object' THEN
      PERFORM workorder.refuse_input(afterservice.wording(), 'invalid', format('%s[%s]', name, i), 'It must be an object.');
    END IF;
    result := result || afterservice.read_fields(item, rules, format('%s[%s].', name, i));
    i := i + 1;
  END LOOP;
  RETURN result;
END
$$;
COMMENT ON FUNCTION afterservice.read_list(jsonb, text, jsonb) IS
  'A field that is a list of at most 200 objects, each with nothing but what the rules know; null if the field was not sent. Raises WO400. Contract AS-3.';

CREATE FUNCTION afterservice.object_of(value jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF jsonb_typeof(value) IS DISTINCT FROM 'object' THEN
    PERFORM workorder.refuse('WO400', 'malformed JSON',
      'The body must be a JSON object.', 'Send {"field": value, ...}.');
  END IF;
  RETURN value;
END
$$;
COMMENT ON FUNCTION afterservice.object_of(jsonb) IS
  'Returns the body of a request if it is an object; raises WO400 "malformed JSON" otherwise.';

CREATE FUNCTION afterservice.time_zone() RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN workorder.setting('afterservice', 'time_zone', current_setting('TimeZone'));
COMMENT ON FUNCTION afterservice.time_zone() IS
  'Time zone in which the current tenant is told times and numbers its days: workorder.set_setting(''afterservice'', ''time_zone'', ''Asia/Shanghai''), else that of the session.';

CREATE FUNCTION afterservice.page_number(page text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN page ~ '^0*[1-9][0-9]{0,11}$' THEN page::bigint
            WHEN page ~ '^0*[1-9][0-9]*$' THEN 1000000000000
            ELSE 1 END;
COMMENT ON FUNCTION afterservice.page_number(text) IS
  'The page asked for; 1 unless it is a positive number. Contract 4.0, paging.';

CREATE FUNCTION afterservice.page_size(per_page text) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN per_page ~ '^0*[1-9][0-9]?$' THEN per_page::int
            WHEN per_page ~ '^0*[1-9][0-9]*$' THEN 100
            ELSE 20 END;
COMMENT ON FUNCTION afterservice.page_size(text) IS
  'How many items a page holds: at most 100; 20 unless it is a positive number. Contract 4.0, paging.';
-- An order's status is where it rests inside in_progress; an order that was
-- halted, cancelled or is overdue keeps the status it had, which the engine
-- remembers in the column history; an order that is done has the status end.

CREATE FUNCTION afterservice.status(state text, history text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
  WHEN state = 'done' THEN 'end'
  WHEN position('.' IN state) > 0 THEN split_part(state, '.', 2)
  WHEN state IS NOT NULL THEN coalesce(split_part(history::jsonb ->> 'in_progress', '.', 2), 'created')
END;
COMMENT ON FUNCTION afterservice.status(text, text) IS
  'The API''s status from the engine''s columns state and history: afterservice.status(o.state, o.history). Contract 3.2.';

CREATE FUNCTION afterservice.workflow_status(state text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN split_part(state, '.', 1);
COMMENT ON FUNCTION afterservice.workflow_status(text) IS
  'The API''s workflow_status from the engine''s column state. Contract 3.1.';

CREATE FUNCTION afterservice.states_of(status text, workflow_status text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT coalesce(array_agg(s.state), '{}')
  FROM unnest(ARRAY[
    'in_progress.created', 'in_progress.waiting', 'in_progress.service_approving', 'in_progress.service_approved',
    'in_progress.manager_reviewing', 'in_progress.manager_reviewed', 'in_progress.chief_reviewing',
    'in_progress.chief_reviewed', 'in_progress.finance_reviewing', 'done', 'halt', 'overdue', 'cancel']) AS s(state)
  WHERE (states_of.workflow_status IS NULL OR afterservice.workflow_status(s.state) = states_of.workflow_status)
    AND (states_of.status IS NULL OR s.state IN ('halt', 'overdue', 'cancel')
      OR afterservice.status(s.state, NULL) = states_of.status);
END;
COMMENT ON FUNCTION afterservice.states_of(text, text) IS
  'The states in which an order of this status and workflow_status may rest; null = any. For lists: an index on state serves them.';
CREATE FUNCTION afterservice.install_tables() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  directory regclass;
BEGIN
  CREATE TABLE afterservice.orders (
    tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(),
    id bigint GENERATED BY DEFAULT AS IDENTITY,
    serial_number text NOT NULL,
    charge_number text,
    type text NOT NULL CHECK (char_length(type) <= 50),
    customer_name text NOT NULL CHECK (char_length(customer_name) <= 200),
    accuser_name text NOT NULL CHECK (char_length(accuser_name) <= 200),
    creator_name text NOT NULL,
    reason text NOT NULL CHECK (char_length(reason) <= 200),
    remark text NOT NULL CHECK (char_length(remark) <= 2000),
    saler_id bigint,
    summitted_at timestamptz,
    tracks jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(tracks) = 'array'),
    deductions jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(deductions) = 'array'),
    abnormal_products jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(abnormal_products) = 'array'),
    abnormal_type text CHECK (char_length(abnormal_type) <= 200),
    abnormal_reason text CHECK (char_length(abnormal_reason) <= 200),
    publishment text CHECK (char_length(publishment) <= 200),
    publish_to text CHECK (char_length(publish_to) <= 200),
    compensation numeric(14,2) CHECK (compensation >= 0),
    duty_to_id bigint,
    duty_to text CHECK (char_length(duty_to) <= 200),
    duty_date text CHECK (duty_date ~ '^\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?$'),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, serial_number),
    UNIQUE (tenant_id, charge_number),
    FOREIGN KEY (tenant_id, saler_id) REFERENCES workorder.actor (tenant_id, id)
  ) WITH (fillfactor = 80);
  COMMENT ON TABLE afterservice.orders IS 'After-sale orders, guarded by the flow afterservice';
  COMMENT ON COLUMN afterservice.orders.tenant_id IS 'Whose order';
  COMMENT ON COLUMN afterservice.orders.id IS 'Number of the order';
  COMMENT ON COLUMN afterservice.orders.type IS 'Kind of order; a dictionary may restrict it';
  COMMENT ON COLUMN afterservice.orders.reason IS 'Reason of the complaint; a dictionary may restrict it';
  COMMENT ON COLUMN afterservice.orders.remark IS 'What is wrong, in words';
  COMMENT ON COLUMN afterservice.orders.serial_number IS 'AS + day + number, given when the order is created';
  COMMENT ON COLUMN afterservice.orders.charge_number IS 'KK + day + number, given with the first deductions';
  COMMENT ON COLUMN afterservice.orders.customer_name IS 'The accused supplier';
  COMMENT ON COLUMN afterservice.orders.accuser_name IS 'The complaining supplier';
  COMMENT ON COLUMN afterservice.orders.creator_name IS 'Name of the person who created the order, as it was then';
  COMMENT ON COLUMN afterservice.orders.saler_id IS 'The after-sale specialist (workorder.actor); null: any of them';
  COMMENT ON COLUMN afterservice.orders.summitted_at IS 'When the order was last submitted';
  COMMENT ON COLUMN afterservice.orders.tracks IS '[{"remark"}]';
  COMMENT ON COLUMN afterservice.orders.deductions IS '[{"compensation", "has_receipt", "remark"}]';
  COMMENT ON COLUMN afterservice.orders.abnormal_products IS '[{"id", "skuCode", "remark"}] by id; ids are unique in the tenant';
  COMMENT ON COLUMN afterservice.orders.abnormal_type IS 'Duty report: kind of defect';
  COMMENT ON COLUMN afterservice.orders.abnormal_reason IS 'Duty report: cause';
  COMMENT ON COLUMN afterservice.orders.publishment IS 'Duty report: penalty';
  COMMENT ON COLUMN afterservice.orders.publish_to IS 'Duty report: who caused it';
  COMMENT ON COLUMN afterservice.orders.compensation IS 'Duty report: amount deducted';
  COMMENT ON COLUMN afterservice.orders.duty_to_id IS 'Duty report: the supplier named in duty_to, if the directory has it';
  COMMENT ON COLUMN afterservice.orders.duty_to IS 'Duty report: who is at fault';
  COMMENT ON COLUMN afterservice.orders.duty_date IS 'Duty report: day, or day and time, as it was given';

  CREATE TABLE afterservice.supplier (
    tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(),
    id bigint,
    name text NOT NULL,
    PRIMARY KEY (tenant_id, id));
  CREATE INDEX ON afterservice.supplier (tenant_id, name);
  COMMENT ON TABLE afterservice.supplier IS 'Suppliers; ids come from the directory they are imported from';
  COMMENT ON COLUMN afterservice.supplier.tenant_id IS 'Whose supplier';
  COMMENT ON COLUMN afterservice.supplier.id IS 'Number in the directory';
  COMMENT ON COLUMN afterservice.supplier.name IS 'Name, as orders give it';

  CREATE TABLE afterservice.matcher (
    tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(),
    supplier_id bigint,
    user_id bigint,
    PRIMARY KEY (tenant_id, supplier_id, user_id),
    FOREIGN KEY (tenant_id, supplier_id) REFERENCES afterservice.supplier (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, user_id) REFERENCES workorder.actor (tenant_id, id) ON DELETE CASCADE);
  CREATE INDEX ON afterservice.matcher (tenant_id, user_id);
  COMMENT ON TABLE afterservice.matcher IS 'Which after-sale specialist looks after which supplier';
  COMMENT ON COLUMN afterservice.matcher.tenant_id IS 'Whose pair';
  COMMENT ON COLUMN afterservice.matcher.supplier_id IS 'The supplier';
  COMMENT ON COLUMN afterservice.matcher.user_id IS 'The specialist (workorder.actor)';

  CREATE TABLE afterservice.product (
    tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(),
    id bigint,
    sku_code text COLLATE "C" NOT NULL,
    name text NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, sku_code));
  COMMENT ON TABLE afterservice.product IS 'Products; ids come from the directory they are imported from';
  COMMENT ON COLUMN afterservice.product.tenant_id IS 'Whose product';
  COMMENT ON COLUMN afterservice.product.id IS 'Number in the directory';
  COMMENT ON COLUMN afterservice.product.sku_code IS 'Material number';
  COMMENT ON COLUMN afterservice.product.name IS 'Name, for people';

  -- People of the flow read the directories, its administrator keeps them.
  FOREACH directory IN ARRAY ARRAY['afterservice.supplier', 'afterservice.matcher', 'afterservice.product']::regclass[] LOOP
    PERFORM workorder.open_directory(directory, 'afterservice');
    EXECUTE format('CREATE POLICY directory_keep ON %s FOR ALL
      USING (tenant_id = (SELECT workorder.tenant_id()) AND (SELECT workorder.has_role(''afterservice.administrator'')))', directory);
    EXECUTE format('COMMENT ON POLICY directory_keep ON %s IS ''The administrator keeps it''', directory);
  END LOOP;

  PERFORM workorder.guard('afterservice.orders', 'afterservice');
  -- Every list of orders tells how many there are.
  PERFORM workorder.count_rows('afterservice.orders');
  CREATE TRIGGER afterservice_complete_insert BEFORE INSERT ON afterservice.orders
    FOR EACH ROW WHEN (NEW.revision IS NULL)
    EXECUTE FUNCTION afterservice.complete_order();
  CREATE TRIGGER afterservice_complete_update BEFORE UPDATE ON afterservice.orders
    FOR EACH ROW WHEN (NEW.charge_number IS DISTINCT FROM OLD.charge_number
                       OR (NEW.charge_number IS NULL AND NEW.deductions <> '[]'))
    EXECUTE FUNCTION afterservice.complete_order();
  COMMENT ON TRIGGER afterservice_complete_insert ON afterservice.orders IS
    'Gives a new order its serial number and its specialist; what is loaded with its revision has its own';
  COMMENT ON TRIGGER afterservice_complete_update ON afterservice.orders IS
    'Gives the first deductions a charge number, and lets nobody change it';

  -- Lists go by immutable columns; one index holds the state.
  CREATE INDEX ON afterservice.orders (tenant_id, created_at, id);
  CREATE INDEX ON afterservice.orders (tenant_id, creator_name, created_at, id);
  CREATE INDEX ON afterservice.orders (tenant_id, state, created_at, id) INCLUDE (history);
  -- One index for all rankings: it is read instead of the orders.
  CREATE INDEX ON afterservice.orders (tenant_id)
    INCLUDE (abnormal_type, abnormal_reason, publishment, compensation, duty_to)
    WHERE abnormal_type IS NOT NULL OR abnormal_reason IS NOT NULL OR publishment IS NOT NULL
      OR compensation IS NOT NULL OR duty_to IS NOT NULL;
END
$$;
COMMENT ON FUNCTION afterservice.install_tables() IS
  'Makes the tables of the after-sale system and puts the tickets under the flow; part of afterservice.install().';
-- People: who acts, and which specialist an order goes to.

CREATE FUNCTION afterservice.actor_name() RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (SELECT a.name FROM workorder.actor a
          WHERE a.tenant_id = workorder.tenant_id() AND a.id = workorder.actor_id());
END
$$;
COMMENT ON FUNCTION afterservice.actor_name() IS
  'Name of the person who acts; null for anonymous.';

CREATE FUNCTION afterservice.require_name(claimed jsonb) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF coalesce(claimed, 'null') <> 'null' AND claimed IS DISTINCT FROM to_jsonb(afterservice.actor_name()) THEN
    PERFORM workorder.refuse('WO403', 'permission denied',
      'The name in the request is not the name of the person who acts.',
      'Leave the name out, or sign in as that person.');
  END IF;
END
$$;
COMMENT ON FUNCTION afterservice.require_name(jsonb) IS
  'Raises WO403 "permission denied" if a name is given and is not the actor''s. Contract 4.0, identity.';

CREATE FUNCTION afterservice.specialist_of(supplier_name text) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
    SELECT m.user_id
    FROM afterservice.supplier s
    JOIN afterservice.matcher m ON m.tenant_id = s.tenant_id AND m.supplier_id = s.id
    JOIN workorder.actor a ON a.tenant_id = m.tenant_id AND a.id = m.user_id AND a.active
    JOIN workorder.membership r ON r.tenant_id = a.tenant_id AND r.actor_id = a.id AND r.role = 'afterservice.service'
    WHERE s.tenant_id = workorder.tenant_id() AND s.name = specialist_of.supplier_name
    ORDER BY m.supplier_id, m.user_id
    LIMIT 1);
END
$$;
COMMENT ON FUNCTION afterservice.specialist_of(text) IS
  'The after-sale specialist paired with a supplier, null if there is none who is active and has the role service; of several, the first as AS-9 lists them.';

CREATE FUNCTION afterservice.specialist_named(name text) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
    SELECT a.id
    FROM workorder.actor a
    JOIN workorder.membership m ON m.tenant_id = a.tenant_id AND m.actor_id = a.id
    WHERE a.tenant_id = workorder.tenant_id() AND a.name = specialist_named.name AND a.active
      AND m.role = 'afterservice.service'
    ORDER BY a.id
    LIMIT 1);
END
$$;
COMMENT ON FUNCTION afterservice.specialist_named(text) IS
  'The active person of this name with the role service, null if there is none. Contract AS-3, saler.';
-- ---------------------------------------------------------------------------
-- What the table does by itself, whoever writes it and however.
-- ---------------------------------------------------------------------------

CREATE FUNCTION afterservice.next_number(prefix text) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  stem text := prefix || to_char(workorder.clock() AT TIME ZONE afterservice.time_zone(), 'YYYYMMDD');
  n text := workorder.next_number('afterservice.' || stem);
BEGIN
  RETURN stem || lpad(n, greatest(length(n), 4), '0');
END
$$;
COMMENT ON FUNCTION afterservice.next_number(text) IS
  'The next number of a kind (AS, KK) today, such as AS202401020001; the tenant''s counter of the day is locked until the end of the transaction. Contract 4.0.';

CREATE FUNCTION afterservice.complete_order() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    NEW.serial_number := coalesce(NEW.serial_number, afterservice.next_number('AS'));
    NEW.saler_id := coalesce(NEW.saler_id, afterservice.specialist_of(NEW.customer_name));
  ELSIF OLD.charge_number IS NOT NULL THEN
    NEW.charge_number := OLD.charge_number;
  ELSE
    NEW.charge_number := CASE WHEN NEW.deductions <> '[]' THEN afterservice.next_number('KK') END;
  END IF;
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION afterservice.complete_order() IS
  'Trigger of afterservice.orders, before the guard: a new order gets its serial number and its specialist, the first deductions get a charge number, which then stays. Contract 3.3 T1, AS-3.';

-- ---------------------------------------------------------------------------
-- Reading orders.
-- ---------------------------------------------------------------------------

CREATE FUNCTION afterservice.order_list(ids bigint[]) RETURNS json
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan -- planning under policies takes longer than twenty orders
AS $$
DECLARE
  zone CONSTANT text := afterservice.time_zone();
BEGIN
  -- A row as JSON is made in a third of the time of json_build_object().
  RETURN (
    SELECT coalesce(json_agg(to_json(shown) ORDER BY wanted.n), '[]')
    FROM unnest(ids) WITH ORDINALITY AS wanted (id, n)
    JOIN afterservice.orders o ON o.tenant_id = workorder.tenant_id() AND o.id = wanted.id
    LEFT JOIN workorder.actor s ON s.tenant_id = o.tenant_id AND s.id = o.saler_id,
    LATERAL (
      SELECT o.abnormal_type, o.abnormal_reason, o.publishment, o.publish_to,
        trim_scale(o.compensation) AS compensation, o.duty_to_id, o.duty_to, o.duty_date) AS duty_report,
    LATERAL (
      SELECT o.id, o.serial_number, o.charge_number, o.type, o.customer_name,
        afterservice.status(o.state, o.history) AS status, afterservice.workflow_status(o.state) AS workflow_status,
        workorder.time_text(o.summitted_at, zone) AS summitted_at, workorder.time_text(o.created_at, zone) AS created_at,
        workorder.time_text(o.updated_at, zone) AS updated_at, o.accuser_name, o.creator_name, s.name AS saler,
        o.remark, o.reason, o.abnormal_products, duty_report, o.tracks, o.deductions) AS shown);
END
$$;
COMMENT ON FUNCTION afterservice.order_list(bigint[]) IS
  'The order objects of the API with these ids, in this order; what the caller may not see is left out. Contract 4.0, order object.';

CREATE FUNCTION afterservice.order_json(order_id bigint) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN (afterservice.order_list(ARRAY[order_id]) -> 0)::jsonb;
COMMENT ON FUNCTION afterservice.order_json(bigint) IS
  'The order object of the API, null if there is no such order for the caller. Contract 4.0.';

CREATE FUNCTION afterservice.lock_order(order_id bigint) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  result jsonb;
BEGIN
  SELECT to_jsonb(o) INTO result
  FROM afterservice.orders o
  WHERE o.tenant_id = workorder.tenant_id() AND o.id = order_id
  FOR NO KEY UPDATE OF o;
  IF result IS NULL THEN
    PERFORM workorder.refuse('WO404', 'order not found',
      'There is no such order, or you may not see it.', 'Check the id.');
  END IF;
  RETURN result;
END
$$;
COMMENT ON FUNCTION afterservice.lock_order(bigint) IS
  'Locks an order until the end of the transaction and returns its row as it is then; raises WO404 "order not found".';

CREATE FUNCTION afterservice.require_in_progress(o jsonb) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF afterservice.workflow_status(o ->> 'state') <> 'in_progress' THEN
    PERFORM workorder.refuse('WO409', 'order is not in progress',
      format('Its workflow_status is %s.', afterservice.workflow_status(o ->> 'state')),
      'Only an order in progress can be changed.');
  END IF;
END
$$;
COMMENT ON FUNCTION afterservice.require_in_progress(jsonb) IS
  'Raises WO409 "order is not in progress" if the row rests outside in_progress. Contract 3.3.';

CREATE FUNCTION afterservice.require_owner(o jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT workorder.can('afterservice.orders', (o ->> 'id')::bigint, 'update') THEN
    PERFORM workorder.refuse('WO403', 'permission denied',
      format('The status %s belongs to somebody else.', afterservice.status(o ->> 'state', o ->> 'history')),
      'workorder.actions() tells what you may do now, and why not.');
  END IF;
END
$$;
COMMENT ON FUNCTION afterservice.require_owner(jsonb) IS
  'Raises WO403 "permission denied" unless the actor owns the order''s current status, that is, may update the order. Contract 3.2.';

-- ---------------------------------------------------------------------------
-- AS-1, AS-3, AS-4, AS-5, AS-6.
-- ---------------------------------------------------------------------------

CREATE FUNCTION afterservice.create_order(body jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  rules CONSTANT jsonb := '[
    {"name": "type", "kind": "text", "required": true, "max": 50},
    {"name": "customer_name", "kind": "text", "required": true, "max": 200},
    {"name": "accuser_name", "kind": "text", "required": true, "max": 200},
    {"name": "creator_name", "required": true},
    {"name": "reason", "kind": "text", "required": true, "max": 200},
    {"name": "remark", "kind": "text", "required": true, "max": 2000}]';
  missing text;
  given jsonb;
  order_id bigint;
BEGIN
  PERFORM afterservice.object_of(body);
  SELECT c.name INTO missing
  FROM workorder.check_input(body, rules) WITH ORDINALITY AS c (name, rule, bound, n)
  WHERE c.rule = 'required'
  ORDER BY c.n
  LIMIT 1;
  IF FOUND THEN
    PERFORM workorder.refuse_input(afterservice.wording(), 'required', missing);
  END IF;

  IF NOT workorder.has_role('afterservice.creator') THEN
    PERFORM workorder.refuse('WO403', 'permission denied',
      'Orders are created by people with the role afterservice.creator.', 'Ask for the role.');
  END IF;
  PERFORM afterservice.require_name(body -> 'creator_name');

  given := afterservice.read_fields(body, rules);
  INSERT INTO afterservice.orders AS o (type, customer_name, accuser_name, reason, remark)
  VALUES (given ->> 'type', given ->> 'customer_name', given ->> 'accuser_name', given ->> 'reason', given ->> 'remark')
  RETURNING o.id INTO order_id;
  PERFORM workorder.act('afterservice.orders', order_id, 'done');
  RETURN afterservice.order_json(order_id);
END
$$;
COMMENT ON FUNCTION afterservice.create_order(jsonb) IS
  'AS-1: creates an order from the body and returns it, resting in waiting; journals create and done. Raises WO400, WO403.';

CREATE FUNCTION afterservice.put_order(order_id bigint, body jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  o jsonb;
  status text;
  operation text;
  note text;
  changes jsonb;
  saler text;
  saler_id bigint;
BEGIN
  PERFORM afterservice.object_of(body);
  o := afterservice.lock_order(order_id);
  status := afterservice.status(o ->> 'state', o ->> 'history');
  PERFORM afterservice.require_in_progress(o);

  operation := body ->> 'operation';
  IF operation IS NOT NULL AND body -> 'operation' NOT IN ('"done"', '"reject"') THEN
    PERFORM workorder.refuse('WO400', 'unsupported operation: ' || operation,
      'An operation is done or reject.', 'Leave operation out to change the content only.');
  END IF;
  PERFORM afterservice.require_name(body -> 'operator_name');
  IF NOT workorder.can('afterservice.orders', order_id, coalesce(operation, 'update')) THEN
    PERFORM afterservice.require_owner(o);
    -- The status is the caller's, so it is the step that is refused.
    IF EXISTS (SELECT FROM workorder.explain('afterservice.orders', order_id, operation) e WHERE e.code = 'state') THEN
      PERFORM workorder.refuse('WO409', format('%s is not allowed in status %s', operation, status),
        'There is no such step from this status.', 'Send done to pass the order on.');
    END IF;
    PERFORM workorder.refuse('WO403', 'permission denied',
      'The flow does not let you take this step.', 'workorder.explain() tells why.');
  END IF;

  changes := afterservice.read_fields(body, jsonb_build_array(
    -- With an operation the remark is what is said of it, else it is the order's.
    jsonb_build_object('name', 'remark', 'kind', 'text', 'max', 2000)
      || CASE WHEN operation IS NULL THEN '{"required": "if given"}'::jsonb ELSE '{}' END,
    '{"name": "type", "kind": "text", "required": "if given", "max": 50}'::jsonb,
    '{"name": "customer_name", "kind": "text", "required": "if given", "max": 200}'::jsonb,
    '{"name": "accuser_name", "kind": "text", "required": "if given", "max": 200}'::jsonb,
    '{"name": "reason", "kind": "text", "required": "if given", "max": 200}'::jsonb), held => o);
  IF operation IS NOT NULL THEN
    note := nullif(changes ->> 'remark', '');
    changes := changes - 'remark';
  END IF;
  saler := (SELECT a.name FROM workorder.actor a WHERE a.tenant_id = workorder.tenant_id() AND a.id = (o ->> 'saler_id')::bigint);
  IF body ? 'saler' AND body -> 'saler' <> coalesce(to_jsonb(saler), 'null') THEN
    IF body -> 'saler' <> 'null' THEN
      IF jsonb_typeof(body -> 'saler') = 'string' THEN
        saler_id := afterservice.specialist_named(body ->> 'saler');
      END IF;
      IF saler_id IS NULL THEN
        PERFORM workorder.refuse_input(afterservice.wording(), 'invalid', 'saler', 'It must be the name of an active person with the role service.');
      END IF;
    END IF;
    changes := changes || jsonb_build_object('saler_id', saler_id);
  END IF;
  changes := changes || jsonb_strip_nulls(jsonb_build_object(
    'tracks', afterservice.read_list(body, 'tracks', '[{"name": "remark", "kind": "text", "required": true, "max": 2000}]'),
    'deductions', afterservice.read_list(body, 'deductions', '[
      {"name": "compensation", "kind": "money", "required": true},
      {"name": "has_receipt", "kind": "flag", "default": false, "blank": false},
      {"name": "remark", "kind": "text", "max": 2000, "default": ""}]')));

  PERFORM workorder.act('afterservice.orders', order_id, coalesce(operation, 'update'), note, changes);
  RETURN afterservice.order_json(order_id);
END
$$;
COMMENT ON FUNCTION afterservice.put_order(bigint, jsonb) IS
  'AS-3, AS-4, AS-5: changes the content of an order and, with operation, passes it on (done) or back (reject), in one step; returns the order. Raises WO400, WO403, WO404, WO409 in the order of contract 4.0.';

CREATE FUNCTION afterservice.delete_order(order_id bigint) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  o jsonb := afterservice.lock_order(order_id);
BEGIN
  PERFORM afterservice.require_in_progress(o);
  IF ((o ->> 'creator_id')::bigint IS DISTINCT FROM workorder.actor_id() OR workorder.actor_id() IS NULL)
     AND NOT workorder.has_role('afterservice.unnamed') THEN
    PERFORM workorder.refuse('WO403', 'permission denied',
      'An order is deleted by its creator.', 'Ask the creator, or send the order back.');
  END IF;
  IF NOT workorder.can('afterservice.orders', order_id, 'delete') THEN
    PERFORM workorder.refuse('WO409',
      format('delete is not allowed in status %s', afterservice.status(o ->> 'state', o ->> 'history')),
      'An order can be deleted until it is submitted.', 'Have the order sent back first.');
  END IF;
  DELETE FROM afterservice.orders d
  WHERE d.tenant_id = workorder.tenant_id() AND d.id = order_id;
END
$$;
COMMENT ON FUNCTION afterservice.delete_order(bigint) IS
  'AS-6: deletes an order that waits to be submitted; its journal is kept. Raises WO403, WO404, WO409.';

-- ---------------------------------------------------------------------------
-- What the API does not offer: the administrator's steps (contract 3.1).
-- ---------------------------------------------------------------------------

CREATE FUNCTION afterservice.step_order(order_id bigint, step text, note text) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM afterservice.lock_order(order_id);
  PERFORM workorder.act('afterservice.orders', order_id, step, note);
  RETURN afterservice.order_json(order_id);
END
$$;
COMMENT ON FUNCTION afterservice.step_order(bigint, text, text) IS
  'Takes a step with an order and returns the order as it is then. Raises WO403, WO404, WO409.';

CREATE FUNCTION afterservice.halt_order(order_id bigint, note text DEFAULT NULL) RETURNS jsonb
LANGUAGE sql VOLATILE PARALLEL UNSAFE
RETURN afterservice.step_order(order_id, 'halt', note);
COMMENT ON FUNCTION afterservice.halt_order(bigint, text) IS
  'Halts an order in progress; it keeps its status. Returns the order. Raises WO403, WO404, WO409.';

CREATE FUNCTION afterservice.resume_order(order_id bigint, note text DEFAULT NULL) RETURNS jsonb
LANGUAGE sql VOLATILE PARALLEL UNSAFE
RETURN afterservice.step_order(order_id, 'resume', note);
COMMENT ON FUNCTION afterservice.resume_order(bigint, text) IS
  'Puts an order that was halted or is overdue back into the status it had. Returns the order. Raises WO403, WO404, WO409.';

CREATE FUNCTION afterservice.cancel_order(order_id bigint, note text DEFAULT NULL) RETURNS jsonb
LANGUAGE sql VOLATILE PARALLEL UNSAFE
RETURN afterservice.step_order(order_id, 'cancel', note);
COMMENT ON FUNCTION afterservice.cancel_order(bigint, text) IS
  'Cancels an order that is not done, for good; it keeps its status. Returns the order. Raises WO403, WO404, WO409.';

CREATE FUNCTION afterservice.expire_order(order_id bigint, note text DEFAULT NULL) RETURNS jsonb
LANGUAGE sql VOLATILE PARALLEL UNSAFE
RETURN afterservice.step_order(order_id, 'expire', note);
COMMENT ON FUNCTION afterservice.expire_order(bigint, text) IS
  'Makes an order in progress overdue; it keeps its status. Returns the order. Raises WO403, WO404, WO409.';

CREATE FUNCTION afterservice.assign_order(order_id bigint, saler text, note text DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  saler_id CONSTANT bigint := afterservice.specialist_named(saler);
BEGIN
  PERFORM afterservice.lock_order(order_id);
  IF saler_id IS NULL AND saler IS NOT NULL THEN
    PERFORM workorder.refuse_input(afterservice.wording(), 'invalid', 'saler', 'It must be the name of an active person with the role service.');
  END IF;
  PERFORM workorder.act('afterservice.orders', order_id, 'assign', note, jsonb_build_object('saler_id', saler_id));
  RETURN afterservice.order_json(order_id);
END
$$;
COMMENT ON FUNCTION afterservice.assign_order(bigint, text, text) IS
  'Gives an order in progress to another specialist, by name, or to any of them (null): for when the one it has is gone. Returns the order. Raises WO400, WO403, WO404, WO409.';

CREATE FUNCTION afterservice.set_overdue_after(term text) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.set_setting('afterservice', 'overdue_after', term);
  RETURN workorder.retime('afterservice.orders');
END
$$;
COMMENT ON FUNCTION afterservice.set_overdue_after(text) IS
  'How long an order of this tenant may be in progress without anybody touching it before workorder.sweep() makes it overdue: an ISO 8601 duration, P30D, or P10D@office for working days of a calendar; null, as in the beginning, for ever. It holds for the orders that are there, too, from when each was last touched. Returns how many orders got another timer. For who owns the tables. Raises WO400 for what is no duration. Contract 3.1.';
-- The parts of an order: tracks, deductions and abnormal products.  They live
-- in the order's row, as lists, in the shape that the API shows: whoever
-- changes one changes the order, by the order's rules and in its journal, and
-- they go when the order goes.

CREATE FUNCTION afterservice.abnormal_product_of(value jsonb, place text, current jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  given jsonb := value;
BEGIN
  -- Nothing but a remark is enough to change an item that is there.
  IF current IS NOT NULL AND value ? 'remark' AND NOT value ?| '{skuCode,sku_code}' THEN
    given := given || jsonb_build_object('skuCode', current -> 'skuCode');
  END IF;
  given := afterservice.read_fields(given, '[
    {"name": "skuCode", "kind": "text", "required": true, "max": 64, "from": ["sku_code"]},
    {"name": "remark", "kind": "text", "max": 500}]', place);
  RETURN jsonb_build_object(
    'skuCode', given -> 'skuCode',
    'remark', coalesce(given -> 'remark', CASE WHEN NOT value ? 'remark' THEN current -> 'remark' END, '""'));
END
$$;
COMMENT ON FUNCTION afterservice.abnormal_product_of(jsonb, text, jsonb) IS
  'Returns skuCode and remark of an item that is added, or as it will be if current is given; place goes before names in messages ("[0]."). Raises WO400. Contract AS-10, AS-11.';

CREATE FUNCTION afterservice.put_parts(order_id bigint, abnormal_products jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.act('afterservice.orders', order_id, 'update',
    changes => jsonb_build_object('abnormal_products', abnormal_products));
END
$$;
COMMENT ON FUNCTION afterservice.put_parts(bigint, jsonb) IS
  'Replaces the abnormal products of an order, which is an update of the order.';

CREATE FUNCTION afterservice.add_abnormal_products(order_id bigint, body jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  o jsonb;
  item jsonb;
  added jsonb := '[]';
  numbered jsonb := '[]';
  i int := 0;
BEGIN
  IF jsonb_typeof(body) IS DISTINCT FROM 'array' THEN
    PERFORM afterservice.object_of(body);
  END IF;
  o := afterservice.lock_order(order_id);
  PERFORM afterservice.require_in_progress(o);
  PERFORM afterservice.require_owner(o);

  IF body = '[]' THEN
    PERFORM workorder.refuse_input(afterservice.wording(), 'required', 'skuCode');
  ELSIF jsonb_typeof(body) = 'object' THEN
    added := jsonb_build_array(afterservice.abnormal_product_of(body, '', NULL));
  ELSE
    FOR item IN SELECT e.value FROM jsonb_array_elements(body) WITH ORDINALITY AS e (value, n) ORDER BY e.n LOOP
      IF i = 200 OR jsonb_typeof(item) <> 'object' THEN
        PERFORM workorder.refuse_input(afterservice.wording(), 'invalid', format('[%s]', i), 'The body is an object or a list of at most 200 objects.');
      END IF;
      added := added || afterservice.abnormal_product_of(item, format('[%s].', i), NULL);
      i := i + 1;
    END LOOP;
  END IF;

  -- Numbers are taken once nothing can be refused any more.
  FOR item IN SELECT e.value FROM jsonb_array_elements(added) WITH ORDINALITY AS e (value, n) ORDER BY e.n LOOP
    numbered := numbered || (item || jsonb_build_object('id', workorder.next_number('afterservice.abnormal_product')));
  END LOOP;
  PERFORM afterservice.put_parts(order_id, (o -> 'abnormal_products') || numbered);
  RETURN numbered;
END
$$;
COMMENT ON FUNCTION afterservice.add_abnormal_products(bigint, jsonb) IS
  'AS-10: adds one abnormal product, or a list of up to 200, all or nothing; returns the added items with their ids. Raises WO400, WO403, WO404, WO409.';

CREATE FUNCTION afterservice.find_abnormal_product(o jsonb, product_id bigint) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  result jsonb;
BEGIN
  SELECT e.value INTO result
  FROM jsonb_array_elements(o -> 'abnormal_products') AS e (value)
  WHERE (e.value ->> 'id')::bigint = product_id;
  IF result IS NULL THEN
    PERFORM workorder.refuse('WO404', 'abnormal product not found',
      'The order has no abnormal product with this id.', 'Check the id.');
  END IF;
  RETURN result;
END
$$;
COMMENT ON FUNCTION afterservice.find_abnormal_product(jsonb, bigint) IS
  'The abnormal product of an order''s row with this id; raises WO404 "abnormal product not found".';

CREATE FUNCTION afterservice.put_abnormal_product(order_id bigint, product_id bigint, body jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  o jsonb;
  item jsonb;
BEGIN
  PERFORM afterservice.object_of(body);
  o := afterservice.lock_order(order_id);
  item := afterservice.find_abnormal_product(o, product_id);
  PERFORM afterservice.require_in_progress(o);
  PERFORM afterservice.require_owner(o);

  item := item || afterservice.abnormal_product_of(body, '', item);
  PERFORM afterservice.put_parts(order_id, (
    SELECT jsonb_agg(CASE WHEN e.value -> 'id' = item -> 'id' THEN item ELSE e.value END ORDER BY e.n)
    FROM jsonb_array_elements(o -> 'abnormal_products') WITH ORDINALITY AS e (value, n)));
  RETURN item;
END
$$;
COMMENT ON FUNCTION afterservice.put_abnormal_product(bigint, bigint, jsonb) IS
  'AS-11: changes skuCode and/or remark of an abnormal product; returns the item. Raises WO400, WO403, WO404, WO409.';

CREATE FUNCTION afterservice.delete_abnormal_product(order_id bigint, product_id bigint) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  o jsonb := afterservice.lock_order(order_id);
  item jsonb := afterservice.find_abnormal_product(o, product_id);
BEGIN
  PERFORM afterservice.require_in_progress(o);
  PERFORM afterservice.require_owner(o);
  PERFORM afterservice.put_parts(order_id, (
    SELECT coalesce(jsonb_agg(e.value ORDER BY e.n), '[]')
    FROM jsonb_array_elements(o -> 'abnormal_products') WITH ORDINALITY AS e (value, n)
    WHERE e.value -> 'id' <> item -> 'id'));
END
$$;
COMMENT ON FUNCTION afterservice.delete_abnormal_product(bigint, bigint) IS
  'AS-12: takes an abnormal product off its order. Raises WO403, WO404, WO409.';
CREATE FUNCTION afterservice.put_duty_report(order_id bigint, body jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  o jsonb;
  changes jsonb;
  given_date text;
BEGIN
  PERFORM afterservice.object_of(body);
  o := afterservice.lock_order(order_id);
  PERFORM afterservice.require_in_progress(o);
  PERFORM afterservice.require_owner(o);

  changes := afterservice.read_fields(body, '[
    {"name": "abnormal_type", "kind": "text", "max": 200, "null": true},
    {"name": "abnormal_reason", "kind": "text", "max": 200, "null": true},
    {"name": "publishment", "kind": "text", "max": 200, "null": true},
    {"name": "publish_to", "kind": "text", "max": 200, "null": true},
    {"name": "duty_to", "kind": "text", "max": 200, "null": true},
    {"name": "compensation", "kind": "money", "null": true, "blank": false},
    {"name": "duty_date", "from": ["DutyDate"], "kind": "text", "null": true}]');
  -- A day or a time, kept as it was written once it is known to exist.
  given_date := changes ->> 'duty_date';
  IF given_date !~ '^[0-9-]{10}( [0-9:]{8})?$' OR (given_date IS NOT NULL AND workorder.input_time(given_date, false, false) IS NULL) THEN
    PERFORM workorder.refuse_input(afterservice.wording(), 'invalid', 'duty_date', 'It must be a day, "2018-03-05", or a time, "2018-03-05 10:00:00".');
  END IF;
  IF changes ? 'duty_to' THEN
    changes := changes || jsonb_build_object('duty_to_id', afterservice.supplier_named(changes ->> 'duty_to'));
  END IF;

  PERFORM workorder.act('afterservice.orders', order_id, 'update', changes => changes);
  RETURN afterservice.order_json(order_id) -> 'duty_report';
END
$$;
COMMENT ON FUNCTION afterservice.put_duty_report(bigint, jsonb) IS
  'AS-13: writes the keys given into the duty report of an order, null clears; returns the report. Raises WO400, WO403, WO404, WO409.';

CREATE FUNCTION afterservice.supplier_named(name text) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
    SELECT min(s.id)
    FROM afterservice.supplier s
    WHERE s.tenant_id = workorder.tenant_id() AND s.name = supplier_named.name);
END
$$;
COMMENT ON FUNCTION afterservice.supplier_named(text) IS
  'The id of the supplier of this name, null if the directory has none. Contract 4.0, duty_to_id.';

-- ---------------------------------------------------------------------------
-- Rankings: what the duty reports of existing orders say, and how often; then
-- the entries of the tenant's dictionary that none of them has used.
-- ---------------------------------------------------------------------------

CREATE FUNCTION afterservice.rank(field text) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  result jsonb;
BEGIN
  EXECUTE format($query$
      SELECT coalesce(jsonb_agg(jsonb_build_object('value', r.value, 'count', r.n)
                                ORDER BY r.n DESC, r.value COLLATE "C"), '[]')
      FROM (
        SELECT u.value, sum(u.n) AS n
        FROM (
          SELECT o.%1$I AS value, count(*) AS n
          FROM afterservice.orders o
          WHERE o.tenant_id = workorder.tenant_id() AND o.%1$I IS NOT NULL
          GROUP BY o.%1$I
          UNION ALL
          SELECT d.code, 0
          FROM workorder.dictionary d
          WHERE d.tenant_id = workorder.tenant_id() AND d.system = 'afterservice' AND d.kind = $1 AND d.active
            AND workorder.takes_part('afterservice')) AS u
        GROUP BY u.value) AS r $query$, field)
    USING field
    INTO result;
  RETURN result;
END
$$;
COMMENT ON FUNCTION afterservice.rank(text) IS
  'Values of a text column of the duty report with how many orders have them, the most used first, then by value (byte order); the dictionary of the same name fills up.';

CREATE FUNCTION afterservice.type_rank() RETURNS jsonb
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN afterservice.rank('abnormal_type');
COMMENT ON FUNCTION afterservice.type_rank() IS 'AS-14: ranking of abnormal types, [{"value", "count"}].';

CREATE FUNCTION afterservice.reason_rank() RETURNS jsonb
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN afterservice.rank('abnormal_reason');
COMMENT ON FUNCTION afterservice.reason_rank() IS 'AS-15: ranking of abnormal reasons, [{"value", "count"}].';

CREATE FUNCTION afterservice.duty_rank() RETURNS jsonb
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN afterservice.rank('duty_to');
COMMENT ON FUNCTION afterservice.duty_rank() IS 'AS-16: ranking of those at fault, [{"value", "count"}].';

CREATE FUNCTION afterservice.compensation_rank() RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
    SELECT coalesce(jsonb_agg(jsonb_build_object('value', trim_scale(r.value), 'count', r.n)
                              ORDER BY r.n DESC, r.value), '[]')
    FROM (
      SELECT o.compensation AS value, count(*) AS n
      FROM afterservice.orders o
      WHERE o.tenant_id = workorder.tenant_id() AND o.compensation IS NOT NULL
      GROUP BY o.compensation) AS r);
END
$$;
COMMENT ON FUNCTION afterservice.compensation_rank() IS 'AS-17: ranking of amounts, [{"value": number, "count"}].';

CREATE FUNCTION afterservice.publishment_rank() RETURNS jsonb
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN afterservice.rank('publishment');
COMMENT ON FUNCTION afterservice.publishment_rank() IS 'AS-18: ranking of penalties, [{"value", "count"}].';
CREATE FUNCTION afterservice.list_orders(
  status text DEFAULT NULL, workflow_status text DEFAULT NULL, creator_name text DEFAULT NULL,
  page text DEFAULT NULL, per_page text DEFAULT NULL,
  OUT total bigint, OUT data json)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan -- see order_list()
AS $$
DECLARE
  tenant CONSTANT bigint := workorder.tenant_id();
  size CONSTANT int := afterservice.page_size(per_page);
  skipped CONSTANT bigint := (afterservice.page_number(page) - 1) * size;
  wanted_status CONSTANT text := CASE WHEN status = 'waitting' THEN 'waiting' ELSE nullif(status, '') END;
  wanted_workflow CONSTANT text := nullif(workflow_status, '');
  wanted_creator CONSTANT text := nullif(creator_name, '');
  states text[];
  stopped text[];
  ids bigint[];
BEGIN
  IF wanted_status NOT IN ('created', 'waiting', 'service_approving', 'service_approved', 'manager_reviewing',
      'manager_reviewed', 'chief_reviewing', 'chief_reviewed', 'finance_reviewing', 'end') THEN
    PERFORM workorder.refuse_input(afterservice.wording(), 'invalid', 'status', 'It is none of the ten statuses.');
  ELSIF wanted_workflow NOT IN ('halt', 'in_progress', 'done', 'cancel', 'overdue') THEN
    PERFORM workorder.refuse_input(afterservice.wording(), 'invalid', 'workflow_status', 'It is none of the five workflow statuses.');
  END IF;

  IF wanted_creator IS NOT NULL THEN
    states := afterservice.states_of(wanted_status, wanted_workflow);
    SELECT count(*) INTO total
    FROM afterservice.orders o
    WHERE o.tenant_id = tenant AND o.creator_name = wanted_creator AND o.state = ANY (states)
      AND (wanted_status IS NULL OR afterservice.status(o.state, o.history) = wanted_status);
    ids := ARRAY(
      SELECT o.id
      FROM afterservice.orders o
      WHERE o.tenant_id = tenant AND o.creator_name = wanted_creator AND o.state = ANY (states)
        AND (wanted_status IS NULL OR afterservice.status(o.state, o.history) = wanted_status)
      ORDER BY o.created_at DESC, o.id DESC
      LIMIT size OFFSET skipped);
  ELSIF wanted_status IS NOT NULL OR wanted_workflow IS NOT NULL THEN
    states := afterservice.states_of(wanted_status, wanted_workflow);
    -- Where an order was when it was halted, cancelled or overdue, its row alone tells.
    stopped := CASE WHEN wanted_status IS NULL THEN '{}'
      ELSE ARRAY(SELECT s FROM unnest(states) AS s WHERE s IN ('halt', 'overdue', 'cancel')) END;
    total := workorder.total('afterservice.orders', ARRAY(SELECT s FROM unnest(states) AS s WHERE s <> ALL (stopped)))
      + (SELECT count(*)
         FROM afterservice.orders o
         WHERE o.tenant_id = tenant AND o.state = ANY (stopped)
           AND afterservice.status(o.state, o.history) = wanted_status);
    -- The newest of each state come off the index; then they are merged.
    ids := ARRAY(
      SELECT newest.id
      FROM unnest(states) AS s (state)
      CROSS JOIN LATERAL (
        SELECT o.id, o.created_at
        FROM afterservice.orders o
        WHERE o.tenant_id = tenant AND o.state = s.state
          AND (wanted_status IS NULL OR afterservice.status(o.state, o.history) = wanted_status)
        ORDER BY o.created_at DESC, o.id DESC
        LIMIT skipped + size) AS newest
      ORDER BY newest.created_at DESC, newest.id DESC
      LIMIT size OFFSET skipped);
  ELSE
    total := workorder.total('afterservice.orders');
    ids := ARRAY(
      SELECT o.id
      FROM afterservice.orders o
      WHERE o.tenant_id = tenant
      ORDER BY o.created_at DESC, o.id DESC
      LIMIT size OFFSET skipped);
  END IF;
  data := afterservice.order_list(ids);
END
$$;
COMMENT ON FUNCTION afterservice.list_orders(text, text, text, text, text) IS
  'AS-2: a page of the orders that the caller may see, newest first, and how many there are; empty filters mean all. Arguments as they come in the query. Raises WO400.';

CREATE FUNCTION afterservice.journals(
  order_id bigint, page text DEFAULT NULL, per_page text DEFAULT NULL,
  OUT total bigint, OUT data json)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  size CONSTANT int := afterservice.page_size(per_page);
  skipped CONSTANT bigint := (afterservice.page_number(page) - 1) * size;
  zone CONSTANT text := afterservice.time_zone();
BEGIN
  PERFORM FROM afterservice.orders o
  WHERE o.tenant_id = workorder.tenant_id() AND o.id = order_id;
  IF NOT FOUND THEN
    PERFORM workorder.refuse('WO404', 'order not found',
      'There is no such order, or you may not see it.', 'Check the id.');
  END IF;
  SELECT coalesce(max(h.total), 0),
    coalesce(json_agg(json_build_object(
      'id', h.revision,
      'order_id', order_id,
      'operation', h.action,
      'from_status', afterservice.status(h.from_state, NULL),
      'to_status', afterservice.status(h.to_state, NULL),
      'workflow_status', afterservice.workflow_status(h.to_state),
      'remark', coalesce(h.note, ''),
      'operator_name', coalesce(h.actor, ''),
      'created_at', workorder.time_text(h.at, zone)) ORDER BY h.revision)
      FILTER (WHERE h.n > skipped AND h.n <= skipped + size), '[]')
  INTO total, data
  FROM (
    SELECT l.*, count(*) OVER () AS total, row_number() OVER (ORDER BY l.revision) AS n
    FROM workorder.history l
    WHERE l.relation = 'afterservice.orders'::regclass AND l.ticket_id = order_id
      AND l.action IN ('create', 'done', 'reject')) AS h;
END
$$;
COMMENT ON FUNCTION afterservice.journals(bigint, text, text) IS
  'AS-7: a page of an order''s flow history, oldest first, and its length; content edits and the administrator''s steps are left out. An entry''s id is the revision of the order. Raises WO404.';

CREATE FUNCTION afterservice.all_products(page text DEFAULT NULL, per_page text DEFAULT NULL, OUT total bigint, OUT data json)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  size CONSTANT int := afterservice.page_size(per_page);
  skipped CONSTANT bigint := (afterservice.page_number(page) - 1) * size;
BEGIN
  SELECT count(*) INTO total
  FROM afterservice.product p
  WHERE p.tenant_id = workorder.tenant_id();
  SELECT coalesce(json_agg(json_build_object('id', l.id, 'skuCode', l.sku_code, 'name', l.name) ORDER BY l.sku_code), '[]')
  INTO data
  FROM (
    SELECT p.id, p.sku_code, p.name
    FROM afterservice.product p
    WHERE p.tenant_id = workorder.tenant_id()
    ORDER BY p.sku_code
    LIMIT size OFFSET skipped) AS l;
END
$$;
COMMENT ON FUNCTION afterservice.all_products(text, text) IS
  'AS-8: a page of the product directory by skuCode, and its length.';

CREATE FUNCTION afterservice.supplier_user_matcher(
  key_word text DEFAULT NULL, page text DEFAULT NULL, per_page text DEFAULT NULL,
  OUT total bigint, OUT data json)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  size CONSTANT int := afterservice.page_size(per_page);
  skipped CONSTANT bigint := (afterservice.page_number(page) - 1) * size;
  part CONSTANT text := lower(coalesce(key_word, ''));
BEGIN
  IF char_length(key_word) > 100 THEN
    PERFORM workorder.refuse_input(afterservice.wording(), 'invalid', 'key_word', 'It must be a text of at most 100 characters.');
  END IF;
  SELECT count(*),
    coalesce(json_agg(json_build_object(
      'supplier_id', l.supplier_id, 'supplier_name', l.supplier_name,
      'user_id', l.user_id, 'user_name', l.user_name) ORDER BY l.n)
      FILTER (WHERE l.n > skipped AND l.n <= skipped + size), '[]')
  INTO total, data
  FROM (
    SELECT m.supplier_id, s.name AS supplier_name, m.user_id, a.name AS user_name,
      row_number() OVER (ORDER BY m.supplier_id, m.user_id) AS n
    FROM afterservice.matcher m
    JOIN afterservice.supplier s ON s.tenant_id = m.tenant_id AND s.id = m.supplier_id
    JOIN workorder.actor a ON a.tenant_id = m.tenant_id AND a.id = m.user_id
    WHERE m.tenant_id = workorder.tenant_id()
      AND (strpos(lower(s.name), part) > 0 OR strpos(lower(a.name), part) > 0)) AS l;
END
$$;
COMMENT ON FUNCTION afterservice.supplier_user_matcher(text, text, text) IS
  'AS-9: a page of the pairs of supplier and specialist whose names contain key_word, and how many there are. Raises WO400.';

-- ---------------------------------------------------------------------------
-- Loading the directories.  Both take the shape that the API shows, and may
-- be repeated: what is there is brought up to date, nothing is taken away.
-- ---------------------------------------------------------------------------

CREATE FUNCTION afterservice.import_suppliers(list jsonb) RETURNS int
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  tenant CONSTANT bigint := workorder.tenant_id();
BEGIN
  INSERT INTO afterservice.supplier AS s (tenant_id, id, name)
  SELECT DISTINCT ON (i.supplier_id) tenant, i.supplier_id, i.supplier_name
  FROM jsonb_to_recordset(list) AS i (supplier_id bigint, supplier_name text)
  ORDER BY i.supplier_id
  ON CONFLICT ON CONSTRAINT supplier_pkey DO UPDATE SET name = excluded.name WHERE s.name <> excluded.name;

  INSERT INTO afterservice.matcher (tenant_id, supplier_id, user_id)
  SELECT DISTINCT tenant, i.supplier_id, i.user_id
  FROM jsonb_to_recordset(list) AS i (supplier_id bigint, user_id bigint)
  WHERE i.user_id IS NOT NULL
  ON CONFLICT DO NOTHING;
  RETURN (SELECT count(DISTINCT i.supplier_id) FROM jsonb_to_recordset(list) AS i (supplier_id bigint));
END
$$;
COMMENT ON FUNCTION afterservice.import_suppliers(jsonb) IS
  'Loads suppliers and their specialists, [{"supplier_id", "supplier_name", "user_id": actor or null}], as AS-9 shows them; returns how many suppliers. May be repeated.';

CREATE FUNCTION afterservice.import_products(list jsonb) RETURNS int
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  tenant CONSTANT bigint := workorder.tenant_id();
  imported int;
BEGIN
  INSERT INTO afterservice.product AS p (tenant_id, id, sku_code, name)
  SELECT DISTINCT ON (i.id) tenant, i.id, i."skuCode", i.name
  FROM jsonb_to_recordset(list) AS i (id bigint, "skuCode" text, name text)
  ORDER BY i.id
  ON CONFLICT ON CONSTRAINT product_pkey DO UPDATE SET sku_code = excluded.sku_code, name = excluded.name;
  GET DIAGNOSTICS imported = ROW_COUNT;
  RETURN imported;
END
$$;
COMMENT ON FUNCTION afterservice.import_products(jsonb) IS
  'Loads products, [{"id", "skuCode", "name"}], as AS-8 shows them; returns how many. May be repeated.';
-- ---------------------------------------------------------------------------
-- The API of contract 4 over HTTP: each function takes a request apart, calls
-- the function that does the work, and puts the answer into the envelope.
-- Refusals are errors (WO400 ...), which the engine puts into the envelope that
-- afterservice.install_http() gives it.
-- ---------------------------------------------------------------------------

CREATE FUNCTION afterservice.http_data(data json, total bigint DEFAULT NULL) RETURNS workorder.http_response
LANGUAGE sql STABLE PARALLEL SAFE
RETURN workorder.http_json(200,
  json_build_object('status', 0, 'message', 'ok', 'data', data),
  CASE WHEN total IS NOT NULL THEN jsonb_build_object('X-Total-Count', total) END);
COMMENT ON FUNCTION afterservice.http_data(json, bigint) IS
  'The envelope of a success: data is a list; total, if it is one page of it, goes into the header X-Total-Count. Contract 4.0.';

CREATE FUNCTION afterservice.http_id(request workorder.http_request, name text DEFAULT 'id') RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN workorder.path_id((request).params ->> name);
COMMENT ON FUNCTION afterservice.http_id(workorder.http_request, text) IS
  'An id in the path of a request, null if there can be no such row.';

CREATE FUNCTION afterservice.http_create_order(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN afterservice.http_data(json_build_array(afterservice.create_order(request.body)));
END
$$;
COMMENT ON FUNCTION afterservice.http_create_order(workorder.http_request) IS
  'AS-1, POST /orders.';

CREATE FUNCTION afterservice.http_list_orders(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (SELECT afterservice.http_data(l.data, l.total) FROM afterservice.list_orders(
    workorder.http_value(request.query, 'status'), workorder.http_value(request.query, 'workflow_status'),
    workorder.http_value(request.query, 'creator_name'),
    workorder.http_value(request.query, 'page'), workorder.http_value(request.query, 'per_page')) AS l);
END
$$;
COMMENT ON FUNCTION afterservice.http_list_orders(workorder.http_request) IS
  'AS-2, GET /orders.';

CREATE FUNCTION afterservice.http_put_order(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN afterservice.http_data(json_build_array(
    afterservice.put_order(afterservice.http_id(request), request.body)));
END
$$;
COMMENT ON FUNCTION afterservice.http_put_order(workorder.http_request) IS
  'AS-3, AS-4, AS-5, PUT /orders/{id}.';

CREATE FUNCTION afterservice.http_delete_order(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM afterservice.delete_order(afterservice.http_id(request));
  RETURN afterservice.http_data('[]');
END
$$;
COMMENT ON FUNCTION afterservice.http_delete_order(workorder.http_request) IS
  'AS-6, DELETE /orders/{id}.';

CREATE FUNCTION afterservice.http_journals(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (SELECT afterservice.http_data(l.data, l.total) FROM afterservice.journals(afterservice.http_id(request),
    workorder.http_value(request.query, 'page'), workorder.http_value(request.query, 'per_page')) AS l);
END
$$;
COMMENT ON FUNCTION afterservice.http_journals(workorder.http_request) IS
  'AS-7, GET /{id}/journals and /orders/{id}/journals.';

CREATE FUNCTION afterservice.http_all_products(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (SELECT afterservice.http_data(l.data, l.total) FROM afterservice.all_products(
    workorder.http_value(request.query, 'page'), workorder.http_value(request.query, 'per_page')) AS l);
END
$$;
COMMENT ON FUNCTION afterservice.http_all_products(workorder.http_request) IS
  'AS-8, GET /all-products.';

CREATE FUNCTION afterservice.http_supplier_user_matcher(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (SELECT afterservice.http_data(l.data, l.total) FROM afterservice.supplier_user_matcher(
    workorder.http_value(request.query, 'key_word'),
    workorder.http_value(request.query, 'page'), workorder.http_value(request.query, 'per_page')) AS l);
END
$$;
COMMENT ON FUNCTION afterservice.http_supplier_user_matcher(workorder.http_request) IS
  'AS-9, GET /supplier_user_matcher.';

CREATE FUNCTION afterservice.http_add_abnormal_products(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN afterservice.http_data(
    afterservice.add_abnormal_products(afterservice.http_id(request), request.body)::json);
END
$$;
COMMENT ON FUNCTION afterservice.http_add_abnormal_products(workorder.http_request) IS
  'AS-10, POST /orders/{id}/abnormal-products.';

CREATE FUNCTION afterservice.http_put_abnormal_product(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN afterservice.http_data(json_build_array(afterservice.put_abnormal_product(
    afterservice.http_id(request), afterservice.http_id(request, 'pid'), request.body)));
END
$$;
COMMENT ON FUNCTION afterservice.http_put_abnormal_product(workorder.http_request) IS
  'AS-11, PUT /orders/{id}/abnormal-products/{pid}.';

CREATE FUNCTION afterservice.http_delete_abnormal_product(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM afterservice.delete_abnormal_product(afterservice.http_id(request), afterservice.http_id(request, 'pid'));
  RETURN afterservice.http_data('[]');
END
$$;
COMMENT ON FUNCTION afterservice.http_delete_abnormal_product(workorder.http_request) IS
  'AS-12, DELETE /orders/{id}/abnormal-products/{pid}.';

CREATE FUNCTION afterservice.http_put_duty_report(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN afterservice.http_data(json_build_array(
    afterservice.put_duty_report(afterservice.http_id(request), request.body)));
END
$$;
COMMENT ON FUNCTION afterservice.http_put_duty_report(workorder.http_request) IS
  'AS-13, PUT /orders/{id}/duty-report.';

CREATE FUNCTION afterservice.http_rank(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN afterservice.http_data(
    CASE substring(request.path FROM '/([a-z]+)rank/?$')
      WHEN 'type' THEN afterservice.type_rank()
      WHEN 'reason' THEN afterservice.reason_rank()
      WHEN 'duty' THEN afterservice.duty_rank()
      WHEN 'compensation' THEN afterservice.compensation_rank()
      WHEN 'publishment' THEN afterservice.publishment_rank()
    END::json);
END
$$;
COMMENT ON FUNCTION afterservice.http_rank(workorder.http_request) IS
  'AS-14 to AS-18, GET /dutyreports/typerank and its four sisters.';

-- ---------------------------------------------------------------------------
-- The compatibility switch of contract 4.0: clients of old send no token, only
-- a name.
-- ---------------------------------------------------------------------------

CREATE FUNCTION afterservice.http_identify(request workorder.http_request) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- AS-1 and AS-3 to AS-5 say who; no other call does.
  claimed CONSTANT text := CASE
    WHEN request.path ~ '/orders/?$' THEN request.body ->> 'creator_name'
    WHEN request.path ~ '/orders/[0-9]+/?$' THEN request.body ->> 'operator_name' END;
  found bigint[];
BEGIN
  found := ARRAY(
    SELECT a.id
    FROM workorder.actor a
    WHERE a.tenant_id = workorder.tenant_id() AND a.name = claimed AND a.active
      AND EXISTS (SELECT FROM workorder.membership m
                  WHERE m.tenant_id = a.tenant_id AND m.actor_id = a.id
                    AND m.role IN ('afterservice.creator', 'afterservice.service', 'afterservice.manager',
                      'afterservice.chief', 'afterservice.finance'))
    LIMIT 2);
  IF cardinality(found) = 1 THEN
    RETURN found[1];
  END IF;
  -- Nobody, or not exactly one: the request goes on as the person without a
  -- name, whose name is not the one that was sent; so it is refused when its
  -- turn comes, and a name that was not sent is no obstacle.
  RETURN (
    SELECT a.id
    FROM workorder.actor a
    WHERE a.tenant_id = workorder.tenant_id() AND a.login = 'afterservice.unnamed');
END
$$;
COMMENT ON FUNCTION afterservice.http_identify(workorder.http_request) IS
  'Who acts if there is no token and names are trusted: the person of that name with a role in the flow, else the one who has no name. Contract 4.0, trust_operator_name.';

CREATE FUNCTION afterservice.trust_operator_name(trust boolean) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF trust THEN
    -- enrol() wants a name, and this one must not have any.
    INSERT INTO workorder.actor (tenant_id, login, name)
    VALUES (workorder.tenant_id(), 'afterservice.unnamed', '')
    ON CONFLICT (tenant_id, login) DO UPDATE SET name = '', active = true;
    INSERT INTO workorder.membership (tenant_id, actor_id, role)
    SELECT a.tenant_id, a.id, a.login
    FROM workorder.actor a
    WHERE a.tenant_id = workorder.tenant_id() AND a.login = 'afterservice.unnamed'
    ON CONFLICT DO NOTHING;
    UPDATE workorder.api a
    SET settings = a.settings || jsonb_build_object(
      'trust_operator_name', true,
      'identify', 'afterservice.http_identify',
      'run_as', coalesce((SELECT s.value FROM workorder.secret s WHERE s.name = 'web_role'), 'workorder_user'))
    WHERE a.name = 'afterservice';
  ELSE
    UPDATE workorder.api a
    SET settings = a.settings - '{identify,run_as}'::text[] || '{"trust_operator_name": false}'
    WHERE a.name = 'afterservice';
  END IF;
END
$$;
COMMENT ON FUNCTION afterservice.trust_operator_name(boolean) IS
  'Switches on or off that a request without a token acts as whoever it names in creator_name or operator_name; one that names nobody is then judged by the order''s status alone. Off unless switched on: with it, anybody who reaches the API is whoever he says. For the current tenant''s people. Contract 4.0.';

CREATE FUNCTION afterservice.install_http() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.add_api('afterservice', '/api/v1/afterservice', '{"status":"$status","message":"$message","data":[]}', false,
    '{"trust_operator_name": false,
      "messages": {"malformed": "malformed JSON", "parameter": "invalid value: $name"}}');
  PERFORM workorder.add_routes('afterservice', '[
    ["POST", "/orders", "http_create_order"],
    ["GET", "/orders", "http_list_orders"],
    ["PUT", "/orders/{id:int}", "http_put_order"],
    ["DELETE", "/orders/{id:int}", "http_delete_order"],
    ["GET", "/{id:int}/journals", "http_journals"],
    ["GET", "/orders/{id:int}/journals", "http_journals"],
    ["GET", "/all-products", "http_all_products"],
    ["GET", "/supplier_user_matcher", "http_supplier_user_matcher"],
    ["POST", "/orders/{id:int}/abnormal-products", "http_add_abnormal_products"],
    ["PUT", "/orders/{id:int}/abnormal-products/{pid:int}", "http_put_abnormal_product"],
    ["DELETE", "/orders/{id:int}/abnormal-products/{pid:int}", "http_delete_abnormal_product"],
    ["PUT", "/orders/{id:int}/duty-report", "http_put_duty_report"],
    ["GET", "/dutyreports/typerank", "http_rank"],
    ["GET", "/dutyreports/reasonrank", "http_rank"],
    ["GET", "/dutyreports/dutyrank", "http_rank"],
    ["GET", "/dutyreports/compensationrank", "http_rank"],
    ["GET", "/dutyreports/publishmentrank", "http_rank"]]');

  IF to_regclass('api.orders') IS NULL THEN
    CREATE VIEW api.orders WITH (security_invoker = true) AS
    SELECT o.id, o.serial_number, o.charge_number, o.type, o.customer_name, o.accuser_name, o.creator_name,
      o.reason, o.remark, o.saler_id, o.summitted_at, o.tracks, o.deductions, o.abnormal_products,
      o.abnormal_type, o.abnormal_reason, o.publishment, o.publish_to, o.compensation, o.duty_to_id, o.duty_to, o.duty_date,
      afterservice.status(o.state, o.history) AS status, afterservice.workflow_status(o.state) AS workflow_status,
      o.state, o.revision, o.creator_id, o.created_at, o.entered_at, o.updated_at,
      o.action, o.note, o.last_action, o.last_note
    FROM afterservice.orders o
    WHERE o.tenant_id = workorder.tenant_id();
    COMMENT ON VIEW api.orders IS
      'After-sale orders, for /rest/orders: the caller''s rights and policies. Writing action takes it: PATCH /orders?id=eq.1 {"action": "done", "note": "ok"}';
  END IF;
END
$$;
COMMENT ON FUNCTION afterservice.install_http() IS
  'Enters the API''s envelope and routes, and makes the view api.orders; part of afterservice.install(). What was changed in the settings of the API stays.';
CREATE FUNCTION afterservice.grant_access(role regrole) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM workorder.grant_addon('workorder_afterservice', role,
    '{install,install_tables,install_http,set_overdue_after,trust_operator_name,http_identify,grant_access,complete_order}');
  -- Whoever inserts an order gives what AS-1 takes; the rest comes by itself or later.
  PERFORM workorder.grant_table('afterservice.orders', role,
    insertable => '{type,customer_name,accuser_name,reason,remark,note}');
  -- The policies decide who reads and who keeps the directories.
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON afterservice.supplier, afterservice.matcher, afterservice.product TO %s', role);
  -- The same rights on the view as on the table: it shows and takes nothing else.
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON api.orders TO %s', role);
END
$$;
COMMENT ON FUNCTION afterservice.grant_access(regrole) IS
  'Gives a role what an application needs to offer the after-sale API, workorder.grant_access() included. Needs to own the extension and the tables.';

-- What every add-on ends with: nothing of the extension is for PUBLIC.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA afterservice FROM PUBLIC;
