#!/usr/bin/env bash
#
# The tests on a server that checks itself: PostgreSQL of the machine's major,
# built with --enable-cassert from Debian's source package.  What Debian's own
# server lets pass, a pointer into something that was thrown away or a write
# without a snapshot, is a failed assertion or a crash here.  Prints TAP.
#
# regress, isolation, totals and events run as they are; then all that sessions
# do once more with every cache thrown away whenever that might happen
# (debug_discard_caches = 1: discard.sql).
#
#   WORKORDER_TEST_LONG=1   also the regression tests with every cache thrown away
#                           from the time that the engine is installed, and under
#                           valgrind (hours on a slow machine; the server is built
#                           for it, too)
#   WORKORDER_ASSERT_KINDS  other kinds than "regress isolation totals events"
#
# The server stays in the run directory for the next time, as long as there is no
# newer version of its source package.  apt's configuration of this machine is left as
# it is: where sources come from is said in a file of our own.

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
# shellcheck source=test/tools/tap.sh
. "$root/test/tools/tap.sh"

here=$root/test/assert
long=${WORKORDER_TEST_LONG:-}
read -ra kinds <<<"${WORKORDER_ASSERT_KINDS:-regress isolation totals events}"
need_postgres
# (.run/test/assert is the cluster that every kind is given)
settle "${WORKORDER_TEST_HOME:?is set by scripts/test}/cassert"
lock_home 5
export WORKORDER_TEST_HOME=$home
unset WORKORDER_TEST_CLUSTER WORKORDER_TEST_LONG
while read -r name; do unset "$name"; done < <(compgen -e PG)
mkdir -p "$home/out"
cluster=$place/cluster
discarding=$place/discard
end() {
  trap '' INT TERM HUP
  cluster_stop "$cluster" || true
  [ ! -d "$discarding/data" ] || cluster_stop "$discarding" || true
  rm -rf "$cluster" "$discarding" "$pg"
  unsettle
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# --- the server -----------------------------------------------------------------

# apt with sources of its own.
own_apt() {
  "$1" -qq -o Dir::Etc::sourcelist="$home/apt/sources.list" -o Dir::Etc::sourceparts="$home/apt/parts" -o Dir::State::lists="$home/apt/lists" \
    -o Dir::Cache="$home/apt/cache" -o APT::Sandbox::User=root -o Acquire::Retries=3 "${@:2}"
}

# Prints the versions of the source package that there are, the newest first,
# where this machine has its packages from.
source_versions() {
  local file
  rm -rf "$home/apt"
  mkdir -p "$home"/apt/{parts,lists/partial,cache/archives/partial}
  [ ! -e /etc/apt/sources.list ] || sed -n 's/^deb /deb-src /p' /etc/apt/sources.list >"$home/apt/sources.list"
  for file in /etc/apt/sources.list.d/*.list; do
    [ ! -e "$file" ] || sed -n 's/^deb /deb-src /p' "$file" >"$home/apt/parts/${file##*/}"
  done
  for file in /etc/apt/sources.list.d/*.sources; do
    [ ! -e "$file" ] || sed 's/^Types:.*/Types: deb-src/' "$file" >"$home/apt/parts/${file##*/}"
  done
  # not everybody who has packages has sources
  own_apt apt-get update >&2 || true
  own_apt apt-cache showsrc "postgresql-$pg_major" | sed -n 's/^Version: //p' | sort -Vru
}

# Fetches the newest of the versions that is to be had: a mirror may lag behind.
fetch_source() {
  rm -rf "$home/source"
  mkdir -p "$home/source"
  for version in $versions; do
    ! (cd "$home/source" && own_apt apt-get source --download-only "postgresql-$pg_major=$version") || return 0
  done
  return 1
}

configure=(--enable-cassert --enable-debug --with-openssl --with-libxml --with-icu --without-readline --disable-rpath)
flags='-O1 -g1'
if [ -n "$long" ]; then
  need valgrind
  flags+=' -DUSE_VALGRIND'
fi
server=$home/server${long:+-valgrind}

# Builds what the tests need of it, and no more.
build_server() {
  local source part
  need libssl-dev libxml2-dev libicu-dev zlib1g-dev pkg-config
  [ "$pg_major" -lt 17 ] || need bison flex
  rm -rf "$server" "$home/tree"
  mkdir "$home/tree"
  tar -xf "$(printf '%s\n' "$home"/source/*.orig.tar.* | head -n 1)" -C "$home/tree" --strip-components=1 --no-same-owner
  cd "$home/tree"
  ./configure -q --prefix="$server" "${configure[@]}" CFLAGS="$flags"
  make -s -C src/backend generated-headers
  for part in src/include src/common src/port src/timezone src/backend src/backend/utils/mb/conversion_procs src/backend/snowball src/pl/plpgsql \
    src/interfaces/libpq src/fe_utils src/bin/initdb src/bin/pg_ctl src/bin/psql src/bin/pg_config src/bin/pg_dump src/bin/scripts src/bin/pgbench \
    src/makefiles src/test/regress src/test/isolation contrib/pgcrypto contrib/citext contrib/hstore contrib/dblink; do
    [ ! -e "$part/Makefile" ] || make -s -j "$(nproc)" -C "$part" || return 1
    make -s -C "$part" install || return 1
  done
  cp src/Makefile.global src/Makefile.port src/Makefile.shlib src/nls-global.mk "$server"/lib/*/pgxs/src/ 2>/dev/null || true
  cp src/tools/valgrind.supp "$server/"
  cd "$root"
  rm -rf "$home/tree"
  rm -rf "$home/source"
  say "$versions" >"$server/versions"
  say "$key" >"$server/key"
}

versions=$(source_versions 2>"$home/out/fetch.log") || true
# without the list, who has a server keeps it
[ -n "$versions" ] || versions=$(cat "$server/versions" 2>/dev/null) || true
key="${versions//$'\n'/ } ${configure[*]} $flags"
started=$SECONDS
if [ "$(cat "$server/key" 2>/dev/null)" != "$key" ]; then
  # a function whose status is asked for goes on after errors; a process of its own does not
  (set -e; fetch_source; build_server) >>"$home/out/fetch.log" 2>"$home/out/server.log" || true
fi
ok "PostgreSQL $pg_major is built with assertions ($((SECONDS - started)) s)" \
  eval '[ "$(cat "$server/key")" = "$key" ] || { tail -n 10 "$home/out/fetch.log" "$home/out/server.log"; false; }'
[ "$(cat "$server/key" 2>/dev/null)" = "$key" ] || { done_testing; exit; }

pg_config=$server/bin/pg_config
copy_postgres
ok 'the extension builds for it' build_extension with_llvm=no

# --- what failed ------------------------------------------------------------------

# What a server's log says of assertions and crashes.
trouble() { grep -hE -A 2 'TRAP:|was terminated by signal|PANIC:' "$@" 2>/dev/null || true; }

# The test can fail: a library with an assertion that does not hold.
cluster_create "$cluster"
cluster_start "$cluster"
mkdir -p "$home/planted"
cat >"$home/planted/planted.c" <<'C'
#include "postgres.h"
#include "fmgr.h"
PG_MODULE_MAGIC;
PG_FUNCTION_INFO_V1(planted);
Datum planted(PG_FUNCTION_ARGS)
{
	Assert(PG_GETARG_INT32(0) == 0);
	PG_RETURN_INT32(PG_GETARG_INT32(0));
}
C
gcc -w -O1 -fPIC -shared -I"$("$bin/pg_config" --includedir-server)" -o "$place/planted.so" "$home/planted/planted.c"
chmod 755 "$place/planted.so"
cluster_psql "$cluster" -c "CREATE FUNCTION planted(int) RETURNS int LANGUAGE c AS '$place/planted', 'planted'"
is 'an assertion that holds is none' "$(cluster_psql "$cluster" -Atc 'SELECT planted(0)')$(trouble "$cluster/log")" 0
cluster_psql "$cluster" -Atc 'SELECT planted(1)' >/dev/null 2>&1 || true
like 'one that does not is found' "$(trouble "$cluster/log")" 'TRAP:.*PG_GETARG_INT32'
cluster_stop "$cluster"

# --- the tests ----------------------------------------------------------------------

# run_kind <kind>: what scripts/test does with it, on this server
run_kind() {
  local runner=shell log=$home/out/$1.tap
  case $1 in regress | isolation) runner=regress ;; esac
  started=$SECONDS
  bash "$root/test/tools/$runner.sh" "$@" >"$log" 2>&1 9>&- || true
  is "$1: nothing fails ($(grep -c '^ok' "$log") passed in $((SECONDS - started)) s)" "$(awk '/^not ok/ {show = 1} /^ok|^1\.\./ {show = 0} show' "$log" | head -n 60)" ''
  like "$1: it comes to its end" "$(tail -n 1 "$log")" '^1\.\.[1-9]'
  is "$1: no assertion fails" "$(trouble "$home/out/$1.log" | head -n 20)" ''
}
# --- with every cache thrown away ---------------------------------------------------

# Twice: what is said when caches are kept is what is said when they are not.  One
# session is at work for minutes, so it is beside the kinds.
throw_away() {
  local discard
  for discard in 0 1; do
    cluster_create "$discarding"
    cluster_start "$discarding"
    cluster_psql "$discarding" -d postgres -At -v discard=$discard -v ON_ERROR_STOP=0 -f "$here/discard.sql" >"$home/out/discard.$discard" 2>&1 || true
    cluster_stop "$discarding"
    cp "$discarding/log" "$home/out/discard.$discard.log"
  done
}
started=$SECONDS
rm -f "$home"/out/discard.*
throw_away >"$home/out/throw_away" 2>&1 &
thrower=$!

for kind in "${kinds[@]}"; do
  run_kind "$kind"
done
wait "$thrower" || true
is "with every cache thrown away all is the same ($((SECONDS - started)) s)" "$(diff "$home/out/discard.0" "$home/out/discard.1" | head -n 40)" ''
like 'and it is something' "$(tail -n 1 "$home/out/discard.1")" '^came to its end'
is 'without any error that was not meant' "$(grep -E '^(psql:.*)?(ERROR|FATAL|PANIC)' "$home/out/discard.1" | head -n 20)" ''
is 'no assertion fails' "$(trouble "$home"/out/discard.[01].log | head -n 20)" ''
[ -n "$long" ] || { done_testing; exit; }

# --- the long form ------------------------------------------------------------------

# Every regression test, its caches thrown away from when the engine is installed.
cd "$home/build"
for file in test/sql/*.sql; do
  sed -i 's/^SELECT workorder\.install();$/&\nSET debug_discard_caches = 1;/' "$file"
done
for file in expected/*.out; do
  case $file in expected/iso_*) continue ;; esac
  awk '{print} /^SELECT workorder\.install\(\);$/ {seen = 1} seen && /^\([0-9]+ row/ {getline; print; print "SET debug_discard_caches = 1;"; seen = 0}' "$file" >"$file.new"
  mv "$file.new" "$file"
done
run_kind regress
cd "$root"
build_extension with_llvm=no

# The regression tests under valgrind: a script of the server's name starts it.
reports=$place/reports
install -d -m 700 -o "$(as_server id -u)" "$reports"
cluster_create "$cluster"
mv "$bin/postgres" "$bin/postgres.real"
cat >"$bin/postgres" <<SCRIPT
#!/bin/bash
exec valgrind --quiet --leak-check=no --error-limit=no --trace-children=yes --track-origins=yes --gen-suppressions=all \
  --suppressions=$server/valgrind.supp --log-file=$reports/%p "$bin/postgres.real" "\$@"
SCRIPT
chmod 755 "$bin/postgres"
ok 'the server starts under valgrind' cluster_start "$cluster"
export PGHOST=$cluster/socket PGPORT=5432 PGUSER=postgres PATH="$bin:$PATH"
for file in "$root"/test/sql/*.sql; do
  name=$(basename "$file" .sql)
  output=$(make -s -C "$home/build" installcheck PG_CONFIG="$bin/pg_config" with_llvm=no "REGRESS=$name" ISOLATION= 2>&1) || true
  ok "valgrind: $name answers the same" grep -qE "(^|[[:space:]])$name +\.\.\. ok|^ok [0-9]+ +[-+] $name( |\$)" <<<"$output"
  is "valgrind: $name: no report" "$(cat "$reports"/* 2>/dev/null | grep -v '^$' | head -n 40)" ''
  find "$reports" -type f -exec truncate -s 0 {} +
done
done_testing
