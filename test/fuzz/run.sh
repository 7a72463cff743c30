#!/usr/bin/env bash
#
# Fuzzes the HTTP parsers without a server: src/http_parse.c, http_multipart.c
# and http_text.c, under the address and undefined-behaviour sanitizers, for
# $WORKORDER_FUZZ_SECONDS (default 60).  libFuzzer if clang is there, else the
# driver's own mutations with gcc.  Prints TAP.

# shellcheck source=test/tools/tap.sh
. test/tools/tap.sh

here=test/fuzz
seconds=${WORKORDER_FUZZ_SECONDS:-60}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sources=("$here/http_parse_fuzz.c" src/http_parse.c src/http_multipart.c src/http_text.c)
mkdir "$work/seeds" "$work/corpus"
# One input a line: a name, and its bytes as printf %b writes them.
while read -r name bytes; do
  printf '%b' "$bytes" >"$work/seeds/$name"
done <"$here/corpus.txt"
flags=(-g -O1 -Wall -Wextra -Werror -Wno-sign-compare -fno-sanitize-recover=all "-I$here" -Isrc)

if clang "${flags[@]}" -fsanitize=fuzzer,address,undefined "${sources[@]}" -o "$work/fuzz" 2>"$work/why"; then
  driver=libFuzzer
  replay=("$work/fuzz" -runs=0 "$work/seeds")
  fuzz=("$work/fuzz" -max_total_time="$seconds" -max_len=4096 -timeout=5 -rss_limit_mb=1024
    -artifact_prefix="$work/" -print_final_stats=1 "$work/corpus" "$work/seeds")
else
  driver='our own mutations'
  ok 'builds with gcc' gcc "${flags[@]}" -DSTANDALONE -fsanitize=address,undefined "${sources[@]}" -o "$work/fuzz"
  replay=("$work/fuzz" 1 1 "$work"/seeds/*)
  fuzz=("$work/fuzz" "$seconds" "$$" "$work"/seeds/*)
fi

ok 'every input of the corpus is taken or refused' "${replay[@]}"
ok "so is what is made of them in $seconds seconds ($driver)" "${fuzz[@]}"
done_testing
