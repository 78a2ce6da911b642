// Rung 5, loads ahead: as rung 4, but while the threads multiply one slice, the next one is on its way.
//
// Slow memory answers late. In rung 4 a thread cannot store into shared memory before the answer is there,
// and the whole block waits. Here it loads its part of the next slice into registers, does not wait, but
// multiplies, and only then stores what it has loaded. No load is spared, but the waiting is.
//
// It helps on a GPU. A CPU looks some hundred instructions ahead by itself, and has no registers
// for a slice: there next_a and next_b are one more copy in the cache, which costs time.

#include "kernels/ladder/wide.h"

namespace plainnet::TARGET::ladder {

__global__ void product_ahead(const real* __restrict__ a,  // [rows][depth]
                              const real* __restrict__ b,  // [depth][columns]
                              real* __restrict__ c,        // [rows][columns]
                              int rows, int depth, int columns) {
  __shared__ Wide a_slice[kRows][kSlice / kLanes], b_slice[kSlice][kColumns / kLanes];
  const int m0 = blockIdx.x * kRows, n0 = blockIdx.y * kColumns;
  const int x = threadIdx.x, y = threadIdx.y;
  Wide sum[kM][kWides] = {}, next_a[kM][kAWides], next_b[kBRows][kWides];

  // In the first round there is no slice to multiply yet; what the last one loads, beyond the depth, is 0.
  for (int next = 0; next < depth + kSlice; next += kSlice) {
    for (int m = 0; m < kM; ++m)
      for (int k = 0; k < kAWides; ++k)
        next_a[m][k] = wide_at(a, rows, depth, m0 + y + m * kDown, next + (x + k * kAcross) * kLanes);
    for (int k = 0; k < kBRows; ++k)
      for (int n = 0; n < kWides; ++n)
        next_b[k][n] = wide_at(b, depth, columns, next + y + k * kDown, n0 + (x + n * kAcross) * kLanes);
    for (int k = 0; k < kSlice && next > 0; k += kLanes) {
      Wide a_k[kM];
      for (int m = 0; m < kM; ++m) a_k[m] = a_slice[y * kM + m][k / kLanes];
      for (int i = 0; i < kLanes; ++i)
        for (int m = 0; m < kM; ++m)
          for (int n = 0; n < kWides; ++n) sum[m][n] += a_k[m][i] * b_slice[k + i][x * kWides + n];
    }
    __syncthreads();  // all have multiplied: the slices may be overwritten
    for (int m = 0; m < kM; ++m)
      for (int k = 0; k < kAWides; ++k) a_slice[y + m * kDown][x + k * kAcross] = next_a[m][k];
    for (int k = 0; k < kBRows; ++k)
      for (int n = 0; n < kWides; ++n) b_slice[y + k * kDown][x + n * kAcross] = next_b[k][n];
    __syncthreads();  // the slices are complete
  }

  for (int m = 0; m < kM; ++m)
    for (int n = 0; n < kWides; ++n)
      put_wide(c, rows, columns, m0 + y * kM + m, n0 + (x * kWides + n) * kLanes, sum[m][n]);
}

void launch_ahead(const real* a, const real* b, real* c, int rows, int depth, int columns) {
  launch(product_ahead, {tiles(rows, kRows), tiles(columns, kColumns)}, kThreads, a, b, c, rows, depth,
         columns);
}

}  // namespace plainnet::TARGET::ladder
