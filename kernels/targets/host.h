#pragma once

// What the cpu and the emulated target have in common: the memory of the device is that of the host,
// and a launch has ended when it returns.

#include <algorithm>
#include <cstring>
#include <functional>

namespace plainnet::TARGET {

inline void synchronize() {}
inline std::string device_problem() { return ""; }

class Recording {
 public:
  explicit Recording(std::function<void()> steps) : steps_(std::move(steps)) {}
  void run() const { steps_(); }

 private:
  std::function<void()> steps_;
};

}  // namespace plainnet::TARGET
