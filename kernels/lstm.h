#pragma once

#include "kernels/description.h"

namespace plainnet {

/// Long short-term memory, in one direction. An image is a sequence of its rows. lstm.cu has the formulas.
struct Lstm {
  int units;
  bool return_sequences = false;  // the output of every step, in the order of x; else only the last step's
  bool go_backwards = false;      // begins at the end of the sequence

  const char* type() const { return "lstm"; }

  /// How many numbers one step reads.
  static int features(Shape x) { return x.width * x.channels; }

  Shape output(Shape x) const { return {return_sequences ? x.height : 1, 1, units}; }

  std::vector<ParameterDescription> parameters(Shape x) const {
    return {{"kernel", {features(x), 4 * units}, {Initializer::kGlorotUniform}, features(x), 4 * units},
            {"recurrent_kernel", {units, 4 * units}, {Initializer::kOrthogonal}},
            {"bias", {4 * units}, {Initializer::kForgetBias}}};
  }
};

}  // namespace plainnet
