// The matrix product of dense layers and LSTMs. A block computes one tile of c (tile.h): it reads a strip
// of rows of a and a strip of columns of b, each number once, and uses it for all sums of the tile. What
// one block has read is in the cache for the next: so blocks follow each other along the shorter side of c,
// and the larger factor is read from memory as rarely as possible.

#include "kernels/fast/product.h"

namespace plainnet::TARGET {
namespace {

template <int V, Neighbours kNeighbours>
__global__ void __launch_bounds__(Tile<V>::kThreadCount, 2)
    product_of_tiles(Strided a, const real* __restrict__ b, int b_stride, int depth, real* __restrict__ c,
                     int c_stride, int columns, bool add, Several several) {
  const bool along_m = a.rows < columns;
  const int m0 = (along_m ? blockIdx.x : blockIdx.y) * Tile<V>::kRows;
  const int n0 = (along_m ? blockIdx.y : blockIdx.x) * Tile<V>::kColumns;
  const Strided a_rows{a.first + blockIdx.z * several.a + m0 * a.row, kNeighbours == kInRow ? a.row : 1,
                       kNeighbours == kInRow ? 1 : a.column, a.rows - m0};

  Tile<V, kNeighbours> tile;
  tile.add_product(a_rows, b + blockIdx.z * several.b + n0, b_stride, columns - n0, depth);
  real* c_rows = c + blockIdx.z * several.c + static_cast<long>(m0) * c_stride + n0;
  tile.store(a.rows - m0, columns - n0, [&](int m, int n, Vector sum, int count) {
    real* to = c_rows + static_cast<long>(m) * c_stride + n;
    store(to, add ? load(to) + sum : sum, count);
  });
}

}  // namespace

void product(Strided a, const real* b, int b_stride, int depth, real* c, int c_stride, int columns,
             bool add, const Several& several) {
  with_width(columns, [&](auto width) {
    constexpr int V = width();
    const int m_tiles = tiles(a.rows, Tile<V>::kRows), n_tiles = tiles(columns, Tile<V>::kColumns);
    launch(a.column == 1 ? product_of_tiles<V, kInRow> : product_of_tiles<V, kInColumn>,
           a.rows < columns ? Grid(m_tiles, n_tiles, several.count) : Grid(n_tiles, m_tiles, several.count),
           Tile<V>::kThreads, a, b, b_stride, depth, c, c_stride, columns, add, several);
  });
}

}  // namespace plainnet::TARGET
