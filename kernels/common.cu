// The gradients through a ReLU and by a bias:
//
//   y[r][n] = max(z[r][n], 0)      dz[r][n] = dy[r][n] where y[r][n] > 0, else 0
//   z[r][n] = ... + bias[n]        dbias[n] = Σ_r dz[r][n]
//
// A ReLU has slope 1 above zero and 0 below; at zero, where it has none, 0 is taken. A bias is in every row
// of z with the factor 1, so its gradient is the sum of the rows' gradients. (A row is an image, or a pixel
// of one.)

#include "kernels/common.h"

namespace plainnet::TARGET {
namespace {

// A block does one row.
__global__ void relu_backward_in_place(const real* y,  // [rows][columns]
                                       real* dy,       // [rows][columns]: becomes dz
                                       int columns) {
  const int r = blockIdx.x;
  for (int n = threadIdx.x; n < columns; n += blockDim.x)
    dy[at(r, n, columns)] = y[at(r, n, columns)] > 0 ? dy[at(r, n, columns)] : 0;
}

// One block does all columns.
__global__ void sum_rows_of_dz(const real* dz,  // [rows][columns]
                               int rows, int columns,
                               real* dbias) {  // [columns]
  for (int n = threadIdx.x; n < columns; n += blockDim.x) {
    real sum = 0;
    for (int r = 0; r < rows; ++r) sum += dz[at(r, n, columns)];
    dbias[n] = sum;
  }
}

}  // namespace

void relu_backward(const real* y, real* dy, int rows, int columns) {
  launch(relu_backward_in_place, rows, threads(64), y, dy, columns);
}

void bias_gradient(const real* dz, int rows, int columns, real* dbias) {
  launch(sum_rows_of_dz, 1, threads(256), dz, rows, columns, dbias);
}

}  // namespace plainnet::TARGET
