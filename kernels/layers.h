#pragma once

// The layer types. A new one is named here, and in layer.h (and, to be tested and timed, in
// tests/layer_cases.cpp and tests/bench/work.cpp).

#include <variant>

#include "kernels/bidirectional.h"
#include "kernels/conv2d.h"
#include "kernels/dense.h"
#include "kernels/depthwise_conv2d.h"
#include "kernels/lstm.h"
#include "kernels/max_pool2d.h"

namespace plainnet {

/// Which code computes the layers: that of kernels/, or that of kernels/fast/.
enum Kernels { kPlain, kFast };

/// The description of a layer of any type.
using LayerDescription = std::variant<Conv2d, DepthwiseConv2d, MaxPool2d, Dense, Lstm, Bidirectional>;

}  // namespace plainnet
