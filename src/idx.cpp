// Reads a dataset from four IDX files, the format in which MNIST is published.
//
// An IDX file is two zero bytes, a byte for the type of its elements (8: unsigned byte), a byte for
// the number of dimensions, the dimensions, each a 32-bit integer with the high byte first, and
// then the elements, the last dimension running fastest.

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "dataset.h"
#include "error.h"

namespace plainnet {
namespace fs = std::filesystem;
namespace {

const char* const kFileNames[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                  "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};

struct IdxFile {
  std::vector<uint32_t> shape;
  std::vector<uint8_t> elements;
};

fs::path packed(const fs::path& path) { return path.string() + ".gz"; }

bool is_there(const fs::path& path) {
  std::error_code ignored;  // a folder that cannot be searched has nothing for us
  return fs::exists(path, ignored);
}

uint32_t read_big_endian(std::istream& stream) {
  uint8_t b[4] = {};
  stream.read(reinterpret_cast<char*>(b), 4);
  return uint32_t{b[0]} << 24 | uint32_t{b[1]} << 16 | uint32_t{b[2]} << 8 | b[3];
}

std::string hexadecimal(uint32_t value) {
  char digits[16];
  std::snprintf(digits, sizeof digits, "0x%08x", static_cast<unsigned>(value));
  return digits;
}

// Checks all that the header promises against the file's size before it allocates anything.
IdxFile read_idx(const fs::path& path, uint32_t dimensions) {
  const std::string name = path.string();
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    const int cause = errno;
    throw Error(text(name, ": expected an IDX file, found ",
                     is_there(packed(path))
                         ? "only its packed form: run gunzip " + packed(path).string()
                         : std::strerror(cause)));
  }
  if (!fs::is_regular_file(path))
    throw Error(text(name, ": expected a plain file, found a folder or a device"));

  const uint64_t size = fs::file_size(path), header_size = 4 + 4 * dimensions;
  if (size < header_size)
    throw Error(text(name, ": expected an IDX header of ", header_size, " bytes, found a file of ",
                     size, " bytes"));
  const uint32_t magic = read_big_endian(file), expected_magic = 0x00000800 | dimensions;
  if (magic != expected_magic)
    throw Error(text(name, ": expected the magic number ", hexadecimal(expected_magic),
                     " (unsigned bytes, ", dimensions,
                     dimensions == 1 ? " dimension" : " dimensions", "), found ",
                     hexadecimal(magic)));

  IdxFile idx;
  uint64_t elements = 1;
  for (uint32_t d = 0; d < dimensions; ++d) {
    // These limits keep the product of three dimensions within 64 bits.
    const uint32_t limit = d == 0 ? INT_MAX : 4096;
    const uint32_t extent = read_big_endian(file);
    if (extent < 1 || extent > limit)
      throw Error(text(name, ": expected dimension ", d + 1, " of ", dimensions, " to be 1 to ",
                       limit, ", found ", extent));
    idx.shape.push_back(extent);
    elements *= extent;
  }
  if (size != header_size + elements)
    throw Error(text(name, ": expected ", header_size + elements,
                     " bytes, as its header says, found ", size, " bytes"));
  idx.elements.resize(elements);
  file.read(reinterpret_cast<char*>(idx.elements.data()), static_cast<std::streamsize>(elements));
  if (!file) throw Error(text(name, ": expected ", size, " bytes, found a read error"));
  return idx;
}

Images read_images(const fs::path& image_path, const fs::path& label_path) {
  IdxFile images = read_idx(image_path, 3);
  IdxFile labels = read_idx(label_path, 1);
  if (labels.shape[0] != images.shape[0])
    throw Error(text(label_path.string(), ": expected ", images.shape[0],
                     " labels, one for each of ", image_path.string(), ", found ",
                     labels.shape[0]));
  for (size_t i = 0; i < labels.elements.size(); ++i)
    if (labels.elements[i] >= 10)
      throw Error(text(label_path.string(), ": expected labels below 10, found ",
                       int{labels.elements[i]}, " at index ", i));
  return {.count = static_cast<int>(images.shape[0]),
          .height = static_cast<int>(images.shape[1]),
          .width = static_cast<int>(images.shape[2]),
          .pixels = std::move(images.elements),
          .labels = std::move(labels.elements)};
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
    throw Error(text((folder / kFileNames[2]).string(), ": expected images of ", train.height, "x",
                     train.width, " like the training images, found ", test.height, "x",
                     test.width));
  return dataset;
}

bool has_idx_files(const std::string& directory) {
  for (const char* name : kFileNames) {
    const fs::path path = fs::path(directory) / name;
    if (is_there(path) || is_there(packed(path))) return true;
  }
  return false;
}

}  // namespace plainnet
