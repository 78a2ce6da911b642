#pragma once

// System calls of this program that a test can make fail, as some file systems do.

#include <functional>
#include <string>

namespace plainnet::test {

/// For as long as it lives, each call of fsync(), flock(), rename(), chmod(), fchmod(), link() or symlink()
/// asks `decide`, with its name, before it does anything: it fails with the errno that comes back, or goes on
/// if that is 0.
class SystemCalls {
 public:
  explicit SystemCalls(const std::function<int(const std::string& name)>& decide);
  SystemCalls(const SystemCalls&) = delete;
  ~SystemCalls();
};

/// For as long as it lives, the clock on the wall goes back by an hour each time that someone looks at it.
class ClockGoesBack {
 public:
  ClockGoesBack();
  ClockGoesBack(const ClockGoesBack&) = delete;
  ~ClockGoesBack();
};

}  // namespace plainnet::test
