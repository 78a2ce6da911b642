#!/bin/sh
# Which compilers and options come to the same bits: builds ./train with each, trains every network for a few
# steps, and compares the hashes of the weights. Takes half an hour; the exit status is 1 if two
# programs differ that should not.
#   sh tests/determinism.sh DIR      DIR: where to build, some 100 MB; what it holds already is used
set -eu
cd "$(dirname "$0")/.."
[ $# = 1 ] || { echo "usage: sh tests/determinism.sh DIR"; exit 2; }
mkdir -p "$1"
dir=$(cd "$1" && pwd)
failed=0

# train PROGRAM MODEL OPTIONS...: the hash of the weights.
train() {
  program=$1; shift
  rm -rf "$dir/run"
  "$dir/$program/train" "$@" --data digits --test-limit 1 --out "$dir/run" >"$dir/output"
  cksum <"$dir/run/weights.safetensors"
}

# A build in a folder of its own. $1: its name; $2: the compiler; $3: the level of the cpu target's kernels;
# $4: whether a * b + c may become one operation, rounded once.
build() {
  make --no-print-directory NVCC= CXX="$2" BUILD="$dir/$1" \
    cpu_kernels='$(call compile,O3,-x c++ -Wno-unknown-pragmas '"-$3 -ffp-contract=$4"')' \
    CXXFLAGS="-std=c++20 -g1 \$(ARCH_FLAGS) -pthread -fno-math-errno -fno-trapping-math -ffp-contract=$4" \
    "$dir/$1/train" >"$dir/$1.log" 2>&1
}

compilers=g++
command -v clang++ >/dev/null && compilers="g++ clang++" || echo "clang++ is not installed"
for contract in fast off; do
  for model in cnn separable bilstm; do
    first=
    for compiler in $compilers; do
      for level in O1 O3; do
        name=$compiler-$level-$contract
        build "$name" "$compiler" "$level" "$contract"
        hash=$(train "$name" $model --device cpu --epochs 1 --batch 2 --limit 100)
        echo "$hash  $name: $model"
        [ -n "$first" ] || first=$hash
        [ "$hash" = "$first" ] || [ $contract = fast ] || { echo "  expected $first"; failed=1; }
      done
    done
  done
done

# On the emulated target, fast kernels: a second process and a resume.
program=g++-O3-off
for model in cnn separable bilstm; do
  options="$model --device emulated --batch 1 --limit 1"
  hash=$(train $program $options --epochs 2)
  first=$(train $program $options --epochs 1)
  "$dir/$program/train" --resume "$dir/run" --epochs 2 >"$dir/output"
  resumed=$(cksum <"$dir/run/weights.safetensors")
  echo "$hash  emulated: $model"
  [ "$hash" = "$resumed" ] && [ "$hash" != "$first" ] || { echo "  resumed: $resumed"; failed=1; }
done
exit $failed
