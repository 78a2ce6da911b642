#pragma once

// A network: the code of its layers, and the memory that they work in. Compiled once for each target.

#include "kernels/layer.h"
#include "network/models.h"

namespace plainnet::TARGET {

struct Network {
  /// For images of this shape in batches of up to `max_batch`; `kernels` says which code computes it. Every
  /// parameter is what its initializer draws with this seed. Throws Error if the shapes do not fit.
  Network(const std::vector<LayerDescription>& descriptions, Shape image, int max_batch, Kernels kernels,
          uint64_t seed);

  /// output() from `input`.
  void forward(int batch);

  /// The gradients of all parameters, from output_gradient(), which it overwrites. Call it after forward()
  /// with the same batch.
  void backward(int batch);

  real* output() { return nodes.back().y.data(); }            // [max_batch] of the output's shape
  real* output_gradient() { return nodes.back().dy.data(); }  // like output()

  /// A parameter, and where it lies in `weights` and `gradients`.
  struct Slot {
    ParameterDescription parameter;
    long offset;
  };

  /// A piece of code, its output, and the gradient of the loss by it.
  struct Node {
    std::string name;  // "conv2d_1", or "conv2d_1 + max_pool2d_1" where one piece computes both
    LayerPointer code;
    Buffer<real> y, dy;  // [max_batch] of the output's shape
  };

  std::vector<NamedLayer> layers;
  Buffer<real> input;  // [max_batch] images

  /// All parameters one after the other, each a multiple of 16 numbers from the first, and their gradients
  /// likewise.
  Buffer<real> weights, gradients;
  std::vector<Slot> slots;
  std::vector<Node> nodes;
};

}  // namespace plainnet::TARGET
