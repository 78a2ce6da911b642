// Rung 3, registers: as rung 2, but a thread computes a tile of sums, 4 x 4 on a GPU, and a block's tile
// is as much larger: 32 x 32.
//
// At a step of k a thread loads 4 numbers of a and 4 of b from shared memory for its 16 multiply-adds:
// half a load each, not two. And slow memory is read a 32nd as often as by rung 1.
//
// It helps on every target. On a CPU the tile is 8 x 48 (with AVX-512), which fits into
// the vector registers. But here sum is an array, and whether the compiler keeps it there is up to it.

#include "kernels/ladder/ladder.h"

namespace plainnet::TARGET::ladder {

__global__ void product_registers(const real* __restrict__ a,  // [rows][depth]
                                  const real* __restrict__ b,  // [depth][columns]
                                  real* __restrict__ c,        // [rows][columns]
                                  int rows, int depth, int columns) {
  // A row of a_slice has one number more than it needs. Shared memory has 32 banks, which each serve one
  // address at a time: without it, the four rows that a warp reads at once would be in the same bank.
  __shared__ real a_slice[kRows][kSlice + 1], b_slice[kSlice][kColumns];
  const int m0 = blockIdx.x * kRows, n0 = blockIdx.y * kColumns;
  const int own_m = threadIdx.y * kM, own_n = threadIdx.x * kN;
  real sum[kM][kN] = {};

  for (int k0 = 0; k0 < depth; k0 += kSlice) {
    for (int m = threadIdx.y; m < kRows; m += blockDim.y)
      for (int k = threadIdx.x; k < kSlice; k += blockDim.x)
        a_slice[m][k] = number_at(a, rows, depth, m0 + m, k0 + k);
    for (int k = threadIdx.y; k < kSlice; k += blockDim.y)
      for (int n = threadIdx.x; n < kColumns; n += blockDim.x)
        b_slice[k][n] = number_at(b, depth, columns, k0 + k, n0 + n);
    __syncthreads();  // the slices are complete
    for (int k = 0; k < kSlice; ++k)
      for (int m = 0; m < kM; ++m)
        for (int n = 0; n < kN; ++n) sum[m][n] += a_slice[own_m + m][k] * b_slice[k][own_n + n];
    __syncthreads();  // all have multiplied: the slices may be overwritten
  }

  for (int m = 0; m < kM && m0 + own_m + m < rows; ++m)
    for (int n = 0; n < kN && n0 + own_n + n < columns; ++n)
      c[static_cast<long>(m0 + own_m + m) * columns + n0 + own_n + n] = sum[m][n];
}

void launch_registers(const real* a, const real* b, real* c, int rows, int depth, int columns) {
  launch(product_registers, {tiles(rows, kRows), tiles(columns, kColumns)}, kThreads, a, b, c, rows, depth,
         columns);
}

}  // namespace plainnet::TARGET::ladder
