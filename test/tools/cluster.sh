# shellcheck shell=bash
#
# Source it with a name as argument: starts a throwaway cluster of that name
# and points psql and everything else that speaks libpq at it, as superuser.
# The cluster goes when the script ends, however it ends; its log stays, in
# out/<name>.log.
#
# Afterwards: $root is the checkout, $cluster the cluster's directory (for
# cluster_stop and cluster_start of scripts/lib.sh), $bin its programs.

# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

look "${WORKORDER_TEST_HOME:?is set by scripts/test, which builds what is tested}"
find_programs
cluster=$place/$1

# A second signal must not interrupt the cleaning up after the first.
trap 'trap "" INT TERM HUP; cluster_stop "$cluster"; cp "$cluster/log" "$home/out/${cluster##*/}.log"; rm -rf --one-file-system "$cluster"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

cluster_create "$cluster"
cluster_start "$cluster"
export WORKORDER_TEST_CLUSTER=$cluster
export PATH="$bin:$PATH" PGHOST="$cluster/socket" PGPORT=5432 PGUSER=postgres PGDATABASE=postgres

# Prints what the log says of processes that crashed.
crashes() { grep -A 1 'was terminated by signal' "$cluster/log" || true; }
