#pragma once

// Whether a rung of the ladder computes the product of two matrices.

#include "kernels/ladder/ladder.h"
#include "tests/layer_run.h"

namespace plainnet::TARGET::ladder {

/// c = a b, in memory that finds numbers that were not written, and those written or used beyond the end.
inline Values product_of(const Rung& rung, const Values& a, const Values& b, int rows, int depth,
                         int columns) {
  GuardedBuffer on_a(a.size()), on_b(b.size()), on_c(static_cast<size_t>(rows) * columns);
  on_a.set(a);
  on_b.set(b);
  rung.launch(on_a.data(), on_b.data(), on_c.data(), rows, depth, columns);
  return on_c.get(on_c.size(), rung.file);
}

/// Fails unless the rung is right for a [rows][depth] and b [depth][columns]: exactly that for numbers
/// whose sums have no rounding error, and for others what the first rung has, within their rounding errors.
inline void check_rung(const Rung& rung, int rows, int depth, int columns) {
  const std::string what = text(rung.file, ", ", rows, " x ", depth, " x ", columns);
  Random random(1, 0);
  Values a(static_cast<size_t>(rows) * depth), b(static_cast<size_t>(depth) * columns);

  // Multiples of 1/16 below 1 fit into TF32, and sums of less than 2^16 of their products into a float.
  for (Values* x : {&a, &b})
    for (double& number : *x) number = (random.below(31) - 15.0) / 16;
  Values exact(static_cast<size_t>(rows) * columns);
  for (int m = 0; m < rows; ++m)
    for (int k = 0; k < depth; ++k)
      for (int n = 0; n < columns; ++n)
        exact[m * columns + n] += a[m * depth + k] * b[k * columns + n];
  test::check_close(what, product_of(rung, a, b, rows, depth, columns), exact, 0);

  // Let u be half of the type's epsilon. A sum of products, in any order, is wrong by at most depth u
  // Σ |a b|, and a little (Higham, "Accuracy and Stability of Numerical Algorithms", 3.1), here and in the
  // first rung: together (depth + 1) epsilon Σ |a b|.
  //
  // TF32 rounds a factor by at most 2^-11 of it, so a product by 2^-10 + 2^-22 of it. And a tensor core cuts
  // off instead of rounding to the nearest (Fasi, Higham, Mikaitis, Pranesh, "Numerical behavior of NVIDIA
  // tensor cores", 2021): of the 9 numbers that it adds up for 8 steps of k each may lose epsilon of the
  // largest. That is 9/8 depth epsilon Σ |a b|, and half a depth epsilon in the first rung: below 2.
  const bool tf32 = rung.rounds_to_tf32 && kTargetName != "emulated_double";
  const double epsilon = tf32 ? std::numeric_limits<float>::epsilon() : std::numeric_limits<real>::epsilon();
  const double error = tf32 ? 0x1p-10 + 0x1p-22 + 2 * depth * epsilon : (depth + 1) * epsilon;
  for (Values* x : {&a, &b})
    for (double& number : *x) number = random.uniform(-1, 1);
  const Rung first = rungs()[0];
  const Values got = product_of(rung, a, b, rows, depth, columns);
  const Values expected = product_of(first, a, b, rows, depth, columns);
  for (Values* x : {&a, &b})
    for (double& number : *x) number = std::abs(number);
  const Values magnitude = product_of(first, a, b, rows, depth, columns);  // Σ |a b|
  for (size_t i = 0; i < got.size(); ++i)
    CHECK(std::abs(got[i] - expected[i]) <= error * magnitude[i], what, "[", i, "]: expected ", expected[i],
          ", got ", got[i], ", allowed is ", error * magnitude[i]);
}

}  // namespace plainnet::TARGET::ladder
