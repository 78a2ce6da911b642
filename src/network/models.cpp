#include "network/models.h"

#include <map>

#include "base/command_line.h"

namespace plainnet {

std::vector<Model> models(int classes) {
  constexpr Initializer kHeNormal{Initializer::kHeNormal}, kGlorotUniform{Initializer::kGlorotUniform};
  constexpr Initializer kWide{Initializer::kUniform, 0.1}, kNarrow{Initializer::kUniform, 0.01};
  return {
      // A convolutional network after LeCun et al., "Gradient-based learning applied to document recognition"
      // (1998), with the ReLU and max pooling of today. 428,330 parameters for ten classes of images of
      // 28 x 28.
      {"cnn", 0.05,
       {Conv2d{.filters = 24, .window = 5, .relu = true, .initializer = kWide},
        MaxPool2d{.window = 2, .stride = 2},
        Conv2d{.filters = 48, .window = 5, .relu = true, .initializer = kWide},
        MaxPool2d{.window = 2, .stride = 2},
        Dense{.units = 512, .relu = true, .initializer = kNarrow},
        Dense{.units = classes, .initializer = kNarrow}}},

      // The same with its second convolution split into a depthwise and a pointwise one, as in Chollet,
      // "Xception: Deep learning with depthwise separable convolutions" (2017). 401,306 parameters.
      {"separable", 0.05,
       {Conv2d{.filters = 24, .window = 5, .relu = true, .initializer = kHeNormal},
        MaxPool2d{.window = 2, .stride = 2},
        DepthwiseConv2d{.window = 5, .relu = true, .initializer = kHeNormal},
        Conv2d{.filters = 48, .window = 1, .relu = true, .initializer = kHeNormal},
        MaxPool2d{.window = 2, .stride = 2},
        Dense{.units = 512, .relu = true, .initializer = kHeNormal},
        Dense{.units = classes, .initializer = kGlorotUniform}}},

      // Reads an image as the sequence of its rows, from above and from below. 163,338 parameters.
      {"bilstm", 0.5,
       {Bidirectional{Lstm{.units = 128}}, Dense{.units = classes, .initializer = kGlorotUniform}}},

      // A multilayer perceptron: nothing but dense layers. 101,770 parameters.
      {"mlp", 0.05,
       {Dense{.units = 128, .relu = true, .initializer = kHeNormal},
        Dense{.units = classes, .initializer = kGlorotUniform}}},
  };
}

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const Model& model : models()) names.push_back(model.name);
  return names;
}

Model find_model(const std::string& name, int classes) {
  for (const Model& model : models(classes))
    if (model.name == name) return model;
  throw Error("model: expected ", listed(model_names()), ", found \"", name, "\"");
}

std::vector<NamedLayer> name_layers(const std::vector<LayerDescription>& layers, Shape input) {
  std::vector<NamedLayer> all;
  std::map<std::string, int> count;
  Shape shape = input;
  const auto add = [&](const auto& layer) {
    NamedLayer named{text(layer.type(), "_", ++count[layer.type()]), layer.type(), layer.output(shape),
                     layer.parameters(shape)};
    for (ParameterDescription& parameter : named.parameters)
      parameter.name = named.name + "." + parameter.name;
    shape = named.output;
    all.push_back(named);
  };
  try {
    for (const LayerDescription& layer : layers) std::visit(add, layer);
  } catch (const Error& error) {
    throw Error("images of ", input.height, "x", input.width, ": ", error.what());
  }
  return all;
}

void expect_classes(const std::string& model, const std::vector<NamedLayer>& layers, int classes) {
  if (const long outputs = layers.back().output.size(); outputs != classes)
    throw Error("model ", model, ": expected a last layer of ", classes, " outputs, found ", outputs);
}

}  // namespace plainnet
