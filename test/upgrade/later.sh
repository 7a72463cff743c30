#!/usr/bin/env bash
#
# later.sh <checkout> makes one version more: a column in the table that came
# with the version before, so that the steps have to be taken in their order;
# who comes from further back has the column with the table.

set -euo pipefail
cd "$1"

sed -i '/^CREATE TABLE workorder.watcher (/,/^  PRIMARY KEY/s/^  actor_id bigint NOT NULL,$/&\n  since timestamptz,/' sql/workorder/modules/prove.sql
grep -q '^  since timestamptz,$' sql/workorder/modules/prove.sql
cat >>sql/workorder/modules/prove.sql <<'SQL'

CREATE FUNCTION workorder.upgrade_to_@next@() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  ALTER TABLE IF EXISTS workorder.watcher ADD COLUMN IF NOT EXISTS since timestamptz;
END
$$;
COMMENT ON FUNCTION workorder.upgrade_to_@next@() IS 'Brings the table of those who look on to this version; part of workorder.upgrade().';
SQL
