#pragma once

// Sums over the threads of a block.

#include "kernels/device.h"

namespace plainnet::TARGET {

/// Σ of `value` over the lanes of a warp; the result is in lane 0, what the others get means nothing. Each
/// lane adds the sum of the lane 16 further on to its own, then 8, 4, 2 and 1 further on, so lane 0's order
/// is always the same. The mask 0xffffffff says that all 32 lanes take part: all must call it.
template <class T>
__device__ T warp_sum(T value) {
  for (int delta = warpSize / 2; delta > 0; delta /= 2)
    value += __shfl_down_sync(0xffffffff, value, delta);
  return value;
}

/// Σ of `value` over the threads of a block of kThreads threads along x, a multiple of 32 (or the one
/// thread of the cpu target), in thread 0. All threads must call it.
template <int kThreads, class T>
__device__ T block_sum(T value) {
  constexpr int kWarps = (kThreads + 31) / 32;
  static_assert(kThreads == 1 || kThreads % 32 == 0, "a warp must be whole");
  __shared__ T sums[kWarps];
  value = warp_sum(value);
  if (threadIdx.x % warpSize == 0) sums[threadIdx.x / warpSize] = value;
  __syncthreads();
  T total = 0;
  if (threadIdx.x == 0)
    for (int warp = 0; warp < kWarps; ++warp) total += sums[warp];
  __syncthreads();  // the sums may be overwritten by the next call
  return total;
}

}  // namespace plainnet::TARGET
