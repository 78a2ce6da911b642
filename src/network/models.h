#pragma once

// The networks, as lists of layers, and what can be said of a list without a device.

#include <string>
#include <vector>

#include "kernels/layers.h"

namespace plainnet {

struct Model {
  std::string name;      // "cnn": ./train cnn
  double learning_rate;  // with SGD
  std::vector<LayerDescription> layers;
};

/// All networks.
const std::vector<Model>& models();

/// Their names.
std::vector<std::string> model_names();

/// The model of that name. Throws Error if there is none.
const Model& find_model(const std::string& name);

/// A layer in its place in a network.
struct NamedLayer {
  std::string name;  // "conv2d_2": the second conv2d
  std::string type;  // "conv2d"
  Shape output;
  std::vector<ParameterDescription> parameters;  // named as in files: "conv2d_2.kernel"
};

/// The layers for images of shape `input`. Throws Error if the shapes do not fit.
std::vector<NamedLayer> name_layers(const std::vector<LayerDescription>& layers, Shape input);

/// How many numbers a network says of an image, one for each digit.
constexpr int kClasses = 10;

/// Throws Error, naming `model`, unless the last layer makes kClasses numbers of an image.
void expect_classes(const std::string& model, const std::vector<NamedLayer>& layers);

}  // namespace plainnet
