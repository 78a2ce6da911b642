#pragma once

// What several layers have in common. common.cu has the kernels.

#include "kernels/device.h"

namespace plainnet::TARGET {

/// Where matrix[row][column] lies, if the rows of the matrix have `columns` numbers.
__host__ __device__ inline long at(long row, int column, int columns) { return row * columns + column; }

/// The gradient through a ReLU, y = max(z, 0): dz[r][n] = dy[r][n] where y[r][n] > 0, else 0.
void relu_backward(const real* y,  // [rows][columns]
                   real* dy,       // [rows][columns]: becomes dz
                   int rows, int columns);

/// The gradient by a bias that is added to every row of z: dbias[n] = Σ_r dz[r][n]. Overwrites dbias.
void bias_gradient(const real* dz,  // [rows][columns]
                   int rows, int columns,
                   real* dbias);  // [columns]

}  // namespace plainnet::TARGET
