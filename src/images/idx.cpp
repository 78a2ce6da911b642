// Reads a dataset from four IDX files, the format in which MNIST is published.
//
// An IDX file is two zero bytes, a byte for the type of its elements (8: unsigned byte), a byte for
// the number of dimensions, the dimensions, each a 32-bit integer with the high byte first, and
// then the elements, the last dimension running fastest.

#include <algorithm>
#include <array>
#include <climits>
#include <regex>
#include <set>

#include "images/dataset.h"
#include "base/error.h"
#include "base/files.h"
#include "base/numbers.h"
#include "images/inflate.h"

namespace plainnet {

const char* const kFileNames[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                  "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};

/// The files of the data in `directory`, in the order of kFileNames. Of one that is there packed and not,
/// as gunzip -k leaves it, the latter.
static std::array<std::string, 4> find_files(const fs::path& directory) {
  const std::regex usual("(.*[-/])?(train|t10k|test)-(images[-.]idx3|labels[-.]idx1)-ubyte(\\.gz)?");
  std::array<std::string, 4> files;
  std::set<std::string> all;
  std::error_code problem, ignored;
  for (const char* below : {"", "raw", "MNIST/raw"})
    for (const auto& entry : fs::directory_iterator(directory / below, *below ? ignored : problem))
      all.insert(entry.path());
  for (const std::string& path : all) {
    std::smatch parts;
    if (fs::is_directory(path, ignored) || !std::regex_match(path, parts, usual)) continue;
    std::string& file = files[2 * (parts[2] != "train") + (*parts[3].first == 'l')];
    if (file.empty()) file = path;
    if (path != file && path != file + ".gz")
      throw Error(directory.string(), ": expected the files of one data set, found ", file, " and ", path);
  }
  for (size_t i = 0; i < files.size(); ++i)
    if (files[i].empty())
      throw Error(directory.string(), ": expected ", kFileNames[i], ", packed (.gz) or not, found ",
                  problem ? problem.message() : all.empty() ? "nothing" : "others, such as " + *all.begin());
  return files;
}

/// The size of an IDX file of which `bytes` is the beginning, and as many extents as it has dimensions.
static size_t idx_size(std::string_view bytes, std::vector<int>& extents, const std::string& path) {
  const size_t dimensions = extents.size(), header_size = 4 + 4 * dimensions;
  if (bytes.size() < header_size)
    throw Error(path, ": expected an IDX header of ", header_size, " bytes, found ", bytes.size(), " bytes");
  const uint32_t magic = big_endian(bytes, 0), expected_magic = 0x00000800 | dimensions;
  if (magic != expected_magic)
    throw Error(path, format(": expected the magic number 0x%08x, found 0x%08x", expected_magic, magic),
                bytes[0] == '<' ? ", a web page" : "");
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
  return header_size + size;
}

/// The elements of the IDX file `path`, and as many extents as it has dimensions. Its bytes say whether it is
/// packed: some programs unpack a file and leave it its name.
static std::vector<uint8_t> read_idx(const std::string& path, std::vector<int>& extents) {
  const size_t header_size = 4 + 4 * extents.size();
  const auto size_of = [&](std::string_view beginning) { return idx_size(beginning, extents, path); };
  std::string bytes = read_file(path);
  if (bytes.starts_with("\x1f\x8b")) bytes = inflate(bytes, header_size, path, size_of);
  if (const size_t size = size_of(bytes); bytes.size() != size)
    throw Error(path, ": expected ", size, " bytes, as its header says, found ", bytes.size(), " bytes");
  return {bytes.begin() + header_size, bytes.end()};
}

static Images read_images(const std::string& image_path, const std::string& label_path) {
  std::vector<int> extents(3), count(1);
  std::vector<uint8_t> pixels = read_idx(image_path, extents), labels = read_idx(label_path, count);
  if (count[0] != extents[0])
    throw Error(label_path, ": expected ", extents[0], " labels, one an image, found ", count[0]);
  return {extents[0], extents[1], extents[2], std::move(pixels), std::move(labels)};
}

Dataset read_idx_directory(const std::string& directory) {
  const auto [train_images, train_labels, test_images, test_labels] = find_files(directory);
  Dataset dataset{directory, read_images(train_images, train_labels), read_images(test_images, test_labels)};
  const Images &train = dataset.train, &test = dataset.test;
  if (test.height != train.height || test.width != train.width)
    throw Error(test_images, ": expected images of ", train.height, "x", train.width,
                " like the training images, found ", test.height, "x", test.width);

  const auto [least, most] = std::minmax_element(train.labels.begin(), train.labels.end());
  if (*least == *most) throw Error(train_labels, ": expected two classes or more, found only label ", *least);
  const size_t largest = std::max(*most, *std::max_element(test.labels.begin(), test.labels.end()));
  const std::string names = fs::path(directory) / "classes.txt";
  if (fs::exists(names)) dataset.classes = read_classes(read_file(names), names);
  else
    for (size_t label = 0; label <= largest; ++label) dataset.classes.push_back(text(label));
  if (largest >= dataset.classes.size())
    throw Error(names, ": expected ", largest + 1, " names, one a label, found ", dataset.classes.size());
  return dataset;
}

}  // namespace plainnet
