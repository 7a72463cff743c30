#!/usr/bin/env bash
#
# run.sh [target...]: fuzzes what reads the bytes of strangers, or is relied on
# whatever the bytes are, without a server, under the address and
# undefined-behaviour sanitizers.  Prints TAP.
#
#   request_parse  src/http/request_parse.c
#   credential   src/actor/credential_parse.c
#   route        the trie of src/http/route.c, beside trying all routes
#   envelope     the error bodies of src/http/answer.c: JSON stays JSON
#   search       src/search/search.c and utils/casefold.c, beside looking
#   digest       src/journal/digest.c: an entry can be read from what is hashed of it
#
# All together for $WORKORDER_FUZZ_SECONDS (default 60), as many at a time as
# there are processors; for $WORKORDER_FUZZ_RUNS inputs each instead, if that is
# set, which takes libFuzzer.  With WORKORDER_TEST_LONG=1 for 10,000,000 each
# (an hour).  libFuzzer if clang is there, else the driver's own mutations with
# gcc.

# shellcheck source=test/tools/tap.sh
. test/tools/tap.sh

here=test/fuzz
stay_away=-Wl,--unresolved-symbols=ignore-all
targets=(request_parse credential route envelope search digest)
[ $# -eq 0 ] || targets=("$@")
runs=${WORKORDER_FUZZ_RUNS:-${WORKORDER_TEST_LONG:+10000000}}
at_once=$(nproc)
[ "$at_once" -le ${#targets[@]} ] || at_once=${#targets[@]}
seconds=$((${WORKORDER_FUZZ_SECONDS:-60} * at_once / ${#targets[@]} + 1))
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 143' TERM
export ASAN_OPTIONS=quarantine_size_mb=16:malloc_context_size=3
flags=(-g -O2 -Wall -Wextra -Werror -Wno-sign-compare -Wno-unused-parameter -fno-sanitize-recover=all -D_GNU_SOURCE)

# sources_of <target>: sets sources, server if they need its headers, and longest,
# the bytes of an input at most.  What they call of it, but never get to, stays
# away.
sources_of() {
  server=yes longest=2048
  case $1 in
    request_parse) server='' sources=(http/request_parse) ;;
    credential) server='' sources=(actor/credential_parse) ;;
    route) sources=(http/route http/request_parse) ;;
    envelope) sources=(http/answer) ;;
    # looking takes the square of what it looks through
    search) sources=(search/search utils/casefold) longest=300 ;;
    digest) sources=(journal/digest) ;;
    *) return 1 ;;
  esac
}

# prepare <target>: builds it and gives it what is in the corpus.
prepare() {
  local target=$1 dir=$work/$1 name bytes server longest sources includes=(-Isrc "-I$here/bare") libraries=()
  local harness=("$here/${target}_fuzz.c" "$here/fuzz.c" "$here/memory.c")
  mkdir -p "$dir/seeds" "$dir/corpus"
  sources_of "$target" || { ok "there is a target $target" false; return 1; }
  sources=("${sources[@]/#/src/}")
  sources=("${sources[@]/%/.c}")
  if [ -n "$server" ]; then
    includes=(-Isrc -isystem "$(pg_config --includedir-server)")
    libraries=("$(pg_config --pkglibdir)/libpgcommon.a" "$(pg_config --pkglibdir)/libpgport.a" -fno-pie -no-pie "$stay_away")
  fi
  # One input a line: a name, and its bytes as printf %b writes them.
  while read -r name bytes; do
    printf '%b' "$bytes" >"$dir/seeds/$name"
  done <"$here/$target.txt"

  if build_with_libfuzzer 2>"$dir/why"; then
    ok "$target: every input of the corpus is taken or refused" "$dir/fuzz" -runs=0 "$dir/seeds"
  else
    ok "$target: builds with gcc" gcc "${flags[@]}" "${includes[@]}" -DSTANDALONE -fsanitize=address,undefined \
      "${harness[@]}" "${sources[@]}" "${libraries[@]}" -o "$dir/fuzz"
    ok "$target: every input of the corpus is taken or refused" "$dir/fuzz" 1 1 "$dir"/seeds/*
  fi
}

# The test can fail: a mistake that is planted in a source is found.
plant() {
  local target=$1 dir=$work/$1 found=0
  mkdir "$dir/planted"
  sed "$3" "src/$2.c" >"$dir/planted/planted.c"
  ok "$target: a mistake can be planted" test "$(cmp -s "src/$2.c" "$dir/planted/planted.c"; echo $?)" = 1
  gcc -w -g -O1 -D_GNU_SOURCE -Isrc -isystem "$(pg_config --includedir-server)" -DSTANDALONE -fsanitize=address \
    "$here/${target}_fuzz.c" "$here/fuzz.c" "$here/memory.c" "$dir/planted/planted.c" \
    "$(pg_config --pkglibdir)/libpgcommon.a" "$(pg_config --pkglibdir)/libpgport.a" -fno-pie -no-pie "$stay_away" -o "$dir/planted/fuzz"
  { "$dir/planted/fuzz" 10 1 "$dir"/seeds/* || found=$?; } >"$dir/planted/said" 2>&1
  ok "$target: it is found" test "$found" != 0
  like "$target: as what it is" "$(cat "$dir/planted/said")" 'broken promise: '
}

# libFuzzer looks for new ways through what is tested, not through the test.
build_with_libfuzzer() {
  local file objects=() sanitizers
  for file in "${harness[@]}" "${sources[@]}"; do
    objects+=("$dir/$(basename "$file" .c).o")
    sanitizers=address,undefined
    [ "${file%%/*}" != src ] || sanitizers+=,fuzzer-no-link
    clang "${flags[@]}" "${includes[@]}" -fno-pie -fsanitize=$sanitizers -c "$file" -o "${objects[-1]}" || return 1
  done
  clang -fsanitize=fuzzer,address,undefined -no-pie "${objects[@]}" "${libraries[@]}" -o "$dir/fuzz"
}

# run <target>: runs it; what it says and how it ends is in its directory.
run() {
  local dir=$work/$1 limit=(-max_total_time="$seconds") status=0 server longest sources
  sources_of "$1"
  [ -z "$runs" ] || limit=(-runs="$runs")
  if grep -q LLVMFuzzerRunDriver "$dir/fuzz"; then
    "$dir/fuzz" "${limit[@]}" -max_len="$longest" -timeout=10 -rss_limit_mb=2048 \
      -artifact_prefix="$dir/" -print_final_stats=1 "$dir/corpus" "$dir/seeds" >"$dir/said" 2>&1 || status=$?
  else
    "$dir/fuzz" "$seconds" "$$" "$dir"/seeds/* >"$dir/said" 2>&1 || status=$?
  fi
  echo "$status" >"$dir/status"
}

# ended <target>: whether it ended well; else what it said last.
ended() {
  [ "$(cat "$work/$1/status")" = 0 ] && return 0
  grep -vE '^#[0-9]+[[:space:]]' "$work/$1/said" | head -n 60
  base64 -w 0 "$work/$1"/{crash,timeout,oom}-* 2>/dev/null
  return 1
}

ready=()
for target in "${targets[@]}"; do
  ! prepare "$target" || ready+=("$target")
done
for target in "${ready[@]}"; do
  while [ "$(jobs -rp | wc -l)" -ge "$at_once" ]; do
    wait -n
  done
  run "$target" &
done
wait
for target in "${ready[@]}"; do
  ok "$target: so is what is made of it" ended "$target"
  diag "$(sed -nE 's/^stat::(number_of_executed_units|average_exec_per_sec): */\1 /p; s/^#[0-9]+[[:space:]]+DONE +//p; s/ inputs$/ inputs, our own mutations/p' "$work/$target/said" | tr '\n' ' ')"
done
[[ " ${ready[*]} " != *' digest '* ]] || plant digest journal/digest "s/ && c != '\"'//"
done_testing
