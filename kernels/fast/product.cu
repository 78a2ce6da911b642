// The matrix product of dense layers and LSTMs. A block computes one tile of c (tile.h): it reads a strip
// of rows of a and a strip of columns of b, each number once, and uses it for all sums of the tile. What
// one block has read is in the cache for the next: so blocks follow each other along the shorter side of c,
// and the larger factor is read from memory as rarely as possible.

#include "kernels/fast/product.h"

#if defined TARGET_CPU
#include "kernels/fast/nonzero.h"
#endif

namespace plainnet::TARGET {
namespace {

template <int V, Neighbours kNeighbours>
__global__ void product_of_tiles(Strided a, const real* __restrict__ b, int b_stride, int depth,
                                 real* __restrict__ c, int c_stride, int columns, bool add,
                                 Several several) {
  const bool along_m = a.rows < columns;
  const int m0 = (along_m ? blockIdx.x : blockIdx.y) * Tile<V>::kRows;
  const int n0 = (along_m ? blockIdx.y : blockIdx.x) * Tile<V>::kColumns;
  const Strided a_rows{a.first + m0 * a.row, kNeighbours == kInRow ? a.row : 1,
                       kNeighbours == kInRow ? 1 : a.column, a.rows - m0};

  Tile<V, kNeighbours> tile;
  tile.add_product(a_rows, b + blockIdx.z * several.b + n0, b_stride, columns - n0, depth);
  real* c_rows = c + blockIdx.z * several.c + static_cast<long>(m0) * c_stride + n0;
  tile.store(a.rows - m0, columns - n0, [&](int m, int n, Vector sum, int count) {
    real* to = c_rows + static_cast<long>(m) * c_stride + n;
    store(to, add ? load(to) + sum : sum, count);
  });
}

#if defined TARGET_CPU
// The same for an `a` that is mostly zero. A block computes some rows of c. For some steps of k at a time it
// lists the numbers of a that are not zero. With several such blocks, the part of b is copied to where it has
// room in the first-level cache; with one that does not pay, and its rows are asked for, as a processor does
// not foresee which are listed.
constexpr int kTogether = 64;

__global__ void product_of_lists(Strided a, const real* b, int b_stride, int depth, real* c, int c_stride,
                                 int columns, bool add, Several several) {
  constexpr int kListed = 64, kVectors = kVectorBytes == 64 ? 8 : 12, kWidth = kVectors * kVectorLanes;
  const bool copied = gridDim.x > 1;
  Nonzero list[kTogether][kListed];
  real copy[kListed * kWidth];
  const int m0 = blockIdx.x * kTogether, rows = min(a.rows - m0, kTogether);
  const real* a_rows = a.first + m0 * a.row;
  b += blockIdx.y * several.b;
  c += blockIdx.y * several.c + static_cast<long>(m0) * c_stride;
  for (int k0 = 0; k0 < depth; k0 += kListed, b += static_cast<long>(kListed) * b_stride) {
    const int steps = min(depth - k0, kListed);
    int listed[kTogether] = {};
    const auto add_number = [&](int m, int k) {
      const real a_mk = a_rows[m * a.row + (k0 + k) * a.column];
      add_to_list(list[m], listed[m], {k * (copied ? kWidth : b_stride), a_mk}, a_mk == 0);
    };
    if (copied && a.column == 1) {  // as they lie in memory
      for (int m = 0; m < rows; ++m)
        for (int k = 0; k < steps; ++k) add_number(m, k);
    } else {
      for (int k = 0; k < steps; ++k) {
        for (int n = 0; n < columns && !copied; n += kVectorLanes) prefetch(b + k * b_stride + n);
        for (int m = 0; m < rows; ++m) add_number(m, k);
      }
    }
    for (int n0 = 0; n0 < columns; n0 += kWidth) {
      for (int k = 0; k < steps && copied; ++k)
        for (int n = 0; n < kWidth; n += kVectorLanes)
          store(copy + k * kWidth + n, load(b + k * b_stride + n0 + n), kVectorLanes);
      for (int m = 0; m < rows; ++m)
        sum_list<kVectors>(list[m], listed[m], copied ? copy : b + n0, min(columns - n0, kWidth),
                           c + static_cast<long>(m) * c_stride + n0, add || k0 > 0);
    }
  }
}
#endif

}  // namespace

void product(Strided a, const real* b, int b_stride, int depth, real* c, int c_stride, int columns,
             bool add, const Several& several) {
#if defined TARGET_CPU
  if (a.mostly_zero)
    return launch(product_of_lists, {tiles(a.rows, kTogether), several.count}, threads(1), a, b, b_stride,
                  depth, c, c_stride, columns, add, several);
#endif
  with_width(columns, [&](auto width) {
    constexpr int V = width();
    const int m_tiles = tiles(a.rows, Tile<V>::kRows), n_tiles = tiles(columns, Tile<V>::kColumns);
    launch(a.column == 1 ? product_of_tiles<V, kInRow> : product_of_tiles<V, kInColumn>,
           a.rows < columns ? Grid(m_tiles, n_tiles, several.count) : Grid(n_tiles, m_tiles, several.count),
           Tile<V>::kThreads, a, b, b_stride, depth, c, c_stride, columns, add, several);
  });
}

}  // namespace plainnet::TARGET
