#pragma once

#include <array>
#include <cstdint>

namespace plainnet {

/// What one epoch came to: mean losses, accuracies in [0, 1], wall-clock seconds. A loss may be NaN
/// or infinite where training has diverged.
struct EpochRecord {
  int epoch = 0;  // the first is 1
  double train_loss = 0, train_accuracy = 0, test_loss = 0, test_accuracy = 0, seconds = 0;
};

/// How often each digit was taken for each: [label][guess].
using Confusion = std::array<std::array<int64_t, 10>, 10>;

}  // namespace plainnet
