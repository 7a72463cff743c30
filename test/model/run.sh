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
subject=model
# shellcheck source=test/tools/oracle.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tools/oracle.sh"

seed=${WORKORDER_MODEL_SEED:-1}
actions=${WORKORDER_MODEL_ACTIONS:-$([ -n "${WORKORDER_TEST_LONG:-}" ] && echo 200000 || echo 50000)}

diag "seed $seed, $actions actions"
started=$SECONDS
if run all "$actions"; then
  diag "$(pick all '`${r.actions} actions by 8 clients on ${r.tickets} tickets: ${r.accepted} accepted (${r.moves} moved one, ${r.votes} were votes that did not decide, ${r.deleted} deleted one), ${r.refused} refused ${JSON.stringify(r.codes)}, ${r.raced} came late, ${r.hidden} saw nothing`') in $((SECONDS - started)) s"
  ok "all $actions were done, many accepted, many refused, many late" [ "$(pick all "r.actions >= $actions && r.accepted * 5 > r.actions && r.refused * 10 > r.actions && r.raced * 50 > r.actions")" = true ]
  is 'what was accepted, refused and told is what the model says' "$(found all)" ''
else
  ok 'runs to its end' false
fi

# what is wrong, and which difference must show it
notices 20000 <<'MISTAKES'
exclude ^accepted|^refused|^sqlstate the model forgets who did what before
bubbling ^create|^accepted|^refused the model looks at the leaf only
first ^accepted|^refused|^sqlstate the model takes the first transition whose guard holds
lost ^a.hole the model forgets an act that was accepted
MISTAKES

done_testing
