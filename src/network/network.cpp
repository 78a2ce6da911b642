#include "network/network.h"

#include "kernels/fast/layers.h"
#include "training/initializers.h"

namespace plainnet::TARGET {

Network::Network(const std::vector<LayerDescription>& descriptions, Shape image, int max_batch,
                 Kernels kernels, uint64_t seed)
    : layers(name_layers(descriptions, image)), input(max_batch * image.size()) {
  std::vector<real> first_weights;
  for (const NamedLayer& layer : layers)
    for (const ParameterDescription& parameter : layer.parameters) {
      // Tensor n draws from stream n.
      const std::vector<float> values = initial_values(parameter, seed, slots.size());
      slots.push_back({parameter, static_cast<long>(first_weights.size())});
      first_weights.insert(first_weights.end(), values.begin(), values.end());
      first_weights.resize((first_weights.size() + 15) / 16 * 16);
    }
  // Between the slots lie zeros: an update takes all from the first to the last.
  weights = Buffer<real>(first_weights);
  gradients = Buffer<real>(std::vector<real>(weights.size()));
  std::vector<Parameter> parameters;
  for (const Slot& slot : slots)
    parameters.push_back({weights.data() + slot.offset, gradients.data() + slot.offset});

  const Parameter* next = parameters.data();
  Shape shape = image;
  for (size_t i = 0; i < descriptions.size();) {
    int taken = 1;  // layers that this piece of code computes: 1, or 2 that are faster as one
    LayerPointer code = make_code(kernels, descriptions, i, shape, max_batch, next, &taken);
    std::string name;
    for (const size_t end = i + taken; i < end; ++i) {
      name += (name.empty() ? "" : " + ") + layers[i].name;
      shape = layers[i].output;
      next += layers[i].parameters.size();
    }
    Buffer<real> y(max_batch * shape.size()), dy(max_batch * shape.size());
    nodes.push_back({name, std::move(code), std::move(y), std::move(dy)});
  }
}

void Network::forward(int batch) {
  const real* x = input.data();
  for (Node& node : nodes) {
    node.code->forward(x, node.y.data(), batch);
    x = node.y.data();
  }
}

void Network::backward(int batch) {
  for (size_t i = nodes.size(); i-- > 0;) {
    const real* x = i > 0 ? nodes[i - 1].y.data() : input.data();
    real* dx = i > 0 ? nodes[i - 1].dy.data() : nullptr;  // nobody asks how to change the image
    nodes[i].code->backward(x, nodes[i].y.data(), nodes[i].dy.data(), dx, batch);
  }
}

}  // namespace plainnet::TARGET
