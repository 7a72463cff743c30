#!/usr/bin/env bash
#
# run.sh [case]: the two commands of README.md on machines that have next to
# nothing, or something of their own: Debian in a directory (test/tools/debian.sh),
# one per case below.  Both commands have to work, and what they have changed but
# their run directory and what came by packages is listed: nothing.  Three cases,
# with --long all.  Prints TAP.

# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
# shellcheck source=test/tools/tap.sh
. "$root/test/tools/tap.sh"
# shellcheck source=test/tools/debian.sh
. "$root/test/tools/debian.sh"

# (not named after the kind, whose cluster that is: it is removed with all that is in it)
home=${WORKORDER_TEST_HOME:?is set by scripts/test}/debian
kinds=regress/identity,pgtap/lint
cases=(nothing server sudo)
[ -z "${WORKORDER_TEST_LONG:-}" ] || cases+=(trixie port locale blank readonly)
[ -z "${1:-}" ] || cases=("$1")
mkdir -p "$home/archives"
dir=$home/machine
listener=

if ! debian_may "$home/try"; then
  not_run "a bare Debian: $debian_why"
  done_testing
  exit
fi

forget() {
  [ -z "$listener" ] || send_signal TERM "$listener" || true
  listener=
  debian_leave "$dir"
  ! mountpoint -q "$dir" || as_root umount -l "$dir"
  as_root rm -rf --one-file-system "$dir"
}
trap 'trap "" INT TERM HUP; forget' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

quietly() { inside "$dir" DEBIAN_FRONTEND=noninteractive "$@" </dev/null >>"$home/prepare.log" 2>&1; }
# (what is there beforehand is not started by its package, either)
bring() {
  printf '#!/bin/sh\nexit 101\n' | put "$dir" /usr/sbin/policy-rc.d
  quietly chmod 755 /usr/sbin/policy-rc.d && quietly apt-get -qq update &&
    quietly apt-get -qq -y --no-install-recommends -o Acquire::Retries=3 install "$@" && quietly rm /usr/sbin/policy-rc.d
}

# --- what is there, and what has changed --------------------------------------

# Prints what is in the machine, a line each: path, kind, rights, owner, what it
# leads to or holds.  (Packages are many: of what is below /usr only the size.)
listing() {
  # shellcheck disable=SC2016
  inside "$dir" run="$run" sh -c '
    find / -xdev \( -path /proc -o -path /dev -o -path /sys -o -path /usr -o -path "$run" \) -prune -o \
      -printf "%p\t%y %m %u:%g %l\n" -type f -printf "%p\t%s " -exec md5sum {} \;
    find /usr -xdev -printf "%p\t%y %m %u:%g %l\n" -type f -printf "%p\t%s\n"' | LC_ALL=C sort
}

# What packages may change: what is theirs, what their installation scripts keep
# (accounts, links of alternatives, caches, services, certificates), dpkg and apt.
by_packages='^/(etc/(passwd|group|g?shadow|subuid|subgid)-?|etc/ld\.so\.cache|etc/alternatives/[^/]*|etc/rc[0-9S]\.d/.*|etc/systemd/system/.*\.wants(/.*)?|etc/ssl/(certs|private)(/.*)?
|etc/(ca-certificates\.conf|default/locale|locale\.gen|hosts|networks|inputrc|python3(/.*)?)|usr/local/lib/python3[.0-9]*(/dist-packages)?|etc/(init\.d/\.depend\.[a-z]*|shells|\.pwd\.lock)|etc/postgresql-common/(createcluster\.conf|root\.crt)|etc/apt/apt\.conf\.d/02autoremove-postgresql
|usr/.*/__pycache__(/.*)?|usr/share/(info/dir|mime/.*|glib-2\.0/schemas/.*)|usr/lib/.*/(gconv-modules\.cache|giomodule\.cache)|usr/local/share/ca-certificates
|var/(cache|lib/(dpkg|apt|ucf|pam|systemd|python))(/.*)?|var/log/(dpkg\.log|alternatives\.log|fontconfig\.log|apt(/.*)?|postgresql)|var/lib/postgresql|run/(postgresql|lock(/.*)?|adduser)|tmp)$'
by_packages=${by_packages//$'\n'/}

# A server at work writes its own files; its data is compared in SQL.
by_packages+='|^/var/lib/postgresql/15/main/(base|global|pg_[a-z]+)/'

# Prints what belongs to packages.
packaged() {
  as_root cat "$dir"/var/lib/dpkg/info/*.list "$dir/var/lib/dpkg/diversions" | sed -E 's#^/(bin|sbin|lib|lib64)/#/usr/\1/#' | LC_ALL=C sort -u
}

# Prints the paths that differ between two listings and are no package's, nor were.
changed() {
  packaged | LC_ALL=C sort -u - "$home/packaged.before" >"$home/packaged"
  LC_ALL=C comm -3 --nocheck-order <(LC_ALL=C sort -u "$1") <(LC_ALL=C sort -u "$2") | sed 's/^\t//' |
    # alternatives are links into /etc/alternatives wherever they stand
    grep -vP '^[^\t]*\tl 777 root:root /etc/alternatives/' | cut -f1 | LC_ALL=C sort -u |
    LC_ALL=C comm -23 - "$home/packaged" | grep -vE "$by_packages" || true
}

# --- one machine --------------------------------------------------------------

# As somebody, in the checkout, with a login's environment: <command>
as_user() {
  inside "$dir" runuser -u "$user" -- env HOME="$user_home" USER="$user" LOGNAME="$user" "${words[@]}" sh -c "cd '$checkout' && $1" </dev/null 2>&1
}

# Runs a command of README.md: <command> [more words]
readme() {
  local command
  command=$(sed -n "s|^\(scripts/$1\) .*|\1|p" "$root/README.md" | sed -n 1p)
  if as_user "$command ${2:-}" >"$home/out"; then cp "$home/out" "$home/out.$1"; else tail -n 40 "$home/out"; return 1; fi
}

machine() {
  local name=$1 url
  user=root user_home=/root checkout=/root/workorder words=()
  forget
  # In memory, if there is enough: dpkg waits for the disk several times for each of some 700 packages.
  as_root mkdir -p "$dir"
  [ "$(awk '/^MemAvailable:/ {print int($2 / 1048576)}' /proc/meminfo)" -lt 8 ] || as_root mount -t tmpfs -o mode=755 tmpfs "$dir"
  as_root cp -a --reflink=auto "$home/debian/." "$dir"
  debian_mount "$dir" || { ok "$name: a machine" false; return; }
  as_root mount --bind "$home/archives" "$dir/var/cache/apt/archives"
  : >"$home/prepare.log"
  if ! prepare "$name"; then
    ok "$name: a machine" false
    diag "$(tail -n 20 "$home/prepare.log")"
    return
  fi
  tar -C "$root" -cf - --no-wildcards-match-slash --exclude=.git --exclude=.run --exclude='*.o' --exclude='*.bc' --exclude='*.so' --exclude='./sql/*--*.sql' . |
    inside "$dir" sh -c "mkdir -p '$checkout' && tar -xf - -C '$checkout' --no-same-owner && chown -R '$user:' '$checkout'"
  run=$checkout/.run
  if [ "$name" = readonly ]; then
    as_root mount --bind "$dir$checkout" "$dir$checkout"
    as_root mount -o remount,bind,ro "$dir$checkout"
    run=/var/tmp/workorder-0-$(printf %s "$checkout" | cksum | cut -d' ' -f1)
  fi
  listing >"$home/before"
  packaged >"$home/packaged.before"
  ok "$name: scripts/demo" readme demo
  like "$name: the demo says how long it took" "$(tail -n 12 "$home/out")" 'It took [0-9]+'
  url=$(sed -n 's|^ *\(http://127[^/]*\)/.*|\1|p' "$home/out" | sed -n 1p)
  is "$name: it serves" "$(inside "$dir" curl -s -o /dev/null -w '%{http_code}' "$url/rest/")" 200
  ok "$name: scripts/stack down" as_user 'scripts/stack down'
  ok "$name: scripts/test" readme test "$kinds"
  like "$name: the tests pass" "$(tail -n 1 "$home/out")" '^[1-9][0-9]* passed, 0 failed$'
  listing >"$home/after"
  is "$name: nothing else is changed" "$(changed "$home/before" "$home/after" | head -n 40)" ''
  is "$name: nothing runs that did not before" "$(debian_processes "$dir" | wc -l)" "$running"
  verify "$name"
}

# What is there before, and who works.
running=0
prepare() {
  running=0
  case $1 in
    nothing | readonly) ;;
    server)
      # somebody's own server, with data in it (without TCP: the network is not the machine's own)
      bring postgresql libpq-dev || return 1
      printf '%s\n' 'port = 5432' "listen_addresses = ''" | put "$dir" /etc/postgresql/15/main/conf.d/local.conf
      quietly pg_ctlcluster 15 main start && own_sql 'CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n' &&
        own_server >"$home/own" && running=$(debian_processes "$dir" | wc -l)
      ;;
    sudo | blank)
      user=ann user_home='/home/ann'
      [ "$1" = sudo ] || user_home='/home/ann smith'
      checkout=$user_home/workorder
      bring sudo && quietly useradd -m -d "$user_home" -s /bin/bash ann &&
        say 'ann ALL=(ALL) NOPASSWD: ALL' | put "$dir" /etc/sudoers.d/ann
      ;;
    trixie)
      say "deb $(debian_mirror) trixie main" | put "$dir" /etc/apt/sources.list.d/trixie.list
      printf '%s\n' 'Package: *' 'Pin: release n=trixie' 'Pin-Priority: 100' | put "$dir" /etc/apt/preferences.d/trixie
      bring -t trixie postgresql-17
      ;;
    port)
      perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1:8080") or exit; sleep 3000' &
      listener=$!
      ;;
    locale) words=(LC_ALL=POSIX LANG=) ;;
    *) die "unknown case $1" ;;
  esac
}

own_sql() { inside "$dir" runuser -u postgres -- psql -X -q -At -c "$1" </dev/null; }
own_server() {
  own_sql 'SELECT sum(n), (SELECT pg_postmaster_start_time()) FROM kept'
  inside "$dir" pg_lsclusters
}

# What a case has to show besides.
verify() {
  case $1 in
    nothing)
      quietly sh -c 'echo x >/root/planted; mkdir -p /etc/postgresql-common/createcluster.d; echo x >/etc/postgresql-common/createcluster.d/planted.conf'
      listing >"$home/after"
      is 'a file that is left behind would be seen' "$(changed "$home/before" "$home/after" | grep planted | tr '\n' ' ')" \
        '/etc/postgresql-common/createcluster.d/planted.conf /root/planted '
      ;;
    server) is 'the server that was there has its data and was not restarted' "$(own_server)" "$(cat "$home/own")" ;;
    trixie) ok 'and it was PostgreSQL 17' inside "$dir" test -d "$run/test" -a ! -e /usr/lib/postgresql/15/bin/postgres ;;
    port) ok 'not on the port that is taken' grep -q 'somebody listens on port 8080' "$home/out.demo" ;;
  esac
}

if ! debian_make "$home/debian" bookworm git; then
  ok 'a minimal Debian' false
  done_testing
  exit
fi
for name in "${cases[@]}"; do machine "$name"; done
done_testing
