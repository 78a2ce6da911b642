#pragma once

// What a layer is, apart from how and on which device it is computed. Each layer type is described by a
// struct in the header of its name. It holds the layer's options, as Keras names them, and says
//
//   const char* type() const                     "conv2d": with a number after it, the layer's name in files
//   Shape output(Shape input) const              the shape of y for x of that shape; throws Error if the
//                                                options or the input do not fit
//   std::vector<ParameterDescription> parameters(Shape input) const     what the layer learns

#include <cstdint>
#include <string>
#include <vector>

namespace plainnet {

/// The shape of one image, [height][width][channels], or of one sequence, [steps][1][features]:
/// whatever a layer makes of the numbers, they lie in memory in this order.
struct Shape {
  int height = 1, width = 1, channels = 1;

  long size() const { return static_cast<long>(height) * width * channels; }
};

/// How a parameter starts. initial_values() in src/training/initializers.h draws it.
struct Initializer {
  enum Kind {
    kZero,
    kUniform,
    kHeNormal,
    kGlorotUniform,
    kOrthogonal,
    kForgetBias,  // one for the second quarter (an LSTM's forget gates), zero for the others
  } kind = kGlorotUniform;
  double scale = 0;  // kUniform: from -scale to scale
};

/// A tensor that training changes.
struct ParameterDescription {
  std::string name;            // in files: "kernel", or "forward.kernel"
  std::vector<int64_t> shape;  // {5, 5, 1, 24}
  Initializer initializer;
  long fan_in = 1, fan_out = 1;  // see src/training/initializers.h

  /// The number of its elements.
  long size() const {
    long product = 1;
    for (const int64_t extent : shape) product *= extent;
    return product;
  }
};

}  // namespace plainnet
