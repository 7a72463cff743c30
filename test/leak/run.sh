#!/usr/bin/env bash
#
# One backend that works for long: after 100,000 acts it is no bigger than
# after the first few thousand, and so are its caches of plans and of flows.
# The acts go every way there is: act(), plain updates, bulk, refusals, votes,
# questions, subtransactions that are rolled back.  Prints TAP.
#
#   WORKORDER_TEST_LONG=1     100,000 acts (about a minute); else 20,000

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=test/tools/tap.sh
. "$here/../tools/tap.sh"

rounds=40
[ -z "${WORKORDER_TEST_LONG:-}" ] || rounds=200
export PGDATABASE=leak
psql -Xq -d postgres -c 'CREATE DATABASE leak'
psql -Xq -v ON_ERROR_STOP=1 -o /dev/null -f "$here/../crash/setup.sql"
psql -Xq -v ON_ERROR_STOP=1 -o /dev/null -f "$here/setup.sql"

# size: what the backend holds, in kB, without what it shares with others
watch="SELECT (regexp_match(pg_read_file('/proc/' || pg_backend_pid() || '/status'), 'RssAnon:\s+(\d+)'))[1]::int AS rss,
  (SELECT sum(total_bytes)::bigint / 1024 FROM pg_backend_memory_contexts) AS contexts,
  (SELECT count(*) FROM pg_backend_memory_contexts WHERE name = 'CachedPlan') AS plans"
{
  echo "SET workorder.actor = 'client1';"
  for ((n = 1; n <= rounds; n++)); do
    echo 'CALL work();'
    [ $((n % (rounds / 10))) != 0 ] || echo "$watch;"
  done
} | psql -XAtq -v ON_ERROR_STOP=1 >"${TMPDIR:-/tmp}/workorder-leak.$$" 2>&1
mapfile -t seen <"${TMPDIR:-/tmp}/workorder-leak.$$"
rm -f "${TMPDIR:-/tmp}/workorder-leak.$$"
diag "kB of memory, kB in contexts, cached plans:" "${seen[@]}"
is 'the backend came to its end' "${#seen[@]}" 10
acts=$(psql -XAtqc 'SELECT count(*) FROM workorder.journal')
ok "it acted $acts times" test "$acts" -ge $((rounds * 500))
# the first tenth warms up
IFS='|' read -r rss contexts plans <<<"${seen[0]}"
IFS='|' read -r rss_end contexts_end plans_end <<<"${seen[9]}"
ok "memory grew by less than 2 MB ($((rss_end - rss)) kB)" test $((rss_end - rss)) -lt 2048
ok "memory contexts grew by less than 64 kB ($((contexts_end - contexts)) kB)" test $((contexts_end - contexts)) -lt 64
is 'there are no more plans' "$plans_end" "$plans"
is 'verify() finds nothing' "$(psql -XAtqc 'SELECT * FROM workorder.verify()')" ''
psql -Xq -d postgres -c 'DROP DATABASE leak'
done_testing
