#pragma once

// What is said of a network without a device: shapes, and how parameters start.

#include <cstdint>
#include <vector>

namespace plainnet {

/// The shape of one image, [height][width][channels], or of one sequence, [steps][1][features]:
/// whatever a layer makes of the numbers, they lie in memory in this order.
struct Shape {
  int height = 1, width = 1, channels = 1;

  long size() const { return static_cast<long>(height) * width * channels; }
};

/// How a parameter starts. initial_values() in src/initializers.h draws it.
struct Initializer {
  enum Kind {
    kConstant,
    kUniform,
    kHeNormal,
    kGlorotUniform,
    kOrthogonal,
    kForgetBias,  // one for the second quarter (an LSTM's forget gates), zero for the others
  } kind = kGlorotUniform;
  double scale = 0;  // kConstant: the value; kUniform: from -scale to scale

  static Initializer constant(double value) { return {kConstant, value}; }
  static Initializer uniform(double scale) { return {kUniform, scale}; }
};

/// The number of elements of a tensor of that shape.
inline long product(const std::vector<int64_t>& shape) {
  long product = 1;
  for (int64_t n : shape) product *= n;
  return product;
}

}  // namespace plainnet
