// Every gradient of every layer is a slope: how much the loss changes when one number changes a little.
// Here each number of x and of every parameter is moved up and down, and the slope is compared with what
// backward() says.
//
//   loss(x, parameters) = Σ dy y, with a random dy
//
// so that dy is the gradient of the loss by y, and a backward pass that mixes up the numbers of dy, or
// forgets some, is found; with a dy of ones it would not be.
//
// The step. (loss(v + h) - loss(v - h)) / 2h differs from the derivative by h² / 6 times the third
// derivative, and by a rounding error of the loss, about 1e-16 of it in double, divided by h. Their sum is
// smallest where h³ is about 1e-16: h = 1e-5, and there it is about 1e-10 of the numbers that are around 1.
// In single precision the same reasoning gives a step of 4e-3 and an error of 1e-5, too coarse to tell a
// wrong gradient: so only double is tested.
//
// The tolerance. The loss is a sum, and its rounding error belongs to the size of its terms, Σ |dy y|: it
// does not shrink where the slope is small. So the error is taken relative to the gradient, or to a
// thousandth of that size where this is more. Then 1e-10 may become 1e-7, which is what is allowed; a wrong
// sign, factor or index is off by about 1.
//
// Kinks. A ReLU and a maximum have a kink, and where it lies within a step, the slope is a mixture of both
// sides'. The mixture depends on the step: where the slopes of two steps differ, there is a kink, and the
// number is left out. (At a kink exactly both slopes are the same mixture. So no number of x or of a
// parameter may be such that a number before a ReLU is 0, or two in a window are the same: they are random
// to the last bit.) At least nine of ten numbers of each tensor must remain.

#include <cmath>
#include <numeric>

#include "kernels/softmax_cross_entropy.h"
#include "tests/layer_cases.h"
#include "tests/layer_run.h"
#include "tests/thread_count.h"

namespace plainnet::TARGET {
namespace {

constexpr double kStep = 1e-5, kTolerance = 1e-7;

/// The slope of f at x.
template <class F>
double slope(const F& f, double* x, double h) {
  const double middle = *x;
  *x = middle + h;
  const double above = f();
  *x = middle - h;
  const double below = f();
  *x = middle;
  return (above - below) / (2 * h);
}

/// Compares `gradient` with the slopes of `loss`, whose terms have the size `size`, by the numbers of
/// `tensor`. Says the worst relative error, and how many were compared.
template <class F>
std::string compare(const std::string& name, const Values& gradient, Values* tensor, double size, const F& loss) {
  CHECK_EQUAL(gradient.size(), tensor->size());
  size_t compared = 0;
  double worst = 0;
  for (size_t i = 0; i < gradient.size(); ++i) {
    const double expected = slope(loss, &(*tensor)[i], kStep), nearer = slope(loss, &(*tensor)[i], kStep / 2);
    const double scale = std::max({std::abs(expected), std::abs(gradient[i]), size / 1000});
    if (std::abs(expected - nearer) > kTolerance * scale) continue;  // a kink
    ++compared;
    const double error = scale > 0 ? std::abs(gradient[i] - expected) / scale : 0;
    CHECK(error <= kTolerance, name, "[", i, "]: the slope is ", expected, ", backward() says ", gradient[i],
          ", an error of ", error);
    worst = std::max(worst, error);
  }
  CHECK(10 * compared >= 9 * gradient.size(), name, ": only ", compared, " of ", gradient.size(),
        " are away from kinks");
  return text(name, " ", worst, " (", compared, " of ", gradient.size(), ")");
}

Values random_reals(size_t count, Random& random) {
  Values values(count);
  for (double& value : values) value = random.uniform(-1, 1);
  return values;
}

void check_gradients(const LayerCase& layer_case, Kernels kernels) {
  // Thousands of launches of a few microseconds each: waking another thread costs more than it helps.
  const test::ThreadCount one_thread(1);
  LayerRun run(layer_case.layers, layer_case.input, layer_case.batch, layer_case.max_batch, kernels);
  Random random(2, 0);
  Values x = random_reals(run.x_size(), random);
  std::vector<Values> parameters;
  for (size_t i = 0; i < run.parameters().size(); ++i) {
    parameters.push_back(random_reals(run.parameters()[i].size(), random));
    run.set_parameter(i, parameters[i]);
  }
  const Values dy = random_reals(run.y_size(), random), y = run.forward(x);
  const std::vector<NamedValues> gradients = run.backward(dy);
  double size = 0;
  for (size_t i = 0; i < y.size(); ++i) size += std::abs(dy[i] * y[i]);

  const auto dot_dy = [&](const Values& y) { return std::inner_product(y.begin(), y.end(), dy.begin(), 0.0); };
  std::string report = compare("dx", gradients[0].values, &x, size, [&] { return dot_dy(run.forward(x)); });
  for (size_t t = 1; t < gradients.size(); ++t) {
    const auto loss = [&] {
      run.set_parameter(t - 1, parameters[t - 1]);
      return dot_dy(run.forward(x));
    };
    report += ", " + compare(gradients[t].name, gradients[t].values, &parameters[t - 1], size, loss);
    run.set_parameter(t - 1, parameters[t - 1]);
  }
  test::note(report);
}

// Without a gradient by x, and a second time, backward() says the same, bit by bit.
void check_repeats(const LayerCase& layer_case, Kernels kernels) {
  LayerRun run(layer_case.layers, layer_case.input, layer_case.batch, layer_case.max_batch, kernels);
  Random random(3, 0);
  const Values x = random_reals(run.x_size(), random);
  for (size_t i = 0; i < run.parameters().size(); ++i)
    run.set_parameter(i, random_reals(run.parameters()[i].size(), random));
  const Values dy = random_reals(run.y_size(), random);
  const Values y = run.forward(x);
  std::vector<NamedValues> first = run.backward(dy);
  test::check_same({{"y", run.forward(x)}}, {{"y", y}});
  test::check_same(run.backward(dy), first);
  run.forward(x);
  first.erase(first.begin());
  test::check_same(run.backward(dy, false), first);
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
                             [=] { check_gradients(layer_case, kernels); });
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
