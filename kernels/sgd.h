#pragma once

#include "device.h"

namespace plainnet::TARGET {

struct SgdOptions {
  float momentum = 0.9f;      // 0 or more, below 1
  bool nesterov = true;
  float weight_decay = 0;  // times the weight, added to its gradient
};

/// One update of all weights from their gradients, in place. The learning rate is read on the
/// device, so that a recorded step follows a schedule.
void sgd(const SgdOptions& options,
         real* weights,          // [count]
         const real* gradients,  // [count]
         real* velocities,       // [count], zero before the first update
         long count,
         const float* learning_rates,  // on the device, [steps]
         const int* step);             // on the device

}  // namespace plainnet::TARGET
