#!/usr/bin/env bash
#
# next.sh <checkout> makes a later version of it, for the test of upgrades: a
# column and a table of the engine, a function, a key of flows that the library
# understands, and a column of an add-on, whose flow takes it.  The versions
# themselves are raised by run.sh, which puts the new one for @next@.

set -euo pipefail
cd "$1"

# change <file> <sed command>: which has to change something.
change() {
  sed -i.before "$2" "$1"
  ! cmp -s "$1" "$1.before" || { echo "$1: nothing matches $2" >&2; exit 1; }
  rm "$1.before"
}

change sql/dispatch/flow.json 's/\("create": .*"fields": \["content", "images"\)/\1, "channel"/'
change sql/dispatch/flow.json 's/\("new": {"label": "NEW", "code": 1\)/\1, "owner": "dispatch.scheduler"/'
change sql/dispatch/modules/install.sql "s/^\( *\)scheduler_id bigint,$/&\n\1channel text CHECK (channel <> ''),/"
change sql/dispatch/modules/install.sql "s/^\( *\)COMMENT ON COLUMN dispatch.ticket.scheduler_id .*/&\n\1COMMENT ON COLUMN dispatch.ticket.channel IS 'How it came';/"
cat >>sql/dispatch/modules/install.sql <<'SQL'

CREATE FUNCTION dispatch.upgrade_to_@next@() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  ALTER TABLE dispatch.ticket ADD COLUMN channel text CHECK (channel <> '');
  COMMENT ON COLUMN dispatch.ticket.channel IS 'How it came';
  PERFORM workorder.publish(dispatch.flow());
END
$$;
COMMENT ON FUNCTION dispatch.upgrade_to_@next@() IS
  'Brings the tickets to this version; part of workorder.upgrade().';
SQL

change sql/workorder/modules/tables.sql '/^CREATE TABLE workorder.journal /,/^  PRIMARY KEY/s/^  digest bytea NOT NULL,$/&\n  origin text,/'
change sql/workorder/modules/tables.sql "s/^COMMENT ON COLUMN workorder.journal.digest .*/&\nCOMMENT ON COLUMN workorder.journal.origin IS 'Where the line comes from, if not from here.';/"
change sql/workorder/modules/install.sql 's/workorder\.outbox_parts()/&, workorder.watcher_parts()/'
cat >>sql/workorder/modules/prove.sql <<'SQL'

CREATE FUNCTION workorder.state_owner(definition jsonb, path text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN definition #>> (pg_catalog.string_to_array('states.' || pg_catalog.replace(path, '.', '.states.'), '.') || ARRAY['owner']);
COMMENT ON FUNCTION workorder.state_owner(jsonb, text) IS 'Who looks after a state of a flow document.';

CREATE FUNCTION workorder.watcher_parts() RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN $ddl$
CREATE TABLE workorder.watcher (
  tenant_id bigint NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY,
  actor_id bigint NOT NULL,
  PRIMARY KEY (tenant_id, id));
COMMENT ON TABLE workorder.watcher IS 'Who looks on.';
ALTER TABLE workorder.watcher ALTER COLUMN tenant_id SET DEFAULT workorder.tenant_id();
ALTER TABLE workorder.watcher ADD CONSTRAINT watcher_tenant_id_actor_id_fkey FOREIGN KEY (tenant_id, actor_id) REFERENCES workorder.actor (tenant_id, id) ON DELETE CASCADE;
ALTER TABLE workorder.watcher ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON workorder.watcher USING (tenant_id = workorder.tenant_id());
$ddl$;
COMMENT ON FUNCTION workorder.watcher_parts() IS 'The table of those who look on, as workorder.parts() reads it.';

CREATE FUNCTION workorder.upgrade_to_@next@() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  ALTER TABLE workorder.journal ADD COLUMN origin text;
  COMMENT ON COLUMN workorder.journal.origin IS 'Where the line comes from, if not from here.';
END
$$;
COMMENT ON FUNCTION workorder.upgrade_to_@next@() IS 'Brings the tables to this version; part of workorder.upgrade().';
SQL

change src/flow/flow_compile.c 's/\(state_keys = "Known keys here: .*\)meta, tags/\1owner, meta, tags/'
change src/flow/flow_compile.c '/wo_flow_read_is_key(key, "label")/{n;s/$/\n\telse if (state != 0 \&\& wo_flow_read_is_key(key, "owner"))\n\t\two_flow_read_string(cx, value, \&ignored);/}'
