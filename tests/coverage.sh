# Prints how many lines of code the tests run, for each folder, and the lines that no test runs.
#   sh tests/coverage.sh BUILD    after BUILD/run_tests, built with COVERAGE=on, has run
# A line counts once, however many targets and templates it is compiled for. Fails below 95%.
set -eu
find "$1" -name '*.gcda' ! -path '*/tests/*' -print0 | xargs -0 gcov --stdout 2>/dev/null | awk '
  { count = $1; sub(/:.*/, "", count); gsub(/[ *]/, "", count) }
  /^ *-: *0:Source:/ { source = $0; sub(/.*Source:/, "", source); sub(/^\.\//, "", source); next }
  source !~ /^(src|kernels)\// || count == "-" || count !~ /^([0-9]+|#####|=====)$/ { next }
  {
    line = $0; sub(/^[^:]*: */, "", line)
    number = line; sub(/:.*/, "", number); sub(/^[0-9]+:/, "", line)
    place = source ":" number
    if (!(place in text)) { order[++places] = place; text[place] = line; file[place] = source }
    if (count + 0 > 0) run[place] = 1
  }
  END {
    for (i = 1; i <= places; ++i) {
      place = order[i]; folder = file[place]; sub(/\/[^\/]*$/, "", folder)
      ++all[folder]; ++total
      if (place in run) { ++hit[folder]; ++total_hit } else print place ":" text[place] | "sort -t: -k1,1 -k2,2n"
    }
    close("sort -t: -k1,1 -k2,2n")
    print ""
    for (folder in all) printf "%-18s %5d of %5d lines, %5.1f%%\n", folder, hit[folder], all[folder], 100 * hit[folder] / all[folder] | "sort"
    close("sort")
    printf "%-18s %5d of %5d lines, %5.1f%%\n", "src and kernels", total_hit, total, 100 * total_hit / total
    exit total_hit < 0.95 * total
  }'
