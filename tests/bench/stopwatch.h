#pragma once

// Time on a target, and repetition. On a GPU the steps are recorded, as in training, and the device
// itself notes when it gets to the start and to the end of one: the host's clock would count what
// it takes to start a kernel, which is more than many kernels take.

#include <chrono>
#include <functional>

#include "kernels/device.h"

namespace plainnet::TARGET {

#if defined TARGET_GPU

class Stopwatch {
 public:
  Stopwatch() {
    check(cudaEventCreate(&start_), "cudaEventCreate");
    check(cudaEventCreate(&stop_), "cudaEventCreate");
  }
  Stopwatch(const Stopwatch&) = delete;
  ~Stopwatch() {
    cudaEventDestroy(start_);
    cudaEventDestroy(stop_);
  }

  void start() { record(start_); }
  void stop() { record(stop_); }
  double seconds() const {
    float milliseconds;
    check(cudaEventElapsedTime(&milliseconds, start_, stop_), "cudaEventElapsedTime");
    return milliseconds / 1000.0;
  }

 private:
  static void record(cudaEvent_t event) {  // "external": a step of the recording like any other
    check(cudaEventRecordWithFlags(event, stream(), cudaEventRecordExternal), "cudaEventRecord");
  }

  cudaEvent_t start_, stop_;
};

#else

class Stopwatch {
 public:
  void start() { start_ = Clock::now(); }
  void stop() { stop_ = Clock::now(); }
  double seconds() const { return std::chrono::duration<double>(stop_ - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_, stop_;
};

#endif

/// Records `steps`, runs them once to warm up, and then at least ten times and for at least
/// `seconds`, each time followed by `note`. On the emulated target, whose times say nothing, once
/// is enough.
inline void repeat(double seconds, const std::function<void()>& steps,
                   const std::function<void()>& note) {
#if defined TARGET_EMULATED
  const int repetitions = 1;
#else
  const int repetitions = 10;
#endif
  const Recording recording{steps};
  const auto run = [&] {
    recording.run();
    synchronize();
  };
  if (repetitions > 1) run();
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  for (int n = 0; n < repetitions || std::chrono::steady_clock::now() < end; ++n) {
    run();
    note();
  }
}

}  // namespace plainnet::TARGET
