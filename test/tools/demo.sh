#!/usr/bin/env bash
#
# demo.sh: scripts/demo is a promise of the README, so it is a test; prints TAP.

# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
# shellcheck source=scripts/web.sh
. "$root/scripts/web.sh"

if output=$(WORKORDER_HOME="${WORKORDER_TEST_HOME:?}/demo" WORKORDER_PORT=$(free_port) "$root/scripts/demo" --once 2>&1); then
  say 'ok 1 - scripts/demo --once'
else
  say 'not ok 1 - scripts/demo --once'
  tail -n 30 <<<"$output" | sed 's/^/# /'
fi
say '1..1'
