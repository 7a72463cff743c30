#!/usr/bin/env bash
#
# What the door costs: requests a second through nginx, PostgREST and the
# dispatcher, against PostgREST's own /rpc doing the same work, side by side.
#
#   bench/http.sh [--quick]
#
# A stack of its own; wrk makes the load.  Every pair is measured in turns and
# the ratio is taken within each round; what is printed is the median, and the
# lowest and the highest round.  At the end one connection's backend serves
# 100,000 requests, and its memory is read on the way.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=scripts/lib.sh
. "$here/../scripts/lib.sh"
# shellcheck source=scripts/web.sh
. "$root/scripts/web.sh"

rounds=7 seconds=5 requests=100000
case "$*" in
  '') ;;
  --quick) rounds=3 seconds=2 ;;
  *) sed -n '3,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac

need wrk
export WORKORDER_HOME=${WORKORDER_BENCH_HOME:-$run_dir/bench}/http
WORKORDER_PORT=$(free_port)
export WORKORDER_PORT
stack=$root/scripts/stack
url=http://127.0.0.1:$WORKORDER_PORT
work=$(mktemp -d /tmp/workorder-bench.XXXXXX)
end() {
  trap '' INT TERM HUP
  "$stack" down >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

"$stack" up </dev/null >&2
"$stack" fixture afterservice </dev/null

# The same work behind both: the functions that the handlers call, as native
# functions.  fsync is off and so is waiting for it: this is about the way in.
"$stack" psql -q -v ON_ERROR_STOP=1 <<'SQL'
CREATE FUNCTION api.bench_list(page text, per_page text) RETURNS json LANGUAGE sql STABLE
AS $$ SELECT json_build_object('status', 0, 'message', 'ok', 'data', l.data)
      FROM afterservice.list_orders(NULL, NULL, NULL, page, per_page) l $$;
CREATE FUNCTION api.bench_put(id bigint, body jsonb) RETURNS json LANGUAGE sql VOLATILE
AS $$ SELECT json_build_object('status', 0, 'message', 'ok', 'data', json_build_array(afterservice.put_order(id, body))) $$;
CREATE FUNCTION api.bench_nothing() RETURNS int LANGUAGE sql STABLE AS 'SELECT 0';
CREATE SCHEMA bench;
CREATE FUNCTION bench.nothing(request workorder.http_request) RETURNS workorder.http_response
LANGUAGE sql STABLE AS $$ SELECT workorder.http_json(200, '0') $$;
GRANT USAGE ON SCHEMA bench TO workorder_user;
INSERT INTO workorder.route (api, method, pattern, handler)
VALUES ('afterservice', 'GET', '/api/v1/afterservice/bench', 'bench.nothing');
-- Orders of their own for the writers, so that nobody waits for a row.
INSERT INTO afterservice.orders (id, serial_number, type, customer_name, accuser_name, creator_name, reason, remark,
  saler_id, state, revision, creator_id, created_at, entered_at, updated_at)
SELECT n, 'bench' || n, '外协', '华东模具厂', '原告甲', '张三', '漏发', '少两件', 21, 'in_progress.waiting', 0, 23, now(), now(), now()
FROM generate_series(1001, 3000) AS n;
NOTIFY pgrst, 'reload schema';
SQL
sleep 2
token=$("$stack" token afterservice CR </dev/null)

# A wrk script: <file> <method> <path> [body]; %d in them is an order's number.
script() {
  cat >"$work/$1.lua" <<LUA
local token = "$token"
math.randomseed(os.time())
request = function()
  local id = math.random(1001, 3000)
  local headers = { Authorization = "Bearer " .. token, ["Content-Type"] = "application/json" }
  return wrk.format("$2", (string.gsub("$3", "%%d", id)), headers, $(
    if [ -n "${4:-}" ]; then printf '(string.gsub([==[%s]==], "%%%%d", id))' "$4"; else printf nil; fi))
end
local bad = 0
response = function(status, headers, body) if status ~= 200 then bad = bad + 1 end end
done = function(summary, latency, requests)
  io.write(string.format("figures %f %f %f %d\n", summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    summary.errors.status + summary.errors.timeout + summary.errors.connect + summary.errors.read))
end
LUA
}

# Prints "requests/s p50 p99": <script> <clients>
load() {
  local out
  out=$(wrk -t 1 -c "$2" -d "$seconds" -s "$work/$1.lua" "$url" | sed -n 's/^figures //p')
  [ "${out##* }" = 0 ] || die "$1: ${out##* } requests went wrong"
  say "${out% *}"
}

script nothing_door GET /api/v1/afterservice/bench
script nothing_rpc GET /rest/rpc/bench_nothing
script list_door GET '/api/v1/afterservice/orders?page=2&per_page=20'
script list_rpc GET '/rest/rpc/bench_list?page=2&per_page=20'
script put_door PUT '/api/v1/afterservice/orders/%d' '{"remark": "第二次 %d", "tracks": [{"remark": "已电话"}]}'
script put_rpc POST /rest/rpc/bench_put '{"id": %d, "body": {"remark": "第二次 %d", "tracks": [{"remark": "已电话"}]}}'

printf '%-28s %8s %10s %10s %9s %9s %7s %s\n' 'work' clients 'door /s' 'rpc /s' 'p99 door' 'p99 rpc' ratio '(range)'
for pair in nothing list put; do
  case $pair in
    nothing) title='a constant' ;;
    list) title='a page of 20 of 2005 orders' ;;
    put) title='content of an order changed' ;;
  esac
  for clients in 1 16; do
    load ${pair}_door $clients >/dev/null
    load ${pair}_rpc $clients >/dev/null
    : >"$work/figures"
    for ((round = 1; round <= rounds; round++)); do
      if ((round % 2)); then order='door rpc'; else order='rpc door'; fi
      for way in $order; do
        say "$round $way $(load "${pair}_$way" $clients)" >>"$work/figures"
      done
    done
    awk -v title="$title" -v clients=$clients '
      { rate[$1, $2] = $3; p99[$2] = p99[$2] " " $5; rates[$2] = rates[$2] " " $3; if ($1 > n) n = $1 }
      function median(text,   list, i, j, k, t) {
        k = split(text, list, " ")
        for (i = 1; i <= k; i++) for (j = i + 1; j <= k; j++) if (list[j] + 0 < list[i] + 0) { t = list[i]; list[i] = list[j]; list[j] = t }
        low = list[1]; high = list[k]
        return list[int((k + 1) / 2)] + 0
      }
      END {
        for (i = 1; i <= n; i++) ratios = ratios " " rate[i, "door"] / rate[i, "rpc"]
        a = median(rates["door"]); b = median(rates["rpc"]); c = median(p99["door"]); d = median(p99["rpc"]); r = median(ratios)
        printf "%-28s %8d %10.0f %10.0f %6.1f ms %6.1f ms %7.2f (%.2f-%.2f)\n", title, clients, a, b, c, d, r, low, high
      }' "$work/figures"
  done
done

# Where the time of one request goes: all of it, without nginx, without PostgREST.
say
say 'one client, a page of 20 orders, milliseconds a request (the best round of each):'
read -r cluster web < <("$stack" status </dev/null | sed -n 's|.*logs \(.*\)/log and \(.*\)/\*\.log|\1 \2|p')
pgbench=$(find "${cluster%/*}/pg" -path '*/bin/pgbench' -print -quit)
headers='{"x-original-method": "GET", "x-original-uri": "/api/v1/afterservice/orders?page=2&per_page=20"}'
claims='{"sub": "CR", "tenant_id": 1, "role": "workorder_user"}'
prepare="SET LOCAL ROLE workorder_user;
SELECT set_config('request.jwt.claims', '$claims', true), set_config('request.headers', '$headers', true), set_config('request.method', 'POST', true);"
printf 'BEGIN;\n%s\nSELECT api.http_read(%s);\nCOMMIT;\n' "$prepare" "''::bytea" >"$work/door.sql"
printf 'BEGIN;\n%s\nSELECT afterservice.list_orders(NULL, NULL, NULL, %s);\nCOMMIT;\n' "$prepare" "'2', '20'" >"$work/engine.sql"
printf 'BEGIN;\n%s\nCOMMIT;\n' "$prepare" >"$work/empty.sql"
one() {
  "$pgbench" -h "$cluster/socket" -p 5432 -U authenticator -n -M prepared -T "$seconds" -f "$work/$1.sql" workorder |
    sed -n 's/^latency average = \([0-9.]*\) ms/\1/p'
}
# Milliseconds a request of one client: <socket or port> <path> <method>
# shellcheck disable=SC2016
client() {
  node -e '
    const { request, Agent } = require("node:http");
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const [where, path, method, token, seconds] = process.argv.slice(1);
    const headers = { Authorization: `Bearer ${token}`, "X-Original-Method": "GET",
      "X-Original-URI": "/api/v1/afterservice/orders?page=2&per_page=20" };
    if (method === "POST") Object.assign(headers, { "Content-Type": "application/octet-stream", "Content-Length": 0 });
    const target = where.startsWith("/") ? { socketPath: where } : { host: "127.0.0.1", port: Number(where) };
    const once = () => new Promise((done) => {
      request({ ...target, agent, method, path, headers }, (answer) => { answer.resume(); answer.on("end", done); }).end();
    });
    (async () => {
      for (let i = 0; i < 100; i++) await once();
      const started = performance.now();
      let n = 0;
      while (performance.now() < started + seconds * 1000) { await once(); n++; }
      console.log(((performance.now() - started) / n).toFixed(3));
      agent.destroy();
    })();' "$1" "$2" "$3" "$token" "$seconds"
}
for ((round = 1; round <= rounds; round++)); do
  say "all $(client "$WORKORDER_PORT" '/api/v1/afterservice/orders?page=2&per_page=20' GET)"
  say "inner $(client "$web/postgrest.sock" /rpc/http_read POST)"
  for part in door engine empty; do say "$part $(one $part)"; done
done >"$work/parts"
awk '
  !($1 in best) || $2 < best[$1] { best[$1] = $2 }
  END {
    printf "  %-46s %7.3f\n", "through nginx", best["all"]
    printf "  %-46s %7.3f\n", "at the socket of PostgREST", best["inner"]
    printf "  %-46s %7.3f\n", "in the database, settings and dispatcher", best["door"]
    printf "  %-46s %7.3f\n", "in the database, settings and function only", best["engine"]
    printf "  %-46s %7.3f\n", "in the database, settings alone", best["empty"]
    printf "  so: nginx %.3f, PostgREST %.3f, dispatcher and handler %.3f, the function itself %.3f\n",
      best["all"] - best["inner"], best["inner"] - best["door"], best["door"] - best["engine"], best["engine"] - best["empty"]
  }' "$work/parts"

# The memory of one backend that is its own, after the caches are warm.
say
say "memory of one backend over $requests requests, kB (RssAnon):"
sed 's|/orders?page=2&per_page=20|/all-products?page=1|' "$work/door.sql" >"$work/memory.sql"
"$pgbench" -h "$cluster/socket" -p 5432 -U authenticator -n -M prepared -t "$requests" -f "$work/memory.sql" workorder >/dev/null 2>"$work/pgbench" &
loader=$!
first='' last=''
while [ -e "/proc/$loader" ]; do
  pid=$("$stack" psql -Atc "SELECT pid FROM pg_stat_activity WHERE application_name = 'pgbench' LIMIT 1" </dev/null)
  if [ -n "$pid" ] && pages=$(awk '/^RssAnon/ {print $2}' "/proc/$pid/status" 2>/dev/null) && [ -n "$pages" ]; then
    [ -n "$first" ] || { sleep 2; first=$pages; continue; }
    last=$pages
  fi
  sleep 1
done
wait $loader || die "the backend did not get through: $(cat "$work/pgbench")"
say "  $first after a second or two, $last at the end"
