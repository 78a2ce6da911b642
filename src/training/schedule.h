#pragma once

#include <cmath>
#include <string>
#include <vector>

namespace plainnet {

/// How the learning rate changes while training goes on.
struct Schedule {
  std::string schedule = "constant";  // "constant", "cosine" or "step"
  double learning_rate = 0;           // the highest
  int epochs = 30;                    // in all: where the cosine ends
  int step_epochs = 10;               // "step" divides by ten after each so many
  double warm_up = 0;                 // epochs in which the rate rises first
};

/// The learning rates of all steps of epoch `epoch` (from 1), `steps` to an epoch. With u the
/// updates before a step, W those of the warm-up and T those of all epochs:
///   u < W     learning_rate (u + 1) / W      (W is rounded to whole steps)
///   constant  learning_rate
///   cosine    learning_rate (1 + cos(π (u - W) / (T - W))) / 2   (Loshchilov and Hutter, "SGDR:
///             Stochastic gradient descent with warm restarts", 2017)
///   step      learning_rate / 10^((epoch - 1) / step_epochs), rounded down
inline std::vector<double> learning_rates(const Schedule& options, int epoch, int steps) {
  const double warm_up = std::round(options.warm_up * steps);
  std::vector<double> rates(steps, options.learning_rate);
  for (int step = 0; step < steps; ++step) {
    const double u = static_cast<double>(epoch - 1) * steps + step;
    if (u < warm_up)
      rates[step] *= (u + 1) / warm_up;
    else if (options.schedule == "cosine")
      rates[step] *= (1 + std::cos(M_PI * (u - warm_up) / (1.0 * options.epochs * steps - warm_up))) / 2;
    else if (options.schedule == "step")
      rates[step] *= std::pow(0.1, (epoch - 1) / options.step_epochs);
  }
  return rates;
}

}  // namespace plainnet
