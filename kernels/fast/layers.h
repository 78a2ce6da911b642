#pragma once

// The fast code of the layers.

#include "kernels/layer.h"

namespace plainnet::TARGET {

/// The plain or fast code of layers[first], or fast code of this layer and the next where they are faster as
/// one: *taken says how many. All else is as with plain_layer() in kernels/layer.h.
LayerPointer make_code(Kernels kernels, const std::vector<LayerDescription>& layers, size_t first,
                       Shape input, int max_batch, const Parameter* parameters, int* taken);

LayerPointer fast_layer(const Conv2d&, Shape input, int max_batch, const Parameter* parameters);
LayerPointer fast_layer(const DepthwiseConv2d&, Shape input, int max_batch, const Parameter* parameters);
LayerPointer fast_layer(const Dense&, Shape input, int max_batch, const Parameter* parameters);
LayerPointer fast_layer(const Lstm&, Shape input, int max_batch, const Parameter* parameters);
LayerPointer fast_layer(const Bidirectional&, Shape input, int max_batch, const Parameter* parameters);

/// A layer of any other type is computed plainly: nothing faster has been shown to pay.
template <class Description>
LayerPointer fast_layer(const Description& layer, Shape input, int max_batch, const Parameter* parameters) {
  return plain_layer(layer, input, max_batch, parameters);
}

#if defined TARGET_CPU
/// A convolution and the max pooling of 2 x 2 after it as one.
LayerPointer pooled_conv2d(const Conv2d&, Shape input, int max_batch, const Parameter* parameters);
#endif

}  // namespace plainnet::TARGET
