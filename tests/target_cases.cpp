// What is computed on every target, for tests/test_targets.cpp to compare.

#include "kernels/softmax_cross_entropy.h"
#include "tests/computations.h"
#include "tests/layer_cases.h"
#include "tests/layer_run.h"

namespace plainnet::TARGET {
namespace {

// The loss as a computation: loss, number of correct guesses, and the gradient.
std::vector<NamedValues> loss_values(int batch, int classes) {
  Random random(1, 0);
  std::vector<uint8_t> labels(batch);
  for (uint8_t& label : labels) label = static_cast<uint8_t>(random.below(classes));
  const Values logits = test::random_values(batch * classes, random);
  const Buffer<real> z(std::vector<real>(logits.begin(), logits.end()));
  const Buffer<uint8_t> label(labels);
  const Buffer<int> step(std::vector<int>{0});
  GuardedBuffer dz(logits.size());
  const Buffer<BatchScore> scores(1);
  softmax_cross_entropy(z.data(), label.data(), batch, classes, dz.data(), step.data(),
                        scores.data());
  const BatchScore score = scores.download().at(0);
  return {{"loss", {score.loss}},
          {"correct", {static_cast<double>(score.correct)}},
          {"dlogits", dz.get(logits.size(), "dlogits")}};
}

std::vector<NamedValues> layer_values(const LayerCase& layer_case, Kernels kernels) {
  LayerRun run(layer_case.layers, layer_case.input, layer_case.batch, layer_case.max_batch, kernels);
  Random random(1, 0);
  const Values x = test::random_values(run.x_size(), random);
  for (size_t i = 0; i < run.parameters().size(); ++i)
    run.set_parameter(i, test::random_values(run.parameters()[i].size(), random));
  const Values y = run.forward(x);
  std::vector<NamedValues> values = run.backward(test::random_values(run.y_size(), random));
  values.push_back({"y", y});
  return values;
}

}  // namespace

std::vector<Computation> computations() {
  std::vector<Computation> all;
  for (const LayerCase& layer_case : layer_cases_of(kTargetName))
    for (const Kernels kernels : layer_case.kernels())
      all.push_back({text(name_of(kernels), ": ", layer_case.name()),
                     [=] { return layer_values(layer_case, kernels); }});
  for (const auto& [batch, classes] : {std::pair(5, 10), std::pair(131, 7)})
    all.push_back({text("softmax_cross_entropy, ", batch, " of ", classes),
                   [b = batch, c = classes] { return loss_values(b, c); }});
  return all;
}

}  // namespace plainnet::TARGET
