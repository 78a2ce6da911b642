#pragma once

// What several fast layers need beside a tile of a matrix product. common.cu has the kernels.

#include "kernels/window.h"

namespace plainnet::TARGET {

/// out[c] = Σ_r matrix[r][c], in a fixed order. For few rows, such as the partial results of several blocks.
void sum_rows(const real* matrix,  // [rows][columns]
              int rows, int columns,
              real* out);  // [columns]

/// out[i][c][r] = in[i][r][c]: each matrix transposed.
void transpose(const real* in,  // [count][rows][columns]
               int count, int rows, int columns,
               real* out);  // [count][columns][rows]

/// Images x with the zeros around them that their windows see, so that every tap is inside: copies, in which
/// x[b][h][w][c] lies at [b][h + rows.before][w + columns.before][c]. Or x itself, where they see none.
class PaddedImages {
 public:
  PaddedImages(const Geometry& g, int max_batch);

  /// The shapes with the zeros.
  const Geometry& padded() const { return padded_; }

  /// x with its zeros: [batch][padded height][padded width][in].
  const real* pad(const real* x, int batch);

  /// The same for the x that pad() was last called with.
  const real* padded_already(const real* x) const { return copy_.size() > 0 ? copy_.data() : x; }

 private:
  Geometry g_, padded_;
  Buffer<real> copy_;  // [max_batch][padded height][padded width][in], or nothing
};

/// How far the taps of a window lie from its first one: [kh][kw][in].
std::vector<int> tap_offsets(const Geometry& padded);

/// The gradient by a bias, and through a ReLU, of y = relu(z) or y = z, with z = ... + bias:
///   dz[r][c] = dy[r][c] where y[r][c] > 0, else 0      (dz = dy where there is no ReLU)
///   dbias[c] = Σ_r dz[r][c]
class BiasGradient {
 public:
  BiasGradient(long max_rows, int columns);

  /// Overwrites dy with dz, which it returns, and dbias. The sums go in two stages of a fixed order.
  const real* run(const real* y,  // [rows][columns], or null where there is no ReLU
                  real* dy,       // [rows][columns]
                  long rows,
                  real* dbias);  // [columns]

 private:
  int columns_;
  Buffer<real> partial_;  // [tiles of rows][columns]
};

}  // namespace plainnet::TARGET
