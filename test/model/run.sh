#!/usr/bin/env bash
#
# run.sh: eight clients act at random on the same tickets, and a model replays
# what they were told: who was let, and who was refused, and why, is what the
# flow document says of the ticket as it was then.  Prints TAP.  Needs a
# superuser on the server that PGHOST and PGPORT name, and node.
#
#   WORKORDER_MODEL_SEED       another seed gives other flows (printed)
#   WORKORDER_MODEL_ACTIONS    how many actions
#
# The test must be able to fail: at the end it is run with mistakes made on
# purpose, and has to notice each of them.

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=test/tools/tap.sh
. "$here/../tools/tap.sh"

seed=${WORKORDER_MODEL_SEED:-1}
actions=${WORKORDER_MODEL_ACTIONS:-$([ -n "${WORKORDER_TEST_LONG:-}" ] && echo 200000 || echo 50000)}
database=workorder_model
scratch=$(mktemp -d /tmp/workorder-model.XXXXXX)
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
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'model_app') THEN
    CREATE ROLE model_app LOGIN;
  END IF;
END
$$;
GRANT SET ON PARAMETER workorder.actor TO model_app;
SELECT workorder.grant_access('model_app');
SQL
}

# run <name> <actions> [mistake]: leaves its findings in $scratch/<name>
run() {
  local name=$1
  shift
  prepare
  node "$here/model.js" $database "$seed" "$@" >"$scratch/$name"
}

# pick <name> <javascript over r>
pick() { node -e 'const r = JSON.parse(require("fs").readFileSync(process.argv[1])); console.log(eval(process.argv[2]))' "$scratch/$1" "$2"; }

diag "seed $seed, $actions actions"
started=$SECONDS
if run all "$actions"; then
  diag "$(pick all '`${r.actions} actions by 8 clients on ${r.tickets} tickets: ${r.accepted} accepted (${r.moves} moved one, ${r.votes} were votes that did not decide, ${r.deleted} deleted one), ${r.refused} refused ${JSON.stringify(r.codes)}, ${r.raced} came late, ${r.hidden} saw nothing`') in $((SECONDS - started)) s"
  ok "all $actions were done, many accepted, many refused, many late" [ "$(pick all "r.actions >= $actions && r.accepted * 5 > r.actions && r.refused * 10 > r.actions && r.raced * 50 > r.actions")" = true ]
  is 'what was accepted, refused and told is what the model says' "$(pick all 'r.differences.slice(0, 3).map((d) => JSON.stringify(d)).join("\n")')" ''
else
  ok 'runs to its end' false
fi

# what is wrong, and which difference must show it
while read -r mistake shows what; do
  if run "$mistake" 20000 "$mistake"; then
    ok "a mistake is noticed: $what" [ "$(pick "$mistake" "r.differences.some((d) => /$shows/.test(d.what))")" = true ]
  else
    ok "a mistake is noticed: $what" false
  fi
done <<'MISTAKES'
exclude ^accepted|^refused|^sqlstate the model forgets who did what before
bubbling ^create|^accepted|^refused the model looks at the leaf only
first ^accepted|^refused|^sqlstate the model takes the first transition whose guard holds
lost ^a.hole the model forgets an act that was accepted
MISTAKES

ask -d postgres -o /dev/null -c 'SET client_min_messages = warning' -c "DROP DATABASE IF EXISTS $database"
ask -d postgres -o /dev/null -c 'REVOKE SET ON PARAMETER workorder.actor FROM model_app' -c 'DROP ROLE model_app'
done_testing
