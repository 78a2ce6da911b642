#pragma once

// A tile (tile.h) of few rows and many columns, for a recurrence: a block that owns few rows of the batch
// computes them step by step and waits for no other block. It is used as a tile is, with a Strided a whose
// columns lie side by side.

#include "kernels/fast/tile.h"

namespace plainnet::TARGET {

#if defined TARGET_CPU

/// On a CPU any tile will do.
template <int V>
using Strip = Tile<V>;

/// Four of them, of a vector each, whose columns lie `apart` in b.
struct FourStrips : Tile<4> {
  static constexpr int columns_at_once() { return kVectorLanes; }
};

#else

/// On a GPU a thread computes all rows of one column, or of kParts columns that lie `apart` in b. a and b
/// come through the caches: all threads of a warp read the same number of a, and all blocks the same b.
template <int kParts>
class WideStrip {
 public:
  static constexpr int kRows = 4;
  static constexpr int kMaxThreads = 512;

  /// The block for a product with that many columns: a multiple of 32 threads.
  static Dim3 block(int columns) { return threads(std::min(32 * tiles(columns, 32), kMaxThreads)); }
  __device__ static int columns_at_once() { return blockDim.x; }

  /// sum[m][n] += Σ_{k < depth} a[m][k] b[k * b_stride + n]
  /// All threads must call it. It waits for them before it reads a, which any of them may have written.
  __device__ void add_product(Strided a, const real* b, int b_stride, int columns, int depth,
                              int apart = 0) {
    __syncthreads();  // a is complete
    const int n = threadIdx.x;
    for (int k = 0; k < depth && n < columns; ++k)
      for (int p = 0; p < kParts; ++p) {
        const real b_kn = b[static_cast<long>(k) * b_stride + p * apart + n];
        for (int m = 0; m < kRows; ++m) sum_[m][p] += a.begin(m)[k] * b_kn;
      }
  }

  /// As a tile's.
  template <class F>
  __device__ void store(int rows, int columns, const F& f) const {
    store_rows(rows, columns, [&](int m, int n, const real* sums, int count) { f(m, n, sums[0], count); });
  }
  template <class F>
  __device__ void store_rows(int rows, int columns, const F& f) const {
    const int n = threadIdx.x;
    for (int m = 0; m < kRows; ++m)
      if (m < rows && n < columns) f(m, n, sum_[m], 1);
  }

 private:
  real sum_[kRows][kParts]{};
};

/// Whatever the width: V is for the CPU's.
template <int V>
using Strip = WideStrip<1>;
using FourStrips = WideStrip<4>;

#endif

}  // namespace plainnet::TARGET
