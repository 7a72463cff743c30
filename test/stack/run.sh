#!/usr/bin/env bash
#
# scripts/stack: comes up, stays itself, survives a crash, leaves nothing.

# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
# shellcheck source=scripts/web.sh
. "$root/scripts/web.sh"
# shellcheck source=test/tools/tap.sh
. "$root/test/tools/tap.sh"

stack=$root/scripts/stack
scratch=$(mktemp -d /tmp/workorder-stack.XXXXXX)
# The second home cannot hold a socket: its path is too long and not plain.
first=$scratch/first
second="$scratch/second home, $(printf 'x%.0s' {1..100})"
mkdir "$second"
declare -A port
port[$first]=$(free_port)
port[$second]=$(free_port)
chmod 755 "$scratch"
listener=

end() {
  local home
  trap '' TERM INT HUP
  [ -z "$listener" ] || send_signal TERM "$listener" || true
  for home in "$first" "$second"; do
    WORKORDER_HOME=$home WORKORDER_PORT=${port[$home]} "$stack" down >/dev/null 2>&1 || true
  done
  rm -rf "$scratch"
}
trap end EXIT
trap 'exit 143' TERM INT HUP

# Prints the exit status of a stack verb, and what it says.
run() {
  local home=$1 status=0 output
  shift
  output=$(WORKORDER_HOME=$home WORKORDER_PORT=${port[$home]} "$stack" "$@" 2>&1 </dev/null) || status=$?
  printf '%d %s' "$status" "$output"
}

ask() { run "$1" psql -Atc "$2"; }

# Prints the status of an HTTP answer: <home> <path> [arguments for curl]
fetch() { curl -s -o /dev/null -m 20 -w '%{http_code}' "${@:3}" "http://127.0.0.1:${port[$1]}$2" || true; }

# Processes whose working directory is below the scratch directory or one of
# the places that the homes remember.
left_over() {
  local process where
  for process in /proc/[0-9]*; do
    where=$(readlink "$process/cwd" 2>/dev/null) || continue
    for place; do
      case $where in "$place"/*) say "${process#/proc/} $where" ;; esac
    done
  done
}

# What is said meanwhile: a line for each step, and where the rest of it is if one fails.
mkdir "$scratch/said"
cat >"$scratch/progress" <<'SH'
. "$1"
home=$2
progress 'one step' echo much
progress 'another' sh -c 'echo reasons; exit 3'
SH
steps() { bash "$scratch/progress" "$root/scripts/lib.sh" "$scratch/said"; }
said=$(steps 2>&1) && status=0 || status=$?
like 'a step is a line, and one that fails names its log' "$status $said" \
  "^1 one step \\.\\.\\. [0-9]+ s"$'\n'"another \\.\\.\\. failed; the end of $scratch/said/progress\\.log:"$'\n'
like 'and says how it ended' "$said" $'--- another\nreasons$'
export -f steps
export scratch root
like 'on a terminal in colours' "$(env -u NO_COLOR SHELL=/bin/bash script -qec steps /dev/null </dev/null | tr '\033' '^')" 'one step \.\.\. \^\[32m[0-9]+ s\^\[0m.*another \.\.\. \^\[31mfailed\^\[0m'

is 'a home that does not exist is down' "$(run "$first" status)" '3 down'
is 'asking makes no home' "$(find "$scratch" -name first)" ''
like 'psql needs the stack' "$(ask "$first" 'SELECT 1')" '^1 .*not up'

like 'comes up' "$(run "$first" up)" '^0 .*up: database workorder'
like 'says so' "$(run "$first" status)" '^0 up: database workorder'
like 'and where' "$(run "$first" status)" "http://127.0.0.1:${port[$first]}/"
is 'HTTP answers' "$(fetch "$first" /rest/)" 200
is 'the APIs do, too' "$(fetch "$first" /api/v1/afterservice/orders)" 401
like 'up again changes nothing' "$(run "$first" up)" '^0 already up'
is 'psql is the superuser in the database that is served' \
  "$(ask "$first" "SELECT current_database(), rolsuper FROM pg_roles WHERE rolname = current_user")" '0 workorder|t'
is 'psql passes its arguments and its exit status on' \
  "$(run "$first" psql -v ON_ERROR_STOP=1 -Atc 'SELECT 1/0')" '1 ERROR:  division by zero'
is 'the engine and every add-on is installed' \
  "$(ask "$first" "SELECT count(*) FROM pg_available_extensions WHERE name LIKE 'workorder%' AND installed_version IS NULL")" '0 0'
is 'the server does not listen on the network' "$(ask "$first" 'SHOW listen_addresses')" '0 '
is 'the library is preloaded' "$(ask "$first" 'SHOW shared_preload_libraries')" '0 workorder'

pid=$(head -n 1 "$first/cluster/data/postmaster.pid")
ok 'the server does not run as root' test "$(stat -c %u "/proc/$pid")" != 0
for name in nginx postgrest; do
  ok "nor does $name" test "$(stat -c %u "/proc/$(cat "$first/web/$name.pid")")" != 0
done
is 'nobody else may read the key' "$(stat -c %a "$first/web/jwt")" 600
port[$second]=${port[$first]}
like 'a port that is taken is refused' "$(run "$second" up)" "^1 .*port ${port[$first]} already"
is 'and leaves the one who has it alone' "$(fetch "$first" /rest/)" 200

# The usual port is taken, by whoever has it or by us.
perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1:8080") or exit; sleep 3000' &
listener=$!
port[$second]=
like 'a second home whose path is long and has blanks comes up beside it' "$(run "$second" up)" '^0 .*up: database workorder'
other=$(cat "$second/place")
port[$second]=$(cat "$other/web/port")
ok 'where nobody said which port, on the next one that is free' test "${port[$second]}" -gt 8080
send_signal TERM "$listener" || true
is 'and answers on its own port' "$(fetch "$second" /rest/)" 200
is 'and is another server' \
  "$(ask "$second" "SELECT current_setting('data_directory') = '$first/cluster/data'")" '0 f'

send_signal KILL "$(cat "$first/web/postgrest.pid")" "$first"
for _ in {1..900}; do
  [ "$(run "$first" status | head -c 6)" = '3 half' ] && break
  sleep 0.1
done
like 'without PostgREST it is half up' "$(run "$first" status)" '^3 half up'
like 'and up brings it back' "$(run "$first" up)" '^0 .*up: database workorder'
is 'so that it answers' "$(fetch "$first" /rest/)" 200

ask "$first" 'CREATE TABLE public.kept AS SELECT 1 AS one' >/dev/null
send_signal KILL "$pid" "$first"
for _ in {1..900}; do
  [ "$(run "$first" status)" = '3 down' ] && break
  sleep 0.1
done
is 'a killed server is down' "$(run "$first" status)" '3 down'
is 'and HTTP says so in JSON' "$(curl -s "http://127.0.0.1:${port[$first]}/api/v1/afterservice/orders" |
  sed 's/50[234]/50x/')" '{"status":50x,"message":"service unavailable","data":[]}'
like 'and comes up again' "$(run "$first" up)" '^0 .*up: database workorder'
is 'with HTTP' "$(fetch "$first" /api/v1/afterservice/orders -H "Authorization: Bearer $(
  WORKORDER_HOME=$first "$stack" fixture afterservice && WORKORDER_HOME=$first "$stack" token afterservice CR)")" 200
is 'with its data' "$(ask "$first" 'SELECT one FROM public.kept')" '0 1'

# By the names that they had before, too.
for system in active_job afterservice call_center cloud_support dispatch active-job workorder-v3 ticket-v1 luci-ticket; do
  like "fixture $system loads" "$(run "$first" fixture "$system")" '^0 $'
  started=$(date +%s%N)
  like "fixture $system loads again" "$(run "$first" fixture "$system")" '^0 $'
  diag "in $((($(date +%s%N) - started) / 1000000)) ms"
done
like 'an unknown system is refused' "$(run "$first" fixture nonsense)" '^1 .*unknown system'
like 'an unknown verb is refused' "$(run "$first" sideways)" '^2 '

like 'goes down' "$(run "$first" down)" '^0 down'
like 'and the second one too' "$(run "$second" down)" '^0 down'
like 'down again changes nothing' "$(run "$first" down)" '^0 down'
is 'no process is left' "$(left_over "$scratch" "$other")" ''
like 'nothing but the build and what was fetched is left' "$(find "$first" "$second" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort -u | tr '\n' ' ')" \
  '^build lock (nginx )?npm progress\.log $'
ok 'nothing is left below /tmp' test ! -e "$other"

done_testing
