#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace plainnet {

/// What one epoch came to: mean losses from 0 to 1e100, accuracies in [0, 1], wall-clock seconds of its
/// training.
struct EpochRecord {
  int epoch = 0;  // the first is 1
  double train_loss = 0, train_accuracy = 0, test_loss = 0, test_accuracy = 0, seconds = 0;
};

/// How often each class was taken for each: [label][guess].
using Confusion = std::vector<std::vector<int64_t>>;

/// The first line of a log, without its end.
inline const char* const kLogHeader = "epoch,train_loss,train_accuracy,test_loss,test_accuracy,seconds";

/// The line of a log for one epoch, without its end.
std::string log_line(const EpochRecord& record);

/// The whole log, a line for each epoch after the first line.
std::string log_text(const std::vector<EpochRecord>& records);

/// The epochs of such a log. Throws Error, which begins with `name`, for anything else.
std::vector<EpochRecord> parse_log(const std::string& log, const std::string& name);

/// The best on the test set: the highest accuracy, of equal ones the lowest loss, of equal ones the
/// first. `records` must not be empty.
const EpochRecord& best_epoch(const std::vector<EpochRecord>& records);

}  // namespace plainnet
