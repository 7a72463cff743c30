#!/usr/bin/env bash
#
# pgtap.sh pgtap [name]: runs test/pgtap/*.sql, each in a fresh database that
# holds pgTAP, the engine and every add-on, installed; prints TAP.

# shellcheck source=test/tools/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh" pgtap

cluster_psql "$cluster" -c 'CREATE DATABASE installed'
install_workorder "$cluster" installed
cluster_psql "$cluster" -d installed -c 'CREATE EXTENSION pgtap'

shopt -s nullglob
n=0
for file in "$root"/test/pgtap/${2:-*}.sql; do
  name=$(basename "$file" .sql)
  cluster_psql "$cluster" -c "CREATE DATABASE \"pgtap_$name\" TEMPLATE installed"
  status=0
  output=$(pg_prove --verbose --dbname "pgtap_$name" "$file" 2>&1) || status=$?
  bad=0
  while IFS= read -r line; do
    case $line in
      'ok '[0-9]*)
        n=$((n + 1))
        say "ok $n - $name: ${line#* - }"
        ;;
      'not ok '[0-9]*)
        n=$((n + 1)) bad=1
        say "not ok $n - $name: ${line#* - }"
        ;;
      '#'*) say "$line" ;;
    esac
  done <<<"$output"
  # A wrong plan, or a script that broke off, shows in the exit status only.
  if [ $status != 0 ] && [ $bad = 0 ]; then
    n=$((n + 1))
    say "not ok $n - $name: runs to its end"
    tail -n 20 <<<"$output" | sed 's/^/# /'
  fi
done
crashed=$(crashes)
if [ -n "$crashed" ]; then
  n=$((n + 1))
  say "not ok $n - no process of the server crashes"
  say "$crashed" | sed 's/^/# /'
fi
say "1..$n"
