#pragma once

#include "base/threads.h"

namespace plainnet::test {

/// Sets the number of threads of the cpu target for as long as it lives.
class ThreadCount {
 public:
  explicit ThreadCount(int count) : before_(thread_count()) { set_thread_count(count); }
  ThreadCount(const ThreadCount&) = delete;
  ~ThreadCount() { set_thread_count(before_); }

 private:
  int before_;
};

}  // namespace plainnet::test
