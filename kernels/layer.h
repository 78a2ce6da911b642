#pragma once

// How a layer is computed: what its plain code and its fast code have in common.

#include "kernels/device.h"
#include "kernels/layers.h"

namespace plainnet::TARGET {

/// A tensor that training changes, and the gradient of the loss by it. Both lie in the network's memory.
struct Parameter {
  real* value;
  real* gradient;
};

/// The code of a layer, made from its description for images of one shape and batches of up to max_batch.
class Layer {
 public:
  virtual ~Layer() = default;

  /// y from x, for the first `batch` images of both.
  virtual void forward(const real* x,  // [batch] of the input's shape
                       real* y,        // [batch] of the output's shape
                       int batch) = 0;

  /// The gradients of the loss by the parameters and by x, from the one by y; call it after forward()
  /// with the same x, y and batch. Overwrites the parameters' gradients, dx, and dy, which it needs as
  /// scratch.
  virtual void backward(const real* x,  // [batch] of the input's shape
                        const real* y,  // [batch] of the output's shape
                        real* dy,       // [batch] of the output's shape
                        real* dx,       // [batch] of the input's shape, or null: not wanted
                        int batch) = 0;
};

using LayerPointer = std::unique_ptr<Layer>;

/// The plain code of each type of layer, for images x of shape `input` in batches of up to max_batch.
/// `parameters` are those that the description lists. Each function stands at the end of the .cu file of
/// its type.
LayerPointer plain_layer(const Conv2d&, Shape input, int max_batch, const Parameter* parameters);
LayerPointer plain_layer(const DepthwiseConv2d&, Shape input, int max_batch, const Parameter* parameters);
LayerPointer plain_layer(const MaxPool2d&, Shape input, int max_batch, const Parameter* parameters);
LayerPointer plain_layer(const Dense&, Shape input, int max_batch, const Parameter* parameters);
LayerPointer plain_layer(const Lstm&, Shape input, int max_batch, const Parameter* parameters);
LayerPointer plain_layer(const Bidirectional&, Shape input, int max_batch, const Parameter* parameters);

}  // namespace plainnet::TARGET
