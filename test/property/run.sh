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
subject=property
# shellcheck source=test/tools/oracle.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tools/oracle.sh"

seed=${WORKORDER_PROPERTY_SEED:-1}
worlds=${WORKORDER_PROPERTY_WORLDS:-24}

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
notices 30 <<'MISTAKES'
exclude ^oracle the oracle forgets who did what before
bubbling ^oracle|^create the oracle looks at the leaf only
first ^oracle the oracle takes the first transition whose guard holds
percent ^oracle|^row the oracle rounds the per cent
history ^row.history the oracle remembers no history
reenter ^row.votes the oracle keeps the votes when a state is entered again
late ^can|^explain can() is asked for somebody else than the one who acts
flow ^oracle|^create the published flow is not the one that is compared
MISTAKES

done_testing
