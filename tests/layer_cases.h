#pragma once

// The layers, at shapes that fit no tile, that the tests run.

#include <string>
#include <vector>

#include "kernels/layers.h"
#include "tests/values.h"

namespace plainnet {

struct LayerCase {
  std::vector<LayerDescription> layers;  // one, or a convolution and the pooling after it
  Shape input;
  int batch, max_batch;
  bool small;  // few enough blocks and elements for the emulated target

  /// "conv2d 3x2 valid relu, 2 of 4x5x7 to 3"
  std::string name() const;

  /// Whether there is fast code of its own, and not only the plain code again.
  bool has_fast_code() const;
  /// kPlain, and kFast where there is fast code.
  std::vector<Kernels> kernels() const;
};

/// All of them.
const std::vector<LayerCase>& layer_cases();

/// The cases that are run on a target: on "emulated_..." the small ones.
std::vector<LayerCase> layer_cases_of(std::string_view target);

}  // namespace plainnet
