# shellcheck shell=bash
#
# TAP (Test Anything Protocol) for the test kinds that are shell scripts.
# Source it, call ok, is or like, and end with done_testing.

tap_count=0

# ok <name> <command...>: passes if the command succeeds; shows its output if
# not.  It is in $tap_output until the next one.
ok() {
  local name=$1
  shift
  tap_count=$((tap_count + 1))
  if tap_output=$("$@" 2>&1); then
    printf 'ok %d - %s\n' "$tap_count" "$name"
  else
    printf 'not ok %d - %s\n' "$tap_count" "$name"
    diag "$*" "$tap_output"
  fi
}

# is <name> <got> <wanted>
is() {
  tap_count=$((tap_count + 1))
  if [ "$2" = "$3" ]; then
    printf 'ok %d - %s\n' "$tap_count" "$1"
  else
    printf 'not ok %d - %s\n' "$tap_count" "$1"
    diag "got:    $2" "wanted: $3"
  fi
}

# like <name> <got> <extended regular expression>
like() {
  tap_count=$((tap_count + 1))
  if [[ $2 =~ $3 ]]; then
    printf 'ok %d - %s\n' "$tap_count" "$1"
  else
    printf 'not ok %d - %s\n' "$tap_count" "$1"
    diag "got:         $2" "should match: $3"
  fi
}

# not_run <what>: <why>   tells of what this machine cannot run.  scripts/test counts it as
# neither passed nor failed, and repeats it at its end.
not_run() { printf 'not run - %s\n' "$*"; }

diag() { printf '%s\n' "$@" | sed 's/^/# /'; }

# The plan comes last, so that a script which stops half-way has none.
done_testing() { printf '1..%d\n' "$tap_count"; }
