#!/usr/bin/env bash
#
# Runs tests against the other PostgreSQL majors that Debian has, each in a
# Debian of its own in a directory (debootstrap), as root or with sudo.  What
# was fetched and built stays there for the next time.  Prints what
# scripts/test prints in each, and the sum last.
#
#   WORKORDER_MATRIX         suites and majors, oldest first, default "bookworm:15
#                            trixie:17 forky:18 sid+experimental:19"; of the first
#                            there are the programs only, to upgrade from
#   WORKORDER_MATRIX_KINDS   kinds of tests, <kind> or <kind>/<name>, default
#                            "regress isolation pgtap pg_upgrade totals packages";
#                            packages at its full length, the others not

# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
# shellcheck source=test/tools/debian.sh
. "$root/test/tools/debian.sh"

read -ra matrix <<<"${WORKORDER_MATRIX:-bookworm:15 trixie:17 forky:18 sid+experimental:19}"
kinds=${WORKORDER_MATRIX_KINDS:-regress isolation pgtap pg_upgrade totals packages}
long=$(grep -ow packages <<<"$kinds" || true)
read -ra short <<<"${kinds//packages/}"
home=${WORKORDER_HOME:-$run_dir}/matrix
passed=0
failed=0
dir=
trap '[ -z "$dir" ] || debian_leave "$dir"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

quietly() { inside "$dir" DEBIAN_FRONTEND=noninteractive "$@" </dev/null >>"$dir.log" 2>&1; }
apt_in_there() { quietly apt-get -qq -y --no-install-recommends -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 "$@"; }

# Brings in a major and its development files: <suite> <major>
bring() {
  local suite=${1%%+*} extra=${1#"${1%%+*}"} major=$2 before=$(($2 - 1)) mirror
  [ ! -e "$dir/brought-$major" ] || return 0
  mirror=$(debian_mirror)
  say "deb $mirror $suite main" | put "$dir" "/etc/apt/sources.list.d/$suite.list"
  if [ -n "$extra" ]; then
    # Of the other suite this server and nothing else, whatever is newer there.
    say "deb $mirror ${extra#+} main" | put "$dir" "/etc/apt/sources.list.d/${extra#+}.list"
    printf '%s\n' "Package: src:postgresql-$major" "Pin: release a=${extra#+}" 'Pin-Priority: 990' | put "$dir" "/etc/apt/preferences.d/$major"
  fi
  apt_in_there update && apt_in_there install ccache "postgresql-$major" "postgresql-server-dev-$major" ||
    die "apt-get could not install PostgreSQL $major; see $dir.log"
  # pgTAP is SQL; a major that is not out yet gets that of the one before.
  apt_in_there install "postgresql-$major-pgtap" || {
    apt_in_there install "postgresql-$before-pgtap" &&
      quietly sh -c "cp /usr/share/postgresql/$before/extension/pgtap* /usr/share/postgresql/$major/extension/"
  } || die "there is no pgTAP for PostgreSQL $major; see $dir.log"
  as_root touch "$dir/brought-$major"
}

# Runs scripts/test in there and counts what it says.
run() {
  inside "$dir" PATH=/usr/lib/ccache:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 WORKORDER_TEST_HOME=/srv/workorder \
    bash /checkout/scripts/test "$@" >"$log.run" 2>&1 || true
  cat "$log.run" >>"$log"
  grep -E '^[a-z_]+ +[0-9]+ passed|^not ok|^not run|^#' "$log.run" || tail -n 20 "$log.run"
  if [[ $(tail -n 1 "$log.run") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
    good=$((good + BASH_REMATCH[1])) bad=$((bad + BASH_REMATCH[2]))
  else
    bad=$((bad + 1))
  fi
  rm -f "$log.run"
}

debian_may "$home/try" || die "a Debian of one's own cannot be made here: $debian_why"
mkdir -p "$home"
lock_home 5
before=${matrix[0]}
for pair in "${matrix[@]:1}"; do
  suite=${pair%%:*} major=${pair##*:}
  dir=$home/${suite%%+*} log=$home/$major.log
  say "PostgreSQL $major, Debian $suite"
  debian_make "$dir" "${suite%%+*}"
  debian_leave "$dir"
  debian_mount "$dir"
  # No service starts in there, no cluster is made, now or later.
  printf '#!/bin/sh\nexit 101\n' | put "$dir" /usr/sbin/policy-rc.d
  as_root chmod 755 "$dir/usr/sbin/policy-rc.d"
  say 'create_main_cluster = false' | put "$dir" /etc/postgresql-common/createcluster.d/matrix.conf
  bring "$suite" "$major"
  bring "${before%%:*}" "${before##*:}"
  inside "$dir" rm -rf /checkout
  inside "$dir" mkdir -p /checkout /srv/workorder
  tar -C "$root" -cf - --exclude=.git --exclude=.run --exclude='*.o' --exclude='*.bc' --exclude='*.so' . |
    inside "$dir" tar -xf - -C /checkout --no-same-owner
  good=0 bad=0
  : >"$log"
  [ ${#short[@]} = 0 ] || run "$(IFS=,; say "${short[*]}")"
  [ -z "$long" ] || run --long "$long"
  # What was tested is the major that was meant.
  # shellcheck disable=SC2016
  if ! inside "$dir" bash -c '. /checkout/scripts/lib.sh && need_postgres && [ "$pg_major" = "$1" ]' - "$major"; then
    say "not ok - this is not PostgreSQL $major"
    bad=$((bad + 1))
  fi
  debian_leave "$dir"
  dir=
  say "PostgreSQL $major: $good passed, $bad failed"
  passed=$((passed + good))
  failed=$((failed + bad))
  before=$pair
done
say "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
