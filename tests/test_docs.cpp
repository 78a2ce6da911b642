// The documents quote code: what they quote stands in the repository, word for word.

#include <filesystem>

#include "base/files.h"
#include "run/report.h"
#include "tests/test.h"

namespace plainnet {
namespace {

namespace fs = std::filesystem;

std::string all_sources() {
  std::string all;
  for (const char* folder : {"kernels", "src", "tests"})
    for (const auto& entry : fs::recursive_directory_iterator(folder))
      if (const std::string name = entry.path().string();
          name.ends_with(".h") || name.ends_with(".cpp") || name.ends_with(".cu"))
        all += read_file(name) + "\n";
  return all;
}

TEST("documents: quoted code stands in the repository") {
  const std::string sources = all_sources(), begin = "```cpp\n", end = "```\n";
  std::vector<std::string> documents = {"README.md"};
  for (const auto& entry : fs::directory_iterator("docs")) documents.push_back(entry.path().string());
  int quoted = 0;
  for (const std::string& document : documents) {
    const std::string text = read_file(document);
    for (size_t at = 0; (at = text.find(begin, at)) != text.npos; ++quoted) {
      at += begin.size();
      const std::string quote = text.substr(at, text.find(end, at) - at);
      CHECK(test::contains(sources, quote), document, " quotes what is in no file:\n", quote);
    }
  }
  CHECK(quoted > 10, quoted);
}

TEST("documents: the table of epochs has the heading that the README shows") {
  CHECK(test::contains(read_file("README.md"), text("```\n", kEpochHeading, "\n")), kEpochHeading);
}

}  // namespace
}  // namespace plainnet
