#pragma once

// Tensors of numbers on the host, whatever the target computed them with.

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/random.h"
#include "tests/test.h"

namespace plainnet::test {

using Values = std::vector<double>;

struct NamedValues {
  std::string name;
  Values values;
};

/// Uniform in [-1, 1), multiples of 2^-12: the same numbers in float and in double.
inline Values random_values(size_t count, Random& random) {
  Values values(count);
  for (double& value : values) value = std::floor(random.uniform(-4096, 4096)) / 4096;
  return values;
}

/// Fails unless `got` has as many elements as `expected` and none differs from it by more than
/// `tolerance` times the largest magnitude in `expected`: a sum of n terms is exact to about
/// sqrt(n) rounding errors of its largest terms, however small the sum itself. A NaN on either side
/// fails.
inline void check_close(const std::string& what, const Values& got, const Values& expected,
                        double tolerance) {
  CHECK(got.size() == expected.size(), what, ": ", expected.size(), " elements, got ", got.size());
  double largest = 0;
  for (const double value : expected) {
    CHECK(std::isfinite(value), what, ": expected a finite number, found ", value);
    largest = std::max(largest, std::abs(value));
  }
  for (size_t i = 0; i < got.size(); ++i)
    if (!(std::abs(got[i] - expected[i]) <= tolerance * largest))
      throw Failure(text(what, "[", i, "]: expected ", expected[i], ", got ", got[i],
                         "; allowed is a difference of ", tolerance, " of the largest magnitude, ", largest));
}

/// The same for each of several tensors.
inline void check_close(const std::vector<NamedValues>& got,
                        const std::vector<NamedValues>& expected, double tolerance) {
  CHECK_EQUAL(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    CHECK_EQUAL(got[i].name, expected[i].name);
    check_close(got[i].name, got[i].values, expected[i].values, tolerance);
  }
}

/// Fails unless the same tensors hold the same numbers.
inline void check_same(const std::vector<NamedValues>& got,
                       const std::vector<NamedValues>& expected) {
  check_close(got, expected, 0);
}

}  // namespace plainnet::test
