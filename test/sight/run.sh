#!/usr/bin/env bash
#
# run.sh: what a person is told of tickets, by every view and function that
# tells anything, is what the flow document says he may see; for random flows,
# people and tickets in two tenants.  Prints TAP.  Needs a superuser on the
# server that PGHOST and PGPORT name, and node.
#
#   WORKORDER_SIGHT_SEED      another seed gives other flows (printed)
#   WORKORDER_SIGHT_WORLDS    how many flows with their people and tickets
#
# The test must be able to fail: at the end it is run with mistakes made on
# purpose, and has to notice each of them.

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=test/tools/tap.sh
. "$here/../tools/tap.sh"

seed=${WORKORDER_SIGHT_SEED:-1}
worlds=${WORKORDER_SIGHT_WORLDS:-$([ -n "${WORKORDER_TEST_LONG:-}" ] && echo 1000 || echo 200)}
database=workorder_sight
scratch=$(mktemp -d /tmp/workorder-sight.XXXXXX)
trap 'rm -rf "$scratch"' EXIT

# In a shell of its own: lib.sh forgets where PGHOST points.
command -v node >/dev/null || bash -c '. "$1" && need nodejs' - "$here/../../scripts/lib.sh"

ask() { psql -X -q -At -v ON_ERROR_STOP=1 "$@"; }

prepare() {
  ask -d postgres -o /dev/null <<SQL
SET client_min_messages = warning;
DROP DATABASE IF EXISTS $database;
CREATE DATABASE $database TEMPLATE template0 ENCODING 'UTF8';
SQL
  ask -d $database -o /dev/null -1 <<'SQL'
SET client_min_messages = warning;
CREATE EXTENSION workorder CASCADE;
SELECT workorder.install();
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'sight_app') THEN
    CREATE ROLE sight_app LOGIN;
  END IF;
END
$$;
GRANT SET ON PARAMETER workorder.actor, workorder.tenant TO sight_app;
SELECT workorder.grant_access('sight_app');
SQL
  ask -d $database -o /dev/null -1 -f "$here/setup.sql" -c 'GRANT USAGE ON SCHEMA sight TO sight_app'
}

# run <name> <worlds> [mistake]: leaves its findings in $scratch/<name>
run() {
  local name=$1
  shift
  prepare
  node "$here/sight.js" $database "$seed" "$@" >"$scratch/$name"
}

# pick <name> <javascript over r>
pick() { node -e 'const r = JSON.parse(require("fs").readFileSync(process.argv[1])); console.log(eval(process.argv[2]))' "$scratch/$1" "$2"; }

diag "seed $seed, $worlds worlds"
started=$SECONDS
if run all "$worlds"; then
  diag "$(pick all '`${r.comparisons} comparisons in ${r.worlds} worlds: ${r.flows} flows, ${r.tickets} tickets, ${r.people} people at ${Object.keys(r.doors).length} doors; ${r.seen} tickets seen, ${r.unseen} not`') in $((SECONDS - started)) s"
  if [ "$worlds" -ge 200 ]; then
    ok 'at least 20,000 comparisons in 200 worlds' [ "$(pick all 'r.comparisons >= 20000 && r.worlds >= 200 && r.seen > 1000 && r.unseen > 1000')" = true ]
  fi
  is 'everybody is told what he may see, at every door' "$(pick all 'r.differences.slice(0, 3).map((d) => JSON.stringify(d)).join("\n")')" ''
else
  ok 'runs to its end' false
fi

# what is wrong, and at which door it must show
while read -r mistake shows what; do
  if run "$mistake" 30 "$mistake"; then
    ok "a mistake is noticed: $what" [ "$(pick "$mistake" "r.differences.some((d) => /$shows/.test(d.door))")" = true ]
  else
    ok "a mistake is noticed: $what" false
  fi
done <<'MISTAKES'
bubbling ^table|^permitted the oracle looks at the leaf only
policy ^table a policy that forgets the flow
tenants ^table a policy that forgets the tenant
first ^permitted the oracle takes the first transition whose guard holds
MISTAKES

ask -d postgres -o /dev/null -c 'SET client_min_messages = warning' -c "DROP DATABASE IF EXISTS $database"
ask -d postgres -o /dev/null -c 'REVOKE SET ON PARAMETER workorder.actor, workorder.tenant FROM sight_app' -c 'DROP ROLE sight_app'
done_testing
