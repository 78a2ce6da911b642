#pragma once

// The emulated target: a GPU's block, thread by thread, on a CPU. The threads of a block are threads
// of the operating system, one block runs after the other, a warp has 32 lanes and the barrier is
// real, so a debugger can step through a block and a race detector can watch it. It is slow: a
// barrier of 128 threads takes about as long as a whole layer on the cpu target.

#include "kernels/targets/emulator.h"
#include "kernels/targets/host.h"

#define __shared__ static

namespace plainnet::TARGET {

using emulator::allocate, emulator::release, emulator::copy;
using emulator::threadIdx, emulator::blockIdx, emulator::blockDim, emulator::gridDim;
constexpr int warpSize = emulator::kWarpSize;

constexpr Dim3 threads(int x, int y = 1) { return {x, y, 1}; }

inline void __syncthreads(Place where = Place::here()) {
  emulator::barrier(where);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, int delta, Place where = Place::here()) {
  static_assert(sizeof(T) <= sizeof(int) || std::is_same_v<T, double>, "a double must hold any T");
  const auto read = [&](int lane, const emulator::Warp& warp) {
    if (lane + delta < warp.lanes) value = static_cast<T>(warp.passed[lane + delta][0]);
  };
  emulator::exchange(mask, {static_cast<double>(value)}, read, where);
  return value;
}

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), Grid grid, Dim3 block, Arguments... arguments) {
  const auto call = [&] { kernel(static_cast<Parameters>(arguments)...); };
  emulator::run(grid, block, reinterpret_cast<const void*>(kernel), std::ref(call));
}

inline std::string device_name() { return "a GPU's blocks, thread by thread, on the CPU"; }

}  // namespace plainnet::TARGET
