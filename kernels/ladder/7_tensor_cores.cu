// Rung 7, tensor cores: as rung 6, but the lanes of a warp do not multiply. Together they hand pieces of
// their slices, 16 x 8 numbers of a and 8 x 8 of b, to a tensor core, which multiplies and adds them up.
//
// For 8 steps of k a lane loads 4 numbers of a and 8 of b from shared memory, and takes part in four such
// products: 4 instructions for its share of 128 multiply-adds, where rung 6 has 128, and 16 wide loads.
// Slow memory is read as often as before.
//
// The price is precision: the factors are rounded to TF32, three decimal digits. It helps on a
// GPU of compute capability 8.0 or later; on the emulated target the lanes pass numbers to each other.

#include "kernels/ladder/tensor_cores.h"
#include "kernels/ladder/wide.h"

namespace plainnet::TARGET::ladder {

#if defined TARGET_CPU
bool has_tensor_cores() { return false; }
void launch_tensor_cores(const real*, const real*, real*, int, int, int) {}
#else

__global__ void product_tensor_cores(const real* __restrict__ a,  // [rows][depth]
                                     const real* __restrict__ b,  // [depth][columns]
                                     real* __restrict__ c,        // [rows][columns]
                                     int rows, int depth, int columns) {
  // The rows are a little longer than they need to be, so that the lanes read 32 different banks at once.
  __shared__ Wide a_slice[kGroups][kRows][kSlice / kLanes + 1];
  __shared__ Wide b_slice[kGroups][kSlice][kColumns / kLanes + 2];
  __shared__ Wide total[4][kDown][kAcross];
  const int m0 = blockIdx.x * kRows, n0 = blockIdx.y * kColumns;
  const int x = threadIdx.x, y = threadIdx.y % kDown, group = threadIdx.y / kDown;
  // A group has two warps. Each computes 16 of the 32 rows: four products of 16 x 8 numbers, side by side.
  // sum[n] are the lane's four sums of the n-th, and g and t what mma_m16n8k8 calls so.
  const int lane = y % 4 * 8 + x, g = lane / 4, t = lane % 4, warp_m = y / 4 * 16;
  Wide sum[4] = {}, next_a[kM], next_b[kBRows];

  for (int next = 0; next < depth + kGroups * kSlice; next += kGroups * kSlice) {
    const int k0 = next + group * kSlice;
    for (int m = 0; m < kM; ++m)
      next_a[m] = wide_at(a, rows, depth, m0 + y + m * kDown, k0 + x * kLanes);
    for (int k = 0; k < kBRows; ++k)
      next_b[k] = wide_at(b, depth, columns, k0 + y + k * kDown, n0 + x * kLanes);
    for (int k = 0; k < kSlice && next > 0; k += 8) {
      Wide *upper = &a_slice[group][warp_m + g][k / 4], *lower = &a_slice[group][warp_m + g + 8][k / 4];
      const real a_k[4] = {upper[0][t], lower[0][t], upper[1][t], lower[1][t]};
      for (int n = 0; n < 4; ++n) {
        const int column = n * 8 + g;
        const real b_k[2] = {b_slice[group][k + t][column / 4][column % 4],
                             b_slice[group][k + t + 4][column / 4][column % 4]};
        mma_m16n8k8(&sum[n][0], a_k, b_k);
      }
    }
    __syncthreads();  // all have multiplied: the slices may be overwritten
    for (int m = 0; m < kM; ++m) a_slice[group][y + m * kDown][x] = next_a[m];
    for (int k = 0; k < kBRows; ++k) b_slice[group][y + k * kDown][x] = next_b[k];
    __syncthreads();  // the slices are complete
  }

  for (int turn = 0; turn < kGroups; ++turn) {
    for (int n = 0; n < 4 && group == turn; ++n) {
      if (turn > 0) sum[n] += total[n][y][x];
      total[n][y][x] = sum[n];
    }
    __syncthreads();  // the next group reads what this one wrote
  }
  for (int n = 0; n < 4 && group == kGroups - 1; ++n)
    for (int i = 0; i < 4; ++i) {
      const int row = m0 + warp_m + g + i / 2 * 8, column = n0 + n * 8 + t * 2 + i % 2;
      if (row < rows && column < columns) c[static_cast<long>(row) * columns + column] = sum[n][i];
    }
}

void launch_tensor_cores(const real* a, const real* b, real* c, int rows, int depth, int columns) {
  launch(product_tensor_cores, {tiles(rows, kRows), tiles(columns, kColumns)}, kGroupThreads, a, b, c, rows,
         depth, columns);
}

// What this was compiled for counts, not only the GPU: code for 7.5 lacks the instructions on any GPU.
bool has_tensor_cores() {
#if defined TARGET_GPU
  cudaFuncAttributes code;
  check(cudaFuncGetAttributes(&code, product_tensor_cores), "cudaFuncGetAttributes");
  return code.ptxVersion >= 80;
#else
  return true;
#endif
}

#endif

}  // namespace plainnet::TARGET::ladder
