#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

namespace plainnet {

// The parts of a text. A std::ostringstream would do, but reading <sstream> takes nvcc longer than most
// kernels, for each file.
inline void append(std::string& to, std::string_view part) { to += part; }
inline void append(std::string& to, char part) { to += part; }
void append(std::string& to, double part);  // six digits, as printf's %g; in numbers.cpp
template <class Integer>
std::enable_if_t<std::is_integral_v<Integer>> append(std::string& to, Integer part) {
  to += std::to_string(part);
}

/// Its arguments, one after the other: text("expected ", 3, ", found ", n).
template <class... Parts>
std::string text(const Parts&... parts) {
  std::string result;
  (append(result, parts), ...);
  return result;
}

/// Words that may come from outside (a file, the command line) as a terminal may show them: a byte that is no
/// part of a letter of UTF-8, or of a control character, as \x1b; of more than 2000 bytes not the middle. In
/// numbers.cpp.
std::string shown(std::string_view words);

/// Something that the user can mend: a bad file, a bad option, a missing device. The message, which the
/// parts make, is one line that names the thing, what was expected and what was found, all shown(); main()
/// prints it and exits.
struct Error : std::runtime_error {
  template <class... Parts>
  explicit Error(const Parts&... parts) : std::runtime_error(shown(text(parts...))) {}
};

/// A wrong command line: main() exits with status 2 instead of 1.
struct UsageError : Error {
  using Error::Error;
};

}  // namespace plainnet
