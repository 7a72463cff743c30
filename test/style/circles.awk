# Reads "a b", a uses b, and prints each circle: a line with the names of all
# that use each other, by whatever way, in the order of the alphabet.

$1 != $2 { uses[$1, $2] = 1; name[$1]; name[$2] }
END {
  # Warshall: who reaches whom.
  for (via in name)
    for (from in name)
      if ((from, via) in uses)
        for (to in name)
          if ((via, to) in uses) uses[from, to] = 1
  n = 0
  for (x in name) sorted[++n] = x
  for (i = 2; i <= n; i++)
    for (j = i; j > 1 && sorted[j - 1] > sorted[j]; j--) { x = sorted[j]; sorted[j] = sorted[j - 1]; sorted[j - 1] = x }
  for (i = 1; i <= n; i++) {
    line = sorted[i]
    if (line in seen) continue
    for (j = i + 1; j <= n; j++)
      if (((sorted[i], sorted[j]) in uses) && ((sorted[j], sorted[i]) in uses)) {
        line = line " " sorted[j]
        seen[sorted[j]]
      }
    if (line != sorted[i]) print line
  }
}
