#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace plainnet {

/// Grey images with a label each.
struct Images {
  int count = 0, height = 0, width = 0;
  std::vector<uint8_t> pixels;  // [count][height][width], 0 black to 255 white
  std::vector<uint8_t> labels;  // [count], below 10
};

struct Dataset {
  std::string name;    // "MNIST", "built-in digits", or the name of the directory
  std::string source;  // where it came from, for people: a directory, or "drawn with seed 1"
  Images train, test;
};

/// What tells one data set from another: the size, and a hash (FNV-1a) of all bytes.
std::string fingerprint(const Dataset& dataset);

/// Reads the four IDX files train-images-idx3-ubyte, train-labels-idx1-ubyte,
/// t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte from `directory` (the format is described at
/// http://yann.lecun.com/exdb/mnist/). Throws Error, naming the file, what was expected and what
/// was found, when one is missing, is not IDX, is cut short or too long, when images and labels
/// disagree in number, training and test images in size, or when a label is 10 or more.
Dataset read_idx_directory(const std::string& directory);

/// Whether `directory` holds any of the four files, plain or packed (.gz), so that there is
/// something to read, or to complain about.
bool has_idx_files(const std::string& directory);

/// The IDX files in `directory` or, where there are none and it is not `required`, built-in digits:
/// which standard output then says.
Dataset load_dataset(const std::string& directory, bool required, int train_count, int test_count,
                     uint64_t seed);

/// Digits drawn by our own code from strokes, with varied slant, width, scale, position, elastic
/// bend and noise; 28x28. A training set and a test set of the given sizes, 0 or more. The same for
/// the same seed, whatever the number of threads; a larger set begins with the images of a smaller
/// one. Throws Error when a size is negative.
Dataset draw_digits(int train_count, int test_count, uint64_t seed);

}  // namespace plainnet
