#pragma once

#include "kernels/axis.h"
#include "kernels/description.h"

namespace plainnet {

/// The mean of each window, channel by channel, without padding. target_average_pool2d.cu has the formulas.
struct AveragePool2d {
  Size window;
  int stride;

  const char* type() const { return "average_pool2d"; }

  Axis rows(Shape x) const { return window_axis(type(), x.height, window.height, stride, kValid); }
  Axis columns(Shape x) const { return window_axis(type(), x.width, window.width, stride, kValid); }

  Shape output(Shape x) const { return {rows(x).output, columns(x).output, x.channels}; }

  std::vector<ParameterDescription> parameters(Shape) const { return {}; }
};

}  // namespace plainnet
