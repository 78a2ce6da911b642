#pragma once

#include "kernels/device.h"
#include "kernels/update_rule.h"

namespace plainnet::TARGET {

/// The part of an update that changes from step to step.
struct UpdateStep {
  real rate;            // the learning rate
  real momentum_scale;  // 1 / (1 - beta1^t) at the t-th update: the bias correction of Adam
  real square_scale;    // 1 / (1 - beta2^t)
};

/// The steps that follow after `before` updates, one for each learning rate.
std::vector<UpdateStep> update_steps(const UpdateRule& rule,
                                     const std::vector<double>& learning_rates, long before);

/// One update of all parameters from their gradients, in place. The step is read on the device, so that a
/// recorded update follows a schedule.
void update(const UpdateRule& rule,
            real* weights,          // [count]
            const real* gradients,  // [count]
            real* momenta,          // [count], zero before the first update; used if rule.has_momenta()
            real* squares,          // the same, if rule.has_squares()
            long count,
            const UpdateStep* steps,  // on the device, [steps]
            const int* step);         // on the device

}  // namespace plainnet::TARGET
