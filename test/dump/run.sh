#!/usr/bin/env bash
#
# Dump and restore: whatever way a database leaves and comes back, everything in
# it is the same (inventory.sql), nothing was journalled on the way, verify()
# finds nothing, and work goes on.  Four databases: one with the five add-ons
# and their samples, one to which users have added whatever can be added
# (own.sql), one with 20,000 tickets, one that is no superuser's.  Prints TAP, a line per way.
#
#   run.sh [pattern]         only the ways whose names match, and all that follows
#   WORKORDER_TEST_LONG=1    all ways, else the nine least likely to differ are left out

set -euo pipefail
# shellcheck source=test/tools/server.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tools/server.sh"

other=$cluster/other
scratch=$(mktemp -d "${TMPDIR:-/tmp}/workorder-dump.XXXXXX")
end() {
  local job
  for job in $(jobs -p); do
    send_signal TERM "$job" || true
  done
  rm -rf "$scratch"
  cluster_stop "$other"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# --- every way out and back -----------------------------------------------------

# The way | databases | options of pg_dump | how it is restored: psql,
# pg_restore, or another function below, with options | what the way leaves out.
# Those with a + are taken with --long only.
ways=(
  'psql                            | own five many |                                           | psql                                |'
  'psql -1                         | own           |                                           | psql -1                             |'
  '+compressed                     | own           | -Z 6                                      | gunzip                              |'
  '--inserts                       | own five      | --inserts                                 | psql                                |'
  '+--column-inserts               | own           | --column-inserts                          | psql                                |'
  '--rows-per-insert               | own           | --rows-per-insert=1000                    | psql                                |'
  '+--on-conflict-do-nothing       | own           | --inserts --on-conflict-do-nothing        | psql                                |'
  '--clean, over a database in use | five          | --clean --if-exists                       | over psql                           |'
  '--quote-all-identifiers         | own           | --quote-all-identifiers                   | psql                                |'
  '+--disable-dollar-quoting       | own           | --disable-dollar-quoting                  | psql                                |'
  '--use-set-session-authorization | five          | --use-set-session-authorization           | psql                                |'
  '+--serializable-deferrable      | own           | --serializable-deferrable                 | psql                                |'
  '--load-via-partition-root       | own           | --load-via-partition-root                 | psql                                |'
  '--encoding                      | own           | -E GB18030                                | psql                                |'
  '--extension                     | own           | -e workorder* -e pgcrypto                 | psql                                | event trigger, publication'
  '--no-owner                      | own           | --no-owner                                | psql                                | owner, right on relation'
  '--no-privileges                 | own           | --no-privileges                           | and_upgrade psql                    | right on relation, right on column, right on function, right on schema, right on type, default right'
  '--no-comments                   | own           | --no-comments                             | psql                                | comment'
  '+--no-tablespaces               | own           | --no-tablespaces --no-table-access-method | psql                                |'
  '-Fc, all of it by its owner     | dba           | -Fc                                       | as_its_owner                        |'
  'functions checked               | own five      |                                           | checked                             |'
  'schema, then data               | five          | --disable-triggers                        | schema_then_data                    |'
  'schema by schema                | own           |                                           | by_schema                           |'
  'one table on its own            | own           |                                           | by_table                            |'
  '-Fc                             | own five      | -Fc                                       | pg_restore                          |'
  '+-Fc -Z0                        | own           | -Fc -Z0                                   | pg_restore                          |'
  '+-Fc, piped                     | own           | -Fc                                       | piped                               |'
  '-Fc, as a script                | own           | -Fc                                       | script                              |'
  '-Fc -1                          | own five      | -Fc                                       | pg_restore -1                       |'
  '-Fc --clean, over one in use    | five          | -Fc                                       | over pg_restore --clean --if-exists |'
  '-Fc, section by section         | own five      | -Fc                                       | sections                            |'
  '-Fc, data as a replica          | own five      | -Fc                                       | as_replica                          |'
  '-Fc, half and half              | own           | -Fc                                       | halves                              |'
  '-Fc, as another owner           | many          | -Fc                                       | as_owner                            | owner, right on relation, right on column, right on function, right on schema, right on type'
  '-Fc -j4                         | own five many | -Fc                                       | pg_restore -j4                      |'
  '-Fc -j4, the 2nd time           | many          | -Fc                                       | pg_restore -j4                      |'
  '-Fc -j4, the 3rd time           | many          | -Fc                                       | pg_restore -j4                      |'
  '-Fc -j4, the 4th time           | many          | -Fc                                       | pg_restore -j4                      |'
  '-Fc -j4, the 5th time           | many          | -Fc                                       | pg_restore -j4                      |'
  '+-Fd                            | own           | -Fd                                       | pg_restore                          |'
  '-Fd -j2, -j4                    | own many      | -Fd -j2                                   | pg_restore -j4                      |'
  '-Ft                             | own           | -Ft                                       | pg_restore                          |'
)

# Each is called with the database to fill, the one it is dumped from, and the
# dump, then options.
psql_way() { load "$1" -f "$3" "${@:4}"; }
pg_restore_way() { pg_restore --exit-on-error -d "$1" "${@:4}" "$3"; }
# As docs/operations.md says of a dump without privileges.
and_upgrade_way() {
  "$4_way" "$1" "$2" "$3" "${@:5}"
  load "$1" -c 'SELECT workorder.upgrade()'
}
gunzip_way() { gzip -dc <"$3" | load "$1"; }
piped_way() { pg_restore --exit-on-error -d "$1" <"$3"; }
script_way() { pg_restore -f - "$3" | load "$1"; }
checked_way() {
  grep -q '^SET check_function_bodies = false' "$3"
  sed 's/^SET check_function_bodies = false/SET check_function_bodies = true/' "$3" | load "$1"
}
sections_way() {
  local section
  for section in pre-data data post-data; do
    pg_restore --exit-on-error --section=$section -d "$1" "$3"
  done
}
# Where somebody has worked already: what was there goes.
over_way() {
  pg_dump -d "$2" | load "$1"
  goes_on "$2" "$1" >/dev/null
  "$4_way" "$1" "$2" "$3" "${@:5}"
}
# Triggers must be kept from judging rows before their flow is loaded, as
# pg_dump's manual says.  That makes ALWAYS triggers ordinary ones, but for what
# docs/operations.md says.
schema_then_data_way() {
  pg_dump --schema-only -d "$2" | load "$1"
  pg_dump --data-only --disable-triggers -d "$2" | load "$1"
  awk '/^```/ {if (block ~ /ENABLE ALWAYS/) printf "%s", block; block = ""; next} {block = block $0 "\n"}' "$root/docs/operations.md" >"$3.always"
  grep -q gexec "$3.always"
  load "$1" -f "$3.always"
}
as_replica_way() {
  pg_restore --exit-on-error --section=pre-data -d "$1" "$3"
  PGOPTIONS='-c session_replication_role=replica' pg_restore --exit-on-error --section=data -j 4 -d "$1" "$3"
  pg_restore --exit-on-error --section=post-data -d "$1" "$3"
}
by_schema_way() {
  pg_dump --section=pre-data -d "$2" | load "$1"
  pg_dump --section=data -n '"Own schema"' -d "$2" | load "$1"
  pg_dump --section=data -N '"Own schema"' -d "$2" | load "$1"
  pg_dump --section=post-data -d "$2" | load "$1"
}
# Into definitions that are there, triggers and all.
by_table_way() {
  pg_dump --exclude-table-data='"Own schema".order' --exclude-table-data=note -d "$2" | load "$1"
  is_empty=$(ask "$1" 'SELECT (SELECT count(*) FROM "Own schema"."order") + (SELECT count(*) FROM ONLY note)')
  [ "$is_empty" = 0 ]
  pg_dump --data-only -t '"Own schema".order' -t note -d "$2" | load "$1"
}
halves_way() {
  pg_restore -l "$3" | grep -v '^;' >"$3.list"
  split -n l/2 "$3.list" "$3.half."
  pg_restore --exit-on-error -L "$3.half.aa" -d "$1" "$3"
  pg_restore --exit-on-error -L "$3.half.ab" -d "$1" "$3"
}
# As where the extension is installed by the provider of the server, and the
# database belongs to somebody who is no superuser.
made_by_provider() {
  load "$1" -c 'CREATE EXTENSION pgcrypto' -c 'CREATE EXTENSION workorder' -c "ALTER DATABASE $1 OWNER TO dump_owner"
  load "$1" "${@:2}" -c "SELECT workorder.grant_admin('dump_owner')"
}
as_owner_way() {
  made_by_provider "$1"
  pg_restore -l "$3" | grep -vE ' (EXTENSION|COMMENT) - (EXTENSION )?(workorder|pgcrypto) |(SCHEMA|COMMENT) - (SCHEMA )?workorder ' >"$3.mine"
  pg_restore --exit-on-error --no-owner --no-privileges -L "$3.mine" -U dump_owner -d "$1" "$3"
  PGUSER=dump_owner load "$1" -c 'SELECT workorder.upgrade()'
  is_owner=$(ask "$1" "SELECT DISTINCT relowner::regrole FROM pg_class WHERE oid IN ('repair'::regclass, 'workorder.journal'::regclass)")
  [ "$is_owner" = dump_owner ]
}
# From a database that was so before; what is left out is what docs/operations.md says.
as_its_owner_way() {
  local left_out
  made_by_provider "$1" -c 'CREATE EXTENSION workorder_dispatch'
  left_out=$(sed -n "s/^pg_restore -l dump | grep -vE '\(.*\)' >list$/\1/p" "$root/docs/operations.md")
  [ -n "$left_out" ]
  pg_restore -l "$3" | grep -vE "$left_out" >"$3.mine"
  PGUSER=dump_owner pg_restore --exit-on-error -L "$3.mine" -d "$1" "$3"
  PGUSER=dump_owner load "$1" -c 'SELECT workorder.upgrade()' -c "SELECT workorder.grant_access('dump_web'), dispatch.grant_access('dump_web')"
}

# --- what is asked of them --------------------------------------------------------

load() { psql -Xq -v ON_ERROR_STOP=1 -d "$1" -o /dev/null "${@:2}"; }
ask() { psql -XAtq -v ON_ERROR_STOP=1 -d "$1" -c "$2" 2>&1; }
create_database() { load postgres -c "CREATE DATABASE $1 TEMPLATE template0 ENCODING 'UTF8' LOCALE '${2:-C}'"; }

# inventory <database> <physical> <arguments of psql before it...>
inventory() {
  local raw=$scratch/raw.$BASHPID
  psql -XAtq -F $'\t' -v ON_ERROR_STOP=1 -v physical="$2" -d "$1" "${@:3}" -f "$here/inventory.sql" >"$raw"
  grep -q '^end'$'\t' "$raw"
  LC_ALL=C sort "$raw"
}

# but <kinds, by comma>: the lines of an inventory that are of another kind.
but() { awk -F '\t' -v kinds="$1" 'BEGIN {n = split(kinds, k, / *, */); for (i = 1; i <= n; i++) left[k[i]]} !($1 in left)'; }

# differences <inventory> <inventory> <kinds to leave out>
differences() { diff <(but "$3" <"$1") <(but "$3" <"$2") | grep '^[<>]' | cut -c1-300 | sed -n 1,30p || true; }

# Acts, new tickets, replies and a second verify(): <source> <database>.
goes_on() {
  case $1 in
    five)
      ask "$2" "
        SET workorder.actor = 'cust1';
        INSERT INTO dispatch.ticket (content) VALUES ('after the restore') RETURNING id > 100000, state, revision;
        SELECT state FROM workorder.act('dispatch.ticket', (SELECT max(id) FROM dispatch.ticket), 'cancel');
        SELECT count(*) FROM workorder.events('upgrade') WHERE ticket_id > 100000;
        BEGIN;
        SELECT set_config('request.headers', '{\"x-original-method\": \"GET\", \"x-original-uri\": \"/nowhere\"}', true) IS NULL, api.http_read('') IS NULL;
        SELECT current_setting('response.status');
        COMMIT;
        SELECT * FROM workorder.verify();"
      ;;
    *)
      ask "$2" "
        SET workorder.actor = 'boss3';
        SELECT a.revision - r.revision, a.state FROM repair r, workorder.act('repair', 1300, 'approve') a WHERE r.id = 1300;
        SELECT state FROM workorder.act('repair', (SELECT max(id) FROM repair WHERE state = 'held'), 'comment', 'after the restore');
        INSERT INTO repair (price) VALUES (1) RETURNING id > (SELECT max(id) FROM repair), revision, last_action;
        INSERT INTO \"Own schema\".\"order\" (nr) VALUES (6000) RETURNING stage;
        SELECT workorder.next_number('orders');
        SELECT workorder.add_reply('repair', 1000, 'after the restore');
        SELECT count(*), max(content) FROM workorder.replies('repair', '{1, 1000}');
        SET enable_seqscan = off;
        SELECT count(*) FROM repair WHERE workorder.contains(\"Fault text\", 'FAULT 77');
        SELECT * FROM workorder.verify();"
      ;;
  esac
}
worker_of() { if [ "$1" = dba ]; then say dump_owner; else say postgres; fi; }
going_on() {
  case $1 in
    five) say $'t|open.new|1\ncancel\n2\nf|f\n404' ;;
    *) say $'1|done\nheld\nt|1|create\nnew\n8\n501\n3|reply 1000\n回复\n'"${found[$1]}" ;;
  esac
}

# --- the sources ------------------------------------------------------------------

# What seal() has said is kept, to ask verify_seal() of it anywhere.
seals='CREATE TABLE kept_seal (id int PRIMARY KEY, digest text NOT NULL)'

work() {
  create_database "$1"
  load "$1" -c "$seals"
  load "$1" -v tickets="$2" -f "$here/work.sql"
}
five() {
  local file
  create_database five
  load five -c "$seals"
  load five -f "$root/scripts/install.sql"
  for file in "$root"/test/fixtures/*.sql; do
    load five -1 -f "$file"
  done
  load five -f "$root/test/upgrade/work.sql"
  load five -f "$root/deploy/roles.sql"
}
own() {
  work own 3000
  load own -f "$here/own.sql"
  load own -c 'INSERT INTO kept_seal SELECT 1, workorder.seal()'
}
many() {
  work many 20000
}
# Everything by who owns the database, and is no superuser.
dba() {
  create_database dba
  made_by_provider dba -c 'CREATE EXTENSION workorder_dispatch'
  load dba -c "$seals" -c 'ALTER TABLE kept_seal OWNER TO dump_owner'
  sed '/^CREATE EXTENSION /d' "$here/work.sql" | PGUSER=dump_owner load dba -v tickets=3000
  PGUSER=dump_owner PGOPTIONS='-c client_min_messages=warning' load dba -c 'SELECT dispatch.install()' -c "SELECT dispatch.grant_access('dump_web')"
}
load postgres -c 'ALTER SYSTEM SET wal_level = logical'
cluster_stop "$cluster"
cluster_start "$cluster"
load postgres -c 'CREATE ROLE dump_web' -c 'CREATE ROLE dump_owner LOGIN' -c 'GRANT SET ON PARAMETER workorder.actor TO dump_owner'
for source in own five many dba; do
  (set -e; $source) >"$scratch/$source.made" 2>&1 &
done
wait
declare -A least_rows=([own]=25000 [five]=900 [many]=50000 [dba]=15000) least_tables=([own]=40 [five]=55 [many]=35 [dba]=35) found
for source in own five many dba; do
  is "$source is made" "$(cat "$scratch/$source.made")" ''
  inventory $source 1 >"$scratch/$source"
  rows=$(awk -F '\t' '$1 == "rows" {n += $3} END {print n + 0}' "$scratch/$source")
  tables=$(grep -c "^rows$(printf '\t')" "$scratch/$source")
  ok "$source: there are $rows rows in $tables tables to compare" test "$rows" -ge "${least_rows[$source]}" -a "$tables" -ge "${least_tables[$source]}"
  is "$source: it is sound" "$(grep "^unsound" "$scratch/$source" || true)" ''
  grep -v '^~' "$scratch/$source" >"$scratch/$source.inventory"
done
tickets=$(ask many 'SELECT (SELECT count(*) FROM repair) + (SELECT count(*) FROM "Own schema"."order")')
ok "many: there are 20,000 tickets ($tickets)" test "$tickets" -ge 20000
is 'own: in every state' "$(ask own "SELECT count(DISTINCT state) FROM repair WHERE state <> 'expired'")" 4
for source in own many dba; do
  found[$source]=$(ask $source "SELECT count(*) FROM repair WHERE workorder.contains(\"Fault text\", 'FAULT 77')")
  ok "$source: search finds something (${found[$source]})" test "${found[$source]}" -gt 0
done
kinds=$(cut -f1 "$scratch/own" | sort -u)
ok "own: facts of $(wc -l <<<"$kinds") kinds are compared" test "$(wc -l <<<"$kinds")" -ge 55

# --- out and back -------------------------------------------------------------------

# Prints what is wrong, and "the same" only if nothing is: <number> <source>
# <dump> <how it is restored...>; what is left out is in $without.
attempt() {
  local database=dump_$1 source=$2 dump=$3 restored=$scratch/restored.$1
  create_database "$database"
  "$4_way" "$database" "$source" "$dump" "${@:5}"
  inventory "$database" 0 >"$restored"
  differences "$scratch/$source.inventory" "$restored" "database, $without" | tee "$restored.differences"
  [ ! -s "$restored.differences" ]
  if [ -n "$without" ] && [ -z "$(differences "$scratch/$source.inventory" "$restored" database)" ]; then
    say "nothing of what is left out is: $without"
  fi
  diff <(PGUSER=$(worker_of "$source") goes_on "$source" "$database") <(going_on "$source")
  load postgres -c "DROP DATABASE $database"
  say 'the same'
}

# As many at a time as there are processors.
started=$SECONDS
lanes=$(nproc)
names=()
declare -A dumps=()
for way in "${ways[@]}"; do
  IFS='|' read -r name sources options how without <<<"$way"
  read -r name <<<"$name"
  [[ $name != +* || -n ${WORKORDER_TEST_LONG:-} ]] || continue
  name=${name#+}
  [[ $name =~ ${1:-.} ]] || continue
  read -ra options <<<"$options"
  read -ra how <<<"$how"
  read -r without <<<"$without"
  for source in $sources; do
    key="$source ${options[*]}"
    if [ -z "${dumps[$key]:-}" ]; then
      dumps[$key]=$scratch/dump.${#dumps[@]}
      PGUSER=$(worker_of "$source") pg_dump "${options[@]}" -f "${dumps[$key]}" -d "$source"
    fi
    n=${#names[@]}
    names+=("$source: $name")
    while [ "$(jobs -rp | wc -l)" -ge "$lanes" ]; do wait -n || true; done
    (set -e; attempt "$n" "$source" "${dumps[$key]}" "${how[@]}") >"$scratch/said.$n" 2>&1 &
  done
done
wait
mapfile -t left < <(ask postgres "SELECT format('DROP DATABASE %I', datname) FROM pg_database WHERE datname ~ '^dump_[0-9]+$'")
for statement in "${left[@]}"; do
  load postgres -c "$statement"
done
for n in "${!names[@]}"; do
  is "${names[$n]}" "$(cat "$scratch/said.$n")" 'the same'
done
[ -n "${1:-}" ] || ok "there are 30 ways or more (${#names[@]}, in $((SECONDS - started)) s)" test "$(printf '%s\n' "${names[@]}" | grep -vc 'the .* time')" -ge 30
[ -n "${1:-}" ] || ok 'pg_restore -j4 five times' test "$(printf '%s\n' "${names[@]}" | grep -c 'many: -Fc -j4')" -ge 5

# Dumped in parallel while somebody acts: what is in it is of one moment.
act_on() {
  for _ in {1..400}; do
    say "UPDATE repair SET action = 'comment', note = 'while it is dumped' WHERE id IN (SELECT id FROM repair WHERE state = 'held' ORDER BY random() LIMIT 3);"
    say "INSERT INTO repair (price) VALUES (1);"
  done | PGOPTIONS='-c workorder.actor=clerk1' load many
}
act_on >"$scratch/acts" 2>&1 &
while_acting() {
  create_database dump_acting
  while [ "$(ask many "SELECT count(*) FROM workorder.journal WHERE note = 'while it is dumped'")" -lt 10 ]; do sleep 0.1; done
  pg_dump -Fd -j2 -f "$scratch/acting" -d many
  pg_restore --exit-on-error -j4 -d dump_acting "$scratch/acting"
}
ok 'many: dumped and restored while somebody acts' while_acting
wait
is 'many: nothing went wrong for who acted' "$(cat "$scratch/acts")" ''
some=$(ask dump_acting "SELECT count(*) FROM workorder.journal WHERE note = 'while it is dumped'")
ok "many: it has some of these acts, not all ($some of 1200)" test "$some" -ge 10 -a "$some" -lt 1200
is 'many: it is sound as of that moment' "$(ask dump_acting 'SELECT * FROM workorder.verify() LIMIT 5')" ''
is 'many: and so is the total' "$(ask dump_acting "SELECT workorder.total('repair') - count(*) FROM repair")" 0
inventory many 1 | tee "$scratch/many" | grep -v '^~' >"$scratch/many.inventory"

# --- another server ---------------------------------------------------------------

# away <name> <source>: the database of that name on the other server is the source, settings of databases and roles included.
away() {
  PGHOST=$other/socket inventory "$2" 0 >"$scratch/away"
  is "$2: $1" "$(differences "$scratch/$2.inventory" "$scratch/away" '')" ''
  is "$2: $1: work goes on" "$(PGHOST=$other/socket goes_on "$2" "$2")" "$(going_on "$2")"
}
new_server() {
  cluster_stop "$other"
  cluster_create "$other" 'wal_level = logical'
  cluster_start "$other"
}
load postgres -c 'DROP DATABASE dump_acting'
new_server
pg_dumpall -f "$scratch/all"
is 'pg_dumpall: all that another server objects to is a superuser that it has' \
  "$(PGHOST=$other/socket psql -Xq -d postgres -o /dev/null -f "$scratch/all" 2>&1 | sed 's/.*ERROR: */ERROR: /')" 'ERROR: role "postgres" already exists'
for source in own five many; do
  away pg_dumpall $source
done
new_server
create_way() {
  pg_dumpall --roles-only | grep -v '^CREATE ROLE postgres;' | PGHOST=$other/socket load postgres
  # (rights on parameters belong to no database, and no role: pg_dumpall alone has them all)
  pg_dumpall --globals-only | grep '^GRANT SET ON PARAMETER' | PGHOST=$other/socket load postgres
  pg_dump -Fc --create -d own -f "$scratch/create"
  PGHOST=$other/socket pg_restore --exit-on-error --create -d postgres "$scratch/create"
}
ok 'own: --create restores' create_way
away --create own
cluster_stop "$other"

# --- that a difference would be noticed -------------------------------------------

plants=(
  "rows                 | SET workorder.maintenance = on; UPDATE repair SET price = 0 WHERE id = 1"
  "unsound              | SET session_replication_role = replica; UPDATE repair SET state = 'done' WHERE id = 1"
  "sealed               | SET session_replication_role = replica; DELETE FROM workorder.journal WHERE ticket_id = 7"
  "rows                 | DELETE FROM workorder.timer WHERE ticket_id = 1800"
  "total                | DELETE FROM workorder.state_count"
  "sequence             | SELECT setval('note_id_seq', 77)"
  "sequence definition  | ALTER SEQUENCE note_id_seq INCREMENT 2"
  "trigger fires        | ALTER TABLE repair DISABLE TRIGGER \"~workorder_flush\""
  "trigger fires        | ALTER TABLE note ENABLE TRIGGER always"
  "trigger              | DROP TRIGGER own_trigger ON repair"
  "policy               | DROP POLICY own_policy ON repair"
  "row security         | ALTER TABLE repair DISABLE ROW LEVEL SECURITY"
  "column               | ALTER TABLE repair ADD COLUMN another int"
  "default              | ALTER TABLE repair ALTER COLUMN weight SET DEFAULT 6"
  "check                | ALTER TABLE repair DROP CONSTRAINT weight_is_real"
  "foreign key          | ALTER TABLE note DROP CONSTRAINT note_tenant_id_repair_id_fkey"
  "index                | DROP INDEX repair_price"
  "statistics           | DROP STATISTICS repair_statistics"
  "view                 | CREATE OR REPLACE VIEW cheap_repair AS SELECT id, price FROM repair WHERE price < 11"
  "comment              | COMMENT ON TABLE repair IS 'Another'"
  "right on relation    | REVOKE SELECT ON repair FROM dump_web"
  "right on column      | REVOKE UPDATE (about) ON note FROM dump_web"
  "right on function    | REVOKE EXECUTE ON FUNCTION workorder.verify(regclass, bigint) FROM dump_owner"
  "owner                | ALTER TABLE visit_rest OWNER TO dump_owner"
  "column               | ALTER TABLE visit DETACH PARTITION visit_rest"
  "storage options      | ALTER TABLE repair RESET (fillfactor)"
  "extension            | ALTER EXTENSION workorder DROP FUNCTION workorder.why(regclass, bigint)"
)
# In a copy, since setval() is not taken back.
load postgres -c 'CREATE DATABASE planted TEMPLATE own'
for plant in "${plants[@]}"; do
  IFS='|' read -r kind statement <<<"$plant"
  read -r kind <<<"$kind"
  inventory planted 0 -o /dev/null -c BEGIN -c "$statement" -c '\o' >"$scratch/planted"
  like "a difference is noticed: $statement" $'\n'"$(differences "$scratch/own.inventory" "$scratch/planted" database)" $'\n[<>] '"$kind"$'\t'
done
load postgres -c 'DROP DATABASE planted'

# --- the extension goes, the tickets stay ------------------------------------------

kept="SELECT (SELECT count(*) FROM repair), (SELECT count(*) FROM workorder.journal)"
before=$(ask many "$kept")
ok "there is something to lose ($before)" test "${before%|*}" -ge 20000
like 'DROP EXTENSION is refused while tables are guarded' "$(ask many 'DROP EXTENSION workorder' || true)" \
  'cannot drop extension workorder because other objects depend on it'
is 'DROP EXTENSION CASCADE drops triggers, and not one ticket or line' \
  "$(ask many "SET client_min_messages = warning; BEGIN; DROP EXTENSION workorder CASCADE; $kept; ROLLBACK")" "$before"

# --- pg_upgrade -------------------------------------------------------------------

# Into a new cluster of the same major, which is all that one machine has: the
# files move, the catalog is dumped and restored.  The old server stops for it.
upgrade() {
  local dir
  cluster_create "$other" 'wal_level = logical'
  cluster_stop "$cluster"
  as_server mkdir -p "$other/work"
  # it wants two sockets, and paths that are not too long
  dir=$(mktemp -d /tmp/wo.XXXXXX)
  chown "$(as_server id -u)" "$dir"
  (cd "$other/work" && "${lend[@]}" env -u PGHOST -u PGPORT -u PGUSER -u PGDATABASE "$bin/pg_upgrade" -b "$bin" -B "$bin" \
    -d "$cluster/data" -D "$other/data" -U postgres -s "$dir" ${1:+"$1"}) || return 1
  rm -rf "$dir"
  cluster_start "$other"
}
for name in copy --link; do
  ok "pg_upgrade $name: runs, and the new server starts" upgrade ${name/copy/}
  for source in own five many; do
    PGHOST=$other/socket inventory $source 1 >"$scratch/upgraded"
    probes=$(cut -f1 "$scratch/$source" | sort -u | grep -vc '^end$')
    # kind by kind where there is one of each
    [ $source != own ] || while read -r kind; do
      only=$(grep -c "^$kind"$'\t' "$scratch/$source")
      is "own: pg_upgrade $name: $kind ($only)" "$(diff <(grep "^$kind"$'\t' "$scratch/$source") <(grep "^$kind"$'\t' "$scratch/upgraded") | head -n 10)" ''
    done < <(cut -f1 "$scratch/$source" | sort -u | grep -v '^end$')
    is "$source: pg_upgrade $name: all of $probes kinds of facts, and where rows are" "$(differences "$scratch/$source" "$scratch/upgraded" '')" ''
    [ $name = copy ] || is "$source: pg_upgrade $name: work goes on" "$(PGHOST=$other/socket goes_on $source $source)" "$(going_on $source)"
  done
  cluster_stop "$other"
  # after --link the old cluster must not be started again
  [ $name = --link ] || cluster_start "$cluster"
done

done_testing
