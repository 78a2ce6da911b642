#pragma once

// What several layers have in common. common.cu has the kernels.

#include "kernels/device.h"

namespace plainnet::TARGET {

/// Where m[r][c] lies in a matrix m whose rows have `columns` numbers.
__host__ __device__ inline long at(long r, int c, int columns) { return r * columns + c; }

/// Through a ReLU, y = max(z, 0), the gradient dz[r][c] = dy[r][c] where y[r][c] > 0, else 0.
void relu_backward(const real* y,  // [rows][columns]
                   real* dy,       // [rows][columns]: becomes dz
                   int rows, int columns);

/// By a bias that is added to every row of z, the gradient dbias[n] = Σ_r dz[r][n]. Overwrites dbias.
void bias_gradient(const real* dz,  // [rows][columns]
                   int rows, int columns,
                   real* dbias);  // [columns]

}  // namespace plainnet::TARGET
