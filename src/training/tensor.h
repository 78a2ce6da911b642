#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace plainnet {

/// A named array of floats in row-major order.
struct Tensor {
  std::string name;            // "conv2d_1.kernel"
  std::vector<int64_t> shape;  // {5, 5, 1, 24}
  std::vector<float> values;   // as many as the product of the shape

  int64_t size() const;           // the product of the shape
  std::string shape_text() const;  // "[5][5][1][24]"
};

/// What is wrong with the first number that is NaN or infinite, "dense_2.bias: expected finite numbers, found
/// nan at 3 of [10]"; empty if there is none.
std::string first_not_finite(const std::vector<Tensor>& tensors);

}  // namespace plainnet
