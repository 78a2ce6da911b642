#pragma once

// A tile of a matrix product: what the fast convolutions, dense layers and LSTMs are made of.
//
//   sum[m][n] = Σ_k a[m][k] b[k][n]      for kRows rows m and kColumns columns n
//
// A block computes one tile. It keeps the sums in registers, spread over its threads, while it walks along
// k, so that each number that it loads serves many multiply-adds (kernels/ladder/ comes here step by step).
// Of a matrix c = a b, a [rows][K], b [K][columns], a kernel computes the tile that begins at c[m0][n0]
// like this:
//
//   Tile<V> tile;  // all sums are zero
//   tile.add_product(Strided{a + m0 * K, K, 1, rows - m0}, b + n0, columns, columns - n0, K);
//   tile.store(rows - m0, columns - n0, [&](int m, int n, Vector sum, int count) {
//     store(c + (m0 + m) * columns + n0 + n, sum, count);
//   });
//
// All threads of the block call both; add_product may be called more than once. Where a and b are no matrices
// but have their numbers here and there, as a convolution's windows, add_scattered takes three functions in
// their place: a[m][k] is row(m)[at(k)], b[k][n] is b(k)[n]. row() is asked for all kRows rows, the others on
// a CPU for up to 8 beyond K. What lies beyond the rows and columns that are there is computed and not
// stored; reading it is allowed up to kReadableBeyond (targets/cpu.h).
//
// V, the width of the tile in steps of kColumnStep columns, is 1, 2 or 3: with_width() chooses it. (On a CPU
// strip.h has one of 4, whose vectors lie apart in b.) The second template argument says which numbers of a
// lie side by side in memory: those of a row, or those of a column.

#include "kernels/fast/vector.h"

namespace plainnet::TARGET {

enum Neighbours { kInRow, kInColumn };

/// A matrix whose number [m][k] is first[m * row + k * column], and which has so many rows.
struct Strided {
  const real* first;
  long row, column;
  int rows;
  bool mostly_zero = false;    // as pixels are, or dz behind a ReLU: product() may look for the others
  const int* order = nullptr;  // row m is order[m] in memory; null: it is m

  // Where row m begins; beyond the end, where the last one does.
  __device__ __forceinline__ const real* begin(int m) const {
    const int place = min(m, rows - 1);
    return first + (order ? order[place] : place) * row;
  }
};

/// Columns from `begin` to before `end`.
struct Span {
  int begin, end;
};

}  // namespace plainnet::TARGET

#if defined TARGET_CPU
#include "kernels/fast/tile_cpu.h"
#else
#include "kernels/fast/tile_gpu.h"
#endif

namespace plainnet::TARGET {

/// Calls f with the width of tile, as a std::integral_constant, that suits a matrix of `columns` columns:
/// few of the tiles' columns should lie beyond it, and a wide tile loads a less often. A step of k costs
/// about 4 for each kColumnStep columns, and 1 for a.
template <class F>
void with_width(int columns, const F& f) {
  const auto cost = [&](int width) { return tiles(columns, width * kColumnStep) * (4 * width + 1); };
  if (cost(3) <= cost(2) && cost(3) <= cost(1))
    f(std::integral_constant<int, 3>());
  else if (cost(2) <= cost(1))
    f(std::integral_constant<int, 2>());
  else
    f(std::integral_constant<int, 1>());
}

}  // namespace plainnet::TARGET
