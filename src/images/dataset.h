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
/// t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte from `directory` (idx.cpp describes the format).
/// Throws Error, naming the file, what was expected and what was found, when one is missing, is not
/// IDX, is cut short or too long, when images and labels disagree in number, training and test images
/// in size, or when a label is 10 or more.
Dataset read_idx_directory(const std::string& directory);

/// Whether `directory` holds any of the four files, plain or packed (.gz), so that there is
/// something to read, or to complain about.
bool has_idx_files(const std::string& directory);

/// How many built-in digits stand in for MNIST: as many as it has.
constexpr int kDrawnTrain = 60000, kDrawnTest = 10000;

/// The IDX files in the directory *data or, where *data is "digits", built-in ones, of the sizes and
/// the seed given. Where there are no files, and they are not `required`, standard output says so and
/// *data becomes "digits". Throws Error as read_idx_directory() does.
Dataset load_dataset(std::string* data, bool required, int train_count, int test_count, uint64_t seed);

/// Digits drawn by our own code from strokes, with varied slant, width, scale, position, elastic
/// bend and noise; 28x28. A training set and a test set of the given sizes, 0 or more. The same for
/// the same seed, whatever the number of threads; a larger set begins with the images of a smaller
/// one.
Dataset draw_digits(int train_count, int test_count, uint64_t seed);

}  // namespace plainnet
