# shellcheck shell=bash
#
# For the tests in which crowds of clients work at once, each with a script of
# pgbench.  Source it with $subject set to the name of the test's directory,
# whose setup.sql is loaded into a database of that name, and $seconds to how
# long a crowd works.  Scripts are written into $work.

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
crowd() { pgbench -n -c "$2" -T "${seconds:?}" -f "$work/$3" "${@:4}" >"$work/$1.out" 2>&1 & }

# held <name...>: that no client of these crowds broke off, and that each did something
held() {
  local name done_by
  for name in "$@"; do
    done_by=$(sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p' "$work/$name.out")
    ok "$name: no client broke off ($done_by transactions)" \
      bash -c 'cat "$1"; ! grep -q aborted "$1" && [ "$2" -ge "$3" ]' - "$work/$name.out" "$done_by" $((seconds / 2))
  done
}
