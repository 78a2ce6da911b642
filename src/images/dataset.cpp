#include "images/dataset.h"

#include <algorithm>
#include <cstdio>
#include <sstream>

#include "base/error.h"
#include "base/files.h"
#include "base/numbers.h"

namespace plainnet {

std::string fingerprint(const Dataset& dataset) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const Images* images : {&dataset.train, &dataset.test})
    for (const auto* bytes : {&images->pixels, &images->labels})
      for (const uint8_t byte : *bytes) hash = (hash ^ byte) * 0x100000001b3;
  for (const std::string& name : dataset.classes)
    for (const char letter : name + "\n") hash = (hash ^ static_cast<uint8_t>(letter)) * 0x100000001b3;
  return format("%d training images, hash %016llx", dataset.train.count, 1ull * hash);
}

std::vector<std::string> read_classes(const std::string& lines, const std::string& source) {
  std::vector<std::string> names;
  std::istringstream all(lines);
  for (std::string line; std::getline(all, line);) {
    names.push_back(shown(line.substr(0, line.find_last_not_of(" \t\r") + 1)));
    if (names.back().empty() || std::count(names.begin(), names.end(), names.back()) > 1)
      throw Error(source, ": expected another name in line ", names.size(), ", found '", names.back(), "'");
  }
  if (names.size() < 2 || names.size() > 256)
    throw Error(source, ": expected names of 2 to 256 classes, a line each, found ", names.size());
  return names;
}

int longest_name(const std::vector<std::string>& classes) {
  const auto size = [](const std::string& name) { return name.size(); };
  return static_cast<int>(std::ranges::max(classes, {}, size).size());
}

Dataset load_dataset(std::string* data, bool required, uint64_t seed, const std::string& expected) {
  std::error_code ignored;
  const bool is_there = fs::status(*data, ignored).type() != fs::file_type::not_found;
  if (!required && (!is_there || fs::is_empty(*data, ignored))) {
    std::printf("No data in %s (make mnist fetches it): taking built-in digits.\n", data->c_str());
    *data = "digits";
  }
  Dataset dataset = *data == "digits" ? draw_digits(60000, 10000, seed) : read_idx_directory(*data);
  if (const std::string found = fingerprint(dataset); !expected.empty() && found != expected)
    throw Error(*data, ": expected the data that was learnt, ", expected, ", found ", found);
  return dataset;
}

}  // namespace plainnet
