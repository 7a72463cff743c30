# shellcheck shell=bash
#
# For tests that want a Debian of their own in a directory (debootstrap, chroot,
# as root or with sudo).  Source it after scripts/lib.sh; it only defines functions.
# Mirror, proxies, registry and certificates are those of this machine; none is named.

# Succeeds if this machine lets us; says why in $debian_why if not.
debian_may() {
  local dir=$1
  if [ "$(id -u)" != 0 ] && ! sudo -n true 2>/dev/null; then
    debian_why='neither root nor sudo'
  elif ! as_root chroot / true 2>/dev/null; then
    debian_why='no right to chroot'
  elif ! (mkdir -p "$dir" && as_root mount -t tmpfs tmpfs "$dir") 2>/dev/null; then
    debian_why='no right to mount'
  else
    as_root umount "$dir"
    return 0
  fi
  return 1
}

# Writes a file in there: <directory> <path>
put() { as_root mkdir -p "$1${2%/*}" && as_root tee "$1$2" >/dev/null; }

# The mirror that this machine uses.
debian_mirror() {
  # shellcheck disable=SC2016
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | sed -n 1p
}

# The suite that this machine is of.
debian_suite() {
  # (testing says that it is what it will be, and so does unstable)
  # shellcheck disable=SC2016
  if grep -q '^PRETTY_NAME=.*/sid"' /etc/os-release && [[ $(apt-get indextargets --format '$(RELEASE)' 'Created-By: Packages') =~ (^|$'\n')sid($|$'\n') ]]; then
    say sid
  else
    sed -n 's/^VERSION_CODENAME=//p' /etc/os-release
  fi
}

# Gives a minimal Debian of this machine's suite what the machine knows of updates to it,
# and of experimental: <directory>.  (What else it knows has keys that are not in there.)
debian_updates() {
  local file
  # shellcheck disable=SC2016
  apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
    { grep -E " ($(debian_suite)-[a-z]+|experimental) " || true; } | sort -u | put "$1" /etc/apt/sources.list.d/machine.list
  for file in /etc/apt/preferences.d/*; do
    # shellcheck disable=SC2094
    [ ! -f "$file" ] || put "$1" "$file" <"$file"
  done
}

# Makes a minimal Debian: <directory> <suite> [packages]
debian_make() {
  local dir=$1 suite=$2 mirror script=() include=${3:-}
  [ ! -e "$dir/complete" ] || return 0
  need debootstrap
  mirror=$(debian_mirror)
  [[ $mirror != https:* ]] || include+=${include:+,}ca-certificates
  # A suite newer than debootstrap is made like sid.
  [ -e "/usr/share/debootstrap/scripts/$suite" ] || script=(/usr/share/debootstrap/scripts/sid)
  debian_leave "$dir"
  as_root rm -rf --one-file-system "$dir"
  # What is in here can be fetched again.
  say 'force-unsafe-io' | put "$dir" /etc/dpkg/dpkg.cfg.d/workorder
  as_root debootstrap --variant=minbase ${include:+"--include=$include"} "$suite" "$dir" "$mirror" "${script[@]}" >"$dir.log" 2>&1 || {
    note "debootstrap could not make $suite; the end of $dir.log:"
    tail -n 5 "$dir.log" >&2
    return 1
  }
  # (mirrors may lag behind; what they have is signed all the same)
  { say 'Acquire::Check-Valid-Until "false";' 'Acquire::Check-Date "false";' &&
    apt-config dump | grep -iE '^Acquire::[a-z]+::(proxy|verify|ca)' || true; } | put "$dir" /etc/apt/apt.conf.d/99workorder
  [ ! -r /etc/ssl/certs/ca-certificates.crt ] || put "$dir" /srv/machine.pem </etc/ssl/certs/ca-certificates.crt
  as_root touch "$dir/complete"
}

debian_mount() {
  as_root mount -t proc proc "$1/proc" &&
    as_root mount --bind /dev "$1/dev" &&
    as_root mount --make-private "$1/dev" &&
    as_root mount -t tmpfs tmpfs "$1/dev/shm"
}

# Prints the processes that live in there.
debian_processes() {
  local process
  for process in /proc/[0-9]*; do
    [ "$(as_root readlink "$process/root" 2>/dev/null)" != "$1" ] || say "${process#/proc/}"
  done
}

# Ends whatever runs in there, and lets go of what is mounted there.
debian_leave() {
  local signal pid path paths
  [ -d "$1/proc" ] || return 0
  for signal in TERM KILL; do
    for pid in $(debian_processes "$1"); do
      # shellcheck disable=SC2016
      as_root bash -c '. "$0" && send_signal "$@"' "$root/scripts/lib.sh" $signal "$pid" "$1" || true
    done
    for _ in {1..50}; do
      [ -n "$(debian_processes "$1")" ] || break
      sleep 0.1
    done
  done
  mapfile -t paths < <(awk -v dir="$1/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | sort -r)
  for path in "${paths[@]}"; do as_root umount -l "$path" || true; done
}

# What tells of the ways to the outside: words for env.
debian_environment() {
  local name
  { compgen -e | grep -iE '^(https?|no|all)_proxy$|^npm_config_' || true; } | while read -r name; do say "$name=${!name}"; done
  if command -v npm >/dev/null; then
    for name in registry proxy https-proxy noproxy; do
      printf 'npm_config_%s=%s\n' "${name//-/_}" "$(npm config get "$name" 2>/dev/null)"
    done | grep -vE '=(null|undefined)?$' || true
  fi
  printf '%s\n' NODE_EXTRA_CA_CERTS=/srv/machine.pem npm_config_cafile=/srv/machine.pem
}

# Runs a command in there: <directory> [NAME=value...] <command>
inside() {
  local dir=$1
  shift
  [ -n "${debian_words+x}" ] || mapfile -t debian_words < <(debian_environment)
  as_root chroot "$dir" env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb \
    "${debian_words[@]}" "$@" 9>&-
}
