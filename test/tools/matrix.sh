#!/usr/bin/env bash
#
# Runs tests against the other PostgreSQL majors that Debian has, each in a
# Debian of its own in a directory (debootstrap), as root or with sudo; about
# ten minutes each the first time.  Prints what scripts/test prints in each,
# and the sum last.
#
#   WORKORDER_MATRIX         suites and majors, default "trixie:17 forky:18"
#   WORKORDER_MATRIX_KINDS   kinds of tests, default "regress isolation pgtap"

# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

read -ra matrix <<<"${WORKORDER_MATRIX:-trixie:17 forky:18}"
read -ra kinds <<<"${WORKORDER_MATRIX_KINDS:-regress isolation pgtap}"
place=${WORKORDER_HOME:-$root/.run}/matrix
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

inside() { "${admin[@]}" chroot "$1" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 "${@:2}"; }

# Makes a Debian in a directory: <directory> <suite>
bootstrap() {
  local dir=$1 suite=$2 script=() uri
  [ ! -e "$dir/complete" ] || return 0
  need debootstrap
  # The mirror that this machine uses; a suite newer than debootstrap is made like sid.
  uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)
  [ -e "/usr/share/debootstrap/scripts/$suite" ] || script=(/usr/share/debootstrap/scripts/sid)
  "${admin[@]}" rm -rf "$dir"
  mkdir -p "$dir"
  "${admin[@]}" debootstrap --variant=minbase "$suite" "$dir" "$uri" "${script[@]}" >"$dir.log" 2>&1 ||
    die "debootstrap could not make $suite; see $dir.log"
  # No service starts in there, now or later.
  printf '#!/bin/sh\nexit 101\n' | "${admin[@]}" tee "$dir/usr/sbin/policy-rc.d" >/dev/null
  "${admin[@]}" chmod 755 "$dir/usr/sbin/policy-rc.d"
  "${admin[@]}" touch "$dir/complete"
}

for pair in "${matrix[@]}"; do
  dir=$place/${pair%%:*}
  say "PostgreSQL ${pair##*:}, Debian ${pair%%:*}"
  bootstrap "$dir" "${pair%%:*}"
  "${admin[@]}" mount -t proc proc "$dir/proc"
  mounted=$dir
  "${admin[@]}" mount --bind /dev "$dir/dev"
  "${admin[@]}" mount -t tmpfs tmpfs "$dir/dev/shm"
  inside "$dir" rm -rf /checkout
  inside "$dir" mkdir /checkout
  tar -C "$root" -cf - --exclude=.git --exclude=.run --exclude='*.o' --exclude='*.bc' --exclude='*.so' . |
    inside "$dir" tar -xf - -C /checkout --no-same-owner
  inside "$dir" apt-get -qq update
  for kind in "${kinds[@]}"; do
    log=$dir.$kind.log
    inside "$dir" bash /checkout/scripts/test "$kind" >"$log" 2>&1 || true
    grep -E '^(build|'"$kind"') +[0-9]+ passed|^not ok|^#' "$log" || tail -n 20 "$log"
    counts=$(tail -n 1 "$log")
    if [[ $counts =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]] &&
      [ "$(inside "$dir" sh -c 'ls /usr/lib/postgresql')" = "${pair##*:}" ]; then
      passed=$((passed + BASH_REMATCH[1]))
      failed=$((failed + BASH_REMATCH[2]))
    else
      failed=$((failed + 1))
    fi
  done
  leave
done
say "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
