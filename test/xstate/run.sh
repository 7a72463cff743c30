#!/usr/bin/env bash
#
# run.sh: a flow means the same to XState, whose document it is, and to the
# engine: random walks through every flow in the repository and through random
# ones end in the same state after every step.  Prints TAP.  Needs a superuser
# on the server that PGHOST and PGPORT name, and node.
#
#   WORKORDER_XSTATE_FLOWS   how many random flows (all of it: 1000)
#   WORKORDER_XSTATE_WALKS   walks through each
#   WORKORDER_XSTATE_STEPS   steps of a walk
#   WORKORDER_XSTATE_SEED    another seed gives other flows and walks
#
# A step is one statement for all walks of a flow: an action on real rows, or a
# timer's time that comes; what XState does not react to, the engine must refuse.
# The test must be able to fail: at the end XState is told other things than the
# engine, and each of them has to be noticed.

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=test/tools/tap.sh
. "$here/../tools/tap.sh"

xstate_version=5.33.3
flows=${WORKORDER_XSTATE_FLOWS:-40}
walks=${WORKORDER_XSTATE_WALKS:-100}
steps=${WORKORDER_XSTATE_STEPS:-10}
seed=${WORKORDER_XSTATE_SEED:-1}
database=workorder_xstate
scratch=$(mktemp -d /tmp/workorder-xstate.XXXXXX)
trap 'rm -rf "$scratch"' EXIT

# XState stays where it was installed for the next run.
packages=${WORKORDER_TEST_HOME:?is set by scripts/test}/xstate
# In a shell of its own: lib.sh forgets where PGHOST points.
grep -qsF "\"version\": \"$xstate_version\"" "$packages/node_modules/xstate/package.json" ||
  bash -c '. "$1" && npm_install "$2" "$3"' - "$here/../../scripts/lib.sh" "$packages" "xstate@$xstate_version"

ask() { psql -X -q -At -v ON_ERROR_STOP=1 "$@"; }

# run <name> <random flows> <walks> [mistake]: leaves its findings in $scratch/<name>
run() {
  ask -d postgres -o /dev/null -c 'SET client_min_messages = warning' -c "DROP DATABASE IF EXISTS $database" \
    -c "CREATE DATABASE $database TEMPLATE template0 ENCODING 'UTF8'"
  ask -d $database -o /dev/null -1 -c 'SET client_min_messages = warning' -c 'CREATE EXTENSION workorder CASCADE' \
    -c 'SELECT workorder.install()' -f "$here/walks.sql"
  node "$here/walks.mjs" $database "$packages" "$seed" "$2" "$3" "$steps" "${@:4}" >"$scratch/$1"
}

# pick <name> <javascript over r>
pick() { node -e 'const r = JSON.parse(require("fs").readFileSync(process.argv[1])); console.log(eval(process.argv[2]))' "$scratch/$1" "$2"; }

diag "seed $seed, $flows random flows, $walks walks of $steps steps through each"
started=$SECONDS
if run all "$flows" "$walks"; then
  diag "$(pick all '`${r.flows} flows, ${r.shipped} of them from the repository; ${r.walks} walks; ${r.acts} actions and ${r.afters} timers, ${r.ignored} actions that nothing reacts to; ${r.guarded} by guards, ${r.bubbled} of states around, ${r.internal} internal, ${r.reenter} reentering, ${r.history} into history; ${r.dropped} transitions left out`') in $((SECONDS - started)) s"
  ok 'every flow of the repository is walked' [ "$(pick all 'r.shipped')" -ge 7 ]
  is 'as many random flows as asked for' "$(pick all 'r.flows - r.shipped')" "$flows"
  ok 'actions, timers, history, guards, reenter, bubbling and internal transitions were met' \
    [ "$(pick all '[r.acts, r.afters, r.history, r.guarded, r.reenter, r.bubbled, r.internal, r.ignored].every((n) => n >= 50)')" = true ]
  is 'the same state after every step' "$(pick all 'r.differences.filter((d) => d.what !== "no").slice(0, 3).map((d) => JSON.stringify(d)).join("\n")')" ''
  is 'what nothing reacts to is refused' "$(pick all 'r.differences.filter((d) => d.what === "no").slice(0, 3).map((d) => JSON.stringify(d)).join("\n")')" ''
  is 'no difference at all' "$(pick all 'r.ndifferences')" 0
else
  ok 'runs to its end' false
fi

while read -r mistake what; do
  if run "$mistake" 20 20 "$mistake"; then
    ok "a mistake is noticed: $what" [ "$(pick "$mistake" 'r.ndifferences')" -gt 0 ]
  else
    ok "a mistake is noticed: $what" false
  fi
done <<'MISTAKES'
history XState takes deep history for shallow, and the other way round
reenter XState does not enter a state anew
guard XState takes guards for their opposite
bubbling XState forgets the actions of states around
internal XState enters the initial state where nothing should move
initial XState enters another child first
delay XState stays where it is when a timer fires
order XState tries the last transition first
MISTAKES

ask -d postgres -o /dev/null -c 'SET client_min_messages = warning' -c "DROP DATABASE IF EXISTS $database"
done_testing
