#!/usr/bin/env bash
#
# What the permission map costs: a list of 500 tickets of the ticket desk with
# replies, history and map against the same list without the map, and the map
# of one ticket.
#
#   bench/map.sh [--quick]
#
# A stack of its own.  The two lists are read in turns by one session, as the
# role and under the policies that a web server has; printed are the medians,
# and the median, lowest and highest of the ratio within each round.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=scripts/lib.sh
. "$here/../scripts/lib.sh"
# shellcheck source=scripts/web.sh
. "$root/scripts/web.sh"

rounds=101
case "$*" in
  '') ;;
  --quick) rounds=21 ;;
  *) sed -n '3,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac

export WORKORDER_HOME=${WORKORDER_BENCH_HOME:-$run_dir/bench}/map
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
"$stack" fixture dispatch </dev/null
"$stack" psql -q -At -v ON_ERROR_STOP=1 -v rounds=$rounds -f "$here/sql/map.sql"
