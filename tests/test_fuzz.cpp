// What reads files and command lines, on the fuzzer's corpus: the files as they are, and cut short anywhere.

#include "base/files.h"
#include "tests/fuzz/targets.h"
#include "tests/test.h"

namespace plainnet::test {
namespace {

std::vector<Registration> register_targets() {
  std::vector<Registration> all;
  for (const FuzzTarget& target : fuzz_targets())
    all.emplace_back("fuzz: the corpus of " + target.name + ", whole and cut short at every byte", [&target] {
      size_t inputs = 0;
      for (const std::string& file : corpus_files(target)) {
        const std::string bytes = read_file(file);
        for (size_t size = 0; size <= bytes.size(); ++size, ++inputs) try {
            answer_to(target, bytes.substr(0, size));
          } catch (const std::exception& error) {
            throw Failure(text(file, ", its first ", size, " bytes: expected an Error or none, got ",
                               error.what()));
          }
      }
      CHECK(inputs > 100, inputs);
    });
  return all;
}

const std::vector<Registration> registered = register_targets();

}  // namespace
}  // namespace plainnet::test
