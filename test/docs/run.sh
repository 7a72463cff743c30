#!/usr/bin/env bash
#
# The documents say what is true: every ```sql block of README.md and docs/ runs,
# one after the other in a database of its own per document, and exactly those
# statements fail that are marked with "-- refused: <SQLSTATE>"; every ```json
# block is a flow without a finding.  (docs/your-own-system.md, which is shell as
# well, is run by test/new_system.)

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
for file in README.md docs/*.md docs/systems/*.md; do
  [ "$file" != docs/your-own-system.md ] || continue
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
      "$(query -d installed -v flow="$json" <<<"SELECT code, path, message FROM workorder.check_flow(:'flow'::jsonb) WHERE blocks" 2>&1)" ''
  done < <(blocks json "$file")
done

# The pictures are those of the flows (scripts/pictures).
for file in sql/*/flow.json; do
  schema=$(basename "$(dirname "$file")")
  is "docs/pictures/$schema.dot is the picture of the flow" \
    "$(query -d installed -c "SELECT workorder.diagram($schema.flow(), 'dot')")" "$(cat "docs/pictures/$schema.dot")"
done

# What an administrator calls of an add-on, and nothing else there does, is in its page, with a call that runs.
for file in docs/systems/*.md; do
  schema=$(basename "$file" .md)
  runs=$({ blocks sql "$file"; blocks sh "$file"; } | tr -d '\f')
  is "$file: what nothing else calls is shown" "$(query -d installed -v schema="$schema" <<'SQL' | while read -r name; do grep -qF "$schema.$name(" <<<"$runs" || say "$name"; done
    SELECT DISTINCT p.proname
    FROM pg_proc p
    WHERE p.pronamespace = :'schema'::regnamespace AND p.prokind = 'f' AND p.prorettype <> 'trigger'::regtype
      AND NOT starts_with(p.proname, 'http_') AND p.proname NOT IN ('parts', 'flow', 'install_http')
      AND NOT EXISTS (SELECT FROM pg_proc q WHERE q.pronamespace = p.pronamespace AND q.prokind = 'f' AND q.oid <> p.oid
                      AND position(p.pronamespace::regnamespace || '.' || p.proname || '(' IN pg_get_functiondef(q.oid)) > 0)
      AND NOT EXISTS (SELECT FROM pg_views v WHERE position(p.pronamespace::regnamespace || '.' || p.proname || '(' IN v.definition) > 0);
SQL
  )" ''
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

# The Chinese README shows the same and leads to the same places.
links() { grep -oE '\]\([^)#]+' "$1" | sed 's/^](//' | grep -v '^README' | LC_ALL=C sort -u; }
fenced() { awk '/^```/ { print; inside = !inside; next } inside' "$1"; }
is 'README.zh-CN.md has the code of README.md' "$(fenced README.zh-CN.md)" "$(fenced README.md)"
is 'and its links' "$(links README.zh-CN.md)" "$(links README.md)"
# Every link between documents leads somewhere, to a heading where it says so.
broken() {
  local file link target anchor
  for file in ./*.md docs/*.md docs/*/*.md test/README.md src/*/README.md; do
    [ -e "$file" ] || continue
    grep -oE '\]\([^)]+\)' "$file" | sed 's/^](//; s/)$//' | grep -vE '^[a-z]+://' | while read -r link; do
      target=${link%%#*}
      anchor=
      [ "$link" = "$target" ] || anchor=${link#*#}
      if [ -z "$target" ]; then target=$file; else target=${file%/*}/$target; fi
      if [ ! -e "$target" ]; then
        say "$file: $link"
      elif [ -n "$anchor" ]; then
        sed -n 's/^##* //p' "$target" | tr '[:upper:] ' '[:lower:]-' | tr -cd 'a-z0-9_\n-' | grep -qxF -- "$(tr -cd 'a-z0-9_\n-' <<<"$anchor")" || say "$file: $link"
      fi
    done
  done
}
is 'every link between documents leads somewhere' "$(broken)" ''

# Every code that the source can say is explained in docs/errors.md, and no
# other is: under its heading, in the first column.
documented() {
  awk -v heading="## $1" '$0 == heading { inside = 1; next } /^## / { inside = 0 } inside && /^\| `/ { split($0, column, "|"); print column[2] }' docs/errors.md |
    grep -oE '`[A-Za-z0-9_]+`' | tr -d '\140' | LC_ALL=C sort
}
words() { grep -oE "$1" | grep -oE "$2" | tr -d "\"'" | LC_ALL=C sort -u; }
source() { cat src/*.[ch] src/*/*.[ch] | tr '\n\t' '  '; }
queries() { cat sql/workorder/modules/*.sql; }
in_sql=$(sed '/^WO/!d' < <(queries | words "'WO[0-9]{3}'" "'WO[0-9]{3}'"))
in_c=$(source | grep -oE "MAKE_SQLSTATE\('W', ?'O', ?'[0-9]', ?'[0-9]', ?'[0-9]'\)" | tr -cd 'WO0-9\n' | LC_ALL=C sort -u)
is 'docs/errors.md explains every SQLSTATE of ours' "$(documented SQLSTATE | grep '^WO')" "$(printf '%s\n' "$in_sql" "$in_c" | LC_ALL=C sort -u)"
is 'every answer of the dispatcher' "$(documented HTTP)" \
  "$(source | words '\[WO_REASON_[A-Z_]+\] = \{"[a-z_]+", *[45][0-9]{2}' '"[a-z_]+"')"
is 'every reason' "$(documented Reasons)" "$(source | words '[^a-z_](wo_reason_make|conflict)\( *"[a-z_]+"' '"[a-z_]+"')"
is 'every finding of check_flow' "$(documented 'Findings of check_flow')" \
  "$({
    source | words '[a-z]_(defect|broken|path|add_finding)\([^,()]+, *"[a-z_]+"' '"[a-z_]+"'
    cat src/flow/*.c | words '[^a-z_]code = "[a-z_]+"' '"[a-z_]+"'
  } | LC_ALL=C sort -u)"
is 'every finding of verify' "$(documented 'Findings of verify')" \
  "$({
    source | words 'wo_verify_report\([^"()]+, *"[a-z_]+"' '"[a-z_]+"'
    cat src/verify/*.c | words '[^a-z_]code = "[a-z_]+"' '"[a-z_]+"'
    # In SQL a finding's code comes before its message, or is chosen by a CASE;
    # of what install() makes, it is made of the kind.
    cat sql/workorder/modules/{verify,seal}.sql | tr '\n' ' ' |
      words "(NULL(::(oid|int|regclass))?|\.oid(::regclass)?|revision), '[a-z_]+', *(format|'|CASE)" "^.*, '[a-z_]+'" | grep -oE '[a-z_]+$'
    cat sql/workorder/modules/{verify,seal}.sql | words "(THEN|ELSE) '[a-z]+_(missing|changed|disabled)'" "'[a-z_]+'"
    words "kind := '[a-z_]+'" "'[a-z_]+'" <sql/workorder/modules/install.sql | sed '/^row_security$/!s/$/_missing/'
  } | LC_ALL=C sort -u)"

done_testing
