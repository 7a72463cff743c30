#!/usr/bin/env bash
#
# A full disk: acts fail with an error and leave nothing half done, and when
# there is room again the service is back, with all that was acknowledged.
# First the tables' disk is full, then the write-ahead log's, where PostgreSQL
# goes down by design.  Each is a small file system in memory of its own if we
# may mount one, else the size of files is limited.  Prints TAP.

set -euo pipefail
# shellcheck source=test/tools/server.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tools/server.sh"

mounts=$cluster/mounts
end() {
  local dir
  cluster_stop "$cluster" || true
  for dir in "$mounts"/*; do
    umount "$dir" 2>/dev/null || true
  done
}
trap end EXIT
as_server mkdir "$mounts"

ask() { psql -XAtq -v ON_ERROR_STOP=1 -d crash "$@" 2>&1; }

# small_disk <name> <megabytes>
small_disk() {
  as_server mkdir "$mounts/$1"
  mount -t tmpfs -o "size=$2m,mode=700,uid=$(as_server id -u)" tmpfs "$mounts/$1" 2>/dev/null
}

# fill <name>: leaves no block free; room <name>: gives them back
fill() { dd if=/dev/zero of="$mounts/$1/ballast" bs=8k >/dev/null 2>&1 || true; }
room() { rm -f "$mounts/$1/ballast"; }

# act_until_error <name> <times> [size]: acts with big notes, each an own
# transaction, until one fails; what was acknowledged is appended to the file,
# one note a line.
act_until_error() {
  local n
  for ((n = 1; n <= $2; n++)); do
    say "UPDATE job SET action = 'next', note = '$1:$n:' || repeat(md5('$n'), ${3:-500}) WHERE id = 1 + $n % 80 RETURNING left(note, 0) || left(last_note, length('$1:$n:'));"
  done >"$cluster/acts.sql"
  psql -XAtq -v ON_ERROR_STOP=1 -d crash -c "SET workorder.actor = 'client1'" -f "$cluster/acts.sql" >>"$cluster/acknowledged" 2>"$cluster/error" || true
}
lost() {
  ask -c 'CREATE TEMP TABLE acknowledged (note text)' -c "\\copy acknowledged FROM '$cluster/acknowledged'" \
    -c "SELECT count(*) FROM acknowledged a WHERE NOT EXISTS (SELECT FROM workorder.journal j WHERE left(j.note, length(a.note)) = a.note)"
}
sound() { ask -c 'SELECT * FROM workorder.verify() LIMIT 5'; }

# check <what>: after it, all is as it was told
check() {
  local n
  n=$(wc -l <"$cluster/acknowledged")
  ok "$1: acts were acknowledged before ($n)" test "$n" -ge 20
  is "$1: none of them is lost" "$(lost)" 0
  is "$1: verify() finds nothing" "$(sound)" ''
  is "$1: work goes on" "$(ask -c "SET workorder.actor = 'client2'" -c "SELECT a.revision - j.revision FROM job j, workorder.act('job', 80, 'next') a WHERE j.id = 80")" 1
}

fresh() {
  psql -Xq -d postgres -c 'DROP DATABASE IF EXISTS crash' -c 'CREATE DATABASE crash' 2>/dev/null
  ask -o /dev/null -f "$root/test/crash/setup.sql"
  ask -c 'ALTER TABLE workorder.journal ALTER note SET STORAGE EXTERNAL'
  : >"$cluster/acknowledged"
}
fresh

if small_disk tables 12; then
  # --- the disk of the tables -----------------------------------------------------
  ask -c "CREATE TABLESPACE small LOCATION '$mounts/tables'"
  ask -c 'ALTER TABLE workorder.journal SET TABLESPACE small' -c 'ALTER TABLE job SET TABLESPACE small'
  act_until_error tables 3000
  like 'tables: an act fails with an error that says why' "$(cat "$cluster/error")" 'No space left on device'
  refused=$(ask -c 'SELECT sum(revision) FROM job')
  act_until_error again 1
  is 'tables: what fails changes nothing' "$(ask -c 'SELECT sum(revision) FROM job')" "$refused"
  is 'tables: verify() finds nothing on the full disk' "$(sound)" ''
  like 'tables: reading goes on' "$(ask -c "SELECT count(*) FROM workorder.actions('job', 1)")" '^[1-9]'
  ok 'tables: the server is the same' grep -q . "$cluster/data/postmaster.pid"
  mount -o remount,size=160m "$mounts/tables"
  check tables

  # --- the disk of the write-ahead log --------------------------------------------
  small_disk wal 64
  ask -c CHECKPOINT
  cluster_stop "$cluster"
  as_server cp -a "$cluster/data/pg_wal/." "$mounts/wal/"
  rm -rf "$cluster/data/pg_wal"
  as_server ln -s "$mounts/wal" "$cluster/data/pg_wal"
  printf '%s\n' 'min_wal_size = 32MB' 'max_wal_size = 1GB' 'checkpoint_timeout = 1h' | as_server tee -a "$cluster/data/postgresql.conf" >/dev/null
  cluster_start "$cluster"
  : >"$cluster/acknowledged"
  act_until_error before 60
  fill wal
  act_until_error wal 3000
  like 'log: an act fails' "$(cat "$cluster/error")" 'No space left|server closed the connection|terminat'
  room wal
  for _ in {1..900}; do
    ! ask -c 'SELECT 1' >/dev/null || break
    cluster_pid "$cluster" >/dev/null || cluster_start "$cluster"
    sleep 0.2
  done
  check log
else
  # --- without the right to mount: files cannot grow --------------------------------
  # the tables'; the log's files, of 16 MB, can still be made
  cluster_stop "$cluster"
  (ulimit -f 20000 && cluster_start "$cluster")
  act_until_error tables 3000
  like 'tables: an act fails with an error that says why' "$(cat "$cluster/error")" 'File too large|could not extend'
  is 'tables: verify() finds nothing' "$(sound)" ''
  cluster_stop "$cluster"
  cluster_start "$cluster"
  check tables

  # the log's: it grows faster than the tables if notes are small, and breaks off in the middle of a file
  fresh
  ask -o /dev/null -c 'SELECT pg_switch_wal()' -c CHECKPOINT
  cluster_stop "$cluster"
  (ulimit -f 4000 && cluster_start "$cluster")
  act_until_error wal 20000 10
  like 'log: an act fails' "$(cat "$cluster/error")" 'File too large|server closed the connection|terminat'
  for _ in {1..900}; do
    cluster_pid "$cluster" >/dev/null || break
    sleep 0.1
  done
  cluster_stop "$cluster"
  cluster_start "$cluster"
  check log
fi

is 'no process was killed by a signal but by a full log' "$(grep 'was terminated by signal' "$cluster/log" | grep -vc 'signal 6' || true)" 0
done_testing
