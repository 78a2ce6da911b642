#pragma once

// A network: the code of its layers, and the memory that they work in. Compiled once for each target.

#include "kernels/layer.h"
#include "network/models.h"

namespace plainnet::TARGET {

class Network {
 public:
  /// For images of shape `input` in batches of up to `max_batch`; `kernels` says which code computes it.
  /// Every parameter is what its initializer draws with this seed. Throws Error if the shapes do not fit.
  Network(const std::vector<LayerDescription>& layers, Shape input, int max_batch, Kernels kernels,
          uint64_t seed);

  /// output() from input().
  void forward(int batch);

  /// The gradients of all parameters, from output_gradient(), which it overwrites. Call it after forward()
  /// with the same batch.
  void backward(int batch);

  real* input() { return input_.data(); }                      // [max_batch] of the input's shape
  real* output() { return nodes_.back().y.data(); }            // [max_batch] of the output's shape
  real* output_gradient() { return nodes_.back().dy.data(); }  // like output()

  const std::vector<NamedLayer>& layers() const { return layers_; }

  /// A piece of code, its output, and the gradient of the loss by it.
  struct Node {
    std::string name;  // "conv2d_1", or "conv2d_1 + max_pool2d_1" where one piece computes both
    LayerPointer code;
    Buffer<real> y, dy;  // [max_batch] of the output's shape
  };
  const std::vector<Node>& nodes() const { return nodes_; }

  /// All parameters one after the other, each a multiple of 16 numbers from the first, and their gradients
  /// likewise.
  Buffer<real>& weights() { return weights_; }
  Buffer<real>& gradients() { return gradients_; }

  /// A parameter, and where it lies in weights() and gradients().
  struct Slot {
    ParameterDescription parameter;
    long offset;
  };
  const std::vector<Slot>& slots() const { return slots_; }

 private:
  std::vector<NamedLayer> layers_;
  std::vector<Slot> slots_;
  Buffer<real> input_, weights_, gradients_;
  std::vector<Node> nodes_;
};

}  // namespace plainnet::TARGET
