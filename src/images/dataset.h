#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace plainnet {

/// Grey images with a label each.
struct Images {
  int count = 0, height = 0, width = 0;
  std::vector<uint8_t> pixels;  // [count][height][width], 0 black to 255 white
  std::vector<uint8_t> labels;  // [count], each the number of a class

  long size() const { return 1L * height * width; }  // of an image, in pixels
};

struct Dataset {
  std::string source;  // for people: a directory, or "built-in digits, drawn with seed 1"
  Images train, test;
  std::vector<std::string> classes = {};  // 2 to 256 names: classes[label] is what an image shows
};

/// The names of classes, a line each. Throws Error, which begins with `source`, where a line is empty or
/// there twice, or where they are not 2 to 256.
std::vector<std::string> read_classes(const std::string& lines, const std::string& source);

/// The length of the longest name, in bytes, of one or more.
int longest_name(const std::vector<std::string>& classes);

/// What tells one data set from another: the size, and a hash (FNV-1a) of all bytes and names.
std::string fingerprint(const Dataset& dataset);

/// Reads the four IDX files train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
/// t10k-labels-idx1-ubyte (idx.cpp describes the format), packed by gzip or not, from `directory`, or from
/// raw or MNIST/raw in it, where torchvision puts them. Their names may have ".idx" for "-idx", "test" for
/// "t10k", and words before them, as in emnist-letters-train-images-idx3-ubyte. The classes are named by a
/// classes.txt in `directory`, as read_classes() has it, else by their numbers, from 0 to the largest label.
/// Throws Error, naming the file, what was expected and what was found, when one is missing or there twice,
/// is not IDX, is cut short or too long, when images and labels disagree in number, training and test images
/// in size, when a label has no name, or all training labels are the same.
Dataset read_idx_directory(const std::string& directory);

/// The data that every program means by *data: the IDX files in that directory or, where it is "digits", as
/// many built-in ones as MNIST has, drawn with `seed`. Where it is not there or empty, and not `required`,
/// standard output says so and *data becomes "digits". Throws Error as read_idx_directory() does, and where
/// the fingerprint is not the `expected` one, if one is expected.
Dataset load_dataset(std::string* data, bool required, uint64_t seed, const std::string& expected = "");

/// Digits drawn by our own code from strokes, with varied slant, width, scale, position, elastic
/// bend and noise; 28x28. A training set and a test set of the given sizes, 0 or more. The same for
/// the same seed, whatever the number of threads; a larger set begins with the images of a smaller
/// one.
Dataset draw_digits(int train_count, int test_count, uint64_t seed);

}  // namespace plainnet
