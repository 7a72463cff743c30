# Finds what could be looked up in the path of whoever calls.
#
# In src/: who changes the user, or gives SPI a statement, outside owner_spi.c
# (users and spi name the files that may); and in the texts of statements what
# looks an operator up by a name that cannot be qualified.
# In sql/: functions that neither pin their search_path nor are BEGIN ATOMIC
# nor written in C.

BEGIN {
  split(users, list, " "); for (i in list) may_user[list[i]]
  split(spi, list, " "); for (i in list) may_spi[list[i]]
}

FILENAME ~ /\.c$/ {
  if (/SetUserIdAndSecContext *\(/ && !(FILENAME in may_user))
    print FILENAME ":" FNR ": changes the user"
  if (/SPI_(prepare|exec|execute|cursor_open)[a-z_]* *\(/ && !(FILENAME in may_spi))
    print FILENAME ":" FNR ": gives SPI a statement"
  line = $0
  while (match(line, /"([^"\\]|\\.)*"/)) {
    text = substr(line, RSTART, RLENGTH)
    line = substr(line, RSTART + RLENGTH)
    if (text ~ /(NULLIF *\(|[a-z0-9_$)] (NOT )?IN \(|[a-z0-9_$)] (NOT )?BETWEEN |DISTINCT FROM|CASE [a-z$]|(JOIN|JOIN .*) USING *\()/)
      print FILENAME ":" FNR ": looks an operator up: " text
  }
}

FILENAME ~ /\.sql$/ {
  if (/^CREATE (FUNCTION|PROCEDURE) /) {
    start = FNR; name = $3; body = ""; inside = 1
  }
  if (inside) {
    body = body "\n" $0
    if (/\$\$;?$|\$[a-z_]+\$;?$|^AS |^BEGIN ATOMIC|^RETURN / && !/^\$\$;$/ || /;$/) {
      if (body !~ /SET search_path = pg_catalog, pg_temp|LANGUAGE c |LANGUAGE c$|BEGIN ATOMIC|[\n ]RETURN |LANGUAGE internal/)
        print FILENAME ":" start ": does not pin its path: " name
      inside = 0
    }
  }
}
