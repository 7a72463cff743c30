# awk -f repeats.awk file...: lists the runs of more than 12 lines of SQL that
# stand in two places, be it with other names, texts and numbers.
#
# Code is written with keywords in capitals and names in small letters, so the
# shape of a line is what is left of it without the latter.  The frame of a
# function (what it is called and marked, where its body begins and ends, its
# comment) is the same everywhere and does not count; a run does not go from one
# function to the next.  A line of a list, such as a column's name and value,
# says nothing but its words, so there they do count.

function end_of_run() {
  n++
  shape[n] = "end " n
}

FNR == 1 { end_of_run() }
/^ *(CREATE|COMMENT ON|ALTER) / { end_of_run() }
/^ *(--|\\)/ || /^ *$/ { next }
/^ *(CREATE (FUNCTION|VIEW|POLICY|TRIGGER)|COMMENT ON|REVOKE ALL ON FUNCTION|LANGUAGE|RETURNS|OUT |SET search_path|AS |#variable_conflict|DECLARE|BEGIN|END|\$[a-z]*\$;)/ { next }
/^ *'([^']|'')*';$/ { next }
{
  line = $0
  sub(/^ +/, "", line)
  sub(/ -- .*/, "", line)
  said = line
  gsub(/'[^']*'/, "''", line)
  gsub(/"[^"]*"/, "x", line)
  gsub(/[0-9]+/, "0", line)
  gsub(/[a-z_][a-z0-9_.]*/, "x", line)
  n++
  shape[n] = line ~ /[A-Z(]/ ? line : said
  place[n] = FILENAME ":" FNR
}
END {
  longest = 12
  for (i = 1; i + longest <= n; i++) {
    key = ""
    for (j = i; j <= i + longest; j++)
      key = key "\n" shape[j]
    if (!(key in first))
      first[key] = i
    # Not the next line of a run that has been told.
    else if (i - first[key] > longest && !(told && i == told + 1 && first[key] == from + 1)) {
      print place[first[key]] " stands again at " place[i]
      told = i
      from = first[key]
    } else if (i - first[key] > longest) {
      told = i
      from = first[key]
    }
  }
}
