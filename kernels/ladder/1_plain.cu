// Rung 1, plain: the formula. A block computes a row of c, a thread one number at a time.
//
// Each multiply-add loads its two numbers from slow memory: a number of a is loaded by all `columns`
// sums that need it, a number of b by all `rows` sums. Whatever reuse there is, is the caches' merit.
// On a GPU neighbouring threads at least load neighbouring numbers of b, which come together; on a CPU
// the one thread goes down a column of b, and of each cache line that comes it uses one number.

#include "kernels/ladder/ladder.h"

namespace plainnet::TARGET::ladder {

__global__ void product_plain(const real* __restrict__ a,  // [rows][depth]
                              const real* __restrict__ b,  // [depth][columns]
                              real* __restrict__ c,        // [rows][columns]
                              int /*rows*/, int depth, int columns) {
  const long m = blockIdx.x;
  for (int n = threadIdx.x; n < columns; n += blockDim.x) {
    real sum = 0;
    for (long k = 0; k < depth; ++k) sum += a[m * depth + k] * b[k * columns + n];
    c[m * columns + n] = sum;
  }
}

void launch_plain(const real* a, const real* b, real* c, int rows, int depth, int columns) {
  launch(product_plain, rows, threads(128), a, b, c, rows, depth, columns);
}

}  // namespace plainnet::TARGET::ladder
