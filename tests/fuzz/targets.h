#pragma once

#include <string>
#include <vector>

namespace plainnet::test {

/// A part of the programs that reads what may come from a stranger.
struct FuzzTarget {
  std::string name;                        // its corpus lies in tests/fuzz/corpus/NAME
  void (*read)(const std::string& input);  // throws Error where it does not like the input, and nothing else
  size_t memory_per_byte;                  // how much it may hold for each byte of the input, beyond a megabyte
};

const std::vector<FuzzTarget>& fuzz_targets();

/// The files of a target's corpus, by their names.
std::vector<std::string> corpus_files(const FuzzTarget& target);

/// Reads `input` within the target's memory. Returns what the Error said, empty if there was none; lets any
/// other exception pass, std::bad_alloc among them where the memory does not do.
std::string answer_to(const FuzzTarget& target, const std::string& input);

}  // namespace plainnet::test
