// Rung 6, several groups of threads: as rung 5, but a block has four groups of 8 x 8 threads. Each computes
// the same tile of c, from every fourth slice, and in the end their sums are added up.
//
// 128 x 512 numbers are 64 tiles, fewer than a large GPU has multiprocessors, and a block of rung 5 is two
// warps: most of the GPU has nothing to do, and where both wait, nobody computes. Smaller tiles would be
// more, but would load each number more often. Divided along k, the work keeps
// four times as many threads busy, and each number is loaded as often as before.
//
// The groups' sums are added in a fixed order, so that each run gives the same bits. It helps on
// a GPU; on the cpu target there is one group, and this is rung 5.

#include "kernels/ladder/wide.h"

namespace plainnet::TARGET::ladder {

__global__ void product_groups(const real* __restrict__ a,  // [rows][depth]
                               const real* __restrict__ b,  // [depth][columns]
                               real* __restrict__ c,        // [rows][columns]
                               int rows, int depth, int columns) {
  __shared__ Wide a_slice[kGroups][kRows][kSlice / kLanes], b_slice[kGroups][kSlice][kColumns / kLanes];
  __shared__ Wide total[kM][kWides][kDown][kAcross];
  const int m0 = blockIdx.x * kRows, n0 = blockIdx.y * kColumns;
  const int x = threadIdx.x, y = threadIdx.y % kDown, group = threadIdx.y / kDown;
  Wide sum[kM][kWides] = {}, next_a[kM][kAWides], next_b[kBRows][kWides];

  for (int next = 0; next < depth + kGroups * kSlice; next += kGroups * kSlice) {
    const int k0 = next + group * kSlice;
    for (int m = 0; m < kM; ++m)
      for (int k = 0; k < kAWides; ++k)
        next_a[m][k] = wide_at(a, rows, depth, m0 + y + m * kDown, k0 + (x + k * kAcross) * kLanes);
    for (int k = 0; k < kBRows; ++k)
      for (int n = 0; n < kWides; ++n)
        next_b[k][n] = wide_at(b, depth, columns, k0 + y + k * kDown, n0 + (x + n * kAcross) * kLanes);
    for (int k = 0; k < kSlice && next > 0; k += kLanes) {
      Wide a_k[kM];
      for (int m = 0; m < kM; ++m) a_k[m] = a_slice[group][y * kM + m][k / kLanes];
      for (int i = 0; i < kLanes; ++i)
        for (int m = 0; m < kM; ++m)
          for (int n = 0; n < kWides; ++n)
            sum[m][n] += a_k[m][i] * b_slice[group][k + i][x * kWides + n];
    }
    __syncthreads();  // all have multiplied: the slices may be overwritten
    for (int m = 0; m < kM; ++m)
      for (int k = 0; k < kAWides; ++k) a_slice[group][y + m * kDown][x + k * kAcross] = next_a[m][k];
    for (int k = 0; k < kBRows; ++k)
      for (int n = 0; n < kWides; ++n) b_slice[group][y + k * kDown][x + n * kAcross] = next_b[k][n];
    __syncthreads();  // the slices are complete
  }

  // One group after the other adds to its sums those of the groups before it; the last one has them all.
  for (int turn = 0; turn < kGroups; ++turn) {
    for (int m = 0; m < kM && group == turn; ++m)
      for (int n = 0; n < kWides; ++n) {
        if (turn > 0) sum[m][n] += total[m][n][y][x];
        total[m][n][y][x] = sum[m][n];
      }
    __syncthreads();  // the next group reads what this one wrote
  }
  for (int m = 0; m < kM && group == kGroups - 1; ++m)
    for (int n = 0; n < kWides; ++n)
      put_wide(c, rows, columns, m0 + y * kM + m, n0 + (x * kWides + n) * kLanes, sum[m][n]);
}

void launch_groups(const real* a, const real* b, real* c, int rows, int depth, int columns) {
  launch(product_groups, {tiles(rows, kRows), tiles(columns, kColumns)}, kGroupThreads, a, b, c, rows,
         depth, columns);
}

}  // namespace plainnet::TARGET::ladder
