#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace plainnet {

// Compression as PNG has it: deflate (RFC 1951) within zlib's header and checksum (RFC 1950).

/// `bytes` compressed: small where bytes repeat in runs, as in pictures of flat squares.
std::string deflate(std::string_view bytes);

/// What any zlib compressed into `compressed`. Throws Error, which begins with `name`, where that
/// is broken or does not come to `size` bytes.
std::string inflate(std::string_view compressed, size_t size, const std::string& name);

inline int byte_at(std::string_view bytes, size_t i) {
  return static_cast<unsigned char>(bytes[i]);
}

inline uint32_t big_endian(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint32_t>(byte_at(bytes, at + i));
  return value;
}

inline std::string big_endian_text(uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
  return bytes;
}

}  // namespace plainnet
