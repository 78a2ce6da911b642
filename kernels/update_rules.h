#pragma once

#include "kernels/update_rule.h"
#include "kernels/device.h"

namespace plainnet::TARGET {

/// What of an update differs from step to step.
struct UpdateStep {
  real rate;            // the learning rate
  real momentum_scale;  // 1 / (1 - beta1^t) at the t-th update: the bias correction of Adam
  real square_scale;    // 1 / (1 - beta2^t)
};

/// The steps that follow after `before` updates, one for each learning rate.
std::vector<UpdateStep> update_steps(const UpdateRule& rule,
                                     const std::vector<double>& learning_rates, long before);

/// One update of all weights from their gradients, in place. The step is read on the device, so
/// that a recorded update follows a schedule.
void update(const UpdateRule& rule,
            real* weights,          // [count]
            const real* gradients,  // [count]
            real* momenta,  // [count], zero before the first update; unless has_momenta(), null
            real* squares,  // the same, for has_squares()
            long count,
            const UpdateStep* steps,  // on the device, [steps]
            const int* step);         // on the device

}  // namespace plainnet::TARGET
