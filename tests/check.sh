#!/bin/sh
# The tests under all that sees more than their results:
#   the watched emulator             races, unwritten memory, bounds: in three orders of the threads (tests/watch)
#   the same, without each barrier   whether each __syncthreads() of kernels/ is needed
#   address and undefined            bounds and undefined behaviour, of the cpu and emulated targets and of src/
#   compute-sanitizer                races, unwritten memory and bounds on a GPU
# With an argument, only the first, and most of it in one order only. What is left out, and what this machine
# cannot run, is said and counted. The last line is "N passed, N failed, N skipped", and the exit status is 0 only
# if something passed and nothing failed.
set -u
cd "$(dirname "$0")/.."
quick=${1:-}
passed=0 failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# run TITLE COMMAND...: prints what failed, and adds up what the tests' last line says. Without such a line, or if
# the status says otherwise, something failed.
run() {
  printf '%s\n' "$1"
  shift
  "$@" >"$log" 2>&1
  status=$?
  counts=$(grep '^[0-9]* passed, [0-9]* failed, [0-9]* skipped$' "$log" | tail -n 1)
  set -- ${counts:-0 passed, 1 failed, 0 skipped}
  passed=$((passed + $1)) skipped=$((skipped + $5))
  [ "$status" = 0 ] && [ "$3" = 0 ] && echo "  $counts" && return
  failed=$((failed + ($3 > 0 ? $3 : 1)))
  awk '/ ok +[0-9.]+ s$/ { shown = 0 } / FAILED | NOT REPORTED/ { shown = 1 } shown' "$log"
  tail -n 3 "$log"
}
skip() {
  printf '%s\n  skipped: %s\n' "$1" "$2"
  skipped=$((skipped + 1))
}

make --no-print-directory WATCH=on build/watch/run_tests || exit 1
run 'The watched emulator, threads up' env WATCH_ORDER=up build/watch/run_tests emulated targets
others='emulated targets'
[ -z "$quick" ] || others=emulated_float
for order in down 7; do
  run "The watched emulator, threads $order" env WATCH_ORDER=$order build/watch/run_tests $others
done

if [ -n "$quick" ]; then
  skip 'The watched emulator without each barrier; address and undefined' 'make check without QUICK runs them'
else
  run 'The watched emulator, without each barrier' sh tests/watch/barriers.sh
  make --no-print-directory NVCC= SANITIZE=address,undefined build/address,undefined/run_tests || exit 1
  export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
  run 'Address and undefined behaviour' build/address,undefined/run_tests
fi

if ! nvidia-smi -L 2>/dev/null | grep -q '^GPU'; then
  skip 'compute-sanitizer' 'this machine has no GPU'
elif ! command -v compute-sanitizer >/dev/null; then
  skip 'compute-sanitizer' 'not on PATH; it comes with the CUDA toolkit'
else
  make --no-print-directory build/run_tests || exit 1
  for tool in memcheck racecheck initcheck; do
    run "compute-sanitizer, $tool" compute-sanitizer --tool $tool --error-exitcode 1 --print-limit 3 \
      build/run_tests gpu_float
  done
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
