// Rung 4, wide loads: as rung 3, but whatever is copied, loaded or stored is a Wide: neighbouring numbers
// that one instruction loads, 4 on a GPU and up to 16 on a CPU. (Where the rows of a matrix are no multiple
// of a Wide long, wide_at loads number by number.)
//
// Each number comes as often as in rung 3, but it takes fewer instructions. For 4 steps of k a GPU's thread
// makes 64 multiply-adds and 8 loads from shared memory, where rung 3 makes 32 loads.
//
// It helps on every target, and most on a CPU, where a Wide is a vector register: one
// instruction also multiplies all its numbers, and the sums are few enough variables, 24 with AVX-512 and 12
// without, for the compiler to keep them in registers.

#include "kernels/ladder/wide.h"

namespace plainnet::TARGET::ladder {

__global__ void product_wide(const real* __restrict__ a,  // [rows][depth]
                             const real* __restrict__ b,  // [depth][columns]
                             real* __restrict__ c,        // [rows][columns]
                             int rows, int depth, int columns) {
  __shared__ Wide a_slice[kRows][kSlice / kLanes], b_slice[kSlice][kColumns / kLanes];
  const int m0 = blockIdx.x * kRows, n0 = blockIdx.y * kColumns;
  const int own_m = threadIdx.y * kM, own_n = threadIdx.x * kWides;  // n in Wides
  Wide sum[kM][kWides] = {};

  for (int k0 = 0; k0 < depth; k0 += kSlice) {
    for (int m = threadIdx.y; m < kRows; m += blockDim.y)
      for (int k = threadIdx.x; k < kSlice / kLanes; k += blockDim.x)
        a_slice[m][k] = wide_at(a, rows, depth, m0 + m, k0 + k * kLanes);
    for (int k = threadIdx.y; k < kSlice; k += blockDim.y)
      for (int n = threadIdx.x; n < kColumns / kLanes; n += blockDim.x)
        b_slice[k][n] = wide_at(b, depth, columns, k0 + k, n0 + n * kLanes);
    __syncthreads();  // the slices are complete
    for (int k = 0; k < kSlice; k += kLanes) {
      Wide a_k[kM];  // of each own row of a, the numbers k ... k + kLanes - 1
      for (int m = 0; m < kM; ++m) a_k[m] = a_slice[own_m + m][k / kLanes];
      for (int i = 0; i < kLanes; ++i)
        for (int m = 0; m < kM; ++m)
          for (int n = 0; n < kWides; ++n) sum[m][n] += a_k[m][i] * b_slice[k + i][own_n + n];
    }
    __syncthreads();  // all have multiplied: the slices may be overwritten
  }

  for (int m = 0; m < kM; ++m)
    for (int n = 0; n < kWides; ++n)
      put_wide(c, rows, columns, m0 + own_m + m, n0 + (own_n + n) * kLanes, sum[m][n]);
}

void launch_wide(const real* a, const real* b, real* c, int rows, int depth, int columns) {
  launch(product_wide, {tiles(rows, kRows), tiles(columns, kColumns)}, kThreads, a, b, c, rows, depth,
         columns);
}

}  // namespace plainnet::TARGET::ladder
