#pragma once

#include "kernels/axis.h"
#include "kernels/description.h"

namespace plainnet {

/// A convolution in which no channel meets another. depthwise_conv2d.cu has the formulas.
struct DepthwiseConv2d {
  Size window;
  int stride = 1;
  Padding padding = kValid;
  bool relu = false;
  Initializer initializer{};  // of the filters; biases start as 0

  const char* type() const { return "depthwise_conv2d"; }

  Axis rows(Shape x) const { return window_axis(type(), x.height, window.height, stride, padding); }
  Axis columns(Shape x) const { return window_axis(type(), x.width, window.width, stride, padding); }

  Shape output(Shape x) const { return {rows(x).output, columns(x).output, x.channels}; }

  // fan_in is the number of inputs that an output sums; the larger, the smaller the weights start. Here it
  // counts all channels, as in Keras, though an output sums one channel only: so training does not diverge.
  std::vector<ParameterDescription> parameters(Shape x) const {
    const long area = static_cast<long>(window.height) * window.width;
    return {{"kernel", {window.height, window.width, x.channels, 1}, initializer, area * x.channels, area},
            {"bias", {x.channels}, {Initializer::kZero}}};
  }
};

}  // namespace plainnet
