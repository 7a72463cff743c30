#!/usr/bin/env bash
#
# What an index of workorder.bigram_ops finds is what a sequential scan finds:
# 5,000 random searches over 200,000 texts, some more in languages that have
# lower case of their own, and in texts of any characters whatever.  Prints TAP.
# Needs a superuser on the server that PGHOST and PGPORT name, in UTF-8.
#
#   WORKORDER_SEARCH_SEED    another seed (0 to 1) gives other texts and searches
#   WORKORDER_SEARCH_TABLES  the texts are spread over so many tables (default 25),
#                            and each search goes through one; 1 takes a quarter of an hour

set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=test/tools/tap.sh
. "$here/../tools/tap.sh"

seed=${WORKORDER_SEARCH_SEED:-0.25}
tables=${WORKORDER_SEARCH_TABLES:-25}
texts=200000 searches=5000
database=workorder_search
scratch=$(mktemp -d "${TMPDIR:-/tmp}/workorder-search.XXXXXX")
end() {
  psql -Xq -d postgres -c "DROP DATABASE IF EXISTS $database" -c "DROP DATABASE IF EXISTS ${database}_bytes" >/dev/null 2>&1 || true
  rm -rf "$scratch"
}
trap end EXIT

ask() { psql -X -q -At -v ON_ERROR_STOP=1 -d $database "$@"; }
fresh() { psql -Xq -d postgres -c "DROP DATABASE IF EXISTS $1" -c "CREATE DATABASE $1 TEMPLATE template0 ENCODING '$2' LOCALE '$3'" 2>/dev/null; }

# The first searches that differ, cut short; nothing if none do: <table> <searches> [lie]
differences() {
  ask -c "SELECT count(*) OVER () || ' of $2: ' || left(condition, 200), left(by_index::text, 60), left(in_sequence::text, 60)
    FROM differences('$1', $2, $seed ${3:+, true}) LIMIT 5" 2>&1
}

fresh $database UTF8 C.UTF-8
ask -c 'SET client_min_messages = warning' -c 'CREATE EXTENSION workorder CASCADE' -f "$here/texts.sql"
diag "seed $seed"

# --- 200,000 texts ----------------------------------------------------------------

# Makes and searches every second table, so that two processes share the work.
part() {
  local i
  for ((i = $1; i < tables; i += 2)); do
    ask -o /dev/null -c "SELECT make('doc_$i', $((texts / tables)), 16, 0.02, 'default', ($seed + $i::float8 / $tables) / 2)" -c "ANALYZE doc_$i"
    differences doc_$i $((searches / tables)) >>"$scratch/part$1"
  done
}
started=$SECONDS
part 0 &
other=$!
status=0
part 1 || status=1
wait $other || status=1
is 'all searches were made' "$status" 0
is "$searches searches over $texts texts find by the index what they find in sequence" "$(cat "$scratch"/part*)" ''
diag "$((SECONDS - started)) s"
ok 'a difference would be noticed' test -n "$(differences doc_0 50 lie)"

# --- other rules, other characters -------------------------------------------------

for language in C tr-x-icu lt-x-icu el-x-icu und-x-icu; do
  ask -o /dev/null -c "SELECT make('$language', 1500, 10, 0.02, '$language', $seed)"
  is "so do searches in $language" "$(differences "$language" 300)" ''
done
ask -o /dev/null -c "SELECT make('strange', 3000, 30, 1, 'default', $seed)"
is 'so do searches for any characters in texts of any characters' "$(differences strange 400)" ''
ask -o /dev/null -c "INSERT INTO strange (subject) SELECT texts(1000, 30, 1)" -c 'DELETE FROM strange WHERE id % 3 = 0' \
  -c "UPDATE strange SET subject = other_case(subject) || any_character() WHERE id % 5 = 0"
is 'so they do after changes, before they are merged into the index' \
  "$(differences strange 200)" ''

# --- encodings ---------------------------------------------------------------------

# A database in another encoding is refused in words.
for encoding in LATIN1 SQL_ASCII EUC_CN; do
  fresh ${database}_bytes $encoding C
  like "refused in $encoding" \
    "$(psql -X -q -v VERBOSITY=verbose -d ${database}_bytes -c 'CREATE EXTENSION workorder CASCADE' 2>&1)" \
    '0A000: workorder needs a database in UTF8'
done

done_testing
