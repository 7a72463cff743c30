#!/usr/bin/env bash
#
# Who cancels, or whose time is over, need not wait: whatever takes long stops
# before it has done as much as PostgreSQL's own sum() does with a million rows,
# which is a quarter of a second or less, and has done nothing.  Prints TAP.
#
#   WORKORDER_TEST_LONG=1     every statement is cancelled 20 times, one ticket
#                             has 20,000 lines (about ten minutes); else 2 and 2,000

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=scripts/lib.sh
. "$here/../../scripts/lib.sh"
# shellcheck source=test/tools/tap.sh
. "$root/test/tools/tap.sh"

command -v node >/dev/null || need nodejs
times=2 rounds=40
[ -z "${WORKORDER_TEST_LONG:-}" ] || times=20 rounds=400
log=${WORKORDER_TEST_CLUSTER:?is set by test/tools/cluster.sh}/log
scratch=$(mktemp -d "${TMPDIR:-/tmp}/workorder-cancel.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
export PGDATABASE=cancel

psql -Xq -d postgres -c 'CREATE DATABASE cancel'
psql -Xq -v ON_ERROR_STOP=1 -o /dev/null -f "$here/../crash/setup.sql"
psql -Xq -v ON_ERROR_STOP=1 -v rounds="$rounds" -o /dev/null -f "$here/setup.sql"
# what was inserted and updated here is nobody's work in the background
psql -Xq -c 'VACUUM ANALYZE'

most=1000
# soon <thousands of rows>
soon() { [[ $1 =~ ^[0-9]+$ ]] && [ "$1" -le $most ]; }

while IFS=$'\t' read -r name all late; do
  ok "$name takes $all ms, and the work of $late thousand rows when it is cancelled" soon "$late"
done < <(node "$here/cancel.js" "$times" $most "$here/statements.sql" 2>&1)
is 'all of them were tried' "$tap_count" "$(grep -c '^[^-]' "$here/statements.sql")"
is 'nothing is left of them: verify() finds nothing' "$(psql -XAtqc 'SELECT * FROM workorder.verify() LIMIT 5')" ''

# The test can fail: a value of PostgreSQL's own that is decoded in one go.
say "what does not listen: SELECT length(decode(repeat('QUJD', 90000000), 'base64'))" >"$scratch/deaf"
IFS=$'\t' read -r _ _ late < <(node "$here/cancel.js" 2 $most "$scratch/deaf")
ok "what does not listen is noticed ($late thousand rows)" test "$late" != 'was not cancelled' -a "${late:-0}" -gt $most

is 'no process of the server died' "$(grep -c 'was terminated by signal' "$log" || true)" 0
psql -Xq -d postgres -c 'DROP DATABASE cancel'
done_testing
