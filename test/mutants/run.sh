#!/usr/bin/env bash
#
# run.sh [name]: breaks the engine on purpose, one way at a time, and expects
# the tests to notice; prints TAP.
#
# Each <name>.patch here is a mutant: what it breaks, the regression test that
# must fail because of it ("Killed by:"), or the part of another kind where the
# server has to be started for it ("sweep planted"), and a diff against the checkout.  It
# is built in a copy of the checkout and installed into a copy of PostgreSQL,
# so nothing else sees it.  The same tests must pass without a mutant first:
# a test that fails anyway has noticed nothing.  As many mutants are at work at
# a time as there are processors, each with a server of its own.

# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
# shellcheck source=test/tools/tap.sh
. "$root/test/tools/tap.sh"

patches=("$root/test/mutants/"${1:-*}".patch")
[ -e "${patches[0]}" ] || die "there is no mutant ${1:-here}"

need_postgres
need patch
settle "${WORKORDER_TEST_HOME:-$run_dir}/mutants"
lock_home 5
cluster=$place/cluster
workers=$(nproc)
finish() {
  trap '' INT TERM HUP
  local dir
  for dir in "$cluster" "$place"/worker*/cluster; do
    [ ! -d "$dir" ] || cluster_stop "$dir" || true
  done
  rm -rf "$cluster" "$pg" "$place"/worker* "$(build_dir)" "$home/results"
  unsettle
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# A mutant may leave a variable unused, and no bitcode is wanted of it.
flags=(PG_CFLAGS=-w with_llvm=no)

# Builds and installs the tree in directory $1.
build() {
  make -C "$1" -s -j "$(nproc)" PG_CONFIG="$bin/pg_config" "${flags[@]}" all &&
    make -C "$1" -s PG_CONFIG="$bin/pg_config" "${flags[@]}" install
}

# Runs the tests $2... of the tree in directory $1 on a server that has just
# loaded the library.  Prints those that failed, one a line.
failing() {
  local tree=$1 name output regress=() kind
  shift
  cluster_stop "$cluster"
  cluster_start "$cluster" || return 1
  for name; do
    if [[ $name != *' '* ]]; then
      regress+=("$name")
      continue
    fi
    read -ra kind <<<"$name"
    (cd "$root" && WORKORDER_TEST_CLUSTER=$cluster PATH="$bin:$PATH" PGHOST="$cluster/socket" PGPORT=5432 PGUSER=postgres PGDATABASE=postgres \
      bash "test/${kind[0]}/run.sh" "${kind[@]:1}" 9>&-) >"$tree/kind.tap" 2>&1 && ! grep -q '^not ok' "$tree/kind.tap" || say "$name"
  done
  [ ${#regress[@]} -gt 0 ] || return 0
  output=$(cd "$tree" && PGHOST="$cluster/socket" PGPORT=5432 PGUSER=postgres \
    make -s installcheck PG_CONFIG="$bin/pg_config" "${flags[@]}" "REGRESS=${regress[*]}" ISOLATION= 2>&1) || true
  for name in "${regress[@]}"; do
    grep -qE "(^|[[:space:]])$name +\.\.\. ok|^ok [0-9]+ +[-+] $name( |\$)" <<<"$output" || say "$name"
  done
}

killer_of() { sed -n 's/^Killed by: //p' "$1"; }

copy_postgres
build_extension "${flags[@]}"
cluster_create "$cluster"

mapfile -t tests < <(for patch in "${patches[@]}"; do killer_of "$patch"; done | sort -u)
bad=$(failing "$(build_dir)" "${tests[@]}")
is "without a mutant the tests pass: ${tests[*]}" "$bad" ''

# Makes a mutant in directory $2 and prints which tests notice it; status 1,
# and what was said, if it cannot be built.
try_mutant() {
  local patch=$1 mutant=$2 output
  rm -rf "$mutant"
  cp -a "$(build_dir)" "$mutant"
  if ! output=$(patch -d "$mutant" -p1 --fuzz=3 --no-backup-if-mismatch <"$patch" 2>&1 && build "$mutant" 2>&1); then
    say "$output"
    return 1
  fi
  failing "$mutant" "$(killer_of "$patch")"
}

# Tries every $workers-th mutant, beginning with number $1, on a PostgreSQL and a
# server of its own.
work() {
  local i status own=$place/worker$1
  trap - EXIT
  mkdir -p "$own"
  cp -a "$pg" "$own/pg"
  pg=$own/pg
  cluster=$own/cluster
  find_programs
  cluster_create "$cluster"
  for ((i = $1; i < ${#patches[@]}; i += workers)); do
    status=0
    try_mutant "${patches[i]}" "$own/mutant" >"$home/results/$i" || status=$?
    say $status >"$home/results/$i.status"
  done
  cluster_stop "$cluster"
}

cluster_stop "$cluster"
chmod 711 "$place"
rm -rf "$home/results"
mkdir -p "$home/results"
for ((w = 0; w < workers; w++)); do
  work $w &
done
wait

for i in "${!patches[@]}"; do
  name=$(basename "${patches[i]}" .patch)
  killer=$(killer_of "${patches[i]}")
  if [ "$(cat "$home/results/$i.status" 2>/dev/null)" != 0 ]; then
    ok "$name can be built" false
    diag "$(cat "$home/results/$i" 2>/dev/null)"
  elif grep -qxF "$killer" <<<"$bad"; then
    ok "$name is noticed by $killer, which fails anyway" false
  else
    is "$name is noticed by $killer" "$(cat "$home/results/$i")" "$killer"
  fi
done
done_testing
