#!/usr/bin/env bash
#
# run.sh: what the engine says of an action equals what then happens, and both
# equal what the flow document means; for random flows, people, tickets, orders
# and ways to write them.  Prints TAP.  Needs a superuser on the server that
# PGHOST and PGPORT name, and node.
#
#   WORKORDER_PROPERTY_SEED      another seed gives other flows (printed)
#   WORKORDER_PROPERTY_WORLDS    how many flows with their people and tickets
#
# The test must be able to fail: at the end it is run with mistakes made on
# purpose, and has to notice each of them.

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=test/tools/tap.sh
. "$here/../tools/tap.sh"

seed=${WORKORDER_PROPERTY_SEED:-1}
worlds=${WORKORDER_PROPERTY_WORLDS:-24}
database=workorder_property
scratch=$(mktemp -d /tmp/workorder-property.XXXXXX)
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
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'property_app') THEN
    CREATE ROLE property_app LOGIN;
  END IF;
END
$$;
GRANT SET ON PARAMETER workorder.actor TO property_app;
SELECT workorder.grant_access('property_app');
SQL
  ask -d $database -o /dev/null -1 -f "$here/setup.sql" -c 'GRANT USAGE ON SCHEMA property TO property_app'
}

forget() {
  ask -d postgres -o /dev/null -c 'SET client_min_messages = warning' -c "DROP DATABASE IF EXISTS $database"
  ask -d postgres -o /dev/null -c 'REVOKE SET ON PARAMETER workorder.actor FROM property_app' -c 'DROP ROLE property_app'
}

# run <name> <worlds> [mistake]: leaves its findings in $scratch/<name>
run() {
  local name=$1
  shift
  prepare
  node "$here/property.js" $database "$seed" "$@" >"$scratch/$name"
}

# pick <name> <javascript over r>
pick() { node -e 'const r = JSON.parse(require("fs").readFileSync(process.argv[1])); console.log(eval(process.argv[2]))' "$scratch/$1" "$2"; }

# The first differences of some kinds; nothing if there are none.
found() {
  pick "$1" "r.differences.filter((d) => /$2/.test(d.what)).slice(0, 3).map((d) => JSON.stringify(d)).join('\n')"
}

diag "seed $seed, $worlds flows"
started=$SECONDS
if run all "$worlds"; then
  diag "$(pick all '`${r.comparisons} comparisons: ${r.flows} flows, ${r.tickets} tickets, ${r.moves} acts; ${r.allowed} allowed, ${r.refused} refused, ${r.hidden} by row-level security alone; by ${JSON.stringify(r.doors)}; reasons ${JSON.stringify(r.codes)}`') in $((SECONDS - started)) s"
  if [ "$worlds" -ge 24 ]; then
    ok 'at least 20,000 comparisons' [ "$(pick all 'r.comparisons')" -ge 20000 ]
  fi
  is 'nothing broke off' "$(found all '^broke|^tickets?$')" ''
  is 'can() is what an attempt then does' "$(found all '^can$')" ''
  is 'explain() gives reasons exactly where can() says no' "$(found all '^explain')" ''
  is 'actions() says what can() says' "$(found all '^actions')" ''
  is 'what is permitted is what the document says' "$(found all '^oracle: (can|attempt)|^create')" ''
  is 'every failing reason is told, and no other' "$(found all '^oracle: (explain|actions|needs)')" ''
  is 'a refusal has the right error code, a detail and a hint' "$(found all '^oracle: sqlstate|^error class|^no detail')" ''
  is 'state, votes, history and columns are what the document says' "$(found all '^row')" ''
  is 'who may not see a ticket learns nothing of it' "$(found all '^invisible')" ''
  is 'timers are those of the states a ticket is in' "$(found all '^timers')" ''
  is 'every row is the fold of its journal' "$(found all '^fold|^as_of|^journal')" ''
  is 'verify() finds nothing' "$(found all '^verify')" ''
  is 'no other difference' "$(pick all 'r.differences.length')" 0
else
  ok 'runs to its end' false
fi

# what is wrong, and which difference must show it
while read -r mistake shows what; do
  if run "$mistake" 30 "$mistake"; then
    ok "a mistake is noticed: $what" [ -n "$(found "$mistake" "$shows")" ]
  else
    ok "a mistake is noticed: $what" false
  fi
done <<'MISTAKES'
exclude ^oracle the oracle forgets who did what before
bubbling ^oracle|^create the oracle looks at the leaf only
first ^oracle the oracle takes the first transition whose guard holds
percent ^oracle|^row the oracle rounds the per cent
history ^row.history the oracle remembers no history
reenter ^row.votes the oracle keeps the votes when a state is entered again
late ^can|^explain can() is asked for somebody else than the one who acts
flow ^oracle|^create the published flow is not the one that is compared
MISTAKES

forget
done_testing
