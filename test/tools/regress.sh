#!/usr/bin/env bash
#
# regress.sh regress|isolation [name]: runs test/sql with pg_regress, or
# test/specs with pg_isolation_regress, through the Makefile as a user would,
# and prints TAP: one line per file.

kind=$1
# shellcheck source=test/tools/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh" "$kind"

shopt -s nullglob
cd "$(build_dir)"
case $kind in
  regress) files=(test/sql/*.sql) variable=REGRESS other=ISOLATION ;;
  isolation) files=(test/specs/*.spec) variable=ISOLATION other=REGRESS ;;
esac
files=("${files[@]##*/}")
names=${2:-${files[*]%.*}}

# Without an expected file the whole run would break off.
for name in $names; do
  compgen -G "expected/$name.out" >/dev/null || compgen -G "expected/${name}_[0-9].out" >/dev/null ||
    : >"expected/$name.out"
done

# A spec changes what all of a database share, so each has a database of its own.
case $kind in
  regress) runs=("$names") ;;
  isolation) read -ra runs <<<"$names" ;;
esac
output=''
: >all.diffs
for run in "${runs[@]}"; do
  output+=$(make -s installcheck PG_CONFIG="$bin/pg_config" "$variable=$run" "$other=" 2>&1)$'\n' || true
  cat regression.diffs >>all.diffs 2>/dev/null || true
done
mv all.diffs regression.diffs

# PostgreSQL 15 prints "test name ... ok 12 ms", later ones print TAP.  What is
# not reported at all (the server crashed) failed.
n=0
for name in $names; do
  n=$((n + 1))
  if grep -qE "(^|[[:space:]])$name +\.\.\. ok|^ok [0-9]+ +[-+] $name( |\$)" <<<"$output"; then
    say "ok $n - $name"
  else
    say "not ok $n - $name"
    {
      awk -v file="/results/$name.out" '/^diff /{show = index($0, file)} show' regression.diffs 2>/dev/null |
        sed -n '1,150p' || true
      [ -e "results/$name.out" ] || tail -n 20 <<<"$output"
    } | sed 's/^/# /'
  fi
done
crashed=$(crashes)
if [ -n "$crashed" ]; then
  n=$((n + 1))
  say "not ok $n - no process of the server crashes"
  say "$crashed" | sed 's/^/# /'
fi
say "1..$n"
