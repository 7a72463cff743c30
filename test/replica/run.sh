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
# shellcheck source=test/tools/server.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tools/server.sh"

first=$cluster
command -v node >/dev/null || need nodejs
promotions=1 goal=1500
[ -z "${WORKORDER_TEST_LONG:-}" ] || promotions=3 goal=12000
scratch=$(mktemp -d "${TMPDIR:-/tmp}/workorder-replica.XXXXXX")
chmod 711 "$scratch"
clusters=("$first")
load=
end() {
  local dir
  [ -z "$load" ] || send_signal TERM "$load" || true
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
  for _ in {1..1800}; do
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

configure "$first" 'wal_level = logical' 'synchronous_commit = off' 'max_wal_senders = 40' 'max_replication_slots = 40' \
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

# Where synchronous_commit is off, an act waits for the standby all the same:
# one that does not receive is waited for.  (workorder.durable = off does not.)
act() { on "$primary" "SET workorder.durable = $1; SHOW synchronous_commit; SET workorder.actor = 'client1'; SELECT state FROM workorder.act('job', 101, 'next', 'durable $1')"; }
receiver=$(on "$standby" 'SELECT pid FROM pg_stat_wal_receiver')
send_signal STOP "$receiver" "$standby"
act on >"$scratch/waiting" &
load=$!
ok 'an act waits for a standby that is not there' wait_for "$primary" "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'" 1
is 'and is not acknowledged meanwhile' "$(cat "$scratch/waiting")" ''
send_signal CONT "$receiver" "$standby"
wait "$load"
load=
is 'it is when the standby has it' "$(cat "$scratch/waiting")" $'off\nworking'
send_signal STOP "$receiver" "$standby"
is 'who turns workorder.durable off does not wait' "$(act off)" $'off\nreview'
send_signal CONT "$receiver" "$standby"

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
"${request[@]}" >"$scratch/given_up" 2>&1 &
load=$!
ok 'a client waits for a standby that is not there' wait_for "$primary" "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'" 1
send_signal KILL "$load"
status=0
wait "$load" || status=$?
load=
is 'and gives up' "$status $(cat "$scratch/given_up")" '137 '
is 'the server does not' "$(on "$primary" "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")" 1
"${request[@]}" >"$scratch/again" 2>&1 &
again=$!
ok 'the same request again has to wait for the first' wait_for "$primary" \
  "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%send(%ghost%'" 1
is 'and is not answered' "$(cat "$scratch/again")" ''
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
  pg_dump -h "$primary/socket" --schema-only --no-publications --no-subscriptions -d crash "$@" |
    psql -Xq -v ON_ERROR_STOP=1 -h "$subscriber/socket" -d crash -o /dev/null
}
subscribe() {
  run "$subscriber" "CREATE SUBSCRIPTION everything CONNECTION 'host=$primary/socket port=5432 user=postgres dbname=crash' PUBLICATION everything"
}
copied() { wait_for "$subscriber" "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'" 0; }
caught_up() {
  wait_for "$primary" "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'everything' AND replay_lsn >= '$(on "$primary" 'SELECT pg_current_wal_lsn()')'" 1
}
# Every table: how many rows, and a digest of them.
contents() {
  local table
  on "$1" "SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname !~ '^(pg_|information_schema)' ORDER BY n.nspname, c.relname" | while read -r table; do
    say "$table $(on "$1" "SELECT count(*), sum(hashtextextended(t::text, 0)) FROM $table t")"
  done
}
verify='SELECT * FROM workorder.verify()'
# same <when>: both have the same rows, and enough of them
same() {
  local here
  ok "$1: the subscriber catches up" caught_up
  here=$(contents "$primary")
  ok "$1: there are rows to compare" test "$(grep -c '[1-9]|' <<<"$here")" -ge 10 -a "$(wc -l <<<"$here")" -ge 30 \
    -a "$(on "$primary" 'SELECT count(*) FROM workorder.journal')" -ge 1500
  is "$1: it has the same rows, and no trigger of ours fired twice" "$(diff <(say "$here") <(contents "$subscriber"))" ''
  is "$1: nothing went wrong on the way" "$(on "$subscriber" 'SELECT apply_error_count, sync_error_count FROM pg_stat_subscription_stats')" '0|0'
  is "$1: verify() finds nothing there" "$(on "$subscriber" "$verify LIMIT 5")" ''
}

run "$primary" "CREATE TABLE errand (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint GENERATED ALWAYS AS IDENTITY, done int, PRIMARY KEY (tenant_id, id));
  SELECT workorder.guard('errand', 'loop');
  SELECT workorder.count_rows('errand');
  SET workorder.actor = 'client1';
  INSERT INTO errand (done) SELECT n FROM generate_series(1, 60) n"
ok 'another server gets the definitions' copy_definitions
run "$primary" 'CREATE PUBLICATION everything FOR ALL TABLES'
ok 'and subscribes to all tables' subscribe
ok 'which are copied' copied
same 'copied'

# What happens while it is published: new tickets, acts one by one and in bulk, a delete, a person.
run "$primary" "SET workorder.actor = 'client2';
  INSERT INTO job (id) SELECT n FROM generate_series(1001, 1100) n;
  UPDATE job SET action = 'next', note = 'published' WHERE id BETWEEN 1001 AND 1050;
  SELECT workorder.act('job', 1001, 'next', 'published');
  SELECT workorder.compact_totals();
  SELECT workorder.enrol('late', 'Late', '{worker}');
  SET workorder.maintenance = on;
  DELETE FROM errand WHERE id IN (59, 60);"
PGHOST=$primary/socket node "$root/test/crash/load.js" 4 400 "$scratch/more" >/dev/null
ok 'the primary has something to tell' test "$(on "$primary" "SELECT count(*) FROM workorder.journal WHERE note = 'published'")" -ge 51
same 'inserted, updated, deleted'
is 'the seal holds there, too' "$(on "$subscriber" "SELECT count(*) FROM workorder.verify_seal('$seal')")" 0

# A table that is truncated: who may do it there is of no matter here.
like 'a guarded table is not truncated just so' "$(on "$primary" 'TRUNCATE errand' || true)" 'cannot be truncated'
run "$primary" "TRUNCATE acknowledged; INSERT INTO acknowledged VALUES (1, 'after'); BEGIN; SET LOCAL workorder.maintenance = on; TRUNCATE errand; COMMIT"
same 'truncated'
is 'truncated: the rows are gone there, too' "$(on "$subscriber" "SELECT (SELECT count(*) FROM errand), (SELECT count(*) FROM acknowledged), workorder.total('errand')")" '0|1|0'
is 'truncated: each ticket has gone with an entry, there too' "$(on "$subscriber" "SELECT count(*) > 50 FROM workorder.journal j
  JOIN workorder.guarded g ON g.id = j.guarded_id WHERE g.relation = 'errand'::regclass AND j.to_state IS NULL")" t

# A table that is guarded later: the subscriber must have it before it hears of it.
run "$subscriber" 'ALTER SUBSCRIPTION everything DISABLE'
run "$primary" "CREATE TABLE late (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint GENERATED BY DEFAULT AS IDENTITY, done int, PRIMARY KEY (tenant_id, id));
  SELECT workorder.guard('late', 'loop');
  SET workorder.actor = 'client3';
  INSERT INTO late (done) SELECT n FROM generate_series(1, 40) n"
ok 'a table that is guarded later is made there, too' copy_definitions -t late
run "$subscriber" 'ALTER SUBSCRIPTION everything ENABLE'
ok 'and subscribed to' run "$subscriber" 'ALTER SUBSCRIPTION everything REFRESH PUBLICATION'
ok 'and copied' copied
run "$primary" "SET workorder.actor = 'client3'; UPDATE late SET action = 'next' WHERE id <= 20"
same 'guarded later'

# The subscriber has gone astray, and is filled anew, while others go on.
run "$subscriber" "SET session_replication_role = replica; DELETE FROM job WHERE id = 1; UPDATE workorder.actor SET name = 'Nobody'"
ok 'a subscriber that went astray is noticed' test -n "$(diff <(contents "$primary") <(contents "$subscriber"))" -a -n "$(on "$subscriber" "$verify")"
refill() {
  run "$subscriber" 'DROP SUBSCRIPTION everything'
  # its workers have gone, and what they kept on the primary, too
  wait_for "$primary" "SELECT count(*) FROM pg_replication_slots WHERE slot_type = 'logical'" 0
  wait_for "$subscriber" "SELECT count(*) FROM pg_stat_subscription WHERE pid IS NOT NULL" 0
  run "$subscriber" "SET session_replication_role = replica;
    SELECT set_config('refill.tables', string_agg(c.oid::regclass::text, ', '), false) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname !~ '^(pg_|information_schema)';
    DO \$\$ BEGIN EXECUTE 'TRUNCATE ' || current_setting('refill.tables'); END \$\$"
  is_empty=$(on "$subscriber" 'SELECT (SELECT count(*) FROM job) + (SELECT count(*) FROM workorder.journal)')
  [ "$is_empty" = 0 ]
  subscribe && copied
}
PGHOST=$primary/socket node "$root/test/crash/load.js" 4 600 "$scratch/meanwhile" >/dev/null &
load=$!
ok 'it is emptied and filled anew while others act' refill
wait "$load"
load=
ok 'who have acted' test "$(wc -l <"$scratch/meanwhile")" -ge 600
same 'filled anew'

# The subscriber takes over, once its sequences stand where they should, by what
# docs/operations.md says.  The newest ticket was deleted meanwhile: its number
# does not come again.
newest=$(on "$primary" "SET workorder.actor = 'client3'; INSERT INTO late (done) VALUES (1) RETURNING id")
run "$primary" "SET workorder.maintenance = on; DELETE FROM late WHERE id = $newest"
same 'before the fail-over'
awk '/^```/ {if (inside && block ~ /setval/) printf "%s", block; inside = !inside; block = ""; next} inside {block = block $0 "\n"}' \
  "$root/docs/operations.md" >"$scratch/fail-over.sql"
ok 'docs/operations.md says how sequences are set' grep -q gexec "$scratch/fail-over.sql"
cluster_kill "$primary"
run "$subscriber" 'ALTER SUBSCRIPTION everything DISABLE'
run "$subscriber" 'ALTER SUBSCRIPTION everything SET (slot_name = NONE)'
run "$subscriber" 'DROP SUBSCRIPTION everything'
ok 'and so it is done' psql -Xq -v ON_ERROR_STOP=1 -h "$subscriber/socket" -d crash -o /dev/null -f "$scratch/fail-over.sql"
is 'the subscriber takes over: acts, tickets, people, flows, tables and totals' "$(on "$subscriber" "
  SET workorder.actor = 'client3';
  SELECT a.revision - j.revision FROM job j, workorder.act('job', 1002, 'next') a WHERE j.id = 1002;
  INSERT INTO job (done) VALUES (0) RETURNING id, revision;
  INSERT INTO late (done) VALUES (0) RETURNING id - $newest, revision;
  INSERT INTO errand (done) VALUES (0) RETURNING id > 60;
  SELECT workorder.enrol('later', 'Later', '{worker}') > (SELECT max(id) FROM workorder.actor WHERE login <> 'later');
  SELECT workorder.publish((SELECT jsonb_set(definition, '{description}', '\"anew\"') FROM workorder.flow WHERE name = 'loop' AND life = 'published')) > (SELECT max(id) FROM workorder.flow);
  CREATE TABLE newer (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint GENERATED BY DEFAULT AS IDENTITY, done int, PRIMARY KEY (tenant_id, id));
  SET client_min_messages = warning;
  SELECT workorder.guard('newer', 'loop') IS NULL;
  INSERT INTO newer (done) VALUES (1) RETURNING revision;
  SELECT workorder.total('job') = count(*) FROM job;
  SELECT workorder.total('errand') = count(*) FROM errand;
  SELECT count(*) FROM ($verify) v")" $'1\n1101|1\n1|1\nt\nt\nt\nf\n1\nt\nt\n0'
done_testing
