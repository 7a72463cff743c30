#!/usr/bin/env bash
#
# How many due timers a sweep takes a second.
#
#   bench/sweep.sh [timers]        default 100000
#
# A throwaway cluster with fsync on.  Tickets that are late are swept by one
# sweeper and by four at once, 1000 timers to a transaction as the background
# worker does it; once by a timer that moves the ticket, once by one that only
# sets a column.  Printed are timers per second of the clock, and per second of
# processor time that the sweepers' server processes used, which says what a
# machine with nothing else to do would do.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=scripts/lib.sh
. "$here/../scripts/lib.sh"

timers=${1:-100000}
[[ $timers =~ ^[1-9][0-9]*$ ]] || { sed -n '3,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }

cluster='' pg=''
finish() {
  local status=$?
  trap - EXIT
  trap '' INT TERM HUP
  [ ! -d "$cluster" ] || cluster_stop "$cluster"
  rm -rf "$cluster" "$pg"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

need_postgres
settle "${WORKORDER_BENCH_HOME:-$run_dir/bench}"
lock_home 5
copy_postgres
build_extension with_llvm=no >&2
cluster=$place/sweep
cluster_create "$cluster" 'fsync = on' 'shared_buffers = 512MB' 'max_wal_size = 8GB' 'jit = off'
cluster_start "$cluster"

ask() { cluster_psql "$cluster" -d bench -At "$@"; }

cluster_psql "$cluster" -d postgres -c 'CREATE DATABASE bench'
ask -o /dev/null <<'SQL'
SET client_min_messages = warning;
CREATE EXTENSION workorder CASCADE;
SELECT workorder.install();
SELECT workorder.publish('{"id": "moves", "initial": "open", "on": {"create": {"allow": ["*"]}, "view": {"allow": ["*"]}},
  "states": {"open": {"after": {"P1D": "late"}}, "late": {"after": {"P1D": "closed"}}, "closed": {"type": "final"}}}');
SELECT workorder.publish('{"id": "stays", "initial": "open", "on": {"create": {"allow": ["*"]}, "view": {"allow": ["*"]}},
  "states": {"open": {"after": {"P1D": {"guard": "$.priority < 5", "set": {"priority": 5}}}}}}');
CREATE TABLE moves (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint GENERATED ALWAYS AS IDENTITY,
  title text, priority int, PRIMARY KEY (tenant_id, id));
CREATE TABLE stays (LIKE moves INCLUDING ALL);
SELECT workorder.guard('moves', 'moves'), workorder.guard('stays', 'stays');
SQL

# Sweeps until nothing is left; prints the timers taken and the processor time
# of its server process, in clock ticks.
sweeper() {
  ask <<'SQL' | tail -n 1
CREATE TEMP TABLE taken (n bigint);
DO $$
DECLARE n bigint; total bigint := 0;
BEGIN
  LOOP
    n := workorder.sweep(1000);
    EXIT WHEN n = 0;
    total := total + n;
    COMMIT;
  END LOOP;
  INSERT INTO taken VALUES (total);
END$$;
SELECT sum(n), (SELECT split_part(s, ' ', 14)::bigint + split_part(s, ' ', 15)::bigint
  FROM pg_read_file('/proc/' || pg_backend_pid() || '/stat') s) FROM taken;
SQL
}

# measure <table> <sweepers>
measure() {
  local i started elapsed
  ask -o /dev/null -c "SELECT set_config('workorder.now', (now() - interval '36 hours')::text, false)" \
    -c "INSERT INTO $1 (title, priority) SELECT 'ticket ' || i, i % 5 FROM generate_series(1, $timers) i" -c 'VACUUM ANALYZE' -c CHECKPOINT
  started=$(date +%s%N)
  for ((i = 1; i <= $2; i++)); do sweeper >"$home/sweep.$i" & done
  wait
  elapsed=$((($(date +%s%N) - started) / 1000000))
  for ((i = 1; i <= $2; i++)); do cat "$home/sweep.$i"; done |
    awk -F '|' -v what="$1" -v n="$2" -v ms="$elapsed" -v wanted="$timers" -v tick="$(getconf CLK_TCK)" '
      { taken += $1; ticks += $2 }
      END {
        if (taken != wanted) { printf "%d timers were taken of %d\n", taken, wanted; exit 1 }
        printf "%-8s %8d %10d %12.1f %12d %16d\n", what, n, taken, ms / 1000, taken / ms * 1000, taken / ticks * tick
      }'
}

printf '%-8s %8s %10s %12s %12s %16s\n' ticket sweepers timers seconds 'per second' 'per cpu second'
for table in moves stays; do
  for sweepers in 1 4; do
    measure $table $sweepers
  done
done
findings=$(ask -c 'SELECT count(*) FROM workorder.verify()')
[ "$findings" = 0 ] || die "verify() has $findings findings"
