#pragma once

// Runs of ./train and ./predict inside the test program, on data so small that they take no time.

#include <functional>
#include <string>
#include <vector>

#include "images/dataset.h"
#include "tests/test.h"
#include "training/tensor.h"

namespace plainnet::test {

constexpr int kSmallSize = 18, kSmallTrain = 100, kSmallTest = 40;

/// How many files lie in a folder.
size_t files_in(const std::string& folder);

/// Writes the images and their labels as IDX files, PREFIX-images-idx3-ubyte and PREFIX-labels-idx1-ubyte.
void write_idx(const std::string& prefix, const Images& images);

/// The folder of a data set of random images of kSmallSize x kSmallSize, in scratch_folder().
std::string small_data();

struct Outcome {
  int status = 0;
  std::string output;  // what went to standard output
};

/// What `program` returns and prints; throws what it throws.
Outcome outcome_of(const std::function<int()>& program);

/// ./train and ./predict with these arguments; print Help, and throw what else they throw.
Outcome train(const std::vector<std::string>& arguments);
Outcome predict(const std::vector<std::string>& arguments);

/// What ./train needs to train on small_data() in batches of 16, the last one of 4; NAME in the
/// scratch folder is the run folder.
std::vector<std::string> small_run(const std::string& name, std::vector<std::string> more = {});

/// The path of that name in the scratch folder.
std::string in_scratch(const std::string& name);

/// That tensors are the same bit by bit.
void check_same(const std::vector<Tensor>& got, const std::vector<Tensor>& expected);

/// That two run folders, by their names in the scratch folder, came to the same: weights, state and scores
/// bit by bit.
void check_same_run(const std::string& got, const std::string& expected);

}  // namespace plainnet::test
