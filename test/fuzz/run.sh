#!/usr/bin/env bash
#
# run.sh [target]: fuzzes the parsers of what strangers send, without a server,
# under the address and undefined-behaviour sanitizers.  Prints TAP.
#
#   http_parse   src/http_parse.c, http_multipart.c and http_text.c
#   credential   src/credential_parse.c
#
# Each for half of $WORKORDER_FUZZ_SECONDS (default 60); for $WORKORDER_FUZZ_RUNS
# inputs instead, if that is set, which takes libFuzzer.  libFuzzer if clang is
# there, else the driver's own mutations with gcc.

# shellcheck source=test/tools/tap.sh
. test/tools/tap.sh

here=test/fuzz
seconds=$(((${WORKORDER_FUZZ_SECONDS:-60} + 1) / 2))
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags=(-g -O1 -Wall -Wextra -Werror -Wno-sign-compare -fno-sanitize-recover=all "-I$here" -Isrc)

# fuzz <target> <source>...
fuzz() {
  local target=$1 dir=$work/$1 driver limit replay run name bytes
  shift
  local sources=("$here/${target}_fuzz.c" "$here/fuzz.c" "$@")
  mkdir -p "$dir/seeds" "$dir/corpus"
  # One input a line: a name, and its bytes as printf %b writes them.
  while read -r name bytes; do
    printf '%b' "$bytes" >"$dir/seeds/$name"
  done <"$here/$target.txt"

  if clang "${flags[@]}" -fsanitize=fuzzer,address,undefined "${sources[@]}" -o "$dir/fuzz" 2>"$dir/why"; then
    driver=libFuzzer
    limit=(-max_total_time="$seconds")
    [ -z "${WORKORDER_FUZZ_RUNS:-}" ] || limit=(-runs="$WORKORDER_FUZZ_RUNS")
    replay=("$dir/fuzz" -runs=0 "$dir/seeds")
    run=("$dir/fuzz" "${limit[@]}" -max_len=4096 -timeout=5 -rss_limit_mb=1024
      -artifact_prefix="$dir/" -print_final_stats=1 "$dir/corpus" "$dir/seeds")
  else
    driver='our own mutations'
    ok "$target: builds with gcc" gcc "${flags[@]}" -DSTANDALONE -fsanitize=address,undefined "${sources[@]}" -o "$dir/fuzz"
    replay=("$dir/fuzz" 1 1 "$dir"/seeds/*)
    run=("$dir/fuzz" "$seconds" "$$" "$dir"/seeds/*)
  fi
  ok "$target: every input of the corpus is taken or refused" "${replay[@]}"
  ok "$target: so is what is made of them ($driver)" "${run[@]}"
  diag "$(sed -n 's/^stat::number_of_executed_units: */inputs: /p' <<<"$tap_output")"
}

for target in ${1:-http_parse credential}; do
  case $target in
    http_parse) fuzz http_parse src/http_parse.c src/http_multipart.c src/http_text.c ;;
    credential) fuzz credential src/credential_parse.c src/http_text.c ;;
    *) ok "there is a target $target" false ;;
  esac
done
done_testing
