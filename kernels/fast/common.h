#pragma once

// What several layers need beside a tile of a matrix product.

#include "kernels/window.h"

namespace plainnet::TARGET {

/// out[c] = Σ_r matrix[r * stride + c], in a fixed order. For few rows, such as the partial results of
/// several blocks.
void sum_rows(const real* matrix,  // [rows][columns], rows `stride` apart
              int rows, int columns, long stride,
              real* out);  // [columns]

/// out[count - 1 - i][c][r] = in[i][r][c]: each matrix transposed, and their order reversed, as conv2d
/// wants the taps of a kernel.
void transpose(const real* in,  // [count][rows][columns]
               int count, int rows, int columns,
               real* out);  // [count][columns][rows]

/// The image with its zeros around it, of size padded(rows).input x padded(columns).input:
/// out[b][h][w][c] = x[b][h - rows.before][w - columns.before][c], or zero outside of x.
void pad(const real* x,  // [batch][rows.input][columns.input][channels]
         Axis rows, Axis columns, int channels, int batch,
         real* out);  // [batch][padded height][padded width][channels]

/// The gradient by a bias, and through a ReLU, of y = relu(z) or y = z, with z = ... + bias:
///   dz[r][c] = dy[r][c] where y[r][c] > 0, else 0      (dz = dy where there is no ReLU)
///   dbias[c] = Σ_r dz[r][c]
class BiasGradient {
 public:
  BiasGradient() = default;
  BiasGradient(long max_rows, int columns);

  /// Overwrites dy with dz, and dbias. The sums go in two stages of a fixed order.
  void run(const real* y,  // [rows][columns], or null where there is no ReLU
           real* dy,       // [rows][columns]
           long rows,
           real* dbias);  // [columns]

 private:
  int columns_ = 0;
  Buffer<real> partial_;  // [tiles of rows][columns]
};

}  // namespace plainnet::TARGET
