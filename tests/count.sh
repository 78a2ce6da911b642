#!/bin/sh
# The lines of code of each folder, and the budget: neither blank nor comment only, none over 110 columns.
# The exit status is 1 if something is beyond it.
set -eu
cd "$(dirname "$0")/.."

# count FILE...: their lines of code.
count() { cat "$@" | awk '{ sub(/^[ \t]+/, "") } $0 != "" && !/^\/\// { n++ } END { print n + 0 }'; }
failed=0
# within WHAT LINES BUDGET
within() {
  printf '%-34s %5d of %5d\n' "$1" "$2" "$3"
  [ "$2" -le "$3" ] || { echo "  beyond the budget"; failed=1; }
}

for folder in $(find kernels src -type d | sort); do
  files=$(find "$folder" -maxdepth 1 -type f -name '*.[ch]*')
  [ -z "$files" ] || printf '%-34s %5d\n' "${folder%/}" "$(count $files)"
done
echo
ladder=$(find kernels/ladder -type f 2>/dev/null || :)
within "the textbook" "$(count kernels/*.cu kernels/*.h src/network/* src/training/*)" 2000
within "kernels and src without the ladder" \
  "$(count $(find kernels src -type f ! -path 'kernels/ladder/*'))" 6500
within "the ladder" "$([ -z "$ladder" ] && echo 0 || count $ladder)" 400

long=$(find kernels src -type f -exec awk 'length > 110 { print FILENAME ":" FNR }' {} +)
[ -z "$long" ] || { printf 'Over 110 columns:\n%s\n' "$long"; failed=1; }
for file in kernels/*.cu; do
  lines=$(wc -l <"$file")
  [ "$lines" -le 200 ] || { echo "$file: expected at most 200 lines of a plain file, found $lines"; failed=1; }
done
exit $failed
