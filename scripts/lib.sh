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
    [ "$name" = PG_CONFIG ] || unset "$name"
  done < <(compgen -e PG)
fi
unset name MAKEFLAGS MAKELEVEL

say() { printf '%s\n' "$*"; }
note() { printf '%s\n' "$*" >&2; }
die() { note "${0##*/}: $*"; exit 1; }

# --- what has to be installed -------------------------------------------------

apt_is_fresh=

# Installs those of the given Debian packages that are missing.
need() {
  local package missing=() admin=()
  for package; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] || admin=(sudo)
  note "installing ${missing[*]}"
  [ -n "$apt_is_fresh" ] || "${admin[@]}" apt-get -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 update >&2
  apt_is_fresh=yes
  "${admin[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
    -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 install "${missing[@]}" </dev/null >&2 ||
    die "apt-get could not install ${missing[*]}"
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

# Prints the pg_config of each PostgreSQL that is here with its development
# files, the newest last.
installed_postgres() {
  local candidate
  for candidate in $(printf '%s\n' /usr/lib/postgresql/*/bin/pg_config | sort -V); do
    if is_complete "$candidate"; then say "$candidate"; fi
  done
}

# Prints the major version that a pg_config belongs to.
major_of() {
  local version
  version=$("$1" --version)
  version=${version#PostgreSQL }
  say "${version%%[!0-9]*}"
}

# Finds PostgreSQL with its development files, or installs Debian's.  Sets
# pg_config and pg_major.  PG_CONFIG in the environment chooses another one.
need_postgres() {
  local candidate admin=() dropin=/etc/postgresql-common/createcluster.d/workorder.conf
  need gcc libc6-dev make perl
  pg_config=${PG_CONFIG:-$(installed_postgres | tail -n 1)}
  if [ -z "$pg_config" ]; then
    # Debian would make and start a cluster of its own with the package.
    # Nobody asked for it, so it is told not to, this once.
    [ "$(id -u)" = 0 ] || admin=(sudo)
    "${admin[@]}" mkdir -p "${dropin%/*}"
    say 'create_main_cluster = false' | "${admin[@]}" tee "$dropin" >/dev/null
    need postgresql
    "${admin[@]}" rm -f "$dropin"
    candidate=$(printf '%s\n' /usr/lib/postgresql/*/bin/postgres | sort -V | tail -n 1)
    pg_config=${candidate%/*}/pg_config
    candidate=${candidate%/bin/*}
    need "postgresql-server-dev-${candidate##*/}"
  fi
  [ -x "$pg_config" ] || die "there is no $pg_config"
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

# Makes $1 our home (sets home) and finds the place for the server's files
# (sets place).  That is the home itself, unless the server's user may not go
# there (a checkout below /root), or the path is too long for a socket or not
# plain enough for make; then it is a directory below /tmp, remembered in the
# home.
settle() {
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
  elif [ ${#home} -le 60 ] && [[ $home =~ ^[A-Za-z0-9/._+-]+$ ]] && as_server test -x "$home"; then
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

# Builds the extension in $home/build and installs it into our copy.  The
# checkout is copied first: it may be read-only or in use by somebody else's
# make, and root must not leave files in it that its owner cannot remove.
# Arguments are variables for make.
# shellcheck disable=SC2120
build_extension() {
  local build=$home/build path
  mkdir -p "$build"
  # (what is built into sql/ stays; what is released, in the rooms below it, comes along)
  (cd "$root" && tar -cf - --no-wildcards-match-slash --exclude='*.o' --exclude='*.so' --exclude='*.bc' --exclude='sql/*--*.sql' \
    Makefile ./*.control src sql test expected) | tar -xf - -C "$build" --no-same-owner
  # What was removed from the checkout must not be built from an older copy.
  find "$build"/{src,sql,test,expected} -type f ! -name '*.o' ! -name '*.bc' -printf '%P\0%H\0' |
    while IFS= read -r -d '' path && IFS= read -r -d '' top; do
      [ -e "$root/${top##*/}/$path" ] || rm -f "$top/$path"
    done
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
  rm -rf "$dir"
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
    for _ in {1..600}; do
      if "$bin/pg_isready" -q -h "$dir/socket" -p 5432 && cluster_pid "$dir" >/dev/null; then
        return 0
      fi
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.1
    done
    # After a crash the old backends need a moment to notice and leave.
    sleep "$try"
  done
  note "PostgreSQL does not start; the end of its log, $dir/log:"
  tail -n 20 "$dir/log" >&2
  return 1
}

# Stops a cluster: politely, then less so.
cluster_stop() {
  local dir=$1 signal pid
  for signal in INT QUIT KILL; do
    pid=$(cluster_pid "$dir") || return 0
    kill -s "$signal" "$pid" 2>/dev/null || true
    for _ in {1..200}; do
      cluster_pid "$dir" >/dev/null || return 0
      sleep 0.05
    done
  done
  die "process $pid of $dir does not stop"
}

# Kills a cluster, the postmaster and all of its children, at once.
cluster_kill() {
  local pid children
  pid=$(cluster_pid "$1")
  mapfile -t children < <(pgrep -P "$pid")
  kill -KILL "$pid" "${children[@]}" 2>/dev/null || true
  for _ in {1..200}; do
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
