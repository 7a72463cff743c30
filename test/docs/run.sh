#!/usr/bin/env bash
#
# The documents say what is true: every ```sql block of README.md and docs/ runs,
# one after the other in a database of its own per document, and exactly those
# statements fail that are marked with "-- refused: <SQLSTATE>"; every ```json
# block is a flow without a finding.

# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
# shellcheck source=test/tools/tap.sh
. "$root/test/tools/tap.sh"

query() { psql -X -q -At -v ON_ERROR_STOP=1 "$@"; }

# Prints the blocks of a kind, each ended by a line with a form feed.
blocks() {
  awk -v open="^\`\`\`$1\$" '
    inside && /^```$/ { inside = 0; print "\f" }
    inside { print }
    $0 ~ open { inside = 1 }' "$2"
}

query -c 'CREATE DATABASE installed'
PGDATABASE=installed query -o /dev/null -f "$root/scripts/install.sql"

cd "$root"
for file in README.md docs/*.md; do
  sql=$(blocks sql "$file" | tr -d '\f')
  if [ -n "$sql" ]; then
    database=docs_$(basename "$file" .md)
    query -c "CREATE DATABASE \"$database\" TEMPLATE installed"
    errors=$(psql -X -q -v VERBOSITY=verbose -d "$database" <<<"$sql" 2>&1 >/dev/null | grep -v '^NOTICE' || true)
    wanted=$(sed -n 's/.*-- refused: \([A-Z0-9]*\).*/\1/p' <<<"$sql")
    got=$(sed -n 's/^ERROR:  \([A-Z0-9]*\):.*/\1/p' <<<"$errors")
    is "$file: its SQL does what it says" "$got" "$wanted"
    [ "$got" = "$wanted" ] || diag "$errors"
  fi
  n=0
  while IFS= read -r -d $'\f' json; do
    n=$((n + 1))
    is "$file: flow $n is sound" \
      "$(query -d installed -v flow="$json" <<<"SELECT code, path, message FROM workorder.check_flow(:'flow'::jsonb)" 2>&1)" ''
  done < <(blocks json "$file")
done

# The pictures are those of the flows (scripts/pictures).
for file in sql/*/flow.json; do
  schema=$(basename "$(dirname "$file")")
  is "docs/pictures/$schema.dot is the picture of the flow" \
    "$(query -d installed -c "SELECT workorder.diagram($schema.flow(), 'dot')")" "$(cat "docs/pictures/$schema.dot")"
done

# What there is has a place in the reference.
unnamed() {
  local name
  query -d installed -c "$2" | while read -r name; do
    grep -qF "\`$name" "$1" || say "$name"
  done
}
is 'docs/sql.md names every column that guard() adds' \
  "$(unnamed docs/sql.md 'SELECT name FROM workorder.engine_columns()')" ''
is 'docs/flows.md too' "$(unnamed docs/flows.md 'SELECT name FROM workorder.engine_columns()')" ''
is 'docs/sql.md names every table and view' \
  "$(unnamed docs/sql.md "SELECT relname FROM pg_class WHERE relnamespace = 'workorder'::regnamespace AND relkind IN ('r', 'v')")" ''
is 'docs/sql.md names every setting' \
  "$(unnamed docs/sql.md "SELECT name FROM pg_settings WHERE name LIKE 'workorder.%'")" ''

done_testing
