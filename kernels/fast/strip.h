#pragma once

// A tile (tile.h) of few rows and many columns, for a recurrence: a block that owns few rows of the batch
// computes them step by step and waits for no other block. It is used as a tile is, with a Strided a whose
// columns lie side by side.

#include "kernels/fast/tile.h"

namespace plainnet::TARGET {

#if defined TARGET_CPU

/// On a CPU any tile will do.
template <int V>
class Strip : public Tile<V> {
 public:
  static constexpr Dim3 block(int /*columns*/) { return threads(1); }
  static constexpr int columns_at_once() { return Tile<V>::kColumns; }
};

#else

/// On a GPU a thread computes all rows of one column; where there are fewer columns than threads,
/// threadIdx.y divides the sum over k. a and b come through the caches: all threads of a warp read the same
/// number of a, and all blocks the same b.
class WideStrip {
 public:
  static constexpr int kRows = 4;
  static constexpr int kMaxThreads = 512;

  /// The block for a product with that many columns: a multiple of 32 threads along x.
  static Dim3 block(int columns) {
    const int x = columns < kMaxThreads ? (columns + 31) / 32 * 32 : kMaxThreads;
    return threads(x, kMaxThreads / x);
  }
  __device__ static int columns_at_once() { return blockDim.x; }

  /// sum[m][n] += Σ_{k < depth} a[m][k] b[k * b_stride + n]
  /// All threads must call it. It waits for them before it reads a, which any of them may have written.
  __device__ void add_product(Strided a, const real* b, int b_stride, int columns, int depth) {
    __syncthreads();  // a is complete
    const int n = threadIdx.x, part = (depth + blockDim.y - 1) / blockDim.y;
    const int begin = threadIdx.y * part, end = n < columns ? min(begin + part, depth) : begin;
    for (int k = begin; k < end; ++k) {
      const real b_kn = b[static_cast<long>(k) * b_stride + n];
      for (int m = 0; m < kRows; ++m) sum_[m] += a.begin(m)[k] * b_kn;
    }
  }

  /// As a tile's; all threads must call it.
  template <class F>
  __device__ void store(int rows, int columns, const F& f) const {
    __shared__ real part[kRows][kMaxThreads];
    for (int m = 0; m < kRows; ++m) part[m][threadIdx.y * blockDim.x + threadIdx.x] = sum_[m];
    __syncthreads();  // all parts are there
    for (int m = threadIdx.y; m < kRows && m < rows; m += blockDim.y) {
      if (static_cast<int>(threadIdx.x) >= columns) break;
      real sum = 0;
      for (int y = 0; y < static_cast<int>(blockDim.y); ++y) sum += part[m][y * blockDim.x + threadIdx.x];
      f(m, static_cast<int>(threadIdx.x), sum, 1);
    }
  }

 private:
  real sum_[kRows]{};
};

/// Whatever the width: V is for the CPU's.
template <int V>
using Strip = WideStrip;

#endif

}  // namespace plainnet::TARGET
