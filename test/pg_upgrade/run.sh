#!/usr/bin/env bash
#
# pg_upgrade into the newest PostgreSQL that this machine has, from every older
# one that it has too (with the development files), or else from the same: a
# database that holds the five add-ons, worked in, one with tables of a user's
# own, and one of texts in several languages.  Nothing of them changes, verify() and the seal find nothing,
# search finds by its index what it finds in sequence, and work goes on.  A plain
# table goes first: where PostgreSQL's own pg_upgrade fails on it, that is said, and
# nothing is run.  Prints TAP.

# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
# shellcheck source=test/tools/tap.sh
. "$root/test/tools/tap.sh"
here=$root/test/pg_upgrade

new_bin=$(dirname "$(command -v postgres)")
need_postgres
new_major=$pg_major
settle "${WORKORDER_TEST_HOME:-$run_dir}/pg_upgrade"
lock_home 5
old_cluster=$place/old
new_cluster=$place/new
scratch=$home/scratch
databases='worked own languages'
sockets=
end() {
  trap '' INT TERM HUP
  cluster_stop "$old_cluster" || true
  cluster_stop "$new_cluster" || true
  rm -rf "$old_cluster" "$new_cluster" "$place"/pg-* "$scratch" "$sockets"
  unsettle
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

sql() { cluster_psql "$cluster" -At -d "$@"; }
ask() { sql "$1" -c "$2" 2>&1; }
verify() { ask worked 'SELECT * FROM workorder.verify() LIMIT 5' && ask own 'SELECT * FROM workorder.verify() LIMIT 5'; }

# The programs of an older major, with the extension built and installed.
build_old() {
  (
    pg_config=$1 pg=$place/pg-$2 home=$home/$2
    mkdir -p "$home"
    copy_postgres
    build_extension with_llvm=no
  )
}

# What the search of a table finds by its index and in sequence; and the plan.
found() {
  ask worked "SET enable_$1 = off; SELECT id FROM call_center.ticket WHERE workorder.contains(content, '$2') OR workorder.contains(subject, '$2') ORDER BY id"
}
plan() {
  ask worked "SET enable_seqscan = off; EXPLAIN (COSTS OFF) SELECT id FROM call_center.ticket WHERE workorder.contains(content, '$1')"
}

languages=(default C und-x-icu tr-x-icu el-x-icu)
# Searches that differ by index and in sequence, of all languages.
differences() {
  local language
  for language in "${languages[@]}"; do
    ask languages "SELECT '$language: ' || left(condition, 200) FROM differences('$language', 150, 0.3) LIMIT 3"
  done
}

# GET as somebody of the add-on: prints the status.
door() {
  sql worked 2>&1 <<SQL
BEGIN;
SET LOCAL workorder.actor = '$1';
SELECT set_config('request.headers', '{"x-original-method": "GET", "x-original-uri": "$2", "x-original-content-type": ""}', true) \g /dev/null
SELECT api.http_read('') \g /dev/null
SELECT current_setting('response.status', true);
COMMIT;
SQL
}

own_tables() {
  sql postgres -c 'CREATE ROLE dump_web'
  sql own -v tickets=7800 -o /dev/null -f "$root/test/dump/work.sql"
}

# Whether pg_upgrade itself takes one plain table from the one to the other: a
# minor release of one side may not know what the other writes.  Says what it
# says if not: <programs of the old>
plain() {
  local said
  bin=$1 cluster=$old_cluster
  cluster_create "$cluster" "shared_preload_libraries = ''"
  cluster_start "$cluster" && sql postgres -c 'CREATE TABLE plain AS SELECT 1 AS n' && cluster_stop "$cluster" || return 2
  new_cluster_create "$1" "shared_preload_libraries = ''" || return 2
  if said=$(upgrade_files "$1" 2>&1); then return 0; fi
  # The message is in what pg_upgrade printed, or in a log of its own.
  { say "$said" && cat "$new_cluster"/data/pg_upgrade_output.d/*/log/*.log; } 2>/dev/null |
    grep -m 1 -E 'error:|ERROR:|could not|mismatch' || tail -n 1 <<<"$said"
  return 1
}

# An empty cluster to upgrade into: <programs of the old> [settings]
new_cluster_create() {
  local old=$1
  shift
  bin=$new_bin
  cluster_create "$new_cluster" "$@"
  as_server mkdir "$new_cluster/work"
  # From 18 on a new cluster has checksums; both have to agree.
  if "$new_bin/pg_controldata" "$new_cluster/data" | grep -q '^Data page checksum version: *[1-9]' &&
    "$old/pg_controldata" "$old_cluster/data" | grep -q '^Data page checksum version: *0'; then
    as_server "$old/pg_checksums" --enable --no-sync -D "$old_cluster/data" >/dev/null
  fi
}

# upgrade <pg_config of the old> <its major>
upgrade() {
  local old_major=$2 what="from $2 to $new_major" old_bin=$new_bin seal lines database said status=0

  if [ "$old_major" != "$new_major" ]; then
    ok "$what: the extension is built for $old_major" build_old "$1" "$old_major"
    old_bin=$(find "$place/pg-$old_major" -path '*/bin/postgres' -print -quit)
    old_bin=${old_bin%/postgres}
    said=$(plain "$old_bin") || status=$?
    if [ "$status" = 1 ]; then
      not_run "$what ($("$old_bin/postgres" --version) to $("$new_bin/postgres" --version)): pg_upgrade fails on one plain table, without workorder: $said"
      return
    fi
    is "$what: pg_upgrade itself takes a plain table over" "$status" 0
  fi

  # --- the old server, at work
  bin=$old_bin cluster=$old_cluster
  cluster_create "$cluster"
  cluster_start "$cluster"
  for database in $databases; do
    sql postgres -c "CREATE DATABASE $database"
  done
  is "$what: the old server is of $old_major" "$(ask worked "SELECT current_setting('server_version_num')::int / 10000")" "$old_major"
  ok "$what: everything is installed" install_workorder "$cluster" worked
  for file in "$root"/test/fixtures/*.sql; do
    ok "$what: $(basename "$file" .sql): its sample data is loaded" sql worked -1 -o /dev/null -f "$file"
  done
  ok "$what: work is done" sql worked -o /dev/null -f "$root/test/upgrade/work.sql"
  ok "$what: it is served" sql worked -o /dev/null -f "$root/deploy/roles.sql"
  ok "$what: a user's own tables" own_tables
  ok "$what: texts in several languages" sql languages -o /dev/null -c 'SET client_min_messages = warning' -c 'CREATE EXTENSION workorder CASCADE' \
    -f "$root/test/search/texts.sql" \
    -c "SELECT make(l, 1500, 20, 0.3, l, 0.3) FROM unnest(string_to_array('${languages[*]}', ' ')) l"
  seal=$(ask worked 'SELECT workorder.seal()')
  like "$what: a seal" "$seal" '^1\.1\.[0-9a-f]{64}$'
  lines=$(ask worked 'SELECT count(*) FROM workorder.journal')
  ok "$what: there is a journal ($lines lines)" test "$lines" -ge 100
  is "$what: verify() finds nothing" "$(verify)" ''
  is "$what: search finds what is there" "$(differences)" ''
  for database in $databases; do
    sql "$database" -f "$here/state.sql" >"$scratch/$database"
  done
  ok "$what: there is much to compare ($(wc -l <"$scratch/worked") lines)" test "$(wc -l <"$scratch/worked")" -ge 2000
  is "$what: the test notices a change" \
    "$(sql worked -1 -c 'ALTER TABLE dispatch.ticket DISABLE TRIGGER "~workorder_guard"' -f "$here/state.sql" -c ROLLBACK 2>&1 |
      diff "$scratch/worked" - | grep -c '^> trigger')" 1
  cluster_stop "$cluster"

  # --- pg_upgrade
  ok "$what: a new cluster" new_cluster_create "$old_bin"
  bin=$new_bin
  ok "$what: pg_upgrade runs" upgrade_files "$old_bin"
  cluster=$new_cluster
  ok "$what: the new server starts" cluster_start "$cluster"

  # --- the new server
  is "$what: it is of $new_major" "$(ask worked "SELECT current_setting('server_version_num')::int / 10000")" "$new_major"
  for database in $databases; do
    is "$what: everything is as it was in $database" "$(sql "$database" -f "$here/state.sql" | diff "$scratch/$database" - | head -n 60)" ''
  done
  is "$what: verify() finds nothing" "$(verify)" ''
  is "$what: the seal holds" "$(ask worked "SELECT * FROM workorder.verify_seal('$seal') LIMIT 5")" ''
  is "$what: nothing is to upgrade" "$(ask worked "SELECT workorder.upgrade() = version FROM workorder.installation WHERE extension = 'workorder'")" t
  is "$what: totals are exact" "$(ask worked "SELECT workorder.total('call_center.ticket') - count(*) FROM call_center.ticket")" 0
  like "$what: search asks its index" "$(plan 無法)" 'Bitmap Index Scan on ticket_subject_content_idx'
  ok "$what: and finds something" test -n "$(found seqscan 無法)"
  is "$what: what is there" "$(found seqscan 無法)" "$(found bitmapscan 無法)"
  ok "$what: there are acts on every table, by what is allowed" sql worked -f "$here/acts.sql"
  is "$what: their events follow, in order" "$(ask worked "SELECT count(*) >= 15, bool_and(number > before) FROM (SELECT number, lag(number, 1, 0::bigint) OVER (ORDER BY n) AS before
    FROM workorder.events('upgrade') WITH ORDINALITY AS e (number, relation, ticket_id, revision, at, actor_id, for_actor, action, from_state, to_state, note, changes, key, n)) e")" 't|t'
  is "$what: timers fire" "$(ask own "SET workorder.now = '2099-01-01'; SELECT workorder.sweep(1000)")" 1000
  is "$what: the door is open" "$(door E7 /api/v1/ticket)" 200
  is "$what: verify() finds nothing afterwards" "$(verify)" ''
  is "$what: the old seal holds" "$(ask worked "SELECT * FROM workorder.verify_seal('$seal') LIMIT 5")" ''
  like "$what: the next seal follows it" "$(ask worked 'SELECT workorder.seal()')" '^1\.2\.[0-9a-f]{64}$'
  # As docs/operations.md says.
  ok "$what: indexes of search are made anew" reindex
  is "$what: search finds what is there in every language" "$(differences)" ''

  cluster_stop "$cluster"
  rm -rf "$old_cluster" "$new_cluster"
}

upgrade_files() {
  (cd "$new_cluster/work" && "${lend[@]}" env -u PGHOST -u PGPORT -u PGUSER -u PGDATABASE "$new_bin/pg_upgrade" -b "$1" -B "$new_bin" \
    -d "$old_cluster/data" -D "$new_cluster/data" -U postgres -s "$sockets")
}

reindex() {
  local database
  for database in $databases; do
    sql "$database" -c "SELECT format('REINDEX INDEX CONCURRENTLY %s', i.indexrelid::regclass)
      FROM pg_index i JOIN pg_opclass o ON o.oid = ANY (i.indclass)
      WHERE o.opcname = 'bigram_ops' AND o.opcnamespace = 'workorder'::regnamespace" | sql "$database" -f -
    sql "$database" -c "SELECT format('ALTER COLLATION %I.%I REFRESH VERSION', n.nspname, c.collname)
      FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
      WHERE c.collversion <> pg_collation_actual_version(c.oid)" | sql "$database" -f -
  done
}

# pg_upgrade wants a short path for its sockets.
sockets=$(mktemp -d /tmp/wo.XXXXXX)
chown "$(as_server id -u)" "$sockets"
mkdir -p "$scratch"
older=()
for config in $(installed_postgres); do
  [ "$(major_of "$config")" -ge "$new_major" ] || older+=("$config")
done
[ ${#older[@]} -gt 0 ] || older=("$pg_config")
for config in "${older[@]}"; do
  upgrade "$config" "$(major_of "$config")"
done

done_testing
