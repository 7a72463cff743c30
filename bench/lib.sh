# shellcheck shell=bash
#
# The instruments of the bench: its cluster, pgbench, and callgrind.  Sourced by
# run after scripts/lib.sh, whose home, place and bin it uses.

# --- the cluster --------------------------------------------------------------

# Makes an empty cluster in $cluster.  Full-page images depend on who touches a
# page first after a checkpoint, so they would be noise between the variants;
# they are off for all of them.  fsync is on: half of the rows are about it.
make_cluster() {
  local preload=workorder
  [ -n "$ours" ] || preload=
  cluster_create "$cluster" 'fsync = on' 'full_page_writes = off' "shared_preload_libraries = '$preload'" \
    'shared_buffers = 1GB' 'max_wal_size = 32GB' 'checkpoint_timeout = 1d' 'autovacuum = off' 'jit = off' \
    'max_parallel_workers_per_gather = 0'
  as_server mkdir "$cluster/cg"
  export PGHOST=$cluster/socket PGPORT=5432 PGUSER=postgres PGDATABASE=bench
}

start_plain() { cluster_start "$cluster"; }

# Every backend is a fork of the postmaster, so valgrind follows it without
# --trace-children and writes one file per backend when that ends.
start_callgrind() {
  (cd / && exec "${lend[@]}" setsid valgrind -q --tool=callgrind --trace-children=no \
    --callgrind-out-file="$cluster/cg/%p" "$bin/postgres" -D "$cluster/data" -k "$cluster/socket") \
    </dev/null >>"$cluster/log" 2>&1 9>&- &
  disown $!
  # asking by a connection would leave a backend's file behind, so read the pid file
  for _ in {1..240}; do
    sleep 0.5
    ! as_server grep -q '^ready' "$cluster/data/postmaster.pid" 2>/dev/null || return 0
  done
  die "the server did not start under valgrind, see $cluster/log"
}

# Reads what the acts touch into the buffers, so that the first round costs what
# the others do.
warm_up() {
  forget_files # the process that starts the server up has left one
  sql -c "SELECT sum(pg_prewarm(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname IN ('plain', 'public', 'workorder') AND c.relkind IN ('r', 'i')" >/dev/null
  wait_for_files 1
}

# Stops either, with all the time that the last checkpoint takes under valgrind.
stop_server() {
  as_server "$bin/pg_ctl" -D "$cluster/data" -m fast -w -s -t 900 stop
}

sql() { "$bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }

# --- the variants -------------------------------------------------------------

# The role that a variant connects as: the superuser, unless access is measured.
role_of() {
  case $1 in
    web) say web ;;
    page_lead) say web_lead ;;
    page_worker | page_mine) say web_worker ;;
    *) say postgres ;;
  esac
}

script_of() {
  case $1 in
    web) say "$here/acts/update.sql" ;;
    *) say "$here/acts/$1.sql" ;;
  esac
}

# The settings of a variant's connection: who acts, and what a commit promises.
# workorder.durable makes an acknowledged act durable whatever
# synchronous_commit says, so here it goes with it: both sides promise the same.
options_of() {
  local variant=$1 sync=$2
  local options="-c synchronous_commit=$sync -c plain.actor=1"
  if [ -n "$ours" ]; then
    options="$options -c workorder.durable=$sync"
    [ "$(role_of "$variant")" != postgres ] || options="$options -c workorder.actor=agent1"
  fi
  say "$options"
}

# --- running ------------------------------------------------------------------

record() { printf '%s\t%s\t%s\t%s\n' "$@" >>"$home/results.tsv"; }

# Every act is counted; in the end the journals must agree.
count_acts() { printf '%s\t%s\n' "$1" "$2" >>"$home/acts.tsv"; }

# Runs a script; prints the microseconds per transaction of one client.
#   <variant> <synchronous_commit> <clients> <transactions per client> <tickets> <seed>
run_acts() {
  local out threads=1
  [ "$3" = 1 ] || threads=2
  out=$(PGOPTIONS=$(options_of "$1" "$2") "$bin/pgbench" -n -M prepared -U "$(role_of "$1")" -c "$3" -j $threads -t "$4" \
    -D tickets="$5" -D worker="${worker:-0}" --random-seed="$6" -f "$(script_of "$1")" 2>&1) ||
    die "pgbench failed for $1: $out"
  grep -q "actually processed: $(($3 * $4))/$(($3 * $4))" <<<"$out" || die "$1 did not finish: $out"
  count_acts "$1" $(($3 * $4))
  awk '/^tps/ { printf "%.3f\n", 1000000 / $3 }' <<<"$out"
}

# Prints the milliseconds that psql measures for the statements of a variant.
milliseconds() {
  printf '%s\n' '\timing on' "$2" | PGOPTIONS=$(options_of "$1" off) sql -U "$(role_of "$1")" |
    awk '/^Time:/ { sum += $2 } END { print sum }'
}

# --- callgrind ----------------------------------------------------------------

# Waits for the files of the backends that were made since forget_files(); one
# is complete when it holds its totals.
wait_for_files() {
  local n
  for _ in {1..1200}; do
    n=$(cat "$cluster"/cg/* 2>/dev/null | grep -c '^totals:' || true)
    [ "$n" -lt "$1" ] || break
    sleep 0.1
  done
  [ "$n" = "$1" ] || die "callgrind wrote $n files where $1 were expected"
}

forget_files() { rm -f "$cluster"/cg/*; }

# Prints the instructions of the backend that did <acts>: <variant> <acts> <seed>
# pgbench opens a first connection that does nothing; a fork starts with the
# counts of its postmaster, so the difference of the two is the work alone.
instructions() {
  forget_files
  run_acts "$1" off 1 "$2" "$span" "$3" >/dev/null
  wait_for_files 2
  cat "$cluster"/cg/* | awk '/^totals:/ { if (!n++ || $2 > max) max = $2; if (n == 1 || $2 < min) min = $2 }
    END { printf "%.0f\n", max - min }'
}

# Prints the slope between a short and a long run: <variant> <seed>
per_act() {
  local a b
  a=$(instructions "$1" "$short_run" "$2")
  b=$(instructions "$1" "$long_run" "$2")
  [ "$b" -gt "$a" ] || die "$1: more acts took fewer instructions"
  say $(((b - a) / (long_run - short_run)))
}

# Prints the instructions of one backend that runs some SQL: <variant> <sql>
statement_instructions() {
  forget_files
  PGOPTIONS=$(options_of "$1" off) sql -U "$(role_of "$1")" -c "$2" >/dev/null
  wait_for_files 1
  cat "$cluster"/cg/* | awk '/^totals:/ { print $2 }'
}

# Prints "instructions function" for the busiest backend, inclusive of callees.
by_function() {
  local file
  file=$(grep -H '^totals:' "$cluster"/cg/* | sort -n -k 2 | tail -n 1 | cut -d : -f 1)
  callgrind_annotate --inclusive=yes --threshold=100 "$file" |
    sed -n 's/^ *\([0-9,]\{1,\}\) *([^)]*) *[^:]*:\([^ ]*\).*/\1 \2/p' | tr -d , |
    awk '{ if ($1 > sum[$2]) sum[$2] = $1 } END { for (f in sum) print sum[f], f }'
}
