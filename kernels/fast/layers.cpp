#include "kernels/fast/layers.h"

namespace plainnet::TARGET {

LayerPointer make_code(Kernels kernels, const std::vector<LayerDescription>& layers, size_t first,
                       Shape input, int max_batch, const Parameter* parameters, int* taken) {
  *taken = 1;
#if defined TARGET_CPU
  const Conv2d* conv2d = std::get_if<Conv2d>(&layers[first]);
  const MaxPool2d* pool = first + 1 < layers.size() ? std::get_if<MaxPool2d>(&layers[first + 1]) : nullptr;
  const bool halves = pool && pool->window.height == 2 && pool->window.width == 2 && pool->stride == 2;
  if (kernels == kFast && conv2d && halves) {
    *taken = 2;
    return pooled_conv2d(*conv2d, input, max_batch, parameters);
  }
#endif
  const auto code = [&](const auto& layer) {
    return kernels == kFast ? fast_layer(layer, input, max_batch, parameters)
                            : plain_layer(layer, input, max_batch, parameters);
  };
  return std::visit(code, layers[first]);
}

}  // namespace plainnet::TARGET
