#!/usr/bin/env bash
#
# Dump and restore: whatever way a database leaves and comes back, its rows,
# sequences and definitions are the same, nothing was journalled on the way,
# verify() finds nothing, and work goes on.

set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=test/tools/tap.sh
. "$here/../tools/tap.sh"

scratch=$(mktemp -d "${TMPDIR:-/tmp}/workorder-dump.XXXXXX")
databases=()
end() {
  local database
  for database in "${databases[@]}"; do
    psql -Xq -d postgres -c "DROP DATABASE IF EXISTS $database" >/dev/null 2>&1 || true
  done
  psql -Xq -d postgres -c 'DROP ROLE IF EXISTS dump_web' >/dev/null 2>&1 || true
  rm -rf "$scratch"
  [ -z "${upgraded:-}" ] || cluster_stop "$upgraded"
}
trap end EXIT

source=dump_source

new_database() {
  databases+=("$1")
  psql -Xq -d postgres -v ON_ERROR_STOP=1 -c "DROP DATABASE IF EXISTS $1" \
    -c "CREATE DATABASE $1 TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'" 2>/dev/null
}

ask() { psql -XAtq -v ON_ERROR_STOP=1 -d "$1" -c "$2" 2>&1; }

load() { psql -Xq -v ON_ERROR_STOP=1 -d "$1" -o /dev/null "${@:2}"; }

# Every table that is no member of an extension.
tables() {
  ask "$1" "SELECT format('%I.%I', n.nspname, c.relname)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_toast'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY 1"
}

# Prints one line per table: how many rows, and the MD5 of a sorted copy.
contents() {
  local table
  tables "$1" | while read -r table; do
    printf '%s %s %s\n' "$table" "$(ask "$1" "SELECT count(*) FROM $table")" \
      "$(psql -Xq -v ON_ERROR_STOP=1 -d "$1" -c "COPY (SELECT * FROM $table) TO STDOUT" | LC_ALL=C sort | md5sum | cut -c1-32)"
  done
}

sequences() {
  ask "$1" "SELECT format('SELECT %L, last_value, is_called FROM %I.%I;', schemaname || '.' || sequencename, schemaname, sequencename)
    FROM pg_catalog.pg_sequences ORDER BY schemaname, sequencename" | psql -XAtq -v ON_ERROR_STOP=1 -d "$1"
}

# The definitions, grants and comments included; the key of \restrict is random.
definitions() { pg_dump --schema-only -d "$1" | sed '/^\\\(un\)\{0,1\}restrict /d'; }

# What the index for search finds, and that it was asked.
search() {
  ask "$1" "SET enable_seqscan = off; EXPLAIN (COSTS OFF) SELECT id FROM repair WHERE workorder.contains(\"Fault text\", 'FAULT 77');
    SELECT count(*), sum(id) FROM repair WHERE workorder.contains(\"Fault text\", 'FAULT 77');"
}

# Which triggers fire, and when.
triggers() {
  ask "$1" "SELECT tgrelid::regclass::text, tgname, tgenabled FROM pg_catalog.pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2"
}

# --- the source -----------------------------------------------------------------

new_database $source
ok 'work is done' load $source -f "$here/work.sql"
tickets=$(ask $source 'SELECT (SELECT count(*) FROM repair) + (SELECT count(*) FROM "Own schema"."order")')
lines=$(ask $source 'SELECT count(*) FROM workorder.journal')
ok "there are at least 10,000 tickets ($tickets)" test "$tickets" -ge 10000
ok "there are at least 15,000 journal lines ($lines)" test "$lines" -ge 15000
ok 'in every state' test "$(ask $source 'SELECT count(DISTINCT state) FROM repair')" -ge 4
ok 'there is a conversation' test "$(ask $source 'SELECT count(*) FROM workorder.reply')" -eq 102
ok 'totals are kept, folded and not yet' test "$(ask $source 'SELECT least((SELECT count(*) FROM workorder.tally), (SELECT count(*) FROM workorder.tally_change))')" -ge 1
ok 'timers are set' test "$(ask $source 'SELECT count(*) FROM workorder.timer')" -ge 1000
found=$(search $source)
like 'search uses its index' "$found" 'Bitmap Index Scan on repair_search'
is 'the source is sound' "$(ask $source 'SELECT code, count(*) FROM workorder.verify() GROUP BY 1')" ''

contents $source >"$scratch/contents"
sequences $source >"$scratch/sequences"
definitions $source >"$scratch/definitions"
triggers $source >"$scratch/triggers"
ok 'every table of the engine is compared' \
  test "$(grep -c '^workorder\.' "$scratch/contents")" -ge 12
ok 'and every sequence' test "$(wc -l <"$scratch/sequences")" -ge 4

# same <how> <database>: the restored database is the source.
same() {
  is "$1: the rows are the same" "$(contents "$2" | diff "$scratch/contents" - 2>&1)" ''
  is "$1: the sequences stand where they stood" "$(sequences "$2" | diff "$scratch/sequences" - 2>&1)" ''
  is "$1: the definitions are the same" "$(definitions "$2" | diff "$scratch/definitions" - 2>&1 | head -n 40)" ''
  is "$1: verify() finds nothing" "$(ask "$2" 'SELECT * FROM workorder.verify() LIMIT 5')" ''
  is "$1: search finds the same" "$(search "$2")" "$found"
}

same_triggers() {
  is "$1: the triggers are as they were" "$(triggers "$2" | diff "$scratch/triggers" - 2>&1)" ''
}

# goes_on <how> <database>: acts, new tickets and a second verify() work there.
goes_on() {
  is "$1: work goes on" "$(ask "$2" "
    SET workorder.actor = 'boss3';
    SELECT a.revision - r.revision, a.state FROM repair r, workorder.act('repair', 1300, 'approve') a WHERE r.id = 1300;
    SELECT state FROM workorder.act('repair', (SELECT max(id) FROM repair), 'comment', 'after the restore');
    INSERT INTO repair (price) VALUES (1) RETURNING id > (SELECT max(id) FROM repair), revision, last_action;
    SELECT workorder.next_number('orders');
    SELECT workorder.add_reply('repair', 1000, 'after the restore');
    SELECT count(*), max(content) FROM workorder.replies('repair', '{1, 1000}');
    SELECT * FROM workorder.verify();")" $'1|done\nheld\nt|1|create\n8\n501\n3|reply 1000\n回复'
}

# --- every way out and back -----------------------------------------------------

plain() { pg_dump -d $source | load "$1"; }
inserts() { pg_dump --inserts -d $source | load "$1"; }
custom() {
  pg_dump -Fc -f "$scratch/custom" -d $source && pg_restore --exit-on-error -j 4 -d "$1" "$scratch/custom"
}
directory() {
  pg_dump -Fd -j 2 -f "$scratch/directory" -d $source && pg_restore --exit-on-error -j 4 -d "$1" "$scratch/directory"
}
single() { pg_restore --single-transaction -d "$1" "$scratch/custom"; }
sections() {
  local section
  for section in pre-data data post-data; do
    pg_restore --exit-on-error --section=$section -d "$1" "$scratch/custom" || return 1
  done
}

restore() {
  local how=$1 database=dump_$2
  new_database "$database"
  ok "$how: restores without an error" "$2" "$database"
  same "$how" "$database"
  same_triggers "$how" "$database"
}

restore 'pg_dump | psql' plain
restore 'pg_dump --inserts | psql' inserts
restore 'pg_restore -j 4' custom
restore 'pg_dump -Fd, pg_restore -j 4' directory
restore 'pg_restore -1' single
restore 'pg_restore, section by section' sections
goes_on 'pg_dump | psql' dump_plain
goes_on 'pg_dump --inserts | psql' dump_inserts
goes_on 'pg_restore -j 4' dump_custom

# Over a database that is in use already: what was there goes.
over() { pg_restore --clean --if-exists --exit-on-error -d "$1" "$scratch/custom"; }
ok 'pg_restore --clean over a copy: restores without an error' over dump_custom
same 'pg_restore --clean over a copy' dump_custom
same_triggers 'pg_restore --clean over a copy' dump_custom

# Data alone, into definitions that are there: triggers must be kept from
# judging rows before their flow is loaded, as pg_dump's manual says.  (The
# option's ENABLE TRIGGER ALL makes ALWAYS triggers ordinary ones.)
data_only() {
  pg_dump --schema-only -d $source | load "$1" && pg_dump --data-only --disable-triggers -d $source | load "$1"
}
new_database dump_data_only
ok '--data-only --disable-triggers: restores without an error' data_only dump_data_only
is '--data-only --disable-triggers: the rows are the same' "$(contents dump_data_only | diff "$scratch/contents" - 2>&1)" ''
is '--data-only --disable-triggers: the sequences stand where they stood' \
  "$(sequences dump_data_only | diff "$scratch/sequences" - 2>&1)" ''
is '--data-only --disable-triggers: verify() finds nothing' "$(ask dump_data_only 'SELECT * FROM workorder.verify()')" ''
goes_on '--data-only --disable-triggers' dump_data_only

replica() {
  pg_restore --exit-on-error --section=pre-data --section=post-data -d "$1" "$scratch/custom" &&
    PGOPTIONS='-c session_replication_role=replica' pg_restore --exit-on-error --data-only -j 4 -d "$1" "$scratch/custom"
}
new_database dump_replica
ok 'data into live definitions as a replica: restores without an error' replica dump_replica
same 'data into live definitions as a replica' dump_replica
same_triggers 'data into live definitions as a replica' dump_replica

# One table without the rest.
pg_dump -Fc -t repair -f "$scratch/table" -d $source
one_table=$(pg_restore -l "$scratch/table")
like 'pg_dump -t has the rows' "$one_table" 'TABLE DATA public repair'
is 'pg_dump -t does not create the extension' "$(grep 'EXTENSION' <<<"$one_table")" ''

# --- pg_upgrade -------------------------------------------------------------------

# Into a new cluster of the same major, which is all that one machine has: the
# files move, the catalog is dumped and restored.  The old server stops for it.
# shellcheck source=scripts/lib.sh
. "$here/../../scripts/lib.sh"
cluster=${WORKORDER_TEST_CLUSTER:?is set by test/tools/cluster.sh}
find_server_user
bin=$(dirname "$(command -v postgres)")
upgraded=$cluster/upgraded
upgrade() {
  local dir
  cluster_create "$upgraded"
  cluster_stop "$cluster"
  as_server mkdir -p "$upgraded/work"
  # it wants two sockets, and paths that are not too long
  dir=$(mktemp -d /tmp/wo.XXXXXX)
  chown "$(as_server id -u)" "$dir"
  (cd "$upgraded/work" && "${lend[@]}" env -u PGHOST -u PGPORT -u PGUSER -u PGDATABASE "$bin/pg_upgrade" -b "$bin" -B "$bin" -d "$cluster/data" -D "$upgraded/data" \
    -U postgres -s "$dir" "$@") || return 1
  rm -rf "$dir"
}
for mode in --copy --link; do
  ok "pg_upgrade $mode: runs" upgrade $mode
  ok "pg_upgrade $mode: the new server starts" cluster_start "$upgraded"
  export PGHOST=$upgraded/socket
  same "pg_upgrade $mode" $source
  same_triggers "pg_upgrade $mode" $source
  [ $mode = --copy ] || goes_on "pg_upgrade $mode" $source
  cluster_stop "$upgraded"
  export PGHOST=$cluster/socket
  # after --link the old cluster must not be started again; what follows uses the new one
  if [ $mode = --copy ]; then
    cluster_start "$cluster"
  else
    cluster_start "$upgraded"
    PGHOST=$upgraded/socket
  fi
done

# --- the extension goes, the tickets stay ------------------------------------------

like 'DROP EXTENSION is refused while tables are guarded' "$(ask dump_plain 'DROP EXTENSION workorder' || true)" \
  'cannot drop extension workorder because other objects depend on it'
kept="SELECT (SELECT count(*) FROM repair), (SELECT count(*) FROM workorder.journal)"
before=$(ask dump_plain "$kept")
ok 'there is something to lose' test "${before%|*}" -ge 7900
ok 'DROP EXTENSION CASCADE drops triggers' ask dump_plain 'DROP EXTENSION workorder CASCADE'
is 'and not one ticket or line' "$(ask dump_plain "$kept")" "$before"

done_testing
