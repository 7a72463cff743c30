#!/usr/bin/env bash
#
# run.sh: what a person is told of tickets, by every view and function that
# tells anything, is what the flow document says they may see; for random flows,
# people and tickets in two tenants.  Prints TAP.  Needs a superuser on the
# server that PGHOST and PGPORT name, and node.
#
#   WORKORDER_SIGHT_SEED      another seed gives other flows (printed)
#   WORKORDER_SIGHT_WORLDS    how many flows with their people and tickets
#
# The test must be able to fail: at the end it is run with mistakes made on
# purpose, and has to notice each of them.

set -euo pipefail
subject=sight
# shellcheck source=test/tools/oracle.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tools/oracle.sh"

seed=${WORKORDER_SIGHT_SEED:-1}
worlds=${WORKORDER_SIGHT_WORLDS:-$([ -n "${WORKORDER_TEST_LONG:-}" ] && echo 1000 || echo 200)}

diag "seed $seed, $worlds worlds"
started=$SECONDS
if run all "$worlds"; then
  diag "$(pick all '`${r.comparisons} comparisons in ${r.worlds} worlds: ${r.flows} flows, ${r.tickets} tickets, ${r.people} people at ${Object.keys(r.doors).length} doors; ${r.seen} tickets seen, ${r.unseen} not`') in $((SECONDS - started)) s"
  if [ "$worlds" -ge 200 ]; then
    ok 'at least 20,000 comparisons in 200 worlds' [ "$(pick all 'r.comparisons >= 20000 && r.worlds >= 200 && r.seen > 1000 && r.unseen > 1000')" = true ]
  fi
  is 'everybody is told what they may see, by every way' "$(found all)" ''
else
  ok 'runs to its end' false
fi

# what is wrong, and at which door it must show
notices 30 <<'MISTAKES'
bubbling ^table|^permitted the oracle looks at the leaf only
policy ^table a policy that forgets the flow
tenants ^table a policy that forgets the tenant
first ^permitted the oracle takes the first transition whose guard holds
MISTAKES

done_testing
