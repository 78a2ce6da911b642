#include "network/models.h"

namespace plainnet::TARGET {
namespace {

constexpr Initializer kHeNormal{Initializer::kHeNormal};
constexpr Initializer kGlorotUniform{Initializer::kGlorotUniform};

// A convolutional network after LeCun et al., "Gradient-based learning applied to document
// recognition" (1998), with the ReLU and max pooling of today. 428,330 parameters on 28 x 28 images.
std::vector<LayerPointer> cnn() {
  const Initializer wide = Initializer::uniform(0.1), narrow = Initializer::uniform(0.01);
  std::vector<LayerPointer> layers;
  layers.push_back(
      conv2d({.filters = 24, .kernel = 5, .relu = true, .pool = 2, .initializer = wide}));
  layers.push_back(
      conv2d({.filters = 48, .kernel = 5, .relu = true, .pool = 2, .initializer = wide}));
  layers.push_back(dense({.units = 512, .relu = true, .initializer = narrow}));
  layers.push_back(dense({.units = 10, .initializer = narrow}));
  return layers;
}

// The same with its second convolution split into a depthwise and a pointwise one, as in Chollet,
// "Xception: Deep learning with depthwise separable convolutions" (2017). 401,306 parameters.
std::vector<LayerPointer> separable() {
  std::vector<LayerPointer> layers;
  layers.push_back(
      conv2d({.filters = 24, .kernel = 5, .relu = true, .pool = 2, .initializer = kHeNormal}));
  layers.push_back(depthwise_conv2d({.kernel = 5, .relu = true, .initializer = kHeNormal}));
  layers.push_back(
      conv2d({.filters = 48, .kernel = 1, .relu = true, .pool = 2, .initializer = kHeNormal}));
  layers.push_back(dense({.units = 512, .relu = true, .initializer = kHeNormal}));
  layers.push_back(dense({.units = 10, .initializer = kGlorotUniform}));
  return layers;
}

// Reads an image as the sequence of its rows, from above and from below. 163,338 parameters.
std::vector<LayerPointer> bilstm() {
  std::vector<LayerPointer> layers;
  layers.push_back(lstm({.units = 128, .bidirectional = true}));
  layers.push_back(dense({.units = 10, .initializer = kGlorotUniform}));
  return layers;
}

}  // namespace

std::vector<LayerPointer> model_layers(const std::string& model) {
  if (model == "cnn") return cnn();
  if (model == "separable") return separable();
  if (model == "bilstm") return bilstm();
  throw Error(text("model: expected cnn, separable or bilstm, found ", model));
}

}  // namespace plainnet::TARGET
