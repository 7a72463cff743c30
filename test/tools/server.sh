# shellcheck shell=bash
#
# For the shell kinds that stop, kill, copy or set up servers.  Source it: it
# brings scripts/lib.sh and tap.sh, and sets $here to the test's directory,
# $cluster to the cluster that was made for it and $bin to the server's programs.

here=$(cd "$(dirname "${BASH_SOURCE[1]}")" && pwd -P)
# shellcheck source=scripts/lib.sh
. "$here/../../scripts/lib.sh"
# shellcheck source=test/tools/tap.sh
. "$root/test/tools/tap.sh"

cluster=${WORKORDER_TEST_CLUSTER:?is set by test/tools/cluster.sh}
find_server_user
bin=$(dirname "$(command -v postgres)")
