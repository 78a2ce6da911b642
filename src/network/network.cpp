#include "network/network.h"

#include "kernels/fast/layers.h"
#include "training/initializers.h"

namespace plainnet::TARGET {

Network::Network(const std::vector<LayerDescription>& layers, Shape input, int max_batch, Kernels kernels,
                 uint64_t seed)
    : layers_(name_layers(layers, input)), input_(max_batch * input.size()) {
  std::vector<real> weights;
  for (const NamedLayer& layer : layers_)
    for (const ParameterDescription& parameter : layer.parameters) {
      // Tensor n draws from stream n.
      const std::vector<float> values = initial_values(parameter, seed, slots_.size());
      slots_.push_back({parameter, static_cast<long>(weights.size())});
      weights.insert(weights.end(), values.begin(), values.end());
      weights.resize((weights.size() + 15) / 16 * 16);
    }
  // Between the slots lie zeros: an update takes all from the first to the last.
  weights_ = Buffer<real>(weights);
  gradients_ = Buffer<real>(std::vector<real>(weights.size()));
  std::vector<Parameter> parameters;
  for (const Slot& slot : slots_)
    parameters.push_back({weights_.data() + slot.offset, gradients_.data() + slot.offset});

  const Parameter* next = parameters.data();
  Shape shape = input;
  for (size_t i = 0; i < layers.size();) {
    int taken = 1;  // layers that this piece of code computes: 1, or 2 that are faster as one
    LayerPointer code = make_code(kernels, layers, i, shape, max_batch, next, &taken);
    std::string name;
    for (const size_t end = i + taken; i < end; ++i) {
      name += (name.empty() ? "" : " + ") + layers_[i].name;
      shape = layers_[i].output;
      next += layers_[i].parameters.size();
    }
    Buffer<real> y(max_batch * shape.size()), dy(max_batch * shape.size());
    nodes_.push_back({name, std::move(code), std::move(y), std::move(dy)});
  }
}

void Network::forward(int batch) {
  const real* x = input();
  for (Node& node : nodes_) {
    node.code->forward(x, node.y.data(), batch);
    x = node.y.data();
  }
}

void Network::backward(int batch) {
  for (size_t i = nodes_.size(); i-- > 0;) {
    const real* x = i > 0 ? nodes_[i - 1].y.data() : input();
    real* dx = i > 0 ? nodes_[i - 1].dy.data() : nullptr;  // nobody asks how to change the image
    nodes_[i].code->backward(x, nodes_[i].y.data(), nodes_[i].dy.data(), dx, batch);
  }
}

}  // namespace plainnet::TARGET
