#include "network/network.h"

#include <map>

#include "training/initializers.h"

namespace plainnet::TARGET {

Network::Network(Shape input, int max_batch, std::vector<LayerPointer> layers)
    : input_(max_batch * input.size()) {
  std::map<std::string, int> count;
  long size = 0;
  Shape shape = input;
  for (LayerPointer& layer : layers) {
    try {
      shape = layer->build(shape, max_batch);
    } catch (const Error& error) {
      throw Error(text("images of ", input.height, "x", input.width, ": ", error.what()));
    }
    const std::string name = text(layer->type(), "_", ++count[layer->type()]);
    for (const Parameter& parameter : layer->parameters) {
      slots_.push_back({name + "." + parameter.name, parameter.shape, size});
      size += (parameter.size() + 15) / 16 * 16;
    }
    Buffer<real> y(max_batch * shape.size()), dy(max_batch * shape.size());
    nodes_.push_back({std::move(layer), name, shape, std::move(y), std::move(dy)});
  }
  weights_ = Buffer<real>(size);
  gradients_ = Buffer<real>(size);
  auto slot = slots_.begin();
  for (Node& node : nodes_)
    for (Parameter& parameter : node.layer->parameters) {
      parameter.value = weights_.data() + slot->offset;
      parameter.gradient = gradients_.data() + slot->offset;
      ++slot;
    }
}

void Network::initialize(uint64_t seed) {
  std::vector<real> weights(weights_.size());
  size_t n = 0;  // tensor n draws from stream n
  for (const Node& node : nodes_)
    for (const Parameter& p : node.layer->parameters) {
      const std::vector<float> values =
          initial_values(p.initializer, p.shape, p.fan_in, p.fan_out, seed, n);
      std::copy(values.begin(), values.end(), weights.begin() + slots_[n++].offset);
    }
  weights_.upload(weights);
}

void Network::forward(int batch) {
  const real* x = input();
  for (Node& node : nodes_) {
    node.layer->forward(x, node.y.data(), batch);
    x = node.y.data();
  }
}

void Network::backward(int batch) {
  for (size_t i = nodes_.size(); i-- > 0;) {
    const real* x = i > 0 ? nodes_[i - 1].y.data() : input();
    real* dx = i > 0 ? nodes_[i - 1].dy.data() : nullptr;  // nobody asks how to change the image
    nodes_[i].layer->backward(x, nodes_[i].y.data(), nodes_[i].dy.data(), dx, batch);
  }
}

}  // namespace plainnet::TARGET
