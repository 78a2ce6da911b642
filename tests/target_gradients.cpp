// The gradient of every layer, plain and fast, and of the loss: see gradients.h.

#include "kernels/softmax_cross_entropy.h"
#include "network/network.h"
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

// The gradients of a whole network: that each layer gets its input, its parameters and the gradient that the
// next layer leaves.
void check_network_gradients(Kernels kernels) {
  const test::ThreadCount one_thread(1);
  const int batch = 2;
  Network network({Conv2d{.filters = 3, .window = 2, .relu = true}, MaxPool2d{.window = 2, .stride = 2},
                   DepthwiseConv2d{.window = {1, 2}}, Lstm{.units = 2, .return_sequences = true},
                   Dense{.units = 7, .relu = true}, Dense{.units = 2}},
                  {5, 7, 1}, batch, kernels, 1);
  Random random(5, 0);
  const Values x = random_reals(batch * 5 * 7, random), dy = random_reals(batch * 2, random);
  const auto upload = [](real* to, const Values& values) {
    const std::vector<real> reals(values.begin(), values.end());
    copy(to, reals.data(), reals.size() * sizeof(real));
  };
  const auto download = [](const real* from, size_t count) {
    std::vector<real> reals(count);
    copy(reals.data(), from, count * sizeof(real));
    return Values(reals.begin(), reals.end());
  };
  for (const Network::Slot& slot : network.slots)
    upload(network.weights.data() + slot.offset, random_reals(slot.parameter.size(), random));
  upload(network.input.data(), x);
  network.forward(batch);
  const Values y = download(network.output(), dy.size());
  upload(network.output_gradient(), dy);
  network.backward(batch);

  double size = 0;
  for (size_t i = 0; i < y.size(); ++i) size += std::abs(dy[i] * y[i]);
  std::string report;
  for (const Network::Slot& slot : network.slots) {
    real* const place = network.weights.data() + slot.offset;
    const size_t count = slot.parameter.size();
    Values values = download(place, count);
    const auto loss = [&] {
      upload(place, values);
      network.forward(batch);
      const Values y = download(network.output(), dy.size());
      return std::inner_product(y.begin(), y.end(), dy.begin(), 0.0);
    };
    const Values gradient = download(network.gradients.data() + slot.offset, count);
    CHECK(gradient != Values(count), slot.parameter.name, ": its gradient is zero");
    report += (report.empty() ? "" : ", ") + compare(slot.parameter.name, gradient, &values, size, loss);
    upload(place, values);
  }
  test::note(report);
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
      if (!kTargetName.starts_with("emulated"))
        for (const Kernels kernels : {kPlain, kFast})
          TargetRegistration(text(name_of(kernels), ": gradients, a whole network"),
                             [=] { check_network_gradients(kernels); });
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
