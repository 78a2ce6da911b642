#pragma once

// Runs of ./train and ./predict inside the test program, on data so small that they take no time.

#include <string>
#include <vector>

#include "test.h"

namespace plainnet::test {

constexpr int kSmallSize = 18, kSmallTrain = 100, kSmallTest = 40;

/// The folder of a data set of random images of kSmallSize x kSmallSize, in scratch_folder().
std::string small_data();

struct Outcome {
  int status = 0;
  std::string output;  // what went to standard output
};

/// ./train and ./predict with these arguments; throw what they throw.
Outcome train(const std::vector<std::string>& arguments);
Outcome predict(const std::vector<std::string>& arguments);

/// What ./train needs to train on small_data() in batches of 16, the last one of 4; ROOT/NAME is
/// the run folder, with the scratch folder as ROOT.
std::vector<std::string> small_run(const std::string& name, std::vector<std::string> more = {});

}  // namespace plainnet::test
