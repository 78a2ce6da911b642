#!/bin/sh
# Whether each __syncthreads() of kernels/ is needed: leaves out one after the other, and runs the tests that
# pass it under the watched emulator, in each order of the threads, which must report a race. The last line is
# "N passed, N failed, N skipped". It takes the program that make WATCH=on builds.
set -u
cd "$(dirname "$0")/../.."
program=build/watch/run_tests
passed=0 failed=0
for barrier in $(grep -rn '^ *__syncthreads();' kernels | cut -d: -f1,2 | sort -t: -k1,1 -k2n); do
  case $barrier in
    kernels/ladder/*) set -- 'emulated_float ladder' ;;
    *) set -- 'emulated_float conv2d' 'emulated_float d' 'emulated_float lstm' 'emulated_float softmax' \
              'emulated_float warp_sum' 'emulated_double fast agrees' ;;
  esac
  for order in up down 7; do
    report=$(WATCH_WITHOUT=$barrier WATCH_ORDER=$order $program "$@" |
             grep -m1 -A2 -e 'a race on' -e 'which nothing .*has written')
    if [ -n "$report" ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    printf '%s, %s: %s\n' "$barrier" "$order" "${report:-NOT REPORTED}"
  done
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
