#pragma once

#include "kernels/fast/tile.h"

namespace plainnet::TARGET {

/// Several products with the same a, done at once: how many, and how far b and c of each lie from those
/// of the one before.
struct Several {
  int count = 1;
  long b = 0, c = 0;
};

/// c = a b: c[m][n] = Σ_k a[m][k] b[k][n]. Either the rows or the columns of a are without gaps: a.column
/// or a.row is 1. Transposed matrices are asked for in this way. On a CPU the zeros of a matrix that is
/// mostly_zero are not multiplied. a has no order.
void product(Strided a,                   // [a.rows][depth]
             const real* b,               // [depth][columns]
             int b_stride,                // from row to row
             int depth,
             real* c,                     // [a.rows][columns]
             int c_stride,                // from row to row
             int columns,
             bool add = false,            // whether to what c holds
             const Several& several = {});

}  // namespace plainnet::TARGET
