#pragma once

#include "kernels/fast/tile.h"

namespace plainnet::TARGET {

/// What becomes of a product before it is written.
struct Finish {
  const real* bias = nullptr;  // [columns], added to each row
  bool relu = false;           // then negative numbers become 0
  bool add = false;            // or the product is added to what c holds
};

/// c = a b: c[m][n] = Σ_k a[m][k] b[k][n]. Either the rows or the columns of a are without gaps: a.column
/// or a.row is 1. Transposed matrices are asked for in this way.
void product(Strided a,                   // [a.rows][depth]
             const real* b,               // [depth][columns]
             int b_stride,                // from row to row
             int depth,
             real* c,                     // [a.rows][columns]
             int c_stride,                // from row to row
             int columns,
             const Finish& finish = {});

}  // namespace plainnet::TARGET
