#pragma once

// The networks, as lists of layers, and what can be said of a list without a device.

#include "kernels/layers.h"

namespace plainnet {

struct Model {
  std::string name;      // "cnn": ./train cnn
  double learning_rate;  // with SGD
  std::vector<LayerDescription> layers;
};

/// All networks, for images of so many classes, 2 to 256: the last layer says a number for each.
std::vector<Model> models(int classes = 10);

/// Their names.
std::vector<std::string> model_names();

/// The model of that name, one of models(classes). Throws Error if there is none.
Model find_model(const std::string& name, int classes = 10);

/// A layer in its place in a network.
struct NamedLayer {
  std::string name;  // "conv2d_2": the second conv2d
  std::string type;  // "conv2d"
  Shape output;
  std::vector<ParameterDescription> parameters;  // named as in files: "conv2d_2.kernel"
};

/// The layers for images of shape `input`. Throws Error if the shapes do not fit.
std::vector<NamedLayer> name_layers(const std::vector<LayerDescription>& layers, Shape input);

/// Throws Error, naming `model`, unless the last layer makes `classes` numbers of an image.
void expect_classes(const std::string& model, const std::vector<NamedLayer>& layers, int classes);

}  // namespace plainnet
