#include "kernels/fast/layers.h"

namespace plainnet::TARGET {

LayerPointer fast_layers(const LayerDescription* layers, [[maybe_unused]] const LayerDescription* end,
                         Shape input, int max_batch, const Parameter* parameters, int* taken) {
#if defined TARGET_CPU
  if (end - layers >= 2) {
    const Conv2d* conv2d = std::get_if<Conv2d>(&layers[0]);
    const MaxPool2d* pool = std::get_if<MaxPool2d>(&layers[1]);
    if (conv2d && pool && can_be_fused(*pool)) {
      *taken = 2;
      return pooled_conv2d(*conv2d, input, max_batch, parameters);
    }
  }
#endif
  *taken = 1;
  return std::visit([&](const auto& layer) { return fast_layer(layer, input, max_batch, parameters); },
                    layers[0]);
}

}  // namespace plainnet::TARGET
