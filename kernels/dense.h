#pragma once

#include "kernels/description.h"

namespace plainnet {

/// Each number of y is a weighted sum of all numbers of x. dense.cu has the formulas.
struct Dense {
  int units;  // how many numbers y has
  bool relu = false;
  Initializer initializer{};  // of the weights; biases start as 0

  const char* type() const { return "dense"; }

  Shape output(Shape) const { return {1, 1, units}; }

  std::vector<ParameterDescription> parameters(Shape x) const {
    return {{"kernel", {x.size(), units}, initializer, x.size(), units},
            {"bias", {units}, {Initializer::kZero}}};
  }
};

}  // namespace plainnet
