#pragma once

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
// smallest where h³ is about 1e-16: h = 1e-5, and there the error is about 1e-10, for numbers around 1.
// In single precision the same reasoning gives a step of 4e-3 and an error of 1e-5, too coarse to tell a
// wrong gradient: so only double is tested.
//
// The tolerance. The loss is a sum, and its rounding error is proportional to S = Σ |dy y|, however small the
// slope is. So the error is divided by the gradient or by S / 1000, whichever is larger. Division by S / 1000
// may turn 1e-10 into 1e-7, which is what is allowed; a wrong sign, factor or index is off by about 1.
//
// Kinks. A ReLU and a maximum have a kink, and where it lies within a step, the slope is a mixture of both
// sides'. The mixture depends on the step: where the slopes of two steps differ, there is a kink, and the
// number is left out. (Exactly at a kink both steps give the same mixture, and it would not be noticed. So
// no number of x or of a parameter may be such that a number before a ReLU is 0, or two in a window are the
// same: they are random to the last bit.) At least nine of ten numbers of each tensor must remain.

#include <cmath>
#include <numeric>

#include "tests/layer_run.h"
#include "tests/thread_count.h"

namespace plainnet::TARGET {

constexpr double kStep = 1e-5, kTolerance = 1e-7;

/// The slope of f by *x, which f reads.
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
    const double expected = slope(loss, &(*tensor)[i], kStep);
    const double of_half_step = slope(loss, &(*tensor)[i], kStep / 2);
    const double scale = std::max({std::abs(expected), std::abs(gradient[i]), size / 1000, 1e-12});
    if (std::abs(expected - of_half_step) > kTolerance * scale) continue;  // a kink
    ++compared;
    const double error = std::abs(gradient[i] - expected) / scale;  // what is not a number fails
    CHECK(error <= kTolerance, name, "[", i, "]: the slope is ", expected, ", backward() says ", gradient[i],
          ", an error of ", error);
    worst = std::max(worst, error);
  }
  CHECK(10 * compared >= 9 * gradient.size(), name, ": only ", compared, " of ", gradient.size(),
        " are away from kinks");
  return text(name, " ", worst, " (", compared, " of ", gradient.size(), ")");
}

/// Random to the last bit.
inline Values random_reals(size_t count, Random& random) {
  Values values(count);
  for (double& value : values) value = random.uniform(-1, 1);
  return values;
}

/// Compares all gradients of a run. Says the worst error of each tensor.
inline std::string check_gradients(LayerRun& run) {
  // Thousands of launches of a few microseconds each: waking another thread costs more than it helps.
  const test::ThreadCount one_thread(1);
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

  const auto loss = [&] {
    const Values y = run.forward(x);
    return std::inner_product(y.begin(), y.end(), dy.begin(), 0.0);
  };
  std::string report = compare("dx", gradients[0].values, &x, size, loss);
  for (size_t t = 1; t < gradients.size(); ++t) {
    const auto loss_by_parameter = [&] {
      run.set_parameter(t - 1, parameters[t - 1]);
      return loss();
    };
    report += text(", ", compare(gradients[t].name, gradients[t].values, &parameters[t - 1], size, loss_by_parameter));
    run.set_parameter(t - 1, parameters[t - 1]);
  }
  return report;
}

}  // namespace plainnet::TARGET
