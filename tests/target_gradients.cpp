// The gradient of every layer, plain and fast, and of the loss: see gradients.h.

#include "kernels/softmax_cross_entropy.h"
#include "tests/gradients.h"
#include "tests/layer_cases.h"

namespace plainnet::TARGET {
namespace {

LayerRun run_of(const LayerCase& layer_case, Kernels kernels,
                real fill = std::numeric_limits<real>::quiet_NaN()) {
  return LayerRun(layer_case.layers, layer_case.input, layer_case.batch, layer_case.max_batch, kernels, fill);
}

// y and the gradients of a second run are the same, bit by bit: without a gradient by x; and where memory held
// other numbers before.
void check_repeats(const LayerCase& layer_case, Kernels kernels) {
  std::vector<NamedValues> first;
  for (const real fill : {std::numeric_limits<real>::quiet_NaN(), real(12345.678)}) {
    LayerRun run = run_of(layer_case, kernels, fill);
    Random random(3, 0);
    const Values x = random_reals(run.x_size(), random);
    for (size_t i = 0; i < run.parameters().size(); ++i)
      run.set_parameter(i, random_reals(run.parameters()[i].size(), random));
    const Values dy = random_reals(run.y_size(), random);
    for (int repeat = 0; repeat < 2; ++repeat) {
      const Values y = run.forward(x);
      std::vector<NamedValues> all = run.backward(dy);
      all.push_back({"y", y});
      if (first.empty()) first = all;
      test::check_same(all, first);
    }
    run.forward(x);
    std::vector<NamedValues> without_dx = run.backward(dy, false);
    test::check_same(without_dx, {first.begin() + 1, first.end() - 1});
  }
}

void check_loss_gradients(int batch, int classes) {
  const test::ThreadCount one_thread(1);
  Random random(4, 0);
  std::vector<uint8_t> labels(batch);
  for (uint8_t& label : labels) label = static_cast<uint8_t>(random.below(classes));
  const Buffer<uint8_t> label(labels);
  const Buffer<int> step(std::vector<int>{1});
  Values logits = random_reals(batch * classes, random);
  for (double& logit : logits) logit *= 4;
  GuardedBuffer z(logits.size()), dz(logits.size());
  Buffer<BatchScore> scores(3);
  const auto loss = [&](real* gradient) {
    z.set(logits);
    scores.upload(std::vector<BatchScore>(3, {0, -1}));
    softmax_cross_entropy(z.data(), label.data(), batch, classes, gradient, step.data(), scores.data());
    const std::vector<BatchScore> all = scores.download();
    CHECK_EQUAL(all[0].correct, -1);
    CHECK_EQUAL(all[2].correct, -1);
    return static_cast<double>(all[1].loss);
  };
  const double at = loss(dz.data());
  const Values gradient = dz.get(logits.size(), "dlogits");
  CHECK_EQUAL(loss(nullptr), at);
  test::note(compare("dlogits", gradient, &logits, at, [&] { return loss(nullptr); }));
}

struct Registrations {
  Registrations() {
    if constexpr (sizeof(real) == sizeof(double)) {
      for (const LayerCase& layer_case : layer_cases_of(kTargetName))
        for (const Kernels kernels : layer_case.kernels()) {
          TargetRegistration(text(name_of(kernels), ": gradients, ", layer_case.name()),
                             [=] {
                               LayerRun run = run_of(layer_case, kernels);
                               test::note(check_gradients(run));
                             });
          TargetRegistration(text(name_of(kernels), ": repeats, ", layer_case.name()),
                             [=] { check_repeats(layer_case, kernels); });
        }
      for (const auto& [batch, classes] : {std::pair(1, 1), std::pair(1, 3), std::pair(7, 10), std::pair(3, 101),
                                           std::pair(131, 13)})
        if (!kTargetName.starts_with("emulated") || batch * classes <= 70)
          TargetRegistration(text("gradients, softmax_cross_entropy ", batch, " of ", classes),
                             [b = batch, c = classes] { check_loss_gradients(b, c); });
    }
  }
} const registrations;

}  // namespace
}  // namespace plainnet::TARGET
