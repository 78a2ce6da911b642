#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace plainnet {

/// Something that the user can mend: a bad file, a bad option, a missing device. The message is one
/// line that names the thing, what was expected and what was found; main() prints it and exits.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A wrong command line: main() exits with status 2 instead of 1.
struct UsageError : Error {
  using Error::Error;
};

/// Its arguments, printed one after the other: text("expected ", 3, ", found ", n).
template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream stream;
  (stream << ... << parts);
  return stream.str();
}

}  // namespace plainnet
