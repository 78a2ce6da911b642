#pragma once

// Numbers as text and as bytes, and the time.

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

namespace plainnet {

/// The shortest text that reads as the same number again.
template <class Number>
std::string exact_text(Number number) {
  char digits[64];
  return {digits, std::to_chars(digits, digits + sizeof digits, number).ptr};
}

/// Whether all of `word` is one number in that base, to which *number is then set.
template <class Integer>
bool read_number(const std::string& word, Integer* number, int base = 10) {
  const char* end = word.data() + word.size();
  const auto result = std::from_chars(word.data(), end, *number, base);
  return result.ec == std::errc() && result.ptr == end;
}
bool read_number(const std::string& word, double* number);  // a finite one, in decimal digits

/// 1234567 as "1,234,567".
std::string grouped(long number);

/// 75.3 as "1:15"; 4000 as "1:06:40".
std::string clock_text(double seconds);

/// Seconds since some moment, whatever the clock on the wall does.
double now();

/// printf into a string.
[[gnu::format(printf, 1, 2)]] std::string format(const char* format, ...);

inline int byte_at(std::string_view bytes, size_t i) { return static_cast<unsigned char>(bytes[i]); }

/// The four bytes from `at` on as a number, the highest first.
inline uint32_t big_endian(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint32_t>(byte_at(bytes, at + i));
  return value;
}

}  // namespace plainnet
