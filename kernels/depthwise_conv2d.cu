#include "layer.h"
namespace plainnet::TARGET { LayerPointer depthwise_conv2d(const DepthwiseConv2dOptions&) { throw Error("x"); } }
