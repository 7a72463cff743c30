#!/usr/bin/env bash
#
# What a page of call-centre tickets costs when there are many: page 1 of the
# default list, and the total of one status, at 10,000 and at 5,000,000 tickets.
#
#   bench/pages.sh [tickets]      default 5000000
#
# A stack of its own; the tickets are loaded as a replica would, without their
# history, and the two search indexes are left out, which the list does not
# use.  One session asks as an employee, as the role and under the policies
# that a web server has.  Printed is the lowest tenth of 201, and the ratio.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=scripts/lib.sh
. "$here/../scripts/lib.sh"
# shellcheck source=scripts/web.sh
. "$root/scripts/web.sh"

many=${1:-5000000}
[[ $many =~ ^[1-9][0-9]{4,8}$ ]] || { sed -n '3,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }

export WORKORDER_HOME=${WORKORDER_BENCH_HOME:-$run_dir/bench}/pages
WORKORDER_PORT=$(free_port)
export WORKORDER_PORT
stack=$root/scripts/stack
end() {
  trap '' INT TERM HUP
  "$stack" down >/dev/null 2>&1 || true
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

"$stack" up </dev/null >&2
"$stack" fixture call_center </dev/null
"$stack" psql -q -At -v ON_ERROR_STOP=1 -v many="$many" -f "$here/sql/pages.sql"
