#pragma once

// What the cpu and the emulated target have in common: the memory of the device is that of the host,
// and a launch has ended when it returns.

#include <algorithm>
#include <cstring>
#include <functional>

namespace plainnet::TARGET {

inline void* allocate(size_t bytes);
inline void release(void* memory);
inline void copy(void* to, const void* from, size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);
}
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
