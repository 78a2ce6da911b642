// Reads a dataset from four IDX files, the format in which MNIST is published.
//
// An IDX file is two zero bytes, a byte for the type of its elements (8: unsigned byte), a byte for
// the number of dimensions, the dimensions, each a 32-bit integer with the high byte first, and
// then the elements, the last dimension running fastest.

#include <unistd.h>

#include <climits>
#include <filesystem>

#include "images/dataset.h"
#include "base/error.h"
#include "base/files.h"
#include "base/numbers.h"

namespace plainnet {
namespace fs = std::filesystem;
namespace {

const char* const kFileNames[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                  "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};

// A folder that cannot be searched has nothing for us.
bool is_there(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

/// The elements of the IDX file `path`, and as many extents as it has dimensions.
std::vector<uint8_t> read_idx(const std::string& path, std::vector<int>& extents) {
  const std::string packed = path + ".gz";
  if (!is_there(path) && is_there(packed))
    throw Error(path, ": expected an IDX file, found only its packed form: run gunzip ", packed);
  const std::string bytes = read_file(path);
  const size_t dimensions = extents.size(), header_size = 4 + 4 * dimensions;
  if (bytes.size() < header_size)
    throw Error(path, ": expected an IDX header of ", header_size, " bytes, found a file of ",
                bytes.size(), " bytes");
  const uint32_t magic = big_endian(bytes, 0), expected_magic = 0x00000800 | dimensions;
  if (magic != expected_magic)
    throw Error(path, format(": expected the magic number 0x%08x, found 0x%08x", expected_magic, magic));
  uint64_t size = 1;
  for (size_t d = 0; d < dimensions; ++d) {
    // These limits keep the product of three dimensions within 64 bits.
    const uint32_t limit = d == 0 ? INT_MAX : 4096, extent = big_endian(bytes, 4 + 4 * d);
    if (extent < 1 || extent > limit)
      throw Error(path, ": expected dimension ", d + 1, " of ", dimensions, " to be 1 to ", limit,
                  ", found ", extent);
    extents[d] = static_cast<int>(extent);
    size *= extent;
  }
  if (bytes.size() != header_size + size)
    throw Error(path, ": expected ", header_size + size, " bytes, as its header says, found ",
                bytes.size(), " bytes");
  return {bytes.begin() + header_size, bytes.end()};
}

Images read_images(const std::string& image_path, const std::string& label_path) {
  std::vector<int> extents(3), count(1);
  std::vector<uint8_t> pixels = read_idx(image_path, extents), labels = read_idx(label_path, count);
  if (count[0] != extents[0])
    throw Error(label_path, ": expected ", extents[0], " labels, one for each of ", image_path,
                ", found ", count[0]);
  for (size_t i = 0; i < labels.size(); ++i)
    if (labels[i] >= 10)
      throw Error(label_path, ": expected labels below 10, found ", labels[i], " at index ", i);
  return {extents[0], extents[1], extents[2], std::move(pixels), std::move(labels)};
}

}  // namespace

Dataset read_idx_directory(const std::string& directory) {
  const fs::path folder = directory;
  Dataset dataset;
  dataset.source = directory;
  // The dot makes "data/mnist" and "data/mnist/" alike: both become ".../data/mnist/".
  dataset.name = fs::absolute(folder / ".").lexically_normal().parent_path().filename().string();
  if (dataset.name == "mnist") dataset.name = "MNIST";

  dataset.train = read_images(folder / kFileNames[0], folder / kFileNames[1]);
  dataset.test = read_images(folder / kFileNames[2], folder / kFileNames[3]);
  const Images &train = dataset.train, &test = dataset.test;
  if (test.height != train.height || test.width != train.width)
    throw Error((folder / kFileNames[2]).string(), ": expected images of ", train.height, "x",
                train.width, " like the training images, found ", test.height, "x", test.width);
  return dataset;
}

bool has_idx_files(const std::string& directory) {
  for (const char* name : kFileNames) {
    const std::string path = fs::path(directory) / name;
    if (is_there(path) || is_there(path + ".gz")) return true;
  }
  return false;
}

}  // namespace plainnet
