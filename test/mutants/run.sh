#!/usr/bin/env bash
#
# run.sh [name]: breaks the engine on purpose, one way at a time, and expects
# the tests to notice; prints TAP.
#
# Each <name>.patch here is a mutant: what it breaks, the regression test that
# must fail because of it ("Killed by:"), and a diff against the checkout.  It
# is built in a copy of the checkout and installed into a copy of PostgreSQL,
# so nothing else sees it.  The same tests must pass without a mutant first:
# a test that fails anyway has noticed nothing.

# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
# shellcheck source=test/tools/tap.sh
. "$root/test/tools/tap.sh"

patches=("$root/test/mutants/"${1:-*}".patch")
[ -e "${patches[0]}" ] || die "there is no mutant ${1:-here}"

need_postgres
need patch
settle "${WORKORDER_TEST_HOME:-$root/.run}/mutants"
lock_home 5
cluster=$place/cluster
trap 'trap "" INT TERM HUP; cluster_stop "$cluster" || true; rm -rf "$cluster" "$pg" "$home/build" "$home/mutant"; unsettle' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# A mutant may leave a variable unused, and no bitcode is wanted of it.
flags=(PG_CFLAGS=-w with_llvm=no)

# Builds and installs the tree in directory $1.
build() {
  make -C "$1" -s -j "$(nproc)" PG_CONFIG="$bin/pg_config" "${flags[@]}" all &&
    make -C "$1" -s PG_CONFIG="$bin/pg_config" "${flags[@]}" install
}

# Runs the regression tests $2... of the tree in directory $1 on a server that
# has just loaded the library.  Prints those that failed, one a line.
failing() {
  local tree=$1 name output
  shift
  cluster_stop "$cluster"
  cluster_start "$cluster" || return 1
  output=$(cd "$tree" && PGHOST="$cluster/socket" PGPORT=5432 PGUSER=postgres \
    make -s installcheck PG_CONFIG="$bin/pg_config" "${flags[@]}" "REGRESS=$*" ISOLATION= 2>&1) || true
  for name; do
    grep -qE "(^|[[:space:]])$name +\.\.\. ok|^ok [0-9]+ +[-+] $name( |\$)" <<<"$output" || say "$name"
  done
}

killer_of() { sed -n 's/^Killed by: //p' "$1"; }

copy_postgres
build_extension "${flags[@]}"
cluster_create "$cluster"

mapfile -t tests < <(for patch in "${patches[@]}"; do killer_of "$patch"; done | sort -u)
bad=$(failing "$home/build" "${tests[@]}")
is "without a mutant the tests pass: ${tests[*]}" "$bad" ''

for patch in "${patches[@]}"; do
  name=$(basename "$patch" .patch)
  killer=$(killer_of "$patch")
  mutant=$home/mutant
  rm -rf "$mutant"
  cp -a "$home/build" "$mutant"
  if ! output=$(patch -d "$mutant" -p1 --fuzz=3 --no-backup-if-mismatch <"$patch" 2>&1 && build "$mutant" 2>&1); then
    ok "$name can be built" false
    diag "$output"
  elif grep -qxF "$killer" <<<"$bad"; then
    ok "$name is noticed by $killer, which fails anyway" false
  else
    is "$name is noticed by $killer" "$(failing "$mutant" "$killer")" "$killer"
  fi
done
done_testing
