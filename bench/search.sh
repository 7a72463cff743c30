#!/usr/bin/env bash
#
# What search costs: workorder.bigram_ops against a sequential scan and against
# pg_trgm, over the same texts, Chinese and English mixed.
#
#   bench/search.sh [--quick]
#
# A cluster of its own with 1,000,000 texts (--quick: 100,000, and three rounds).
# Every term is looked for by ILIKE in a sequential scan and by ours in turns,
# and the ratio is taken within each round; what is printed is the median, and
# the lowest and the highest round.  Whatever is measured has to find the same
# number of rows.  Then ours goes, pg_trgm is built, and does the same.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=scripts/lib.sh
. "$here/../scripts/lib.sh"

texts=1000000 rounds=5
case "$*" in
  '') ;;
  --quick) texts=100000 rounds=3 ;;
  *) sed -n '3,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac

cluster='' pg=''
finish() {
  local status=$?
  trap - EXIT
  trap '' INT TERM HUP
  if [ -n "$cluster" ] && [ -d "$cluster" ]; then
    cluster_stop "$cluster"
    rm -rf "$cluster"
  fi
  rm -rf "$pg"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

need_postgres
settle "${WORKORDER_BENCH_HOME:-$run_dir/bench}/search"
lock_home 5
copy_postgres
note 'building the extension'
build_extension
cluster=$place/cluster
cluster_create "$cluster" 'shared_buffers = 1GB' 'maintenance_work_mem = 256MB' 'work_mem = 64MB' 'max_wal_size = 32GB' \
  'checkpoint_timeout = 1d' 'autovacuum = off' 'jit = off' 'max_parallel_workers_per_gather = 0'
cluster_start "$cluster"

sql() { cluster_psql "$cluster" -A -t "$@"; }

note "making $texts texts"
sql -c 'SET client_min_messages = warning' -c 'CREATE EXTENSION workorder CASCADE' -c 'CREATE EXTENSION pg_trgm'
sql -v texts=$texts -f "$here/sql/search.sql" >/dev/null

# --- what is measured ---------------------------------------------------------

# term, what it is, its target: ours by ILIKE against the sequential scan ("/50":
# at most a fiftieth), or milliseconds ("1 ms": at most)
terms() {
  cat <<'TERMS'
故障	two characters, 1 %	/50
主板烧毁	four characters, 0.1 %	/50
障	one character, 1 %
龘龖	two characters, absent	1 ms
gateway	a word, 0.2 %	/50
VPN	three letters, 1 %
reset pass	parts of two words, 0.5 %
TERMS
}

# Prints the milliseconds of one search, and checks how many rows it finds:
#   <seq|index|contains|planner> <term>; planner leaves the way to the planner
search() {
  local condition="subject ILIKE '%$2%'" out
  [ "$1" != contains ] || condition="workorder.contains(subject, '$2')"
  out=$(sql <<SQL
SET enable_bitmapscan = $([ "$1" = seq ] && say off || say on);
SET enable_seqscan = $([[ $1 = index || $1 = contains ]] && say off || say on);
SELECT count(*) FROM doc WHERE $condition;
\timing on
SELECT count(*) FROM doc WHERE $condition;
SQL
  )
  say "$2"$'\t'"$(head -n 1 <<<"$out")" >>"$home/counts"
  sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' <<<"$out"
}

record() { printf '%s\t%s\t%s\t%s\n' "$@" >>"$home/figures"; }

# Builds an index and prints seconds and bytes: <operator class>
build() {
  sql <<SQL | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p'
CHECKPOINT;
\timing on
CREATE INDEX doc_search ON doc USING gin (subject $1);
SQL
}

rm -f "$home"/{figures,counts,builds}
for class in workorder.bigram_ops gin_trgm_ops; do
  note "building the index of $class"
  took=$(build $class)
  say "$class"$'\t'"$took"$'\t'"$(sql -c "SELECT pg_relation_size('doc_search')")" >>"$home/builds"
  for ((round = 1; round <= rounds; round++)); do
    note "$class: round $round of $rounds"
    while IFS=$'\t' read -r term _; do
      if [ $class = gin_trgm_ops ]; then
        record trgm $round "$term" "$(search planner "$term")"
      else
        for how in $(printf '%s\n' seq index contains | shuf); do
          record $how $round "$term" "$(search $how "$term")"
        done
      fi
    done < <(terms)
  done
  sql -c 'DROP INDEX doc_search'
done
different=$(sort -u "$home/counts" | cut -f 1 | uniq -d)
[ -z "$different" ] || die "the rows found differ for $different"

# --- the table ----------------------------------------------------------------

say "$texts texts, milliseconds"
terms | awk -F '\t' '
  function median(how, term,   n, i, j, t, v) {
    for (i = 1; i <= rounds; i++) v[++n] = time[how, i, term]
    for (i = 1; i <= n; i++) for (j = i + 1; j <= n; j++) if (v[j] < v[i]) { t = v[i]; v[i] = v[j]; v[j] = t }
    return v[int((n + 1) / 2)]
  }
  FILENAME ~ /figures$/ { time[$1, $2, $3] = $4; if ($2 > rounds) rounds = $2; next }
  FILENAME ~ /counts$/ { rows[$1] = $2; next }
  FNR == 1 {
    printf "%-28s %7s %10s %9s %10s %9s   %-24s %s\n", "term", "rows", "scan ILIKE", "ILIKE", "contains()", "pg_trgm", "scan/ILIKE (range)", "target"
  }
  {
    for (i = 1; i <= rounds; i++) {
      r = time["seq", i, $1] / time["index", i, $1]
      time["ratio", i, $1] = r
      if (i == 1 || r < low) low = r
      if (i == 1 || r > high) high = r
    }
    ratio = median("ratio", $1); ours = median("index", $1)
    verdict = $3 == "" ? "" : (substr($3, 1, 1) == "/" ? ratio >= substr($3, 2) + 0 : ours <= $3 + 0) ? $3 ", met" : $3 ", missed"
    printf "%-28s %7d %10.2f %9.2f %10.2f %9.2f   %7.1f (%.1f-%.1f)%*s %s\n", $2, rows[$1], median("seq", $1), ours, median("contains", $1),
      median("trgm", $1), ratio, low, high, 14 - length(sprintf("(%.1f-%.1f)", low, high)), "", verdict
  }' "$home/figures" "$home/counts" -
awk -F '\t' '
  { seconds[NR] = $2 / 1000; size[NR] = $3 / 1048576 }
  END {
    printf "\nindex: %.0f MB against %.0f MB of pg_trgm, %.2f (target 0.75, %s); built in %.1f s against %.1f s, %.2f (target 1.00, %s)\n",
      size[1], size[2], size[1] / size[2], size[1] <= 0.75 * size[2] ? "met" : "missed",
      seconds[1], seconds[2], seconds[1] / seconds[2], seconds[1] <= seconds[2] ? "met" : "missed"
  }' "$home/builds"
