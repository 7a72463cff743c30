#!/usr/bin/env bash
#
# build.sh: compiles and installs the extension as scripts/test uses it, with
# warnings as errors (the Makefile says so); prints TAP.

# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

# Bash forgets about set -e where a status is asked for; not in a process of
# its own.
if output=$(bash -c '. "$1" && look "$2" && find_programs && build_extension' - \
  "$root/scripts/lib.sh" "${WORKORDER_TEST_HOME:?}" 2>&1); then
  say 'ok 1 - builds and installs without a warning'
else
  say 'not ok 1 - builds and installs without a warning'
  tail -n 80 <<<"$output" | sed 's/^/# /'
fi
say '1..1'
