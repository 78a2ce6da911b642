#pragma once

// Which of the references belong to which layer.

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "test.h"

namespace plainnet::test {

/// The names of the references of one kind, "conv2d" or "sgd", sorted: KIND and KIND_*. Fails if
/// there is none.
inline std::vector<std::string> reference_names(const std::string& kind) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator("tests/references")) {
    const std::string name = entry.path().stem().string();
    if (entry.path().extension() == ".txt" && (name == kind || name.starts_with(kind + "_")))
      names.push_back(name);
  }
  CHECK(!names.empty(), "no tests/references/", kind, "*.txt");
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace plainnet::test
