# shellcheck shell=bash
#
# For the tests in which crowds of clients work at once, each with a script of
# pgbench.  Source it with $subject set to the name of the test's directory,
# whose setup.sql is loaded into a database of that name, and $seconds to how
# long a crowd works at a time.  Scripts are written into $work.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
# shellcheck source=test/tools/tap.sh
. "$root/test/tools/tap.sh"

work=$(mktemp -d "${TMPDIR:-/tmp}/workorder-${subject:?is set by the test}.XXXXXX")
export PGDATABASE=$subject
end() {
  psql -Xq -d postgres -c "DROP DATABASE IF EXISTS $subject WITH (FORCE)" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap end EXIT

ask() { psql -XAtq -v ON_ERROR_STOP=1 -c "$1"; }

psql -Xq -d postgres -c "CREATE DATABASE $subject"
ok "what setup.sql of $subject makes is made" psql -Xq -v ON_ERROR_STOP=1 -o /dev/null -f "$root/test/$subject/setup.sql"

# crowd <name> <clients> <script> [options...]: in the background; its report is in $work/<name>.out
crowd() { pgbench -n -c "$2" -T "${seconds:?}" -f "$work/$3" "${@:4}" >>"$work/$1.out" 2>&1 & }

# crowds <enough> <SQL> <function>: has the function start its crowds, and waits for
# them, again and again until the SQL says that there was enough work: on a slow
# machine that takes longer
crowds() {
  local round
  for round in {1..20}; do
    "$3"
    wait
    [ "$(ask "$2")" -lt "$1" ] || return 0
  done
}

# held <name...>: that no client of these crowds broke off, and that each did something
held() {
  local name done_by
  for name in "$@"; do
    done_by=$(awk -F ': ' '/^number of transactions actually processed/ {n += $2} END {print n + 0}' "$work/$name.out")
    ok "$name: no client broke off ($done_by transactions)" \
      bash -c 'cat "$1"; ! grep -q aborted "$1" && [ "$2" -gt 0 ]' - "$work/$name.out" "$done_by"
  done
}
