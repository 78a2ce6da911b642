#pragma once

#include <cstdint>
#include <string>

namespace plainnet::test {

/// A number as the four bytes of it, the highest first.
inline std::string big_endian_text(uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
  return bytes;
}

}  // namespace plainnet::test
