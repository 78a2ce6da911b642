#pragma once

// Numbers as text.

#include <charconv>
#include <string>

namespace plainnet {

/// The shortest text that reads as the same number again.
template <class Number>
std::string exact_text(Number number) {
  char digits[64];
  return {digits, std::to_chars(digits, digits + sizeof digits, number).ptr};
}

/// 1234567 as "1,234,567".
std::string grouped(long number);

/// 75.3 as "1:15"; 4000 as "1:06:40".
std::string clock_text(double seconds);

/// printf into a string.
[[gnu::format(printf, 1, 2)]] std::string format(const char* format, ...);

}  // namespace plainnet
