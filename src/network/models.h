#pragma once

// The three networks. Compiled once for each target.

#include "network/network.h"

namespace plainnet::TARGET {

/// The layers of the model of that name: "cnn", "separable" or "bilstm". Throws Error for another.
std::vector<LayerPointer> model_layers(const std::string& model);

}  // namespace plainnet::TARGET
