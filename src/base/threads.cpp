#include "base/threads.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <optional>
#include <thread>
#include <vector>

#include "base/system.h"

namespace plainnet {
namespace {

// Waits until `number` is no longer `seen`: looks again for some microseconds, lets other threads have the
// processor in between, which they may need to change it, and then sleeps.
void wait_while(const std::atomic<unsigned>& number, unsigned seen) {
  for (int i = 0; i < 3000 && number.load(std::memory_order_acquire) == seen; ++i)
    if (i > 100) std::this_thread::yield();
  number.wait(seen, std::memory_order_acquire);
}

// Worker threads that wait for jobs. Each has its share of a job, the same part of every grid, so that it
// often finds in its cache what it wrote there; it does its share in ranges, and then helps the others with
// theirs. A training step is some twenty jobs of less than a millisecond, so a worker that has nothing to do
// looks for the next job for a while before it goes to sleep. A worker that has no processor to run on, on a
// busy machine, is not waited for: a job is done when all its ranges are.
class Workers {
 public:
  explicit Workers(int count) : shares_(count) {
    // Late in training many gradients fade below 1e-38, where single precision has only a few digits left,
    // and a processor may take a hundred cycles for such a number.
    flush_denormals();  // the thread that asks for workers works, too
    try {
      for (int i = 1; i < count; ++i) workers_.emplace_back([this, i] { work(i); });
    } catch (const std::system_error&) {  // no more than these can be had
    }
  }

  ~Workers() {
    stop_ = true;
    open();
    for (std::thread& worker : workers_) worker.join();
  }

  int count() const { return static_cast<int>(workers_.size()) + 1; }

  void run(int n, const std::function<void(int, int)>& body) {
    if (workers_.empty() || n == 1) return body(0, n);
    body_ = &body;
    range_ = std::max(1, n / (16 * count()));
    for (int i = 0; i < count(); ++i) {
      shares_[i].next = static_cast<int>(1L * n * i / count());
      shares_[i].end = static_cast<int>(1L * n * (i + 1) / count());
    }
    open();
    take_ranges(0);
    ++job_;  // closed: whoever has not come yet would find nothing
    while (const unsigned inside = inside_) wait_while(inside_, inside);
  }

 private:
  struct alignas(64) Share {  // a cache line each
    std::atomic<int> next;
    int end;
  };

  void open() {
    ++job_;
    job_.notify_all();
  }

  void work(int self) {
    flush_denormals();
    for (unsigned seen = 0;;) {
      wait_while(job_, seen);
      seen = job_;
      if (stop_) return;
      if (seen % 2 == 0) continue;
      ++inside_;
      if (job_ == seen) take_ranges(self);  // it is still open, and will be waited for
      if (--inside_ == 0) inside_.notify_one();
    }
  }

  void take_ranges(int self) {
    for (int i = 0; i < count(); ++i) {
      Share& share = shares_[(self + i) % count()];
      for (;;) {
        const int begin = share.next.fetch_add(range_, std::memory_order_relaxed);
        if (begin >= share.end) break;
        (*body_)(begin, std::min(begin + range_, share.end));
      }
    }
  }

  std::vector<std::thread> workers_;
  std::atomic<unsigned> job_ = 0;     // twice the number of jobs so far; while one is open, 1 less
  std::atomic<unsigned> inside_ = 0;  // workers that may be at work on it
  std::vector<Share> shares_;
  std::atomic<bool> stop_ = false;
  const std::function<void(int, int)>* body_ = nullptr;  // of the job
  int range_ = 1;
};

std::optional<Workers>& workers() {
  static std::optional<Workers> all(granted_processors());
  return all;
}

constexpr size_t kLine = 64, kSmallPage = 4096, kLargePage = size_t{2} << 20;

}  // namespace

int thread_count() { return workers()->count(); }

void set_thread_count(int count) { workers().emplace(count); }

void parallel_for(int n, const std::function<void(int, int)>& body) {
  if (n > 0) workers()->run(n, body);
}

void* allocate_pages(size_t bytes) {
  static std::atomic<size_t> allocations = 0;
  const size_t offset = allocations++ * 5 * kLine % kSmallPage;
  const size_t page = bytes < kLargePage / 2 ? kSmallPage : kLargePage;
  const size_t whole = (offset + bytes + page - 1) / page * page;
  char* memory = static_cast<char*>(std::aligned_alloc(page, whole));
  if (!memory) throw std::bad_alloc();
  if (page == kLargePage) use_large_pages(memory, whole);
  std::memset(memory, 0, whole);
  return memory + offset;
}

void release_pages(void* memory) {
  std::free(reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(memory) / kSmallPage * kSmallPage));
}

}  // namespace plainnet
