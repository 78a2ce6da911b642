#pragma once

// The emulated target: a GPU's block, thread by thread, on a CPU. The threads of a block are threads
// of the operating system, one block runs after the other, a warp has 32 lanes and the barrier is
// real, so a debugger can step through a block and a race detector can watch it. It is slow: a
// barrier of 128 threads takes about as long as a whole layer on the cpu target.

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "kernels/targets/emulator.h"
#include "kernels/targets/host.h"

#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __forceinline__ inline
#define __launch_bounds__(...)

namespace plainnet::TARGET {

using emulator::blockDim;
using emulator::blockIdx;
using emulator::gridDim;
using emulator::threadIdx;
using std::max;
using std::min;
constexpr int warpSize = emulator::kWarpSize;

constexpr Dim3 threads(int x, int y = 1) { return {x, y, 1}; }

inline void __syncthreads(Place where = Place::here()) {
  emulator::barrier(where);
}
template <class T>
T __shfl_down_sync(unsigned, T value, int delta) {
  static_assert(sizeof(T) <= sizeof(double));
  emulator::Passed values{};
  std::memcpy(&values, &value, sizeof(T));
  emulator::exchange(values, [&](int lane, const emulator::Warp& warp) {
    if (lane + delta < warp.lanes) std::memcpy(&value, &warp.passed[lane + delta], sizeof(T));
  });
  return value;
}

/// x with the 10 bits of fraction that tensor cores multiply, ties away from zero. In double
/// precision, where gradients are checked, x itself.
inline real to_tf32(real x) {
  if (sizeof(real) > sizeof(float) || x != x) return x;
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  bits = (bits + 0x1000) & ~0x1FFFu;
  std::memcpy(&x, &bits, sizeof bits);
  return x;
}
// As target_gpu.h has it. Lane 4 g + t passes a[0 ... 3], then b[0 ... 1].
inline void mma_m16n8k8(real* upper, real* lower, const real* a, const real* b) {
  emulator::exchange({a[0], a[1], a[2], a[3], b[0], b[1]}, [&](int lane, const emulator::Warp& warp) {
    for (int half = 0; half < 2; ++half)
      for (int i = 0; i < 2; ++i)
        for (int k = 0; k < 8; ++k) {
          const double from_a = warp.passed[lane / 4 * 4 + k % 4][half + k / 4 * 2];
          const double from_b = warp.passed[(lane % 4 * 2 + i) * 4 + k % 4][4 + k / 4];
          (half == 0 ? upper : lower)[i] += static_cast<real>(from_a * from_b);
        }
  });
}

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), Grid grid, Dim3 block, Arguments... arguments) {
  emulator::run(grid, block, [&] { kernel(static_cast<Parameters>(arguments)...); });
}

inline void* allocate(size_t bytes) {
  void* memory = std::calloc(bytes > 0 ? bytes : 1, 1);
  if (!memory) throw std::bad_alloc();
  return memory;
}
inline void release(void* memory) { std::free(memory); }

inline std::string device_name() { return "a GPU's blocks, thread by thread, on the CPU"; }

}  // namespace plainnet::TARGET
