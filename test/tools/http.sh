#!/usr/bin/env bash
#
# http.sh http [name]: runs test/http/*.test.mjs against a stack of its own, as
# scripts/stack makes it, on a port that nobody uses; prints TAP.

# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
# shellcheck source=scripts/web.sh
. "$root/scripts/web.sh"

# The client library that people use with PostgREST.
client=@supabase/postgrest-js@2.109.0

export WORKORDER_HOME=${WORKORDER_TEST_HOME:?}/http
WORKORDER_PORT=$(free_port)
# A proxy that is believed; the tests send as it by its address.
export WORKORDER_PROXIES=127.0.0.9
export WORKORDER_PORT WORKORDER_URL=http://127.0.0.1:$WORKORDER_PORT

end() {
  trap '' INT TERM HUP
  "$root/scripts/stack" down >/dev/null 2>&1 || true
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

up() { output=$("$root/scripts/stack" up 2>&1 </dev/null); }
# Somebody may take the port while the stack is built.
if ! up && { WORKORDER_PORT=$(free_port) WORKORDER_URL=http://127.0.0.1:$WORKORDER_PORT; [[ $output != *'listens on port'* ]] || ! up; }; then
  say 'not ok 1 - the stack comes up'
  tail -n 30 <<<"$output" | sed 's/^/# /'
  say '1..1'
  exit
fi
say 'ok 1 - the stack comes up'

packages=$WORKORDER_TEST_HOME/npm
[ -d "$packages/node_modules/${client%@*}" ] || npm_install "$packages" "$client"
export WORKORDER_NODE_MODULES=$packages/node_modules

shopt -s nullglob
n=1
for file in "$root"/test/http/${2:-*}.test.mjs; do
  status=0 bad=0 seen=0
  node --test --test-reporter="$root/test/tools/node_tap.mjs" "$file" >"$WORKORDER_HOME/tap" 2>&1 </dev/null || status=$?
  name=$(basename "$file" .test.mjs)
  while IFS= read -r line; do
    case $line in
      'ok - '*) n=$((n + 1)) seen=1; say "ok $n - $name: ${line#ok - }" ;;
      'not ok - '*) n=$((n + 1)) seen=1 bad=1; say "not ok $n - $name: ${line#not ok - }" ;;
      '#'*) say "$line" ;;
      ?*) say "# $line" ;;
    esac
  done <"$WORKORDER_HOME/tap"
  # A file that breaks off, or has no test, shows here only.
  if [ $seen = 0 ] || { [ $status != 0 ] && [ $bad = 0 ]; }; then
    n=$((n + 1))
    say "not ok $n - $name: runs to its end"
  fi
done
say "1..$n"
