#pragma once

// A network: a list of layers, and the memory that they work in. Compiled once for each target.

#include "kernels/layer.h"

namespace plainnet::TARGET {

class Network {
 public:
  /// One layer in its place.
  struct Node {
    LayerPointer layer;
    std::string name;  // "conv2d_2": the second conv2d
    Shape output;
    Buffer<real> y, dy;  // [max_batch] of the output's shape
  };

  /// Builds the layers for images of shape `input` in batches of up to `max_batch`. Throws Error if
  /// the shapes do not fit.
  Network(Shape input, int max_batch, std::vector<LayerPointer> layers);

  /// Sets every parameter to what its initializer draws.
  void initialize(uint64_t seed);

  /// The output of the last layer, from input().
  void forward(int batch);

  /// The gradients of all parameters, from output_gradient(), which it overwrites. Call it after
  /// forward() with the same batch.
  void backward(int batch);

  real* input() { return input_.data(); }                       // [max_batch] of the input's shape
  real* output() { return nodes_.back().y.data(); }             // [max_batch] of the output's shape
  real* output_gradient() { return nodes_.back().dy.data(); }  // [max_batch] of the output's shape

  const std::vector<Node>& nodes() const { return nodes_; }

  /// All parameters one after the other, each on a 64-byte boundary, and their gradients likewise.
  Buffer<real>& weights() { return weights_; }
  const Buffer<real>& weights() const { return weights_; }
  Buffer<real>& gradients() { return gradients_; }

  /// A parameter's name in files, its shape, and where it lies in weights() and gradients().
  struct Slot {
    std::string name;  // "conv2d_2.kernel"
    std::vector<int64_t> shape;
    long offset;
  };
  const std::vector<Slot>& slots() const { return slots_; }

 private:
  std::vector<Node> nodes_;
  std::vector<Slot> slots_;
  Buffer<real> input_, weights_, gradients_;
};

}  // namespace plainnet::TARGET
