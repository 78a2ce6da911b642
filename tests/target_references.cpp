// The layers and the loss against PyTorch's values in float64.

#include "kernels/softmax_cross_entropy.h"
#include "tests/layer_run.h"
#include "tests/reference.h"

namespace plainnet::TARGET {
namespace {

using test::Reference;

// Of the largest magnitude in a tensor. The sums have up to some hundred terms, and each side
// rounds in its own order: they differ by some ten to thirty rounding errors, of 1e-16 in double
// and 6e-8 in float.
constexpr double kTolerance = sizeof(real) == sizeof(double) ? 1e-13 : 3e-6;

Shape image_shape(const Reference& reference) {
  const std::vector<int>& x = reference.tensor("x").shape;
  return {x.at(1), x.at(2), x.at(3)};
}

Shape row_shape(const Reference& reference) { return {1, 1, reference.tensor("x").shape.at(1)}; }

Shape sequence_shape(const Reference& reference) {
  const std::vector<int>& x = reference.tensor("x").shape;
  return {x.at(1), 1, x.at(2)};
}

// Runs layers as the reference says, plain and fast, in a batch that is not full, and compares y, dx and
// the gradient of every parameter. `prefix` is what the reference puts before the names of parameters.
void check_layers(const Reference& reference, const std::vector<LayerDescription>& layers, Shape input,
                  const std::string& prefix = "") {
  const int batch = reference.tensor("x").shape[0];
  for (const Kernels kernels : {kPlain, kFast}) {
    const std::string what = text(reference.path, ", ", name_of(kernels), ": ");
    LayerRun run(layers, input, batch, batch + 3, kernels);
    for (size_t i = 0; i < run.parameters().size(); ++i) {
      const test::ReferenceTensor& tensor = reference.tensor(prefix + run.parameters()[i].name);
      const std::vector<int64_t> shape(tensor.shape.begin(), tensor.shape.end());
      CHECK(shape == run.parameters()[i].shape, what, run.parameters()[i].name);
      run.set_parameter(i, tensor.values);
    }
    test::check_close(what + "y", run.forward(reference.tensor("x").values), reference.tensor("y").values,
                      kTolerance);
    for (const auto& [name, values] : run.backward(reference.tensor("dy").values))
      test::check_close(what + name, values, reference.tensor(name == "dx" ? name : prefix + name).values,
                        kTolerance);
  }
}

Size window(const Reference& reference) {
  const std::vector<int>& kernel = reference.tensor("kernel").shape;
  return {kernel.at(0), kernel.at(1)};
}

Conv2d conv2d(const Reference& reference) {
  return {.filters = reference.tensor("kernel").shape.at(3),
          .window = window(reference),
          .stride = reference.parameter("stride"),
          .padding = reference.word("padding") == "same" ? kSame : kValid,
          .relu = reference.parameter("relu") == 1};
}

TARGET_TEST("conv2d: PyTorch's values") {
  for (const std::string& name : test::reference_names("conv2d")) {
    const Reference reference = test::read_reference(name);
    check_layers(reference, {conv2d(reference)}, image_shape(reference));
  }
}

TARGET_TEST("conv2d + max_pool2d: PyTorch's values") {
  for (const std::string& name : test::reference_names("pooled_conv2d")) {
    const Reference reference = test::read_reference(name);
    check_layers(reference, {conv2d(reference), MaxPool2d{.window = 2, .stride = 2}}, image_shape(reference));
  }
}

TARGET_TEST("depthwise_conv2d: PyTorch's values") {
  for (const std::string& name : test::reference_names("depthwise_conv2d")) {
    const Reference reference = test::read_reference(name);
    check_layers(reference,
                 {DepthwiseConv2d{.window = window(reference),
                                  .stride = reference.parameter("stride"),
                                  .padding = reference.word("padding") == "same" ? kSame : kValid,
                                  .relu = reference.parameter("relu") == 1}},
                 image_shape(reference));
  }
}

TARGET_TEST("max_pool2d: PyTorch's values") {
  for (const std::string& name : test::reference_names("max_pool2d")) {
    const Reference reference = test::read_reference(name);
    check_layers(reference,
                 {MaxPool2d{.window = reference.parameter("size"), .stride = reference.parameter("stride")}},
                 image_shape(reference));
  }
}

TARGET_TEST("dense: PyTorch's values") {
  for (const std::string& name : test::reference_names("dense")) {
    const Reference reference = test::read_reference(name);
    check_layers(reference,
                 {Dense{.units = reference.tensor("bias").shape.at(0), .relu = reference.parameter("relu") == 1}},
                 row_shape(reference));
  }
}

TARGET_TEST("lstm: PyTorch's values") {
  for (const std::string& name : test::reference_names("lstm")) {
    const Reference reference = test::read_reference(name);
    const bool both = reference.parameter("bidirectional") == 1;
    const Lstm lstm{.units = reference.parameter("units"),
                    .return_sequences = reference.parameter("sequence") == 1};
    const LayerDescription layer = both ? LayerDescription(Bidirectional{lstm}) : LayerDescription(lstm);
    check_layers(reference, {layer}, sequence_shape(reference), both ? "" : "forward.");
  }
}

TARGET_TEST("softmax_cross_entropy: PyTorch's values") {
  for (const std::string& name : test::reference_names("softmax_cross_entropy")) {
    const Reference reference = test::read_reference(name);
    const auto& logits = reference.tensor("logits");
    const auto& labels = reference.tensor("labels").values;
    const int batch = logits.shape.at(0), classes = logits.shape.at(1);
    int correct = 0;
    for (int b = 0; b < batch; ++b) {
      const auto row = logits.values.begin() + b * classes;
      correct += std::max_element(row, row + classes) - row == labels[b];
    }

    const Buffer<uint8_t> label(std::vector<uint8_t>(labels.begin(), labels.end()));
    const Buffer<int> step(std::vector<int>{0});
    GuardedBuffer z(logits.values.size()), dz(logits.values.size()), p(logits.values.size());
    const Buffer<BatchScore> scores(1);
    z.set(logits.values);
    softmax_cross_entropy(z.data(), label.data(), batch, classes, dz.data(), step.data(),
                          scores.data());
    softmax(z.data(), batch, classes, p.data());
    const BatchScore score = scores.download().at(0);
    test::check_close(reference.path + ": loss", {score.loss},
                      reference.tensor("loss").values, kTolerance);
    CHECK_EQUAL(score.correct, correct);
    const Values& dlogits = reference.tensor("dlogits").values;
    test::check_close(reference.path + ": dlogits", dz.get(dlogits.size(), "dlogits"), dlogits,
                      kTolerance);
    // The gradient by a logit is (probability - [it is the label's]) / batch.
    Values probabilities(dlogits.size());
    for (int b = 0; b < batch; ++b)
      for (int n = 0; n < classes; ++n)
        probabilities[b * classes + n] = dlogits[b * classes + n] * batch + (n == labels[b]);
    test::check_close(reference.path + ": probabilities", p.get(dlogits.size(), "p"), probabilities,
                      kTolerance);
  }
}

}  // namespace
}  // namespace plainnet::TARGET
