#pragma once

#include <string>
#include <vector>

namespace plainnet {

/// How the learning rate changes while training goes on.
struct Schedule {
  std::string kind = "constant";  // "constant", "cosine" or "step"
  double learning_rate = 0;       // the highest
  int epochs = 1;                 // in all: where the cosine ends
  int step_epochs = 10;           // "step" divides by ten after each so many
  double warm_up = 0;             // epochs in which the rate rises first
};

/// The learning rates of all steps of epoch `epoch` (from 1), `steps` to an epoch. With u the
/// updates before a step, W those of the warm-up and T those of all epochs:
///   u < W     learning_rate (u + 1) / W      (W is rounded to whole steps)
///   constant  learning_rate
///   cosine    learning_rate (1 + cos(π (u - W) / (T - W))) / 2   (Loshchilov and Hutter, "SGDR:
///             Stochastic gradient descent with warm restarts", 2017)
///   step      learning_rate / 10^((epoch - 1) / step_epochs), rounded down
std::vector<double> learning_rates(const Schedule& schedule, int epoch, int steps);

}  // namespace plainnet
