#!/usr/bin/env bash
#
# build.sh build [plain]: compiles and installs the extension as scripts/test uses it, with
# warnings as errors (the Makefile says so), and looks whether what is released
# is left as it was; prints TAP.

# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
# shellcheck source=test/tools/tap.sh
. "$root/test/tools/tap.sh"

# Bash forgets about set -e where a status is asked for; not in a process of
# its own.
in_home() {
  bash -c '. "$1" && look "$2" && find_programs && eval "$3"' - "$root/scripts/lib.sh" "${WORKORDER_TEST_HOME:?}" "$1"
}
ok 'builds and installs without a warning' in_home "build_extension ${2:+with_llvm=no}"
ok 'what is released is what the modules make, or the version is another one' \
  in_home 'make -C "$(build_dir)" -s PG_CONFIG="$bin/pg_config" check-release'
done_testing
