#include "base/numbers.h"

#include <chrono>
#include <cmath>
#include <cstdarg>
#include <cstdio>

#include "base/error.h"

namespace plainnet {

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

void append(std::string& to, double part) { to += format("%g", part); }

}  // namespace plainnet
