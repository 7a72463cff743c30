# report.awk: results.tsv (part, round, variant, value) and rows.tsv (part, text,
# ours, competitor, unit, target) become the table.  A ratio is taken within
# each round first; then comes the median over the rounds.
BEGIN { FS = "\t" }
FNR == NR {
  value[$1, $2, $3] = $4
  if ($2 > rounds[$1]) rounds[$1] = $2
  next
}
function median(a, n,   i, j, t) {
  for (i = 2; i <= n; i++)
    for (j = i; j > 1 && a[j - 1] > a[j]; j--) { t = a[j]; a[j] = a[j - 1]; a[j - 1] = t }
  return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
}
function grouped(x,   s, out) {
  s = sprintf("%.0f", x)
  while (length(s) > 3) { out = "," substr(s, length(s) - 2) out; s = substr(s, 1, length(s) - 3) }
  return s out
}
function shown(x, unit) { return unit == "Ir" ? grouped(x) : sprintf(x < 10 ? "%.2f" : x < 100 ? "%.1f" : "%.0f", x) " " unit }
{
  n = 0
  delete o; delete c; delete q
  for (r = 1; r <= rounds[$1]; r++)
    if (($1, r, $3) in value && ($1, r, $4) in value) {
      n++
      o[n] = value[$1, r, $3]
      c[n] = value[$1, r, $4]
      q[n] = o[n] / c[n]
    }
  if (!n) next
  m = median(q, n)
  met = $6 == "" ? "" : (m <= $6 ? "yes" : sprintf("no, by %.2f", m - $6))
  line[++lines] = $2 "\t" shown(median(o, n), $5) "\t" $7 " " shown(median(c, n), $5) "\t" \
    sprintf("%.2f [%.2f-%.2f]", m, q[1], q[n]) "\t" ($6 == "" ? "" : "<= " sprintf("%.2f", $6)) "\t" met
}
END {
  line[0] = "what\tours\tcompetitor\tratio\ttarget\tmet?"
  for (i = 0; i <= lines; i++) {
    k = split(line[i], f, "\t")
    for (j = 1; j <= k; j++) if (length(f[j]) > width[j]) width[j] = length(f[j])
  }
  for (i = 0; i <= lines; i++) {
    split(line[i], f, "\t")
    out = ""
    for (j = 1; j <= 6; j++) out = out (j > 1 ? " | " : "| ") f[j] sprintf("%" (width[j] - length(f[j])) "s", "")
    print out " |"
    if (i == 0) {
      out = ""
      for (j = 1; j <= 6; j++) { d = sprintf("%" (width[j] + 2) "s", ""); gsub(/ /, "-", d); out = out "|" d }
      print out "|"
    }
  }
}
