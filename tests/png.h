#pragma once

// PNG files of any kind, put together by hand: nothing is compressed.

#include <string>

#include "images/image.h"
#include "tests/big_endian.h"

namespace plainnet::test {

/// A chunk of these bytes, with its checksum (ISO 3309, bit by bit).
inline std::string chunk(const std::string& type, const std::string& data) {
  uint32_t crc = ~0u;
  for (const char c : type + data)
    for (int bit = 0; bit < 8; ++bit) {
      const bool carry = (crc ^ static_cast<uint8_t>(c) >> bit) & 1;
      crc = (crc >> 1) ^ (carry ? 0xEDB88320 : 0);
    }
  return big_endian_text(static_cast<uint32_t>(data.size())) + type + data + big_endian_text(~crc);
}

/// The checksum of RFC 1950.
inline uint32_t adler32(const std::string& bytes) {
  uint32_t a = 1, b = 0;
  for (const char c : bytes) b = (b + (a = (a + static_cast<uint8_t>(c)) % 65521)) % 65521;
  return b * 65536 + a;
}

/// At most 131,070 bytes as zlib stores them, in two blocks that are not compressed.
inline std::string stored(const std::string& bytes) {
  std::string result = "\x78\x01";
  const size_t half = bytes.size() / 2;
  for (const bool last : {false, true}) {
    const std::string part = last ? bytes.substr(half) : bytes.substr(0, half);
    const auto size = static_cast<uint32_t>(part.size());
    result += {static_cast<char>(last), static_cast<char>(size), static_cast<char>(size >> 8),
               static_cast<char>(~size), static_cast<char>(~size >> 8)};
    result += part;
  }
  return result + big_endian_text(adler32(bytes));
}

struct PngKind {
  int depth, type, interlace = 0;
};

/// A whole file; `compressed` is its rows, each after the number of its filter.
inline std::string png_of(int width, int height, PngKind kind, const std::string& compressed,
                          const std::string& more_chunks = "") {
  const std::string rest{static_cast<char>(kind.depth), static_cast<char>(kind.type), 0, 0,
                         static_cast<char>(kind.interlace)};
  const size_t half = compressed.size() / 2;  // two IDAT chunks, which are read as one
  return "\x89PNG\r\n\x1a\n" + chunk("IHDR", big_endian_text(width) + big_endian_text(height) + rest) +
         chunk("tEXt", std::string("a\0b", 3)) + more_chunks +
         chunk("IDAT", compressed.substr(0, half)) + chunk("IDAT", compressed.substr(half)) +
         chunk("IEND", "");
}

/// A file that shows this image.
inline std::string grey_png(const GreyImage& image) {
  std::string rows;
  for (int y = 0; y < image.height; ++y) {
    rows += '\0';
    rows.append(image.pixels.begin() + y * image.width, image.pixels.begin() + (y + 1) * image.width);
  }
  return png_of(image.width, image.height, {8, 0}, stored(rows));
}

}  // namespace plainnet::test
