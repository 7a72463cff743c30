#!/usr/bin/env bash
#
# Rules for the text of the project that need no database: the shell scripts
# pass shellcheck, JSON parses, text files are tidy, and no module of an
# extension says OR REPLACE or IF NOT EXISTS, which would take over what a
# stranger has put into the schema before.  What was built tells which file of
# src/ calls which: folders include each other one way, files call one way.

# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
# shellcheck source=test/tools/tap.sh
. "$root/test/tools/tap.sh"
need shellcheck jq uncrustify

cd "$root"

# The project's own text files (what a fuzzer has found is not text), each ended by a zero byte.
texts() {
  find . -type d \( -name .git -o -name .run -o -name node_modules -o -path ./results -o -path ./output_iso -o -path ./test/fuzz/corpus \) -prune -o \
    -type f ! -name '*.o' ! -name '*.so' ! -name '*.bc' ! -path './sql/*--*.sql' ! -name 'regression.*' "$@" -print0
}

# Lines that a pattern finds, nothing if there are none.
lines() { xargs -0 grep -nHIE "$1" | head -n 20 || true; }

mapfile -d '' scripts < <(texts \( -name '*.sh' -o -path './scripts/*' ! -path './scripts/template/*' ! -name '*.*' -o -path ./.ci/run \))
# Files that are sourced take variables from each other unseen (SC2034, SC2154);
# a pattern in an array is meant to be expanded (SC2206, SC2027).
ok "$((${#scripts[@]})) shell scripts pass shellcheck" shellcheck -x -S warning -e SC2034,SC2154,SC2206,SC2027 "${scripts[@]}"
while IFS= read -r -d '' file; do
  ok "$file parses" jq empty "$file"
done < <(texts -name '*.json')
# Only send_signal() of scripts/lib.sh and signal() of test/tools/process.js send
# one: they look at the process first.
killers() {
  grep -nHE '(^|[^-[:alnum:]_.])(kill|pkill|killall|skill) +["$-]|process\.kill\(|os\.kill\(|\bxargs +.*\bkill\b' "$@" |
    grep -vE '^(\./)?(scripts/lib\.sh:[0-9]+:  kill -s "\$1" "\$pid" 2>/dev/null|test/tools/process\.js:[0-9]+:  process\.kill\(id, name\);)$' || true
}
mapfile -d '' programs < <(texts \( -name '*.sh' -o -name '*.js' -o -name '*.mjs' -o -path './scripts/*' ! -name '*.*' -o -path ./.ci/run \) ! -path ./test/style/run.sh)
is 'no signal is sent to what was not looked at' "$(killers "${programs[@]}")" ''
is 'no white space at the end of a line' "$(texts ! -path './expected/*' ! -path './scripts/template/test/expected/*' ! -path './test/sql/*' ! -name '*.patch' | lines '[[:blank:]]$')" ''
is 'no line ends as in another system' "$(texts | lines $'\r$')" ''
is 'nothing is left to do' "$(texts ! -path ./test/style/run.sh | lines '\b(TODO|FIXME|XXX)[: ]')" ''
is 'modules create plainly' \
  "$(texts -path './sql/*/modules/*.sql' | lines '^ *CREATE +(OR +REPLACE|[A-Z ]+ IF +NOT +EXISTS)')" ''
# One version for all: control files, META.json and the first heading of the change log.
versions() { sed -n "s/^default_version = '\(.*\)'$/\1/p" "$@" | sort -u; }
is 'all extensions are of one version' "$(versions ./*.control sql/*/*.control | wc -l)" 1
version=$(versions workorder.control)
is 'META.json provides each of them, in that version' \
  "$(jq -r '(.version, .provides[].version) | select(. != $v)' --arg v "$version.0" META.json; jq -r '.provides[].file' META.json | LC_ALL=C sort)" \
  "$(printf "%s\n" sql/*/*.control workorder.control | LC_ALL=C sort)"
like 'CHANGELOG.md begins with it' "$(grep -m 1 '^## ' CHANGELOG.md)" "^## $version( |$)"
# A rule that nothing can break is none: the same code under other names is found.
copy=$(mktemp)
trap 'rm -f "$copy" "$copy".*' EXIT
sed 's/input/entry/g; s/field/item/g; s/[0-9]/7/g' sql/workorder/modules/input.sql >"$copy"
repeats() { awk -f test/style/repeats.awk sql/*/modules/*.sql "$@"; }
is 'no two places under sql/ say the same in more than 12 lines' "$(repeats)" ''
ok 'and one that does is found' grep -q 'stands again' <<<"$(repeats "$copy")"

printf '%s\n' 'kill -9 "$(cat pid)"' '[ -z "$a" ] || kill "$a"' "process.kill(Number(victim), 'SIGKILL');" 'pkill -f postgres' >"$copy"
is 'and each that is, is found' "$(killers "$copy" | wc -l)" 4
# Prints the kinds of tests that test/README.md does not name.
unlisted() {
  local file
  for file in test/*/run.sh; do
    file=${file%/run.sh}
    grep -q "^| \`${file##*/}\` |" test/README.md || say "${file##*/}"
  done
}
is 'test/README.md has every kind' "$(unlisted)" ''

# --- src/ ---------------------------------------------------------------------

circles() { LC_ALL=C awk -f test/style/circles.awk; }
is 'a circle is found' "$(printf '%s\n' 'a b' 'b c' 'c a' 'c d' 'e a' | circles)" 'a b c'

# "a b" for each file in the folder a that includes a header of the folder b.
includes() {
  local folder
  for folder in src/*/; do
    folder=$(basename "$folder")
    grep -ho '^#include "[a-z]*/[a-z_]*\.h"' "src/$folder"/*.[ch] | sed 's/.*"\(.*\)"/\1/' | while read -r file; do
      [ ! -e "src/$file" ] || say "$folder ${file%/*}"
    done
  done
}
# "a b" for each file a that needs a symbol of the file b, from what was compiled.
calls() (
  cd "$WORKORDER_TEST_HOME/build/src"
  find . -name '*.o' -printf '%P\n' | while read -r object; do
    [ ! -e "$root/src/${object%.o}.c" ] || nm -g "$object" | awk -v file="${object%.o}" 'NF >= 2 {print file, $(NF - 1), $NF}'
  done | awk '
    $2 == "U" { needs[$1] = needs[$1] " " $3; next }
    { owner[$3] = $1 }
    END { for (file in needs) { n = split(needs[file], symbol, " "); for (i = 1; i <= n; i++) if (symbol[i] in owner) print file, owner[symbol[i]] } }'
)
ok 'calls were found' test "$(calls | sort -u | wc -l)" -ge 200
is 'no folder includes one that includes it back' "$(includes | circles)" ''
is 'no file calls one that calls it back' "$(calls | circles)" ''

is 'C is formatted as scripts/format does it' "$(scripts/format --check 2>&1 | head -n 40)" ''
printf 'int\nf(int a) {\n    int b=a;\n\treturn  b ;\n}\n' >"$copy.c"
is 'and what is not is found' "$(scripts/format --check "$copy.c" | grep -c '^+[^+]')" 4

# Reads "file function" and prints where the function does not begin with the name of its file.
misnamed() { awk '$2 !~ "^wo_" $1 "(_|$)" && $2 !~ /^(workorder_|pg_finfo_workorder_|_PG_init$|Pg_magic_func$)/ { print $1 ".c: " $2 }'; }
# "file function" for each function that other files may call, from what was compiled.
shared() (
  cd "$WORKORDER_TEST_HOME/build/src"
  find . -name '*.o' -printf '%P\n' | while read -r object; do
    [ ! -e "$root/src/${object%.o}.c" ] || nm -g --defined-only "$object" | awk -v file="$(basename "$object" .o)" '$2 == "T" { print file, $3 }'
  done
)
ok 'shared functions were found' test "$(shared | wc -l)" -ge 300
is 'a shared function begins with the name of its file' "$(shared | misnamed)" ''
is 'and one that does not is found' "$(printf '%s\n' 'act workorder_act' 'act wo_act_run' 'act wo_ask' 'act wo_action_run' | misnamed)" $'act.c: wo_ask\nact.c: wo_action_run'

# Messages as PostgreSQL's style guide has them.
messages() { perl test/style/messages.pl "$@"; }
mapfile -t sources < <(printf '%s\n' src/*/*.[ch] sql/workorder/modules/*.sql)
is 'messages are as in the style guide' "$(messages "${sources[@]}")" ''
printf '%s\n' 'errmsg("there is no table \"%s\"", name)' 'errmsg("Table is gone")' 'errmsg("the table is gone.")' 'errdetail("the owner dropped it")' \
  'errhint("Ask him.")' 'wo_reason_make("state", ERRCODE_WO_CONFLICT, psprintf("there is no way"))' 'conflict("task", "he has none", "x")' >"$copy.c"
printf '%s\n' "MESSAGE = 'no such table'," "DETAIL = format('It was dropped by %s himself.')," "HINT = 'Wait';" >"$copy.sql"
is 'and what is not is found' "$(messages "$copy.c" "$copy.sql" | wc -l)" 9
is 'no message stands in more than four files of expected/' "$(messages -s "${sources[@]}")" ''
# Words of people, wherever they stand.
is 'people are "they"' \
  "$(texts \( -path './src/*' -o -path './sql/*' -o -path './docs/*' -o -path './bench/*' -o -path './scripts/*' -o -path './deploy/*' -o -path './test/*' -o -name '*.md' \) \
    ! -path './test/http/vectors/*' ! -path './test/style/*' ! -name CHANGELOG.md | lines '\b([Hh]e|[Hh]im|[Hh]is|himself)\b([^A-Za-z_]|$)' | grep -v 'grep -hE' || true)" ''

# Errors that are raised without the extension's message domain are taken for those of handlers.
foreign() { grep -lE '\b(ereport|elog)\(' "$@" | xargs grep -L '^#include "utils/errors.h"' || true; }
is 'what raises errors includes utils/errors.h' "$(foreign src/*.c src/*/*.c)" ''
printf '%s\n' '#include "utils/catalog.h"' 'ereport(ERROR, (errmsg("")));' >"$copy.c"
is 'and what does not is found' "$(foreign "$copy.c")" "$copy.c"

# What C and SQL both know stands in each of them once, and is the same.
listed() { sed -n "/^#define $1/,/^\$/s/.*X([a-zA-Z_]*, \"\([a-z_]*\)\".*/\1/p" src/utils/columns.h | paste -sd ' '; }
is 'the columns of the engine are those of engine_columns()' "$(listed WO_ENGINE_COLUMNS)" \
  "$(sed -n '/^CREATE FUNCTION workorder.engine_columns/,/^END/p' sql/workorder/modules/guard.sql | grep -o "([0-9]*, '[a-z_]*'" | sed "s/.*'\(.*\)'/\1/" | paste -sd ' ')"
is 'the columns of an entry are those of workorder.journal' "$(listed WO_JOURNAL_COLUMNS)" \
  "$(sed -n '/^CREATE TABLE workorder.journal (/,/PRIMARY KEY/s/^  \([a-z_]*\) .*,$/\1/p' sql/workorder/modules/tables.sql | paste -sd ' ')"

# A map that leaves something out misleads.
unnamed() {
  local file
  for file in src/*.c src/*/*.c; do
    grep -qwF "${file##*/}" docs/internals.md "${file%/*}/README.md" 2>/dev/null || say "$file"
  done
}
is 'every file of src/ is named in docs/internals.md or in the README.md of its folder' "$(unnamed)" ''
# Prints the files that such a page names and that are not there.
vanished() {
  local page name
  for page in docs/internals.md src/*/README.md; do
    grep -oE '`[A-Za-z0-9_./]+\.(c|h|sql|sh|md|patch)`' "$page" | tr -d '\140' | sort -u | while read -r name; do
      compgen -G "$name" >/dev/null || compgen -G "${page%/*}/$name" >/dev/null || compgen -G "src/$name" >/dev/null ||
        compgen -G "src/*/$name" >/dev/null || compgen -G "sql/workorder/modules/$name" >/dev/null || compgen -G "test/*/$name" >/dev/null ||
        say "$page: $name"
    done
  done
}
is 'and every file that they name is there' "$(vanished)" ''

# What runs with somebody else's rights does so in owner_spi.c's sections, which
# pin the path.  These run statements too, all of them as the caller: ticket.c,
# state_count.c, migrate.c and why.c on the caller's own table, sweep.c as the
# role of the sweeper.
lookups() {
  awk -v users=src/utils/owner_spi.c -v spi='src/utils/owner_spi.c src/ticket/ticket.c src/journal/state_count.c src/ticket/migrate.c src/ticket/why.c src/timer/sweep.c src/trigger/ddl.c' \
    -f test/style/path.awk "$@"
}
is "nothing is looked up in a caller's path" "$(lookups src/*.c src/*/*.c sql/*/modules/*.sql)" ''
planted=$(mktemp -d)
trap 'rm -rf "$copy" "$planted"' EXIT
printf '%s\n' 'SetUserIdAndSecContext(owner, 0);' 'SPI_execute("SELECT 1", true, 0);' '" SELECT NULLIF($1, 0)"' '" WHERE x IN ($1)"' \
  '" WHERE x BETWEEN $1 AND $2"' '" WHERE x IS DISTINCT FROM $1"' '" SELECT CASE x WHEN 1 THEN 2 END"' '" FROM a JOIN b USING (id)"' >"$planted/planted.c"
printf '%s\n' 'CREATE FUNCTION workorder.planted() RETURNS int' 'LANGUAGE sql STABLE' "AS \$\$ SELECT 1 \$\$;" >"$planted/planted.sql"
is 'and whatever is planted is found' "$(lookups "$planted"/planted.* | wc -l)" 9

done_testing
