#!/usr/bin/env bash
#
# What DBAs get: the Debian packages are built, are in order for lintian, install
# into a bare Debian (test/tools/debian.sh), bring the extension and serve it; a
# newer version takes the place of an older one, and removing and purging leave
# the database alone (with --long).  Before that the PGXN distribution, which is
# built from its archive.  Prints TAP.

# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
# shellcheck source=test/tools/tap.sh
. "$root/test/tools/tap.sh"
# shellcheck source=test/tools/debian.sh
. "$root/test/tools/debian.sh"

need_postgres
settle "${WORKORDER_TEST_HOME:?is set by scripts/test}/packages"
lock_home 5
debian=$WORKORDER_TEST_HOME/debian
dir=$debian/machine
cluster=$place/cluster

forget() {
  cluster_stop "$cluster" || true
  debian_leave "$dir"
  as_root rm -rf --one-file-system "$dir" "$cluster" "$pg" "$home/dist" "$home/checkout" "$home/this" "$home/next"
  unsettle
}
trap 'trap "" INT TERM HUP; forget' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
forget
mkdir -p "$home"

# --- the PGXN distribution: built and installed from the archive, tested as a user would

# (what is here may be no clone, and is not all committed)
mkdir -p "$home/checkout"
tar -C "$root" -cf - --no-wildcards-match-slash --exclude=./.git --exclude=./.run --exclude='*.o' --exclude='*.bc' --exclude='*.so' --exclude='./sql/*--*.sql' . |
  tar -xf - -C "$home/checkout"
need git unzip jq
export HOME=$home
(cd "$home/checkout" && git init -q && git add -A && git -c user.name=x -c user.email=x@x commit -q -m x)
ok 'make dist' env WORKORDER_HOME="$home/dist" make -s -C "$home/checkout" dist
zip=$(tail -n 1 <<<"$tap_output")
ok 'the archive opens' unzip -q -d "$home/dist" "$zip"
tree=${zip##*/}
tree=$home/dist/${tree%.zip}
is 'its META.json is on top' "$(jq -r '.name + "-" + .version' "$tree/META.json")" "${tree##*/}"
copy_postgres
ok 'make' make -s -j "$(nproc)" -C "$tree" PG_CONFIG="$bin/pg_config" with_llvm=no
ok 'make install' make -s -C "$tree" PG_CONFIG="$bin/pg_config" with_llvm=no install
cluster_create "$cluster" "timezone = 'Asia/Shanghai'" "datestyle = 'German'" "intervalstyle = 'iso_8601'" "bytea_output = 'escape'"
cluster_start "$cluster"
chmod -R a+rX "$tree"
# (somebody's own server: with settings of theirs, and another superuser)
cluster_psql "$cluster" -d postgres -c 'CREATE ROLE installer SUPERUSER LOGIN'
ok 'make installcheck, against a server that runs' env PGHOST="$cluster/socket" PGPORT=5432 PGUSER=installer \
  make -s -C "$tree" PG_CONFIG="$bin/pg_config" REGRESS='identity guard altered dba' ISOLATION= installcheck
cluster_stop "$cluster"

# The packages take three builds and a Debian.
if [ -z "${WORKORDER_TEST_LONG:-}" ]; then
  done_testing
  exit
fi

# --- the Debian packages

major=$pg_major
export PG_SUPPORTED_VERSIONS=$major
# (whoever publishes them has an address)
ok 'make deb' env WORKORDER_HOME="$home/this" DEBEMAIL=packages@debian.org make -s -C "$root" deb
is 'nobody warns' "$(grep -i 'warning:' "$home/this/progress.log" | head -n 20)" ''
need lintian
ok 'lintian finds no error and warns of nothing' lintian --allow-root --fail-on error,warning "$home"/this/deb/*.deb
library=$(printf '%s\n' "$home"/this/deb/postgresql-"$major"-workorder_*.deb)
gateway=$(printf '%s\n' "$home"/this/deb/workorder-gateway_*.deb)
ok 'no secret is in them' test -z "$(dpkg-deb -c "$gateway" | grep -E '/(jwt|pgpass|database\.env)$')"

if ! debian_may "$home/try"; then
  not_run "installing them in a bare Debian: $debian_why"
  done_testing
  exit
fi
mkdir -p "$debian/archives"
if ! debian_make "$debian/debian" "$(debian_suite)" git; then
  ok 'a minimal Debian' false
  done_testing
  exit
fi
as_root cp -a --reflink=auto "$debian/debian" "$dir"
debian_mount "$dir"
as_root mount --bind "$debian/archives" "$dir/var/cache/apt/archives"
there() { inside "$dir" DEBIAN_FRONTEND=noninteractive "$@" </dev/null; }
sql() { there runuser -u postgres -- psql -X -q -At -v ON_ERROR_STOP=1 "$@"; }
# Neither nginx's own service nor anything else starts by itself.
printf '#!/bin/sh\nexit 101\n' | put "$dir" /usr/sbin/policy-rc.d
as_root chmod 755 "$dir/usr/sbin/policy-rc.d"
put "$dir" "/root/${library##*/}" <"$library"
put "$dir" "/root/${gateway##*/}" <"$gateway"
# pg_buildext wants a minor release that is no older than what extensions were last told to be built with, which a
# Debian has from its suites of updates.
debian_updates "$dir"
there apt-get -qq update >/dev/null
ok 'apt install ./*.deb' there sh -c 'cd /root && apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 install ./*.deb'
ok 'the server runs' there pg_ctlcluster "$major" main start
ok 'CREATE EXTENSION workorder CASCADE; SELECT workorder.install()' sql -d postgres -c 'CREATE DATABASE yours' -c '\c yours' \
  -c 'CREATE EXTENSION workorder CASCADE' -c 'SELECT workorder.install()'
ok 'a table on a flow, and somebody' sql -d yours -c "CREATE TABLE visit (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(), id bigint GENERATED ALWAYS AS IDENTITY, PRIMARY KEY (tenant_id, id))" \
  -c "SELECT workorder.publish('{\"id\": \"visit\", \"initial\": \"asked\", \"on\": {\"create\": {\"allow\": \"*\"}, \"view\": {\"allow\": \"*\"}}, \"states\": {\"asked\": {\"on\": {\"end\": {\"target\": \"over\", \"allow\": \"*\"}}}, \"over\": {\"type\": \"final\"}}}')" \
  -c "SELECT workorder.guard('visit', 'visit')" -c 'INSERT INTO visit DEFAULT VALUES' \
  -c "SELECT workorder.enrol('ann', 'Ann', '{}')" -c "SELECT workorder.set_password('ann', 'correct horse battery')"

# Runs what a unit says, as systemd would: <unit> <port>
start() {
  # shellcheck disable=SC2016
  there sh -c '
    install -d -m 750 -o _workorder -g _workorder /run/workorder
    unit=$(dpkg -L workorder-gateway | grep "/$1\.service$")
    before=$(sed -n "s/^ExecStartPre=//p" "$unit") run=$(sed -n "s/^ExecStart=//p" "$unit")
    set -a
    . /etc/workorder/gateway.env
    . /etc/workorder/database.env
    WORKORDER_LISTEN=127.0.0.1:$2
    cd /
    runuser -u _workorder -- $before && eval "setsid runuser -u _workorder -- $run" >/tmp/$1.log 2>&1 &
    wait $! 2>/dev/null & sleep 2' - "$1" "$2"
}
answer() { there curl -s -o /dev/null -w '%{http_code}' "$@" || true; }
serve() {
  local port=$1
  start workorder-postgrest "$port"
  start workorder-nginx "$port"
  for _ in {1..60}; do
    [ "$(answer "http://127.0.0.1:$port/rest/")" != 200 ] || break
    sleep 0.5
  done
}
there apt-get -qq -y --no-install-recommends install curl >/dev/null
ok 'workorder-gateway setup' there workorder-gateway setup yours
is 'the key is for the services alone' "$(there stat -c '%a %U' /etc/workorder/jwt)" '600 _workorder'
port=$((20000 + RANDOM % 12000))
serve "$port"
is 'a request is served' "$(answer "http://127.0.0.1:$port/rest/")" 200
token=$(there curl -s "http://127.0.0.1:$port/rest/rpc/sign_in" -H 'Content-Type: application/json' \
  -d '{"tenant": 1, "login": "ann", "password": "correct horse battery"}' | tr -d '"')
like 'somebody signs in' "$token" '^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$'
is 'and their token is believed' "$(answer "http://127.0.0.1:$port/rest/" -H "Authorization: Bearer $token")" 200

# --- a newer version

next=$home/checkout
ok 'a next version is made' bash "$root/test/upgrade/next.sh" "$next"
sed -i 's/@next@/1_1/' "$next"/sql/*/modules/*.sql
mkdir -p "$next"/sql/{workorder,active_job,afterservice,call_center,cloud_support,dispatch}/{releases,updates}
make -s -C "$tree" PG_CONFIG="$bin/pg_config" with_llvm=no release >/dev/null
for path in "$tree"/sql/*/releases/*.sql; do cp "$path" "$next/sql/$(basename "$(dirname "$(dirname "$path")")")/releases/"; done
sed -i "s/^default_version = .*/default_version = '1.1'/" "$next"/*.control "$next"/sql/*/*.control
sed -i '1s/(.*)/(1.1)/' "$next/debian/changelog"
ok 'the next version is built' make -s -j "$(nproc)" -C "$next" PG_CONFIG="$bin/pg_config" with_llvm=no
for path in "$next"/sql/*/releases/*--1.0.sql; do
  name=${path##*/} room=$(basename "$(dirname "$(dirname "$path")")")
  "$root/scripts/update-script" "$path" "$next/sql/${name%--1.0.sql}--1.1.sql" >"$next/sql/$room/updates/${name%.sql}--1.1.sql"
done
ok 'and packed' env WORKORDER_HOME="$home/next" make -s -C "$next" deb
put "$dir" /root/next.deb <"$(printf '%s\n' "$home/next/deb/postgresql-$major-workorder_1.1_"*.deb)"
ok 'apt install of the newer package' there apt-get -qq -y -o Dpkg::Use-Pty=0 install /root/next.deb
is 'until then everything is as it was' "$(sql -d yours -c 'SELECT count(*) FROM workorder.verify()' -c 'SELECT state FROM visit')" $'0\nasked'
ok 'ALTER EXTENSION workorder UPDATE; SELECT workorder.upgrade()' sql -d yours -c 'ALTER EXTENSION workorder UPDATE' -c 'SELECT workorder.upgrade()'
is 'code and data are of the new version' "$(sql -d yours -c "SELECT extversion, version FROM pg_extension, workorder.installation WHERE extname = 'workorder' AND extension = extname")" '1.1|1.1'
is 'work goes on' "$(sql -d yours -c "UPDATE visit SET action = 'end' RETURNING state" -c 'SELECT count(*) FROM workorder.verify()')" $'over\n0'

# --- and away

ok 'apt purge' there apt-get -qq -y -o Dpkg::Use-Pty=0 purge workorder-gateway "postgresql-$major-workorder"
is 'nothing of the gateway is left' "$(there sh -c 'ls -d /etc/workorder /var/log/workorder /usr/lib/workorder 2>/dev/null' || true)" ''
is 'the rows and their journal are' "$(sql -d yours -c 'SELECT state FROM visit' -c 'SELECT count(*) FROM workorder.journal')" $'over\n2'
ok 'installed again' there apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 install /root/next.deb
is 'it is the same database' "$(sql -d yours -c 'SELECT count(*) FROM workorder.verify()')" 0
done_testing
