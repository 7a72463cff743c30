# shellcheck shell=bash
#
# For the tests that hold the engine against an independent reading of the flow
# document.  Source it with $subject set to the name of the test's directory,
# which has the program that compares, $subject.js: it takes the database, a
# seed, how much to do and maybe a mistake to make on purpose, and prints what
# it found as JSON, with a list of differences.  It needs a superuser on the
# server that PGHOST and PGPORT name, and node.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
# shellcheck source=test/tools/tap.sh
. "$root/test/tools/tap.sh"

here=$root/test/${subject:?is set by the test}
database=workorder_$subject
app=${subject}_app
scratch=$(mktemp -d "/tmp/workorder-$subject.XXXXXX")

ask() { psql -X -q -At -v ON_ERROR_STOP=1 "$@"; }

forget() {
  rm -rf "$scratch"
  ask -d postgres -o /dev/null 2>/dev/null <<SQL || true
DROP DATABASE IF EXISTS $database WITH (FORCE);
REVOKE SET ON PARAMETER workorder.actor, workorder.tenant FROM $app;
DROP ROLE $app;
SQL
}
trap forget EXIT

# In a shell of its own: lib.sh forgets where PGHOST points.
command -v node >/dev/null || bash -c '. "$1" && need nodejs' - "$root/scripts/lib.sh"

# A database of its own, in which $app acts for anybody; setup.sql of the test's
# directory, if there is one, has what else the program calls.
prepare() {
  ask -d postgres -o /dev/null <<SQL
SET client_min_messages = warning;
DROP DATABASE IF EXISTS $database;
CREATE DATABASE $database TEMPLATE template0 ENCODING 'UTF8';
SQL
  ask -d "$database" -o /dev/null -1 <<SQL
SET client_min_messages = warning;
CREATE EXTENSION workorder CASCADE;
SELECT workorder.install();
DO \$\$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '$app') THEN
    CREATE ROLE $app LOGIN;
  END IF;
END
\$\$;
GRANT SET ON PARAMETER workorder.actor, workorder.tenant TO $app;
SELECT workorder.grant_access('$app');
SQL
  [ ! -e "$here/setup.sql" ] ||
    ask -d "$database" -o /dev/null -1 -f "$here/setup.sql" -c "GRANT USAGE ON SCHEMA $subject TO $app"
}

# run <name> <how much> [mistake]: leaves what it found in $scratch/<name>
run() {
  local name=$1
  shift
  prepare
  node "$here/$subject.js" "$database" "$seed" "$@" >"$scratch/$name"
}

# pick <name> <javascript over r>
pick() { node -e 'const r = JSON.parse(require("fs").readFileSync(process.argv[1])); console.log(eval(process.argv[2]))' "$scratch/$1" "$2"; }

# found <name> [what]: the first differences, those in what matches; nothing if there are none
found() {
  pick "$1" "r.differences.filter((d) => new RegExp('${2:-}').test(d.what)).slice(0, 3).map((d) => JSON.stringify(d)).join('\n')"
}

# notices <how much>: reads a mistake a line, which differences must show it,
# and what it is; the test can fail, for it notices each of them.
notices() {
  local mistake shows what
  while read -r mistake shows what; do
    if run "$mistake" "$1" "$mistake"; then
      ok "a mistake is noticed: $what" [ -n "$(found "$mistake" "$shows")" ]
    else
      ok "a mistake is noticed: $what" false
    fi
  done
}
