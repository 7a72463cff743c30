#!/usr/bin/env bash
#
# More than one server: a synchronous standby is promoted while eight clients
# act, with a transaction that is prepared all the while; a standby that is not
# there keeps a client waiting, who gives up and asks again; reads are answered
# by the standby; and tables and journal are published to another server, where
# no trigger of ours fires.  Prints TAP.
#
#   WORKORDER_TEST_LONG=1     3 promotions and 12,000 acts (about two minutes);
#                             else one and 1,500

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=scripts/lib.sh
. "$here/../../scripts/lib.sh"
# shellcheck source=test/tools/tap.sh
. "$root/test/tools/tap.sh"

first=${WORKORDER_TEST_CLUSTER:?is set by test/tools/cluster.sh}
find_server_user
bin=$(dirname "$(command -v postgres)")
command -v node >/dev/null || need nodejs
promotions=1 goal=1500
[ -z "${WORKORDER_TEST_LONG:-}" ] || promotions=3 goal=12000
scratch=$(mktemp -d "${TMPDIR:-/tmp}/workorder-replica.XXXXXX")
chmod 711 "$scratch"
clusters=("$first")
load=
end() {
  local dir
  [ -z "$load" ] || kill "$load" 2>/dev/null || true
  for dir in "${clusters[@]:1}"; do
    cluster_stop "$dir" || true
    rm -rf "$dir"
  done
  rm -rf "$scratch"
}
trap end EXIT

# on <cluster> <SQL>: asks one of the servers
on() { psql -XAtq -v ON_ERROR_STOP=1 -h "$1/socket" -d crash -c "$2" 2>&1; }

# run <cluster> <SQL>: has one of the servers do something; says so if it fails
run() {
  local said
  said=$(on "$@") || {
    diag "$2" "$said"
    return 1
  }
}

# wait_for <cluster> <SQL> <answer>
wait_for() {
  for _ in {1..300}; do
    [ "$(on "$1" "$2")" != "$3" ] || return 0
    sleep 0.1
  done
  diag "waited in vain for $2 to be $3; it is $(on "$1" "$2")"
  return 1
}

# configure <cluster> <lines...>
configure() {
  printf '%s\n' "${@:2}" | as_server tee -a "$1/data/postgresql.conf" >/dev/null
  cluster_stop "$1"
  cluster_start "$1"
}

# make_standby <primary> <standby>: and lets the primary wait for it
make_standby() {
  rm -rf "$2"
  install -d -m 700 -o "$(as_server id -u)" "$2"
  clusters+=("$2")
  as_server mkdir "$2/socket"
  as_server "$bin/pg_basebackup" -h "$1/socket" -p 5432 -U postgres -D "$2/data" --checkpoint=fast --no-sync -X stream
  {
    say "primary_conninfo = 'host=$1/socket port=5432 user=postgres application_name=standby'"
    say "synchronous_standby_names = ''"
  } | as_server tee -a "$2/data/postgresql.conf" >/dev/null
  as_server touch "$2/data/standby.signal"
  cluster_start "$2"
  # the same server starts a line without it, so this comes last in the file
  say "synchronous_standby_names = 'standby'" | as_server tee -a "$1/data/postgresql.conf" >/dev/null
  run "$1" 'SELECT pg_reload_conf()'
  wait_for "$1" "SELECT sync_state FROM pg_stat_replication" sync
}

# --- a standby that is promoted -------------------------------------------------

configure "$first" 'wal_level = logical' 'synchronous_commit = off' 'max_wal_senders = 8' 'max_replication_slots = 8' \
  'max_prepared_transactions = 4'
psql -Xq -d postgres -c 'CREATE DATABASE crash'
psql -Xq -v ON_ERROR_STOP=1 -d crash -o /dev/null -f "$root/test/crash/setup.sql"
on "$first" 'CREATE TABLE acknowledged (ticket_id bigint, note text)'

primary=$first
ln -s "$first/socket" "$scratch/socket"
mkfifo "$scratch/fifo"
standby=$first-1
ok 'a standby is made' make_standby "$primary" "$standby"
run "$primary" 'INSERT INTO job (id) VALUES (901), (903)'
ok 'a transaction is prepared' run "$primary" "SET workorder.actor = 'client1'; BEGIN; INSERT INTO job (id) VALUES (902);
  SELECT workorder.act('job', 901, 'close', 'prepared'); PREPARE TRANSACTION 'both'"

PGHOST=$scratch/socket node "$root/test/crash/load.js" 8 "$goal" "$scratch/acknowledged" >"$scratch/fifo" 2>&1 &
load=$!
step=$((goal / (promotions + 1) / 100 * 100)) next=$step count=0 report=
while read -r line; do
  case $line in
    *[!0-9]*) report=$line ;;
    *)
      if [ "$line" -ge "$next" ] && [ $count -lt $promotions ]; then
        cluster_kill "$primary"
        run "$standby" 'SELECT pg_promote()'
        ln -sfn "$standby/socket" "$scratch/socket"
        primary=$standby count=$((count + 1)) next=$((next + step))
        standby=$first-$((count + 1))
        ok "promotion $count: the standby takes over and gets a standby of its own" make_standby "$primary" "$standby"
      fi
      ;;
  esac
done <"$scratch/fifo"
wait "$load" || true
load=
like 'the clients come to their end' "$report" '^end [0-9]+ ([1-9]|[0-9]+ [0-9]+ [1-9])'
diag "$report"
psql -Xq -h "$primary/socket" -d crash -c "\\copy acknowledged FROM '$scratch/acknowledged' (DELIMITER ' ')"
told=$(on "$primary" 'SELECT count(*) FROM acknowledged')
ok "$told acts were acknowledged" test "$told" -ge "$goal"
is 'none of them is lost' "$(on "$primary" 'SELECT count(*) FROM acknowledged a
  WHERE NOT EXISTS (SELECT FROM workorder.journal j WHERE j.ticket_id = a.ticket_id AND j.note = a.note)')" 0
is 'none of them is doubled' "$(on "$primary" 'SELECT count(*) FROM (
  SELECT note FROM workorder.journal WHERE note IS NOT NULL GROUP BY note HAVING count(*) > 1) d')" 0
is 'verify() finds nothing' "$(on "$primary" 'SELECT * FROM workorder.verify() LIMIT 5')" ''

# --- a transaction that was prepared before all that -----------------------------

like 'the prepared transaction keeps its ticket' "$(on "$primary" "SET workorder.actor = 'client2'; SET lock_timeout = 200; SELECT workorder.act('job', 901, 'next')" || true)" \
  'canceling statement due to lock timeout'
ok 'and is committed by the server that took over last' run "$primary" "COMMIT PREPARED 'both'"
is 'what it did is there, whole' "$(on "$primary" "SELECT id, state, revision, last_note FROM job WHERE id IN (901, 902) ORDER BY id")" $'901|closed|2|prepared\n902|open|1|'
is 'verify() finds nothing after it' "$(on "$primary" 'SELECT * FROM workorder.verify() LIMIT 5')" ''

# --- a standby that is not there --------------------------------------------------

# wait_for_standby <name> <number>: whom the primary waits for, and how many of them there are
wait_for_standby() {
  run "$primary" "ALTER SYSTEM SET synchronous_standby_names = '$1'"
  run "$primary" 'SELECT pg_reload_conf()'
  wait_for "$primary" "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'" "$2"
}
request=(psql -XAtq -h "$primary/socket" -d crash -c "SET workorder.actor = 'client4'"
  -c "SELECT status, answer::jsonb ->> 'revision' FROM send('ghost', '{\"id\": 903, \"action\": \"next\", \"note\": \"ghost\"}')")
# although synchronous_commit is off, as in the load before: workorder.durable raises it
wait_for_standby ghost 0
status=0
timeout 2 "${request[@]}" >"$scratch/given_up" 2>&1 || status=$?
is 'a client gives up waiting for a standby that is not there' "$status $(cat "$scratch/given_up")" '124 '
is 'the server does not' "$(on "$primary" "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")" 1
"${request[@]}" >"$scratch/again" 2>&1 &
again=$!
sleep 0.5
is 'the same request again has to wait for the first' "$(cat "$scratch/again")" ''
wait_for_standby standby 1
wait "$again" || true
is 'and has its answer when there is a standby' "$(cat "$scratch/again")" '201|2'
is 'it was done once' "$(on "$primary" "SELECT count(*) FROM workorder.journal WHERE note = 'ghost'")" 1

# --- what a standby answers -----------------------------------------------------

seal=$(on "$primary" 'SELECT workorder.seal()')
on "$primary" "SELECT state FROM workorder.act('job', 1, 'next', 'a word')" >/dev/null 2>&1 || true
run "$primary" "SET workorder.actor = 'client1'; SELECT state FROM workorder.act('job', 1, 'next', 'a word')"
wait_for "$standby" "SELECT last_note FROM job WHERE id = 1" 'a word'

# alike <what> <SQL>: both servers answer the same, and something
alike() {
  local here there
  here=$(on "$primary" "SET workorder.actor = 'client1'; $2")
  there=$(on "$standby" "SET workorder.actor = 'client1'; $2")
  is "the standby answers as the primary: $1" "$there" "$here"
  ok "and something: $1" test -n "$here"
}
is 'it is a standby' "$(on "$standby" 'SELECT pg_is_in_recovery()')" t
alike 'the row' 'SELECT * FROM job WHERE id = 1'
alike 'actions()' "SELECT * FROM workorder.actions('job', 1)"
alike 'can()' "SELECT workorder.can('job', 1, 'next'), workorder.can('job', 1, 'nonsense')"
alike 'explain()' "SELECT * FROM workorder.explain('job', 1, 'delete')"
alike 'history' "SELECT * FROM workorder.history WHERE ticket_id = 1"
alike 'as_of()' "SELECT workorder.as_of('job', 1, 'infinity')"
alike 'total()' "SELECT workorder.total('job')"
alike 'verify_seal()' "SELECT count(*) FROM workorder.verify_seal('$seal')"
alike 'api.http_read()' "SELECT set_config('request.headers', '{\"x-original-uri\": \"/no/such\", \"x-original-method\": \"GET\"}', false);
  SELECT convert_from(api.http_read(''), 'UTF8')"
is 'and verify() finds nothing there' "$(on "$standby" 'SELECT count(*) FROM workorder.verify()')" 0
like 'an act is refused' "$(on "$standby" "SET workorder.actor = 'client1'; SELECT workorder.act('job', 1, 'next')" || true)" 'read-only transaction|during recovery'
like 'and so is an update' "$(on "$standby" "SET workorder.actor = 'client1'; UPDATE job SET action = 'next' WHERE id = 1" || true)" 'read-only transaction'

# --- tables that are published ----------------------------------------------------

subscriber=$first-sub
clusters+=("$subscriber")
run "$primary" "ALTER SYSTEM SET synchronous_standby_names = ''"
on "$primary" 'SELECT pg_reload_conf()' >/dev/null
cluster_create "$subscriber"
cluster_start "$subscriber"
psql -Xq -h "$subscriber/socket" -d postgres -c 'CREATE DATABASE crash'
copy_definitions() {
  pg_dump -h "$primary/socket" --schema-only --no-publications --no-subscriptions -d crash |
    psql -Xq -v ON_ERROR_STOP=1 -h "$subscriber/socket" -d crash -o /dev/null
}
ok 'another server gets the definitions' copy_definitions
run "$primary" 'CREATE PUBLICATION everything FOR ALL TABLES'
ok 'and subscribes to all tables' on "$subscriber" \
  "CREATE SUBSCRIPTION everything CONNECTION 'host=$primary/socket port=5432 user=postgres dbname=crash' PUBLICATION everything"
wait_for "$subscriber" "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'" 0
# what happens while it is published: new tickets, acts one by one and in bulk, a deadline, a delete
run "$primary" "SET workorder.actor = 'client2';
  INSERT INTO job (id) SELECT n FROM generate_series(1001, 1100) n;
  UPDATE job SET action = 'next', note = 'published' WHERE id BETWEEN 1001 AND 1050;
  SELECT workorder.act('job', 1001, 'next', 'published');
  SELECT workorder.fold_totals();
  SELECT workorder.enrol('late', 'Late', '{worker}');"
PGHOST=$primary/socket node "$root/test/crash/load.js" 4 400 "$scratch/more" >/dev/null
ok 'the primary has something to tell' test "$(on "$primary" "SELECT count(*) FROM workorder.journal WHERE note = 'published'")" -ge 51
caught_up() {
  wait_for "$primary" "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'everything' AND replay_lsn >= '$(on "$primary" 'SELECT pg_current_wal_lsn()')'" 1
}
ok 'the subscriber catches up' caught_up
contents() {
  local table
  for table in job workorder.journal workorder.timer workorder.actor workorder.flow workorder.seal workorder.sealed workorder.tally; do
    say "$table $(on "$1" "SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM $table t")"
  done
}
is 'it has the same rows: no trigger of ours fired twice' "$(contents "$subscriber")" "$(contents "$primary")"
is 'nothing went wrong on the way' "$(on "$subscriber" 'SELECT apply_error_count, sync_error_count FROM pg_stat_subscription_stats')" '0|0'
is 'verify() finds nothing at the subscriber' "$(on "$subscriber" 'SELECT * FROM workorder.verify() LIMIT 5')" ''
is 'the seal holds there, too' "$(on "$subscriber" "SELECT count(*) FROM workorder.verify_seal('$seal')")" 0

# the subscriber takes over, once its counters stand where they should
run "$subscriber" 'ALTER SUBSCRIPTION everything DISABLE; ALTER SUBSCRIPTION everything SET (slot_name = NONE); DROP SUBSCRIPTION everything'
is 'the subscriber takes over' "$(on "$subscriber" "
  SELECT setval(pg_get_serial_sequence('job', 'id'), (SELECT max(id) FROM job)) >= 1100;
  SET workorder.actor = 'client3';
  SELECT a.revision - j.revision FROM job j, workorder.act('job', 1002, 'next') a WHERE j.id = 1002;
  INSERT INTO job (done) VALUES (0) RETURNING id, revision;
  SELECT count(*) FROM workorder.verify()")" $'t\n1\n1101|1\n0'
done_testing
