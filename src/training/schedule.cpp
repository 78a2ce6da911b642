#include "training/schedule.h"

#include <cmath>

namespace plainnet {

std::vector<double> learning_rates(const Schedule& schedule, int epoch, int steps) {
  const double warm_up = std::round(schedule.warm_up * steps);
  const double total = static_cast<double>(schedule.epochs) * steps;
  std::vector<double> rates(steps, schedule.learning_rate);
  for (int step = 0; step < steps; ++step) {
    const double u = static_cast<double>(epoch - 1) * steps + step;
    if (u < warm_up)
      rates[step] *= (u + 1) / warm_up;
    else if (schedule.kind == "cosine")
      rates[step] *= (1 + std::cos(M_PI * (u - warm_up) / (total - warm_up))) / 2;
    else if (schedule.kind == "step")
      rates[step] *= std::pow(0.1, (epoch - 1) / schedule.step_epochs);
  }
  return rates;
}

}  // namespace plainnet
