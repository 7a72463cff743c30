# shellcheck shell=bash
#
# What scripts/ and test/tools/ share: installing what is missing, building the
# extension, and running clusters of our own.  Source it; it only sets
# variables and defines functions.
#
# Nothing here touches the PostgreSQL of the machine.  The server's programs
# and files are copied to a place of our own (PostgreSQL finds its files
# relative to its programs, so a copy is a complete second installation), the
# extension is installed into that copy, and clusters listen on a private
# socket only.  Two checkouts, or a checkout and a user's server, never meet.

set -euo pipefail
umask 022

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

# Settings that were meant for another server must not reach ours.  (A test's
# cluster is ours: test/tools/cluster.sh has set them.)
if [ -z "${WORKORDER_TEST_CLUSTER:-}" ]; then
  while read -r name; do
    [[ $name =~ ^PG_(CONFIG|SUPPORTED_VERSIONS)$ ]] || unset "$name"
  done < <(compgen -e PG)
fi
unset name MAKEFLAGS MAKELEVEL

say() { printf '%s\n' "$*"; }
note() { printf '%s\n' "$*" >&2; }
die() { note "${0##*/}: $*"; exit 1; }

# What the scripts make goes here unless the environment says otherwise.  A checkout
# that is not ours to write in gets a directory below /var/tmp.
run_dir=$root/.run
if [ ! -w "$root" ]; then
  run_dir=$(printf %s "$root" | cksum)
  run_dir=/var/tmp/workorder-$(id -u)-${run_dir%% *}
fi

# --- what is said meanwhile ---------------------------------------------------

# Sets bold, dim, red, green and plain, for what goes to a terminal: <file descriptor>
set_colours() {
  bold='' dim='' red='' green='' plain=''
  if [ -t "$1" ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
  fi
}
set_colours 2

# Prints a number of seconds as people say it.
duration() {
  if [ "$1" -lt 60 ]; then say "$1 s"; else say "$(($1 / 60)) min $(($1 % 60)) s"; fi
}

# Runs a command that takes a while, in a process of its own, and says so in one
# line: <what> <command...>.  What the command prints goes to a log, which is
# named if the command fails.
progress() {
  local what=$1 started=$SECONDS log status
  shift
  if [ -n "${home:-}" ] && [ -w "$home" ]; then log=$home/progress.log; else log=$(mktemp /tmp/workorder-log.XXXXXX); fi
  printf '%s ... ' "$what" >&2
  printf -- '--- %s\n' "$what" >>"$log"
  # (set -e would be off in the process if its status were asked for)
  set +e
  (set -e; "$@") </dev/null >>"$log" 2>&1
  status=$?
  set -e
  if [ $status != 0 ]; then
    note "${red}failed$plain; the end of $log:"
    tail -n 15 "$log" >&2
    exit 1
  fi
  note "$green$(duration $((SECONDS - started)))$plain"
  [[ $log != /tmp/* ]] || [ "$log" = "${home:-}/progress.log" ] || rm -f "$log"
}

# --- processes ----------------------------------------------------------------

# Sends a signal to a process: <signal> <pid> [directory].  The process works in
# the directory or below it, or is a job of this very shell if none is given.
# Nothing else is ever sent one: 0 would be our own process group, -1 everybody,
# and a number that was remembered may belong to somebody else by now.
send_signal() {
  local pid=${2:-}
  [[ $pid =~ ^[1-9][0-9]*$ ]] && [ "$pid" -gt 1 ] || { note "no process to send $1 to: '$pid'"; return 1; }
  if [ -n "${3:-}" ]; then
    case $(readlink "/proc/$pid/cwd" 2>/dev/null)/ in
      "$3"/*) ;;
      *) return 1 ;;
    esac
  else
    [ "$(awk '/^PPid:/ {print $2}' "/proc/$pid/status" 2>/dev/null)" = "$BASHPID" ] || return 1
  fi
  kill -s "$1" "$pid" 2>/dev/null
}

# --- what has to be installed -------------------------------------------------

# The PostgreSQL majors that there is code for.
read -r oldest_major newest_major < <(sed -n 's/^#error "workorder supports PostgreSQL \([0-9]*\) to \([0-9]*\)"/\1 \2/p' "$root/src/utils/compat.h")

apt_is_fresh=

# Runs a command as root.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 \
  -o Dpkg::Use-Pty=0 ${apt_path:+-o "DPkg::Path=$apt_path:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"} "$@"; }

# Reads the lists of packages, once.
apt_update() {
  [ -z "$apt_is_fresh" ] || return 0
  progress 'reading the lists of packages' apt update
  apt_is_fresh=yes
}

# Finds out from where the given packages can be installed without taking away more than
# libraries that are replaced: as apt prefers it, or else from one of the suites that it knows besides.  (A server of a later
# Debian has brought its libraries, and what is built on them has to come from there, too.)
# Sets apt_from, words for apt-get and apt-cache, and apt_plan, what apt would do.
find_suite() {
  local suite
  apt_from=()
  ! may_install "$@" || return 0
  # shellcheck disable=SC2016
  for suite in $(apt-get indextargets --format '$(RELEASE)' 'Created-By: Packages' | sort -u); do
    apt_from=(-o "APT::Default-Release=$suite")
    ! may_install "$@" || return 0
  done
  apt_from=(-o APT::Get::Remove=false)
}
may_install() {
  local removed
  apt_plan=$(apt-get -qq -s --no-install-recommends "${apt_from[@]}" install "$@" 2>/dev/null) || return 1
  mapfile -t removed < <(sed -n 's/^Remv \([^ ]*\).*/\1/p' <<<"$apt_plan")
  [ ${#removed[@]} = 0 ] || [ -z "$(dpkg-query -W -f '${Section}\n' "${removed[@]}" | grep -vxE '(.*/)?(old)?libs')" ]
}

# Installs those of the given Debian packages that are missing.
need() {
  local package missing=()
  for package; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  # A password is asked for before anything else is on the line.
  if [ "$(id -u)" != 0 ] && ! sudo true; then
    die "${missing[*]} missing: only root, or somebody with sudo, can install packages"
  fi
  apt_update
  find_suite "${missing[@]}"
  progress "installing ${missing[*]}" apt -y --no-install-recommends "${apt_from[@]}" install "${missing[@]}"
}

# Debian's package of the server would make a cluster of its own and start it,
# which nobody asked for.  It finds programs by its path, and here two that do nothing.
need_server() {
  local apt_path program
  apt_path=$(mktemp -d /tmp/workorder-path.XXXXXX)
  for program in pg_createcluster invoke-rc.d; do
    printf '#!/bin/sh\nexit 0\n' >"$apt_path/$program"
    chmod 755 "$apt_path/$program"
  done
  chmod 755 "$apt_path"
  # (in a process of its own: need() ends it if it cannot)
  (trap 'rm -rf "$apt_path"' EXIT; need "$@") || exit 1
}

need_npm() { command -v npm >/dev/null || need nodejs npm; }

# Installs packages from npm into a directory of ours: <directory> <packages...>
# Nobody who takes a package from npm has to run the scripts in it.
npm_install() {
  need_npm
  mkdir -p "$1"
  say '{"private": true}' >"$1/package.json"
  progress "installing ${*:2}" npm install --prefix "$1" --cache "$1/cache" --ignore-scripts --no-audit --no-fund \
    --no-update-notifier --loglevel=error "${@:2}"
  rm -rf "$1/cache"
}

# Succeeds if all that will be used of the PostgreSQL of a pg_config is there.
is_complete() {
  local bin pgxs program
  bin=$("$1" --bindir 2>/dev/null) && pgxs=$("$1" --pgxs) || return 1
  for program in postgres initdb pg_ctl psql pg_dump; do
    [ -x "$bin/$program" ] || return 1
  done
  [ -e "$pgxs" ] && [ -e "$("$1" --includedir-server)/postgres.h" ] && [ -x "${pgxs%/makefiles/*}/test/regress/pg_regress" ] &&
    [ -x "${pgxs%/makefiles/*}/test/isolation/pg_isolation_regress" ]
}

# Prints the majors of which a program of the server is here, the newest first.
installed_majors() {
  local program major
  for program in $(printf '%s\n' /usr/lib/postgresql/*/bin/"$1" | sort -rV); do
    major=${program#/usr/lib/postgresql/}
    major=${major%%/*}
    [[ $major =~ ^[0-9]+$ ]] || continue
    if [ "$major" -ge "$oldest_major" ] && [ "$major" -le "$newest_major" ]; then say "$major"; fi
  done
}

# Prints the pg_config of each PostgreSQL that is here with its development
# files, the newest first.
installed_postgres() {
  local major
  for major in $(installed_majors pg_config); do
    if is_complete "/usr/lib/postgresql/$major/bin/pg_config"; then say "/usr/lib/postgresql/$major/bin/pg_config"; fi
  done
}

# Prints the major version that a pg_config belongs to.
major_of() {
  local version
  version=$("$1" --version)
  version=${version#PostgreSQL }
  say "${version%%[!0-9]*}"
}

# Prints the major whose packages complete what is here: the newest server that
# is here and has them, or else Debian's own.
major_to_install() {
  local major
  for major in $(installed_majors postgres) $(apt-cache depends postgresql 2>/dev/null | sed -n 's/.*Depends: postgresql-\([0-9]*\)$/\1/p'); do
    if [ -n "$(apt-cache show "postgresql-server-dev-$major" 2>/dev/null)" ]; then
      say "$major"
      return
    fi
  done
  die 'apt knows no package of PostgreSQL with its development files'
}

# Finds PostgreSQL with its development files, or installs Debian's.  Sets
# pg_config and pg_major.  PG_CONFIG in the environment chooses another one.
need_postgres() {
  local major
  need gcc libc6-dev make perl
  pg_config=${PG_CONFIG:-$(installed_postgres | sed -n 1p)}
  if [ -z "$pg_config" ]; then
    apt_update
    major=$(major_to_install)
    need_server "postgresql-$major" "postgresql-server-dev-$major"
    pg_config=/usr/lib/postgresql/$major/bin/pg_config
  fi
  is_complete "$pg_config" || die "$pg_config does not belong to a PostgreSQL with its development files and test programs"
  pg_major=$(major_of "$pg_config")
}

# --- where things are ---------------------------------------------------------

# PostgreSQL refuses to run as root; root lends it the packaged user.  Sets
# lend, the words to put before a command.
find_server_user() {
  local user=nobody
  lend=()
  [ "$(id -u)" = 0 ] || return 0
  ! id -u postgres >/dev/null 2>&1 || user=postgres
  lend=(setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups --)
}

# Runs a command as the server's user, in a directory that user may be in.
as_server() { (cd / && exec "${lend[@]}" "$@"); }

# Makes $1 our home (sets home), a directory that is ours, and finds the place for the server's files
# (sets place).  That is the home itself, unless the server's user may not go
# there (a checkout below /root), or the path is too long for a socket or not
# plain enough for make; then it is a directory below /tmp, remembered in the
# home.
settle() {
  if [ "$run_dir" != "$root/.run" ] && [[ $1/ == "$run_dir"/* ]]; then
    # Everybody may write to /var/tmp.
    mkdir -p "$run_dir"
    { [ -O "$run_dir" ] && [ ! -L "$run_dir" ]; } || die "$run_dir belongs to somebody else"
  fi
  mkdir -p "$1"
  look "$1"
  # Somebody ran this with sudo before, say.
  if [ ! -w "$home" ] || { [ -e "$home/build" ] && [ ! -w "$home/build" ]; }; then
    die "$home belongs to somebody else; remove it first"
  fi
  if [ -z "$place" ]; then
    place=$(mktemp -d /tmp/workorder.XXXXXX)
    chmod 711 "$place"
    say "$home" >"$place/home"
    say "$place" >"$home/place"
    pg=$place/pg
  fi
}

# Finds the place that settle() has chosen or would choose; the empty word if
# it would have to make one.  A home that was copied along with its checkout
# does not own the place that it remembers.
look() {
  find_server_user
  home=$(cd "$1" 2>/dev/null && pwd -P) || home=$1
  if [ -e "$home/place" ]; then
    place=$(cat "$home/place")
    [ "$(cat "$place/home" 2>/dev/null)" = "$home" ] || place=
  elif [ ${#home} -le 60 ] && is_plain "$home" && as_server test -x "$home"; then
    place=$home
  else
    place=
  fi
  pg=$place/pg
}

# Removes what settle() made outside of the home.
unsettle() {
  [ "$place" = "$home" ] || rm -rf "$place" "$home/place"
}

# Prints where the extension is built: in the home, so that the next build begins
# where this one ended, unless its path is not plain enough for make.
build_dir() {
  if is_plain "$home"; then say "$home/build"; else say "$pg-build"; fi
}
is_plain() { [[ $1 =~ ^[A-Za-z0-9/._+-]+$ ]]; }

# Lets one script at a time work in the home.  The lock is file descriptor 9;
# whatever outlives the script is started without it.
lock_home() {
  exec 9>"$home/lock"
  flock -w "$1" 9 || die "another ${0##*/} is at work in $home"
}

# --- building -----------------------------------------------------------------

# Copies the installed PostgreSQL to our place (sets bin, its programs).  Every
# directory keeps its whole path below $pg, so each still finds the others.
copy_postgres() {
  local kind path
  rm -rf "$pg"
  for kind in bindir pkglibdir sharedir; do
    path=$("$pg_config" --$kind)
    mkdir -p "$pg${path%/*}"
    cp -a "$path" "$pg${path%/*}"
  done
  # The headers are copied, too: a link into the machine's own folders is a way
  # to write into them.
  for kind in includedir pkgincludedir includedir-server; do
    path=$("$pg_config" --$kind)
    [ ! -e "$pg$path" ] || continue
    mkdir -p "$pg${path%/*}"
    if [ $kind = includedir ]; then mkdir -p "$pg$path"; else cp -a "$path" "$pg$path"; fi
  done
  find_programs
}

find_programs() {
  bin=$(find "$pg" -path '*/bin/postgres' -print -quit 2>/dev/null || true)
  bin=${bin%/postgres}
}

# Builds the extension in build_dir and installs it into our copy.  The
# checkout is copied first: it may be read-only or in use by somebody else's
# make, and root must not leave files in it that its owner cannot remove.
# Arguments are variables for make.
# shellcheck disable=SC2120
build_extension() {
  local build path
  build=$(build_dir)
  mkdir -p "$build"
  # (what is built into sql/ stays; what is released, in the rooms below it, comes along)
  (cd "$root" && tar -cf - --no-wildcards-match-slash --exclude='*.o' --exclude='*.so' --exclude='*.bc' --exclude='sql/*--*.sql' \
    Makefile ./*.control src sql test expected) | tar -xf - -C "$build" --no-same-owner
  # What was removed from the checkout must not be built from an older copy.
  find "$build"/{src,sql,test,expected} -type f ! -name '*.o' ! -name '*.bc' -printf '%P\0%H\0' |
    while IFS= read -r -d '' path && IFS= read -r -d '' top; do
      [ -e "$root/${top##*/}/$path" ] || rm -f "$top/$path"
    done
  # Nor must what was compiled for another PostgreSQL, or in another way, be taken for this one's.
  # (objects are the same with LLVM's bitcode beside them and without)
  path="$("$bin/pg_config" --version) ${*/#with_llvm=no/}"
  if [ "$(cat "$build/built-for" 2>/dev/null)" != "$path" ]; then
    find "$build" \( -name '*.o' -o -name '*.bc' -o -name '*.so' \) -delete
    say "$path" >"$build/built-for"
  fi
  make -C "$build" -s -j "$(nproc)" PG_CONFIG="$bin/pg_config" WERROR=-Werror "$@" all
  make -C "$build" -s PG_CONFIG="$bin/pg_config" "$@" install >/dev/null
}

# --- clusters -----------------------------------------------------------------
# A cluster is a directory with data, socket and log in it.  Its name is $1.

# Prints the postmaster's process id, if it runs.  A process counts only if it
# works in our data directory: the id in a left-over file may belong to
# somebody else by now, and where process 1 reaps nobody, a killed postmaster
# stays in the process table for ever.
cluster_pid() {
  local pid
  pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null) || return 1
  [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$1/data" ] || return 1
  say "$pid"
}

# Makes an empty cluster; further arguments are lines for postgresql.conf.
# fsync is off because whatever is in here can be made again.
cluster_create() {
  local dir=$1
  shift
  rm -rf --one-file-system "$dir"
  install -d -m 700 -o "$(as_server id -u)" "$dir"
  as_server "$bin/initdb" -D "$dir/data" -U postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 \
    --no-sync --no-instructions >/dev/null
  as_server mkdir "$dir/socket"
  printf '%s\n' "listen_addresses = ''" 'port = 5432' \
    'fsync = off' 'full_page_writes = off' "shared_preload_libraries = 'workorder'" \
    "timezone = 'UTC'" "log_timezone = 'UTC'" "log_line_prefix = '%m [%p] %q%u@%d '" "$@" |
    as_server tee -a "$dir/data/postgresql.conf" >/dev/null
}

# Starts a cluster and waits until it answers.  The postmaster gets a session
# of its own, so that a Ctrl-C in the terminal is ours alone to deal with.
cluster_start() {
  local dir=$1 pid try
  for try in 1 2 3 4 5; do
    cluster_pid "$dir" >/dev/null || rm -f "$dir/data/postmaster.pid"
    as_server touch "$dir/log"
    (cd / && exec "${lend[@]}" setsid "$bin/postgres" -D "$dir/data" -k "$dir/socket") </dev/null >>"$dir/log" 2>&1 9>&- &
    pid=$!
    disown "$pid"
    for _ in {1..1800}; do
      if "$bin/pg_isready" -q -h "$dir/socket" -p 5432 && cluster_pid "$dir" >/dev/null; then
        return 0
      fi
      [ -e "/proc/$pid" ] || break
      sleep 0.1
    done
    # After a crash the old backends need a moment to notice and leave.
    sleep "$try"
  done
  note "PostgreSQL does not start; the end of its log, $dir/log:"
  tail -n 20 "$dir/log" >&2
  return 1
}

# Stops a cluster: politely, and after a minute, which is time enough on a busy
# machine, too, less so.
cluster_stop() {
  local dir=$1 signal pid
  for signal in INT QUIT KILL; do
    pid=$(cluster_pid "$dir") || return 0
    send_signal "$signal" "$pid" "$dir" || true
    for _ in {1..1200}; do
      cluster_pid "$dir" >/dev/null || return 0
      sleep 0.05
    done
  done
  die "process $pid of $dir does not stop"
}

# Kills a cluster, the postmaster and all of its children, at once.
cluster_kill() {
  local pid child children
  pid=$(cluster_pid "$1") || return 0
  mapfile -t children < <(pgrep -P "$pid")
  for child in "$pid" "${children[@]}"; do
    send_signal KILL "$child" "$1" || true
  done
  for _ in {1..3000}; do
    cluster_pid "$1" >/dev/null || break
    sleep 0.02
  done
}

# Runs psql as the superuser of a cluster: <dir> <arguments>
cluster_psql() {
  local dir=$1
  shift
  "$bin/psql" -X -q -v ON_ERROR_STOP=1 -h "$dir/socket" -p 5432 -U postgres "$@"
}

# Installs the engine and every add-on that was built into a database.
install_workorder() {
  cluster_psql "$1" -d "$2" -At -o /dev/null -f "$root/scripts/install.sql"
}
