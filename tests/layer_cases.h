#pragma once

// The layers, at shapes that fit no tile, that the tests run.

#include <functional>
#include <string>
#include <vector>

#include "kernels/layer.h"
#include "tests/values.h"

namespace plainnet::TARGET {

struct LayerCase {
  std::string type, name;  // "conv2d", "5x5 valid relu, 11 images 9x7x5 to 29 channels"
  Shape input;
  int batch, max_batch;
  bool small;   // few enough barriers for the emulated target
  bool curved;  // y bends in each number, as an LSTM's; else it is linear in each, but for kinks
  std::function<LayerPointer()> layer;
  // What of the layer comes before a ReLU and a pooling that it includes; null if it has neither.
  std::function<LayerPointer()> linear;
  bool relu;
  int pool;  // the side of its windows, or 1
};

/// Whether the layer is made of matrix products, which TF32 runs on tensor cores.
inline bool uses_tiles(const LayerCase& layer_case) {
  return layer_case.type == "conv2d" || layer_case.type == "dense" || layer_case.type == "lstm";
}

/// All of them; on the emulated target the small ones only.
std::vector<LayerCase> layer_cases();

/// An x for the case. Where y has kinks in x, other than a ReLU's, they are more than 1/128 away.
test::Values random_input(const LayerCase& layer_case, Random& random);

}  // namespace plainnet::TARGET
