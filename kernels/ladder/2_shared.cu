// Rung 2, shared memory: as rung 1, but a block computes a square of c, 16 x 16 numbers. It goes along k
// in steps of 16: its threads copy a square of a and a square of b into shared memory, which is near,
// and multiply what lies there.
//
// A number that was loaded from slow memory serves the 16 sums of the block that need it: slow memory
// is read a sixteenth as often. Each multiply-add still loads two numbers, now from shared memory.
//
// It helps on every target. The cpu target's shared memory is an array that stays in the
// nearest cache, and its one thread has all 256 sums of a block.

#include "kernels/ladder/ladder.h"

namespace plainnet::TARGET::ladder {

constexpr int kSquare = 16;
constexpr Dim3 kSquareThreads = threads(kSquare, kSquare);
constexpr int kOwnRows = kSquare / kSquareThreads.y, kOwnColumns = kSquare / kSquareThreads.x;

__global__ void product_shared(const real* __restrict__ a,  // [rows][depth]
                               const real* __restrict__ b,  // [depth][columns]
                               real* __restrict__ c,        // [rows][columns]
                               int rows, int depth, int columns) {
  __shared__ real a_square[kSquare][kSquare], b_square[kSquare][kSquare];
  const int m0 = blockIdx.x * kSquare, n0 = blockIdx.y * kSquare;
  // The thread's sums, on a GPU a single one, begin at this row and column of the square.
  const int own_m = threadIdx.y * kOwnRows, own_n = threadIdx.x * kOwnColumns;
  real sum[kOwnRows][kOwnColumns] = {};

  for (int k0 = 0; k0 < depth; k0 += kSquare) {
    for (int i = threadIdx.y; i < kSquare; i += blockDim.y)
      for (int j = threadIdx.x; j < kSquare; j += blockDim.x) {
        a_square[i][j] = number_at(a, rows, depth, m0 + i, k0 + j);
        b_square[i][j] = number_at(b, depth, columns, k0 + i, n0 + j);
      }
    __syncthreads();  // the squares are complete: a thread multiplies what others have copied
    for (int k = 0; k < kSquare; ++k)
      for (int m = 0; m < kOwnRows; ++m)
        for (int n = 0; n < kOwnColumns; ++n)
          sum[m][n] += a_square[own_m + m][k] * b_square[k][own_n + n];
    __syncthreads();  // all have multiplied: the squares may be overwritten
  }

  for (int m = 0; m < kOwnRows && m0 + own_m + m < rows; ++m)
    for (int n = 0; n < kOwnColumns && n0 + own_n + n < columns; ++n)
      c[static_cast<long>(m0 + own_m + m) * columns + n0 + own_n + n] = sum[m][n];
}

void launch_shared(const real* a, const real* b, real* c, int rows, int depth, int columns) {
  launch(product_shared, {tiles(rows, kSquare), tiles(columns, kSquare)}, kSquareThreads, a, b, c, rows,
         depth, columns);
}

}  // namespace plainnet::TARGET::ladder
