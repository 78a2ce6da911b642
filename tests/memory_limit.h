#pragma once

#include <cstddef>

namespace plainnet::test {

/// While it lives, `new` throws std::bad_alloc where the program would hold more than `bytes` beyond what it
/// held before. Memory that is not taken with `new`, such as that of a Buffer, does not count.
class MemoryLimit {
 public:
  explicit MemoryLimit(size_t bytes);
  MemoryLimit(const MemoryLimit&) = delete;
  ~MemoryLimit();
};

}  // namespace plainnet::test
