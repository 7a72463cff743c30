#!/usr/bin/env bash
#
# A system of one's own: docs/your-own-system.md is done to the letter, its
# shell by bash and its SQL by psql, block after block in one directory and one
# database; what the page says is refused is refused, and nothing else is.
# Then: scripts/new-system refuses names and directories that are taken, and
# what it writes has no finding, is built outside of this repository, and
# passes its own test as it is written.

# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
# shellcheck source=test/tools/tap.sh
. "$root/test/tools/tap.sh"
need patch jq

PG_CONFIG=$(command -v pg_config)
HOME=$(mktemp -d)
export PG_CONFIG HOME
# The programs that are tested are other kinds' too: what is installed goes again.
finish() {
  local dir
  for dir in "$HOME"/workorder_*/; do
    make -s -C "$dir" uninstall >/dev/null 2>&1 || true
  done
  rm -rf "$HOME"
}
trap finish EXIT

# --- the page ------------------------------------------------------------------

page=$root/docs/your-own-system.md
# The blocks, in order, as files 1.sh, 2.sql ...
mkdir "$HOME/blocks"
awk -v dir="$HOME/blocks" '
  file && /^```$/ { close(file); file = ""; next }
  file { print >file; next }
  /^```(sh|sql)$/ { file = dir "/" ++n "." substr($0, 4) }' "$page"
blocks=("$HOME"/blocks/*)
ok "the page has blocks of both kinds (${#blocks[@]})" test "$(find "$HOME/blocks" -name '*.sh' | wc -l)" -ge 5 -a "$(find "$HOME/blocks" -name '*.sql' | wc -l)" -ge 1
where=$root
for ((i = 1; i <= ${#blocks[@]}; i++)); do
  if [ -e "$HOME/blocks/$i.sh" ]; then
    status=0
    # sudo is not needed here, and a block goes on where the last one was.
    output=$(cd "$where" && bash -e -c 'sudo() { "$@"; }; . "$1"; pwd >"$HOME/where"' bash "$HOME/blocks/$i.sh" 2>&1) || status=$?
    is "block $i, $(head -n 1 "$HOME/blocks/$i.sh"): succeeds" "$status" 0
    [ $status = 0 ] || diag "$output"
    [ ! -e "$HOME/where" ] || where=$(cat "$HOME/where")
  else
    errors=$(psql -X -q -v VERBOSITY=verbose -d yours -f "$HOME/blocks/$i.sql" 2>&1 >/dev/null | grep -v NOTICE || true)
    is "block $i, SQL: does what it says" "$(sed -n 's/.*ERROR:  \([A-Z0-9]*\):.*/\1/p' <<<"$errors")" \
      "$(sed -n 's/.*-- refused: \([A-Z0-9]*\).*/\1/p' "$HOME/blocks/$i.sql")"
    [ -z "$errors" ] || diag "$errors"
  fi
done
kept=$(grep -cE '^ +[0-9]+ \| .* \| t +\| *$' "$where/test/expected/loan.out" || true)
is 'every vector of the page is kept' "$kept" "$(jq length "$where/test/vectors.json")"

# --- the command ---------------------------------------------------------------

new() { "$root/scripts/new-system" "$@" 2>&1; }
refused() { ! new "$@"; }
for name in '' Loan 1st a-b workorder api public pg_x; do
  ok "the name \"$name\" is refused" refused "$name" "$HOME/no"
done
ok 'and nothing is written' test ! -e "$HOME/no"
ok 'a directory that is not empty is refused' refused other "$where"
ok 'a name may have digits and _' new repair_2 "$HOME/workorder_repair_2"
is 'nothing is left to fill in' "$(grep -rl '@name@' "$HOME/workorder_repair_2")" ''
other=$HOME/workorder_repair_2
ok 'it is built' make -s -C "$other" install
status=0
output=$(make -s -C "$other" installcheck 2>&1) || status=$?
is 'and passes its own test' "$status" 0
[ $status = 0 ] || diag "$output$(cat "$other/regression.diffs" 2>/dev/null)"

done_testing
