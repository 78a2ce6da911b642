// The threads of the cpu target, and its memory.

#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>

#include "tests/child.h"
#include "tests/test.h"
#include "tests/thread_count.h"

namespace plainnet {
namespace {

TEST("parallel_for: covers each number once, whatever the number of threads") {
  for (int count : {1, 2, 3, 7}) {
    const test::ThreadCount threads(count);
    CHECK_EQUAL(thread_count(), count);
    for (int n : {0, 1, 2, 3, 15, 16, 17, 31, 1000, 4099}) {
      std::vector<std::atomic<int>> seen(n);
      std::atomic<int> bad_ranges = 0;
      parallel_for(n, [&](int begin, int end) {
        if (!(0 <= begin && begin < end && end <= n)) {
          ++bad_ranges;
          return;
        }
        for (int i = begin; i < end; ++i) ++seen[i];
      });
      CHECK_EQUAL(bad_ranges.load(), 0);
      for (int i = 0; i < n; ++i) CHECK_EQUAL(seen[i].load(), 1);
    }
  }
}

// Each job reads what the one before it wrote, with no lock: it must be done, and visible.
TEST("parallel_for: a job begins when the one before it is done") {
  for (int count : {2, 3}) {
    const test::ThreadCount threads(count);
    constexpr int kSize = 64, kJobs = 500;
    std::vector<int> values(kSize), next(kSize);
    for (int i = 0; i < kSize; ++i) values[i] = i;
    for (int job = 0; job < kJobs; ++job) {
      parallel_for(kSize, [&](int begin, int end) {
        for (int i = begin; i < end; ++i) next[i] = values[(i + 1) % kSize] + 1;
      });
      values.swap(next);
    }
    for (int i = 0; i < kSize; ++i) CHECK_EQUAL(values[i], (i + kJobs) % kSize + kJobs);
  }
}

TEST("parallel_for: has all threads at work") {
  const test::ThreadCount threads(3);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  // Each of three ranges waits until all three are being worked on.
  std::atomic<int> waiting = 0, alone = 0;
  parallel_for(3, [&](int, int) {
    ++waiting;
    while (waiting < 3 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    if (waiting < 3) ++alone;
  });
  CHECK_EQUAL(waiting.load(), 3);
  CHECK_EQUAL(alone.load(), 0);
}

// A user may run so many threads, and no more; root may run any number.
TEST("parallel_for: goes on with as many threads as can be made") {
  const bool root = geteuid() == 0;
  const int allowed = root ? 3 : 1;
  const pid_t child = test::start([&] {
    if (root && setuid(54321) != 0) return 100;  // a user who runs nothing else
    const rlimit limit{static_cast<rlim_t>(allowed), static_cast<rlim_t>(allowed)};
    setrlimit(RLIMIT_NPROC, &limit);
    set_thread_count(7);
    std::atomic<int> sum = 0;
    parallel_for(1000, [&](int begin, int end) { sum += end - begin; });
    return sum == 1000 ? thread_count() : 101;
  });
  const int made = test::status_of(child);
  CHECK(made == allowed || made == allowed - 1, made);  // a sanitizer may have a thread of its own
}

#if defined __x86_64__
TEST("parallel_for: numbers that have almost faded are zero") {
  const test::ThreadCount threads(3);
  const volatile float small = 1e-37f, smaller = 1e-39f;
  std::atomic<int> zeros = 0;
  parallel_for(300, [&](int begin, int end) {
    for (int i = begin; i < end; ++i) zeros += small * 0.01f == 0 && smaller * 1e10f == 0;
  });
  CHECK_EQUAL(zeros.load(), 300);
}
#endif

TEST("allocate_pages: is zero and begins on a cache line") {
  for (size_t bytes : {size_t{1}, size_t{5000}, size_t{5} << 20})
    for (int round = 0; round < 2; ++round) {
      unsigned char* memory = static_cast<unsigned char*>(allocate_pages(bytes));
      CHECK_EQUAL(reinterpret_cast<uintptr_t>(memory) % 64, 0u);
      for (size_t i = 0; i < bytes; ++i) {
        CHECK(memory[i] == 0, "byte ", i, " of ", bytes);
        memory[i] = 0xff;
      }
      release_pages(memory);
    }
}

}  // namespace
}  // namespace plainnet
