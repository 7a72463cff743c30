#!/usr/bin/env bash
#
# The regression tests and the arguments that nobody would give, with the
# engine built for AddressSanitizer and UndefinedBehaviorSanitizer: the same
# answers, and no report.  The server itself is Debian's.  Prints TAP.
#
# Runs with WORKORDER_TEST_LONG=1 only (about five minutes); else it checks no
# more than that the sanitizers find a planted mistake.

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
# shellcheck source=test/tools/tap.sh
. "$root/test/tools/tap.sh"

need_postgres
settle "${WORKORDER_TEST_HOME:?is set by scripts/test}/sanitize"
lock_home 5
mkdir -p "$home/out"
cluster=$place/cluster
reports=$place/reports
end() {
  trap '' INT TERM HUP
  cluster_stop "$cluster" || true
  rm -rf "$cluster" "$pg" "$reports"
  unsettle
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

copy_postgres
if [ -n "${WORKORDER_TEST_LONG:-}" ]; then
  ok 'the engine builds for the sanitizers' build_extension with_llvm=no \
    PG_CFLAGS='-w -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined' SHLIB_LINK='-lcrypto -fsanitize=address,undefined'
fi

# The server under the sanitizers' runtime: a script of its name starts it.
gcc -w -O1 -shared -fPIC -o "$place/no_nls.so" "$root/test/sanitize/no_nls.c"
asan=$(gcc -print-file-name=libasan.so)
ubsan=$(gcc -print-file-name=libubsan.so)
install -d -m 700 -o "$(as_server id -u)" "$reports"
mv "$bin/postgres" "$bin/postgres.real"
cat >"$bin/postgres" <<SCRIPT
#!/bin/bash
export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:disable_coredump=1:log_path=$reports/report
export UBSAN_OPTIONS=print_stacktrace=1:log_path=$reports/report
export LD_PRELOAD="$(readlink -f "$asan") $(readlink -f "$ubsan") $place/no_nls.so"
exec -a "$bin/postgres" "$bin/postgres.real" "\$@"
SCRIPT
chmod 755 "$bin/postgres"
cluster_create "$cluster" 'lc_messages = C'

# The test can fail: a library that writes behind what it has allocated.
mkdir -p "$home/planted"
cat >"$home/planted/planted.c" <<'C'
#include "postgres.h"
#include "fmgr.h"
PG_MODULE_MAGIC;
PG_FUNCTION_INFO_V1(planted);
Datum planted(PG_FUNCTION_ARGS)
{
	char	   *p = malloc(16);
	p[PG_GETARG_INT32(0)] = 1;
	PG_RETURN_INT32(p[0]);
}
C
gcc -w -g -O0 -fPIC -fsanitize=address -shared -I"$("$bin/pg_config" --includedir-server)" -o "$place/planted.so" "$home/planted/planted.c"
chmod 755 "$place/planted.so"
sed -i "s/^shared_preload_libraries.*//" "$cluster/data/postgresql.conf"
ok 'the server starts under them' cluster_start "$cluster"
cluster_psql "$cluster" -c "CREATE FUNCTION planted(int) RETURNS int LANGUAGE c AS '$place/planted', 'planted'"
is 'a sound call is sound' "$(cluster_psql "$cluster" -Atc 'SELECT planted(0)')" 1
cluster_psql "$cluster" -Atc 'SELECT planted(16)' >/dev/null 2>&1 || true
ok 'a planted overflow of one byte is found' grep -rq 'heap-buffer-overflow' "$reports"
rm -f "$reports"/*

if [ -n "${WORKORDER_TEST_LONG:-}" ]; then
  cluster_stop "$cluster"
  say "shared_preload_libraries = 'workorder'" >>"$cluster/data/postgresql.conf"
  cluster_start "$cluster"
  export PGHOST="$cluster/socket" PGPORT=5432 PGUSER=postgres PATH="$bin:$PATH"
  # what takes its time by the clock is slower under the sanitizers
  names=$(cd "$(build_dir)/test/sql" && printf '%s\n' *.sql | sed 's/\.sql$//' | tr '\n' ' ')
  for name in $names; do
    output=$(make -s -C "$(build_dir)" installcheck PG_CONFIG="$bin/pg_config" with_llvm=no "REGRESS=$name" ISOLATION= 2>&1) || true
    ok "$name answers the same" grep -qE "(^|[[:space:]])$name +\.\.\. ok|^ok [0-9]+ +[-+] $name( |\$)" <<<"$output"
    [ ! -s "$(build_dir)/regression.diffs" ] || sed -n '1,40s/^/# /p' "$(build_dir)/regression.diffs"
    is "$name: no report" "$(cat "$reports"/* 2>/dev/null | head -n 40)" ''
    rm -f "$reports"/*
  done
  WORKORDER_TEST_CLUSTER=$cluster WORKORDER_TEST_LONG='' bash "$root/test/arguments/run.sh" >"$home/out/arguments.tap" 2>&1 || true
  is 'the arguments that nobody would give pass' "$(grep -A 20 '^not ok' "$home/out/arguments.tap")" ''
  like 'all of them' "$(tail -n 1 "$home/out/arguments.tap")" '^1\.\.[1-9]'
  is 'and there is no report' "$(cat "$reports"/* 2>/dev/null | head -n 40)" ''
fi
done_testing
