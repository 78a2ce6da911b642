// That no reference is forgotten; what uses them is in tests/target_references.cpp and
// tests/target_update_rules.cpp.

#include <algorithm>
#include <filesystem>

#include "tests/reference.h"
#include "tests/test.h"

namespace plainnet {
namespace {

TEST("references: each file belongs to a layer, the loss or an update rule") {
  std::vector<std::string> known;
  for (const char* kind : {"conv2d", "pooled_conv2d", "depthwise_conv2d", "max_pool2d", "dense", "lstm",
                           "softmax_cross_entropy", "sgd", "rmsprop", "adam", "adamw"})
    for (const std::string& name : test::reference_names(kind)) known.push_back(name + ".txt");
  for (const auto& entry : std::filesystem::directory_iterator("tests/references")) {
    const std::string name = entry.path().filename().string();
    CHECK(
        name == "make_references.py" || std::find(known.begin(), known.end(), name) != known.end(),
        "tests/references/", name);
  }
}

}  // namespace
}  // namespace plainnet
