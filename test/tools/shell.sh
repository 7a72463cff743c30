#!/usr/bin/env bash
#
# shell.sh <kind> [name]: runs test/<kind>/run.sh, which prints TAP, on a
# throwaway cluster of its own.

# shellcheck source=test/tools/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh" "$1"

cd "$root"
bash "test/$1/run.sh" "${@:2}"
