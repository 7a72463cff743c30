#!/usr/bin/env bash
#
# condense.sh isolationtester <arguments>: what pg_isolation_regress calls a
# launcher.  Runs isolationtester with the spec that comes in; what it says of a
# spec that test/tools/make-specs.sh has made is printed in one line a permutation:
#
#   <steps>: <step> <what it said>; ... | <what the last step said>
#
# A step that said nothing is not told again.  "waits" stands for a step that had
# to wait, "/" between rows, and everything else as it came: nothing is left out
# but the text of the statements and the names of the columns.

set -euo pipefail

spec=$(mktemp)
trap 'rm -f "$spec"' EXIT
cat >"$spec"
if ! grep -q '^# Made by test/tools/make-specs.sh' "$spec"; then
  "$@" <"$spec"
  exit
fi
"$@" <"$spec" 2>&1 | awk '
  function add(text) {
    sub(/^ +/, "", text); sub(/ +$/, "", text)
    if (text == "") return
    if (!(step in said)) { order[++steps] = step; said[step] = text }
    else said[step] = said[step] (text == "waits" || said[step] ~ /waits$/ ? ", " : " / ") text
  }
  function flush(   i, text, last) {
    if (name == "") return
    for (i = 1; i <= steps; i++) {
      if (order[i] == lastone) { last = said[order[i]]; continue }
      text = text (text == "" ? "" : "; ") order[i] " " said[order[i]]
    }
    print name ": " text (last == "" ? "" : " | " last)
    delete said; delete order; steps = 0
  }
  function drop() { if (held != "") add(held); held = "" }
  /^starting permutation: / {
    drop(); flush(); name = substr($0, 23); lastone = $NF; sub(/\(.*/, "", lastone); rows = 0
    next
  }
  /^Parsed test spec/ { next }
  /^step [^ ]+: / {
    drop(); step = $2; sub(/:$/, "", step); rows = 0
    if ($0 ~ /<waiting \.\.\.>$/) add("waits")
    next
  }
  /^\([0-9]+ rows?\)$/ { if (rows == 1) add("no row"); rows = 0; next }
  /^-+(\+-+)*$/ && held != "" { held = ""; rows = 1; next }
  rows {
    rows = 2; line = $0; gsub(/ *\| */, "|", line); gsub(/ +/, " ", line); add(line)
    next
  }
  /^$/ { drop(); next }
  { drop(); held = $0 }
  END { drop(); flush(); if (name == "") exit 1 }'
