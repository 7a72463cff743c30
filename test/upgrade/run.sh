#!/usr/bin/env bash
#
# From one version to the next: this version is frozen as a release would be, a
# later one is made of it (next.sh), and every way from here to there ends
# in the same catalog with the same rows: ALTER EXTENSION ... UPDATE in place, a
# dump of the old version restored under the new one, and a fresh installation.
# Before that the new library serves the old extension.  Then one version more
# (later.sh): from each that was there before, in one go or in two.  Every
# version that is released leads to this one, too.  Prints TAP.
#
# All of it happens in a copy of the checkout and a copy of PostgreSQL.

# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
# shellcheck source=test/tools/tap.sh
. "$root/test/tools/tap.sh"
here=$root/test/upgrade

need_postgres
settle "${WORKORDER_TEST_HOME:-$run_dir}/upgrade"
lock_home 5
cluster=$place/cluster
old=$home/old
new=$home/new
later=$home/later
trap 'trap "" INT TERM HUP; cluster_stop "$cluster" || true; rm -rf "$cluster" "$pg" "$old" "$new" "$later"; unsettle' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

flags=(with_llvm=no)
make_in() { make -C "$1" -s -j "$(nproc)" PG_CONFIG="$bin/pg_config" "${flags[@]}" "${@:2}"; }
sql() { cluster_psql "$cluster" -At -d "$@"; }
ask() { sql "$1" -c "$2" 2>&1; }
run() { sql "$1" -o /dev/null -f "$2"; }

# The rooms of a tree, the engine's first.
rooms() { (cd "$1/sql" && say workorder && printf '%s\n' */modules | cut -d/ -f1 | grep -vx workorder); }
extension_of() { [ "$1" = workorder ] && say workorder || say "workorder_$1"; }

# --- what is compared ------------------------------------------------------------

# What is no member of an extension, as pg_dump has it; columns in the order of their names.
definitions() {
  "$bin/pg_dump" -h "$cluster/socket" -p 5432 -U postgres --schema-only -d "$1" | sed '/^\\\(un\)\{0,1\}restrict /d; /^--/d; /^$/d' |
    awk '
      /^CREATE TABLE/ {inside = 1; print; next}
      inside && /^\)/ {inside = 0; for (i = 1; i <= n; i++) print line[i] | "LC_ALL=C sort"; fflush(); close("LC_ALL=C sort"); n = 0; print; next}
      /^(COMMENT ON COLUMN|GRANT) / {print | "LC_ALL=C sort"; sorted = 1; next}
      sorted {fflush(); close("LC_ALL=C sort"); sorted = 0}
      inside {sub(/,$/, ""); line[++n] = $0; next}
      {print}'
}
# What is: identity, definition, rights, those from the start, and comment.
members() {
  ask "$1" "SELECT e.extname, e.extversion, pg_describe_object(d.classid, d.objid, 0),
      md5(CASE WHEN d.classid = 'pg_proc'::regclass AND p.prokind = 'f' THEN pg_get_functiondef(d.objid) END), p.proacl, i.initprivs, obj_description(d.objid, c.relname)
    FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
    JOIN pg_class c ON c.oid = d.classid
    LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
    LEFT JOIN pg_init_privs i ON i.classoid = d.classid AND i.objoid = d.objid AND i.objsubid = 0
    WHERE d.deptype = 'e' AND e.extname LIKE 'workorder%' ORDER BY 1, 3"
}
# What the objects of our schemas depend on, members of extensions or not.
dependencies() {
  ask "$1" "SELECT DISTINCT pg_describe_object(d.classid, d.objid, 0), d.deptype, pg_describe_object(d.refclassid, d.refobjid, 0)
    FROM pg_depend d WHERE pg_describe_object(d.classid, d.objid, 0) ~ '(workorder|active_job|afterservice|call_center|cloud_support|dispatch)[._]'
      AND d.classid IN ('pg_class'::regclass, 'pg_proc'::regclass, 'pg_trigger'::regclass, 'pg_policy'::regclass) AND d.objid >= 16384
    ORDER BY 1, 2, 3" | sed 's/\(RI_ConstraintTrigger_.\)_[0-9]*/\1/; /toast/d' | LC_ALL=C sort
}
# Rows: how many, and a digest of them; when a flow came out is not the same.
rows() {
  local table
  ask "$1" "SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname !~ '^(pg_|information_schema)' ORDER BY c.oid::regclass::text" | while read -r table; do
    printf '%s|%s\n' "$table" "$(ask "$1" "SELECT count(*), sum(hashtextextended((to_jsonb(t) - 'published_at')::text, 0)) FROM $table t")"
  done
}
# What an installation without any work consists of.
beginnings() {
  ask "$1" "TABLE workorder.installation" | LC_ALL=C sort
  ask "$1" "SELECT name, prefix, error, anonymous, settings FROM workorder.api ORDER BY 1"
  ask "$1" "SELECT to_jsonb(r)::text FROM workorder.route r" | LC_ALL=C sort
  ask "$1" "SELECT name, definition FROM workorder.flow WHERE life = 'published' ORDER BY 1"
}
differences() { diff <("$1" "$2") <("$1" "$3") | head -n 40; }

# alike <database> <databases...>: the others are in the catalog as the first.
alike() {
  local what database lines
  for what in definitions members dependencies; do
    lines=$($what "$1" | wc -l)
    ok "there are $what to compare ($lines lines)" test "$lines" -ge 300
    for database in "${@:2}"; do
      is "$database and $1: the same $what" "$(differences $what "$database" "$1")" ''
    done
  done
}
# install_fresh <database>
install_fresh() {
  ask postgres "CREATE DATABASE $1 TEMPLATE template0" >/dev/null
  install_workorder "$cluster" "$1"
  ask "$1" 'SELECT workorder.publish_events(relation) FROM workorder.guarded' >/dev/null
  run "$1" "$root/deploy/roles.sql"
}
# update <database>: the code, extension by extension
update() {
  local room
  for room in $(rooms "$old"); do
    ask "$1" "SET client_min_messages = warning; ALTER EXTENSION $(extension_of "$room") UPDATE"
  done
}
# from_releases <tree> <its fresh database>: whatever was released before, installed, updated and upgraded, is what is there afresh.
from_releases() {
  local version database room extension
  for version in $(cd "$1/sql/workorder/releases" && printf '%s\n' *.sql | sed -n 's/^workorder--\(.*\)\.sql$/\1/p'); do
    [ "$version" != "$(ask "$2" "SELECT extversion FROM pg_extension WHERE extname = 'workorder'")" ] || continue
    database=was_${version//./_}
    ask postgres "CREATE DATABASE $database TEMPLATE template0" >/dev/null
    for room in $(rooms "$1"); do
      extension=$(extension_of "$room")
      [ ! -e "$1/sql/$room/releases/$extension--$version.sql" ] ||
        ask "$database" "SET client_min_messages = warning; CREATE EXTENSION $extension VERSION '$version' CASCADE; SELECT $room.install()" >/dev/null
    done
    update "$database"
    is "$version, installed and updated" "$(ask "$database" 'SELECT workorder.upgrade()' | tail -n 1)" "$(ask "$2" 'SELECT version FROM workorder.installation LIMIT 1')"
    ask "$database" 'SELECT workorder.publish_events(relation) FROM workorder.guarded' >/dev/null
    run "$database" "$root/deploy/roles.sql"
    alike "$2" "$database"
  done
}

# --- two versions ----------------------------------------------------------------

mkdir -p "$old" "$new" "$later"
(cd "$root" && tar -cf - --no-wildcards-match-slash --exclude='*.o' --exclude='*.so' --exclude='*.bc' --exclude='sql/*--*.sql' \
  Makefile ./*.control scripts src sql test expected) | tar -xf - -C "$old" --no-same-owner
copy_postgres
from=$(sed -n "s/^default_version *= *'\([^']*\)'.*/\1/p" "$old/workorder.control")
next() { say "${1%.*}.$((${1##*.} + 1))"; }
to=$(next "$from")
last=$(next "$to")
share=$("$bin/pg_config" --sharedir)

ok "version $from is frozen" make_in "$old" release
frozen=$(cd "$old" && printf '%s\n' sql/*/releases/*--"$from".sql)
is 'for the engine and every add-on' "$(wc -l <<<"$frozen")" "$(rooms "$old" | wc -l)"
ok 'to freeze it again changes nothing' make_in "$old" release
say '-- changed' >>"$old/sql/dispatch/modules/grants.sql"
like 'a module that changes after that is noticed, and what to do is said' "$(make_in "$old" check-release 2>&1 || say refused)" \
  "workorder_dispatch--$from.sql is released.*-- changed.*Raise default_version.*refused"
is 'what is released is not frozen anew' "$(make_in "$old" release >/dev/null 2>&1 || say refused)" refused
sed -i '$d' "$old/sql/dispatch/modules/grants.sql"
ok 'version '"$from"' is built with its frozen scripts beside it' make_in "$old" all
ok 'and installed' make_in "$old" install

# make_version <version> <of the directory> <to the directory> <script>: with update scripts from the one before.
make_version() {
  local before room extension
  before=$(sed -n "s/^default_version *= *'\([^']*\)'.*/\1/p" "$2/workorder.control")
  cp -a "$2/." "$3"
  ok "version $1 is made" bash "$here/$4" "$3"
  sed -i "s/@next@/${1//./_}/" "$3"/sql/*/modules/*.sql
  sed -i "s/^default_version = .*/default_version = '$1'/" "$3"/*.control "$3"/sql/*/*.control
  rm -f "$3"/sql/*--"$before".sql
  ok "version $1 is built" make_in "$3" all
  for room in $(rooms "$3"); do
    extension=$(extension_of "$room")
    "$root/scripts/update-script" "$3/sql/$room/releases/$extension--$before.sql" "$3/sql/$extension--$1.sql" \
      >"$3/sql/$room/updates/$extension--$before--$1.sql"
    is "$extension $1: nothing is to be dropped by hand" "$(grep '^-- was' "$3/sql/$room/updates/$extension--$before--$1.sql" || true)" ''
  done
}
make_version "$to" "$old" "$new" next.sh

# --- the old version at work ----------------------------------------------------

cluster_create "$cluster"
cluster_start "$cluster"
ask postgres 'CREATE DATABASE upgraded' >/dev/null
is 'every version that is released leads to this one' "$(for file in "$old"/sql/*/releases/*.sql; do
  file=${file##*/}
  ask postgres "SELECT format('%s: no update script from %s to %s; see docs/operations.md, Making a release', '${file%%--*}', p.source, p.target)
    FROM pg_extension_update_paths('${file%%--*}') p WHERE p.source || '.sql' = '${file##*--}' AND p.target = '$from' AND p.path IS NULL"
done)" ''
if [ "$(cd "$old" && printf '%s\n' sql/workorder/releases/*.sql | wc -l)" -gt 1 ]; then
  install_fresh now
  from_releases "$old" now
fi
ok "version $from is installed in a database" install_workorder "$cluster" upgraded
for file in "$root"/test/fixtures/*.sql; do
  ok "$(basename "$file" .sql): its sample data is loaded" sql upgraded -1 -o /dev/null -f "$file"
done
ok 'work is done' run upgraded "$here/work.sql"
run upgraded "$root/deploy/roles.sql"
for table in $(ask upgraded 'SELECT relation FROM workorder.guarded ORDER BY id'); do
  is "$table: there are tickets in every state" "$(ask upgraded "
    SELECT s.path FROM workorder.guarded g JOIN workorder.flow f ON f.name = g.flow AND f.life = 'published', workorder.flow_states(f.definition) s
    WHERE g.relation = '$table'::regclass AND s.kind IN ('atomic', 'final') EXCEPT SELECT state FROM $table")" ''
done
is 'and verify() finds nothing' "$(ask upgraded 'SELECT * FROM workorder.verify() LIMIT 5')" ''
lines=$(ask upgraded 'SELECT count(*) FROM workorder.journal')
ok "there is a journal ($lines lines)" test "$lines" -ge 100
PGHOST=$cluster/socket PGPORT=5432 PGUSER=postgres "$bin/pg_dump" -Fc -f "$home/dump" -d upgraded
ask postgres 'CREATE DATABASE waiting TEMPLATE upgraded' >/dev/null

# --- the new library, the old extension -----------------------------------------

cluster_stop "$cluster"
make_in "$new" install >/dev/null
cluster_start "$cluster"
door() { say "BEGIN;
SELECT set_config('request.headers', '{\"x-original-method\": \"GET\", \"x-original-uri\": \"/nowhere\", \"x-original-content-type\": \"\"}', true) \\g /dev/null
SELECT api.http_read('') \\g /dev/null
SELECT current_setting('response.status');
COMMIT;"; }
is "the library of $to serves the extension of $from" \
  "$(ask upgraded "SELECT extversion FROM pg_extension WHERE extname = 'workorder'; SELECT version FROM workorder.installation WHERE extension = 'workorder'")" "$from"$'\n'"$from"
is 'it judges and journals' "$(ask upgraded "
  BEGIN;
  SET LOCAL workorder.actor = 'cust1';
  INSERT INTO dispatch.ticket (content) VALUES ('by the new library') RETURNING state, revision, last_action;
  SELECT count(*) FROM workorder.verify('dispatch.ticket');
  ROLLBACK;")" $'open.new|1|create\n0'
is 'the door is open' "$(door | sql upgraded 2>&1)" 404
is 'nothing is to upgrade' "$(ask upgraded 'SELECT workorder.upgrade()')" "$from"
is 'verify() finds nothing' "$(ask upgraded 'SELECT * FROM workorder.verify() LIMIT 5')" ''

# The tests of the old version, with the old extension as default.
sed -i "s/^default_version = .*/default_version = '$from'/" "$share"/extension/workorder*.control
for name in ${WORKORDER_UPGRADE_TESTS:-guard history totals timer outbox http dispatch afterservice}; do
  ok "the test $name of version $from passes with the library of $to" env PGHOST="$cluster/socket" PGPORT=5432 PGUSER=postgres \
    make -C "$old" -s installcheck PG_CONFIG="$bin/pg_config" "${flags[@]}" "REGRESS=$name" ISOLATION=
done
sed -i "s/^default_version = .*/default_version = '$to'/" "$share"/extension/workorder*.control

# --- in place --------------------------------------------------------------------

session=$( (door; say 'ALTER EXTENSION workorder UPDATE;'; say '\unset ON_ERROR_STOP'; door; say 'SELECT workorder.upgrade();'; door) | sql upgraded 2>&1 | grep -v '^LINE\|^ *^' || true)
like 'the door says what to do while data is older than its extension, within a session too' "$session" \
  "^404.*the data of workorder is of version $from, the extension of $to.*Run SELECT workorder.upgrade.*$to"$'\n'"404$"
is 'the add-ons are updated' "$(update upgraded)" ''
like 'an add-on whose data is older closes it, too' "$(door | sql upgraded 2>&1)" "the data of workorder_active_job is of version $from"
is 'upgrade() brings all of them up to date' "$(ask upgraded 'SELECT workorder.upgrade(); SELECT DISTINCT version FROM workorder.installation' | grep -v NOTICE)" "$to"$'\n'"$to"
is 'once more it does nothing' "$(ask upgraded 'SELECT workorder.upgrade()')" "$to"
is 'the door is open again' "$(door | sql upgraded 2>&1)" 404
run upgraded "$root/deploy/roles.sql"

# --- restored, and fresh ------------------------------------------------------------

# restore <database>: the dump of the first version, under the code of now
restore() {
  ask postgres "CREATE DATABASE $1 TEMPLATE template0" >/dev/null
  PGHOST="$cluster/socket" PGPORT=5432 PGUSER=postgres "$bin/pg_restore" --exit-on-error -j 2 -d "$1" "$home/dump"
}
ok "a dump of $from is restored under $to" restore restored
is "its code is that of $to, its data is not" \
  "$(ask restored "SELECT DISTINCT e.extversion, i.version FROM pg_extension e JOIN workorder.installation i ON i.extension = e.extname")" "$to|$from"
like 'the door says what to do' "$(door | sql restored 2>&1)" 'Run SELECT workorder.upgrade'
is 'upgrade() brings it up to date' "$(ask restored 'SELECT workorder.upgrade()' | grep -v NOTICE)" "$to"
run restored "$root/deploy/roles.sql"
ok "version $to is installed afresh" install_fresh fresh

# --- the same ----------------------------------------------------------------------

alike fresh upgraded restored
ok 'a difference would be noticed' test -n "$(ask restored 'CREATE INDEX planted ON workorder.journal (at)'; differences definitions restored fresh)"
ask restored 'DROP INDEX workorder.planted' >/dev/null
count=$(rows upgraded | awk -F '|' '{n += $2} END {print NR, n}')
ok "there are tables and rows to compare ($count)" test "${count% *}" -ge 55 -a "${count#* }" -ge 900
is 'upgraded and restored: the same rows' "$(differences rows upgraded restored)" ''
is 'upgraded and fresh: the same beginnings' "$(differences beginnings upgraded fresh)" ''
for database in upgraded restored; do
  is "$database: verify() finds nothing" "$(ask $database 'SELECT * FROM workorder.verify() LIMIT 5')" ''
  is "$database: no line was written or lost" "$(ask $database 'SELECT count(*) FROM workorder.journal')" "$lines"
  is "$database: work goes on, on what is new" "$(ask $database "
    SET workorder.actor = 'cust1';
    INSERT INTO dispatch.ticket (content, channel) VALUES ('after the upgrade', 'mail') RETURNING state, channel, revision;
    SELECT workorder.state_owner(f.definition, 'open.new'), f.version FROM workorder.flow f WHERE f.name = 'dispatch' AND f.life = 'published';
    SELECT count(*) FROM workorder.watcher; SELECT count(*) FILTER (WHERE action = 'create') FROM workorder.events('upgrade') WHERE at > now() - interval '1 minute' AND ticket_id > 100000;
    SELECT * FROM workorder.verify();")" $'open.new|mail|1\ndispatch.scheduler|2\n0\n1'
done

# --- what is refused --------------------------------------------------------------

like 'data that is newer than its code is left alone' "$(ask restored "UPDATE workorder.installation SET version = '99.0'; SELECT workorder.upgrade()" || true)" \
  "the data of workorder.* is of version 99.0, the extension of $to"
like 'there is no way back for an extension' "$(ask upgraded "ALTER EXTENSION workorder UPDATE TO '$from'" || true)" 'no update path'

# --- one more version -------------------------------------------------------------

make_in "$new" release >/dev/null
make_version "$last" "$new" "$later" later.sh
make_in "$later" install >/dev/null
is "the code of a database of $from is brought to $last in one go" "$(update waiting)" ''
is "and that of one of $to" "$(update upgraded)" ''
said=$(ask waiting 'SELECT workorder.upgrade()' || true)
like 'its data takes two steps, in order' "$said" "of workorder is of version $to now.*of workorder is of version $last now.*"$'\n'"$last\$"
is "that of $to takes one" "$(ask upgraded 'SELECT workorder.upgrade()' | grep -c 'of workorder is of version' || true)" 1
ok "a dump of $from is restored under $last" restore restored_later
is 'and brought up to date' "$(ask restored_later 'SELECT workorder.upgrade()' | grep -v NOTICE || true)" "$last"
for database in waiting upgraded restored_later; do
  run $database "$root/deploy/roles.sql"
done
ok "version $last is installed afresh" install_fresh fresh_later
alike fresh_later waiting upgraded restored_later
from_releases "$later" fresh_later
is 'in one go and restored: the same rows' "$(differences rows waiting restored_later)" ''
for database in waiting upgraded restored_later; do
  is "$database: verify() finds nothing" "$(ask $database 'SELECT * FROM workorder.verify() LIMIT 5')" ''
done
is 'no line was written or lost' "$(ask waiting 'SELECT count(*) FROM workorder.journal')" "$lines"

done_testing
