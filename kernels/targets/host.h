#pragma once

// What the cpu and the emulated target have in common: the memory of the device is that of the host,
// and a launch has ended when it returns.

#include <algorithm>
#include <cstring>
#include <functional>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)

namespace plainnet::TARGET {

using std::max;
using std::min;

inline void synchronize() {}
inline std::string device_problem() { return ""; }

struct Recording {
  std::function<void()> run;  // the launches
};

}  // namespace plainnet::TARGET
