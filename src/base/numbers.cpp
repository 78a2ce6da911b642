#include "base/numbers.h"

#include <chrono>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

#include "base/error.h"

namespace plainnet {

// (std::from_chars() of a double is not in every C++20 library.)
bool read_number(const std::string& word, double* number) {
  if (word.empty() || word.find_first_not_of("0123456789+-.eE") != word.npos || word[0] == '+') return false;
  char* end = nullptr;
  *number = std::strtod(word.c_str(), &end);
  return *end == '\0' && std::isfinite(*number);
}

std::string grouped(long number) {
  std::string digits = std::to_string(number);
  for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3) digits.insert(at, 1, ',');
  return digits;
}

std::string clock_text(double seconds) {
  const long s = std::lround(seconds);
  if (s < 3600) return format("%ld:%02ld", s / 60, s % 60);
  return format("%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
}

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string format(const char* format, ...) {
  char buffer[500];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(buffer, sizeof buffer, format, arguments);
  va_end(arguments);
  return buffer;
}

// The length of the letter of UTF-8 (RFC 3629) that begins `bytes`; 0 where there is none, or a control
// character: below 0x20, or from 0x7f to 0x9f.
static size_t letter(std::string_view bytes) {
  const int first = byte_at(bytes, 0);
  if (first < 0x80) return first >= 0x20 && first != 0x7f;
  const size_t length = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  for (size_t i = 1; i < length; ++i)
    if (i == bytes.size() || (byte_at(bytes, i) & 0xc0) != 0x80) return 0;
  return first == 0xc2 && byte_at(bytes, 1) < 0xa0 ? 0 : length;
}

std::string shown(std::string_view words) {
  constexpr size_t kEnd = 1000;
  if (words.size() > 2 * kEnd)
    return text(shown(words.substr(0, kEnd)), " [", words.size() - 2 * kEnd, " bytes left out] ",
                shown(words.substr(words.size() - kEnd)));
  std::string result;
  for (size_t i = 0, length; i < words.size(); i += length > 0 ? length : 1) {
    length = letter(words.substr(i));
    result += length > 0 ? std::string(words.substr(i, length)) : format("\\x%02x", byte_at(words, i));
  }
  return result;
}

void append(std::string& to, double part) { to += format("%g", part); }

}  // namespace plainnet
