// The rungs of the ladder: the product of two matrices, of sizes that are multiples of nothing and of
// everything that a rung divides by.

#include "tests/check_rung.h"

namespace plainnet::TARGET::ladder {
namespace {

TARGET_TEST("ladder: every rung multiplies matrices") {
  for (const Rung& rung : rungs()) {
    check_rung(rung, 1, 1, 1);
    check_rung(rung, 37, 53, 70);
    check_rung(rung, 33, 64, 100);  // wide loads of a, and of b where 4 are wide
    check_rung(rung, 64, 35, 96);   // of b alone
    check_rung(rung, 3, 300, 33);   // groups that have several slices, and unequally many
    check_rung(rung, 5, 512, 10);   // dense_2 of cnn, and few images
  }
}

void without_last_row(const real* a, const real* b, real* c, int rows, int depth, int columns) {
  launch_plain(a, b, c, rows - 1, depth, columns);
}
// Spoils a number, but none of few digits.
__global__ void spoil_kernel(real* c, real error) {
  if (c[0] * 256 != static_cast<int>(c[0] * 256)) c[0] += error;
}
void imprecise(const real* a, const real* b, real* c, int rows, int depth, int columns) {
  launch_plain(a, b, c, rows, depth, columns);
  // More than the rounding errors of 7 products below 1.
  launch(spoil_kernel, 1, threads(1), c, 64 * std::numeric_limits<real>::epsilon());
}

TARGET_TEST("ladder: wrong rungs are found") {
  for (Product* wrong : {without_last_row, imprecise}) {
    bool found = false;
    try {
      check_rung({"wrong", wrong}, 5, 7, 9);
    } catch (const test::Failure&) {
      found = true;
    }
    CHECK(found, wrong == imprecise ? "imprecise" : "without its last row");
  }
}

}  // namespace
}  // namespace plainnet::TARGET::ladder
