#pragma once

// The emulated target: a GPU's block, thread by thread, on a CPU. The threads of a block are threads
// of the operating system, one block runs after the other, a warp has 32 lanes and the barrier is
// real, so a debugger can step through a block and a race detector can watch it. It is slow: a
// barrier of 128 threads takes about as long as a whole layer on the cpu target.

#include <cstring>

#include "kernels/targets/emulator.h"
#include "kernels/targets/host.h"

#define __shared__ static

namespace plainnet::TARGET {

using emulator::allocate;
using emulator::blockDim;
using emulator::blockIdx;
using emulator::copy;
using emulator::gridDim;
using emulator::release;
using emulator::threadIdx;
constexpr int warpSize = emulator::kWarpSize;

constexpr Dim3 threads(int x, int y = 1) { return {x, y, 1}; }

inline void __syncthreads(Place where = Place::here()) {
  emulator::barrier(where);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, int delta, Place where = Place::here()) {
  static_assert(sizeof(T) <= sizeof(double));
  emulator::Passed values{};
  std::memcpy(&values, &value, sizeof(T));
  const auto read = [&](int lane, const emulator::Warp& warp) {
    if (lane + delta < warp.lanes) std::memcpy(&value, &warp.passed[lane + delta], sizeof(T));
  };
  emulator::exchange(mask, values, read, where);
  return value;
}

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), Grid grid, Dim3 block, Arguments... arguments) {
  const auto call = [&] { kernel(static_cast<Parameters>(arguments)...); };
  emulator::run(grid, block, reinterpret_cast<const void*>(kernel), std::ref(call));
}

inline std::string device_name() { return "a GPU's blocks, thread by thread, on the CPU"; }

}  // namespace plainnet::TARGET
