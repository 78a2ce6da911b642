#pragma once

#include "kernels/axis.h"
#include "kernels/description.h"

namespace plainnet {

/// A convolution: each number of y is the sum of a window of x, each number times a weight of its own.
/// conv2d.cu has the formulas.
struct Conv2d {
  int filters;  // each has weights for a whole window, and makes one channel of y
  Size window;
  int stride = 1;
  Padding padding = kValid;
  bool relu = false;
  Initializer initializer{};  // of the filters; biases start as 0

  const char* type() const { return "conv2d"; }

  Axis rows(Shape x) const { return window_axis(type(), x.height, window.height, stride, padding); }
  Axis columns(Shape x) const { return window_axis(type(), x.width, window.width, stride, padding); }

  Shape output(Shape x) const { return {rows(x).output, columns(x).output, filters}; }

  std::vector<ParameterDescription> parameters(Shape x) const {
    const long area = static_cast<long>(window.height) * window.width;
    return {{"kernel", {window.height, window.width, x.channels, filters}, initializer, area * x.channels,
             area * filters},
            {"bias", {filters}, {Initializer::kZero}}};
  }
};

}  // namespace plainnet
