#!/usr/bin/env bash
#
# Runs tests against the other PostgreSQL majors that Debian has, each in a
# Debian of its own in a directory (debootstrap), as root or with sudo.  What
# was fetched and built stays there for the next time.  Prints what
# scripts/test prints in each, and the sum last.
#
#   WORKORDER_MATRIX         suites and majors, oldest first, default "bookworm:15
#                            trixie:17 forky:18"; of the first there are the
#                            programs only, to upgrade from
#   WORKORDER_MATRIX_KINDS   kinds of tests, <kind> or <kind>/<name>, default
#                            "regress isolation pgtap pg_upgrade totals"

# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

read -ra matrix <<<"${WORKORDER_MATRIX:-bookworm:15 trixie:17 forky:18}"
read -ra kinds <<<"${WORKORDER_MATRIX_KINDS:-regress isolation pgtap pg_upgrade totals}"
home=${WORKORDER_HOME:-$run_dir}/matrix
passed=0
failed=0
mounted=
admin=()
[ "$(id -u)" = 0 ] || admin=(sudo)

leave() {
  local part
  [ -z "$mounted" ] || for part in dev/shm dev proc; do
    "${admin[@]}" umount -l "$mounted/$part" 2>/dev/null || true
  done
  mounted=
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

inside() {
  "${admin[@]}" chroot "$1" env -i HOME=/root PATH=/usr/lib/ccache:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    WORKORDER_TEST_HOME=/srv/workorder "${@:2}" 9>&-
}
# Writes a file in there: <directory> <path>
put() { "${admin[@]}" mkdir -p "$1${2%/*}" && "${admin[@]}" tee "$1$2" >/dev/null; }

# Makes a Debian in a directory: <directory> <suite>
bootstrap() {
  local dir=$1 suite=$2 script=()
  [ ! -e "$dir/complete" ] || return 0
  need debootstrap
  # A suite newer than debootstrap is made like sid.
  [ -e "/usr/share/debootstrap/scripts/$suite" ] || script=(/usr/share/debootstrap/scripts/sid)
  "${admin[@]}" rm -rf "$dir"
  mkdir -p "$dir"
  "${admin[@]}" debootstrap --variant=minbase "$suite" "$dir" "$mirror" "${script[@]}" >"$dir.log" 2>&1 ||
    die "debootstrap could not make $suite; see $dir.log"
  # No service starts in there, no cluster is made, now or later.
  printf '#!/bin/sh\nexit 101\n' | put "$dir" /usr/sbin/policy-rc.d
  "${admin[@]}" chmod 755 "$dir/usr/sbin/policy-rc.d"
  say 'create_main_cluster = false' | put "$dir" /etc/postgresql-common/createcluster.d/matrix.conf
  # What is in here can be fetched again.
  say 'force-unsafe-io' | put "$dir" /etc/dpkg/dpkg.cfg.d/matrix
  # Mirrors of testing may lag behind; what they have is signed all the same.
  say 'Acquire::Check-Valid-Until "false";' | put "$dir" /etc/apt/apt.conf.d/99matrix
  "${admin[@]}" touch "$dir/complete"
}

# Brings in a major and its development files: <directory> <suite> <major>
bring() {
  local dir=$1 suite=$2 major=$3
  [ ! -e "$dir/usr/lib/postgresql/$major/lib/pgxs/src/makefiles/pgxs.mk" ] || [ ! -e "$dir/usr/lib/postgresql/$major/bin/postgres" ] || return 0
  say "deb $mirror $suite main" | put "$dir" "/etc/apt/sources.list.d/$suite.list"
  if ! { inside "$dir" apt-get -qq -o Acquire::Retries=3 update &&
    inside "$dir" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 \
      install ccache "postgresql-$major" "postgresql-server-dev-$major"; } </dev/null >>"$dir.log" 2>&1; then
    die "apt-get could not install PostgreSQL $major; see $dir.log"
  fi
}

need apt
# The mirror that this machine uses.
# shellcheck disable=SC2016
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)
mkdir -p "$home"
lock_home 5
before=${matrix[0]}
for pair in "${matrix[@]:1}"; do
  suite=${pair%%:*} major=${pair##*:}
  dir=$home/$suite good=0 bad=0
  say "PostgreSQL $major, Debian $suite"
  bootstrap "$dir" "$suite"
  "${admin[@]}" mount -t proc proc "$dir/proc"
  mounted=$dir
  "${admin[@]}" mount --bind /dev "$dir/dev"
  "${admin[@]}" mount --make-private "$dir/dev"
  "${admin[@]}" mount -t tmpfs tmpfs "$dir/dev/shm"
  bring "$dir" "$suite" "$major"
  bring "$dir" "${before%%:*}" "${before##*:}"
  inside "$dir" rm -rf /checkout
  inside "$dir" mkdir -p /checkout /srv/workorder
  tar -C "$root" -cf - --exclude=.git --exclude=.run --exclude='*.o' --exclude='*.bc' --exclude='*.so' . |
    inside "$dir" tar -xf - -C /checkout --no-same-owner
  for kind in "${kinds[@]}"; do
    log=$dir.${kind%%/*}.log
    read -ra words <<<"${kind/\// }"
    inside "$dir" bash /checkout/scripts/test "${words[@]}" >"$log" 2>&1 || true
    grep -E '^(build|'"${words[0]}"') +[0-9]+ passed|^not ok|^#' "$log" || tail -n 20 "$log"
    counts=$(tail -n 1 "$log")
    if [[ $counts =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
      good=$((good + BASH_REMATCH[1]))
      bad=$((bad + BASH_REMATCH[2]))
    else
      bad=$((bad + 1))
    fi
  done
  # What was tested is the major that was meant.
  # shellcheck disable=SC2016
  if ! inside "$dir" bash -c '. /checkout/scripts/lib.sh && need_postgres && [ "$pg_major" = "$1" ]' - "$major"; then
    say "not ok - this is not PostgreSQL $major"
    bad=$((bad + 1))
  fi
  leave
  say "PostgreSQL $major: $good passed, $bad failed"
  passed=$((passed + good))
  failed=$((failed + bad))
  before=$pair
done
say "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
