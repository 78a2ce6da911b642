#!/bin/sh
# Finds out what the compilers of this machine are and can, for the Makefile, which calls this each time.
#   sh settings.sh BUILD    writes BUILD/settings.mk, variables of Make, if one of them has changed: all that is
#                           compiled depends on that file. Prints a sentence if nothing can be compiled.
#   sh settings.sh jobs     prints how many compilers may run at once
# CXX, CXXFLAGS, NVCC, NVCC_HOST, ARCH and GPU_ARCH come through the environment.
set -u

if [ "$1" = jobs ]; then
  # A processor each, and 500 MB of memory.
  processors=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
  {
    awk '/^MemAvailable/ { print 1024 * $2 }' /proc/meminfo
    cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes
  } 2>/dev/null | awk -v jobs="$processors" '
    /^[0-9]/ && $1 / 500e6 < jobs { jobs = int($1 / 500e6) }
    END { print (jobs > 1 ? jobs : 1) }'
  exit
fi

build=$1
mkdir -p "$build" || exit
probe=$build/probe.$$
trap 'rm -f "$probe"*' EXIT

# A path, or a command with options, as the shell takes it.
command_of() { if command -v "$1" >/dev/null; then printf "'%s'" "$1"; else printf '%s' "$1"; fi; }

cxx=$(command_of "$CXX")
macros() { eval "$cxx $1 -dM -E -x c++ /dev/null"; }
all=$(macros '' 2>/dev/null) || {
  echo "$CXX does not compile C++: apt-get install g++, or make CXX=clang++"
  exit
}
value() { printf '%s\n' "$all" | sed -n "s/^#define $1 //p"; }
if [ -n "$(value __clang__)" ]; then
  name=clang major=$(value __clang_major__) minor=$(value __clang_minor__) least=14
else
  name=g++ major=$(value __GNUC__) minor=$(value __GNUC_MINOR__) least=11
fi
if [ "$major" -lt $least ]; then
  echo "plainnet needs g++ 11 or clang 14, or later; $CXX is $name $major.$minor:" \
    "apt-get install g++-11, then make CXX=g++-11"
  exit
fi

# The processor's own instructions: x86-64 says -march, other processors -mcpu; a cross compiler knows neither.
arch=
if [ -n "${ARCH:-}" ]; then
  arch=-march=$ARCH
  macros "$arch" >/dev/null 2>&1 || { echo "ARCH=$ARCH: $CXX knows no such processor"; exit; }
else
  for flag in -march=native -mcpu=native; do
    [ -n "$arch" ] || ! macros $flag >/dev/null 2>&1 || arch=$flag
  done
fi

# What a build folder is good for: this compiler, with what this processor can; nvcc, its host compiler and GPUs.
gpus=$(ls -d /dev/nvidia[0-9]* /dev/dxg 2>/dev/null | tr '\n' ' ')
nvcc= version=
if [ -n "$NVCC" ]; then
  nvcc=$(command_of "$NVCC")
  version=$(eval "$nvcc --version" 2>&1 | sed -n 's/.*release \([0-9.]*\).*/\1/p')
fi
key="$CXX $(macros "$arch" | cksum) $CXXFLAGS $NVCC $version ${NVCC_HOST:-} ${GPU_ARCH:-} ${gpus:+$gpus$(uname -n)}"
grep -qxF "# $key" "$build/settings.mk" 2>/dev/null && exit

# try FLAGS: whether nvcc compiles a kernel, with what all files include, and the result can be linked.
try() {
  eval "$nvcc -std=c++17 $1 -c '$probe.cu' -o '$probe.o' && $cxx -pthread '$probe.o' -o '$probe' $libraries" \
    >"$probe.log" 2>&1
}

targets='cpu and emulated' flags='' include='' libraries=''
if [ -n "$nvcc" ]; then
  cat >"$probe.cu" <<'END'
#include <cuda_runtime.h>
#include <algorithm>
#include <functional>
#include <string>
#include <vector>
__global__ void nothing() {}
int main() {
  nothing<<<1, 1>>>();
  cudaGraphExec_t graph;
  return cudaGraphInstantiateWithFlags(&graph, nullptr, 0);
}
END
  said=$(eval "$nvcc -dryrun '$probe.cu'" 2>&1)
  include=$(printf '%s\n' "$said" | sed -n 's/^#\$ INCLUDES=//p' | sed 's/"-I/-isystem "/g')
  libraries="$(printf '%s\n' "$said" | sed -n 's/^#\$ LIBRARIES=//p') -lcudart_static -ldl -lrt"
  # PTX, which the driver of any GPU since Turing (2018) compiles for itself when the program first starts, and
  # code for the GPUs of GPU_ARCH, or of this machine where nvcc knows them.
  capabilities=${GPU_ARCH:-$([ -z "$gpus" ] || nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null)}
  ptx='-gencode arch=compute_75,code=compute_75' own='' list=''
  for capability in $(printf '%s\n' "$capabilities" | grep -x '[0-9. ]*' | sort -u); do
    number=$(printf %s "$capability" | tr -d .)
    own="$own -gencode arch=compute_$number,code=sm_$number" list="$list$capability, "
  done
  # nvcc's host compiler is NVCC_HOST, or CXX, or where nvcc does not take that, the one that it chooses.
  set -- "-ccbin '${NVCC_HOST:-$CXX}'"
  [ -n "${NVCC_HOST:-}" ] || set -- "$@" ''
  for host; do
    [ -n "$flags" ] || ! try "$ptx$own $host" || flags="$ptx$own $host"
    [ -n "$flags" ] || [ -n "${GPU_ARCH:-}" ] || ! try "$ptx $host" || flags="$ptx $host" list=''
  done
  if [ -n "$flags" ]; then
    targets="cpu, emulated and gpu (nvcc $version, compute capability ${list}7.5 and later)"
  else
    {
      echo "Without the gpu target: $NVCC says: $(grep -m 1 -iE 'error|fatal|unsupported|not found' "$probe.log" || tail -n 1 "$probe.log")"
      echo "Another host compiler for nvcc (apt-get install g++-11, then make NVCC_HOST=g++-11) or a newer toolkit" \
        "may help; make NVCC= is silent about it."
    } >&2
    targets='cpu and emulated (nvcc cannot compile here: make clean && make says why)'
  fi
fi

# What stands before a sign that means something to Make.
escaped() { printf '%s' "$1" | sed 's/\$/$$/g; s/#/\\#/g'; }
cat >"$probe.mk" <<END
# $key
TARGETS_TEXT := $(escaped "$targets")
CXX_COMMAND := $(escaped "$cxx")
ARCH_FLAGS := $arch
NVCC_COMMAND := $(escaped "${flags:+$nvcc}")
NVCC_FLAGS := $(escaped "$flags")
CUDA_INCLUDE := $(escaped "${flags:+$include}")
CUDA_LIBRARIES := $(escaped "${flags:+$libraries}")
END
mv -f "$probe.mk" "$build/settings.mk"
