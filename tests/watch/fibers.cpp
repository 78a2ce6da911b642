// Runs a kernel's threads as fibers. A fiber is a stack of its own and the place where it goes on; the thread
// of the operating system hops from one to the other. So only one runs at a time, and only where it waits
// does the next one begin.

#include <algorithm>
#include <csetjmp>
#include <cstdlib>
#include <numeric>
#include <random>

#include <pthread.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "tests/watch/record.h"

namespace plainnet::emulator {
namespace {

// Thrown inside a kernel, when its threads have parted, to leave it.
struct Abandon {};

constexpr int kMaxThreads = 1024;
constexpr size_t kStackBytes = 256 * 1024;

struct Fiber {
  enum { kReady, kAtBarrier, kInShuffle, kEnded } state;
  Place where;    // at which barrier or shuffle
  unsigned mask;  // in a shuffle: the lanes that take part
  Passed passed;  // and what this one passes on
  bool started = false;
  jmp_buf here;  // where it goes on
};

// What runs a kernel: there is only one of it.
class Launch {
 public:
  Launch() : fibers_(kMaxThreads) {
    void* memory = mmap(nullptr, kMaxThreads * kStackBytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    stacks_ = static_cast<char*>(memory);
  }

  // Of threads, and of blocks: WATCH_ORDER.
  std::vector<int> order_of(int count) const {
    std::vector<int> order(count);
    std::iota(order.begin(), order.end(), 0);
    const char* chosen = std::getenv("WATCH_ORDER");
    const std::string name = chosen ? chosen : "up";
    if (name == "down") std::reverse(order.begin(), order.end());
    if (name == "up" || name == "down") return order;
    if (name.empty() || name.find_first_not_of("0123456789") != name.npos)
      throw Error("WATCH_ORDER: expected up, down or a number, found ", name);
    std::mt19937 random(std::stoul(name));
    for (int i = count - 1; i > 0; --i) std::swap(order[i], order[random() % (i + 1)]);
    return order;
  }

  void run(Grid grid, Dim3 block, const std::function<void()>& call) {
    call_ = &call;
    blockDim = block;
    gridDim = grid.size;
    size_ = block.x * block.y * block.z;
    order_ = order_of(size_);
    problem_.clear();
    watch::begin_launch(++now_.launch);
    for (const int b : order_of(grid.size.x * grid.size.y * grid.size.z)) {
      now_.block = b;
      now_.interval = 0;
      blockIdx = {b % gridDim.x, b / gridDim.x % gridDim.y, b / gridDim.x / gridDim.y};
      run_block();
      watch::end_block_of_counts();
      if (!problem_.empty()) return;
    }
  }

  void barrier(Place where) {
    static const char* const without = std::getenv("WATCH_WITHOUT");
    running_ = false;
    const bool left_out = without && where.name().ends_with(without);
    running_ = true;
    if (!left_out) wait(Fiber::kAtBarrier, where);
  }

  void exchange(unsigned mask, const Passed& values, const Read& read, Place where) {
    running_ = false;
    Fiber& fiber = own();
    const int lane = now_.thread % kWarpSize;
    fiber.mask = mask;
    fiber.passed = values;
    if (!(mask >> lane & 1))
      part(text("thread ", name(now_.thread), " passes a number on in ", where.function, ", ", where.name(),
                ", but its lane ", lane, " is not in the mask"));
    wait(Fiber::kInShuffle, where);
    running_ = false;  // what it reads are the others' registers
    read(lane, warps_[now_.thread / kWarpSize]);
    running_ = true;
  }

  std::string name(int thread) const {
    return blockDim.y * blockDim.z == 1 ? text(thread) : watch::index_name(thread, blockDim);
  }

  const std::string& problem() const { return problem_; }
  const watch::Moment* running() const { return running_ ? &now_ : nullptr; }
  bool on_own_stack(const void* p) const {
    const char* stack = stacks_ + now_.thread * kStackBytes;
    return p >= stack && p < stack + kStackBytes;
  }

 private:
  // Called by a fiber: waits until the others let it go on.
  void wait(decltype(Fiber::state) state, Place where) {
    Fiber& fiber = own();
    fiber.state = state;
    fiber.where = where;
    leave();
    if (!problem_.empty()) throw Abandon{};
  }

  Fiber& own() { return fibers_[now_.thread]; }

  void part(const std::string& what) {
    if (problem_.empty())
      problem_ = text("block ", watch::index_name(now_.block, gridDim), ": ", what);
  }

  // A fiber lives on from block to block and from launch to launch.
  static void live(unsigned high, unsigned low) {
    Launch& launch = *reinterpret_cast<Launch*>(static_cast<uintptr_t>(high) << 32 | low);
    for (;;) {
      try {
        (*launch.call_)();
      } catch (const Abandon&) {
      }
      launch.own().state = Fiber::kEnded;
      launch.leave();
    }
  }

  // Hops from a fiber back to enter(). swapcontext() would do the same, but asks the system each time.
  void leave() {
    running_ = false;
    if (_setjmp(own().here) == 0) _longjmp(scheduler_, 1);
    running_ = true;
  }

  // Hops to the fiber of thread i, until it waits or ends.
  void enter(int i) {
    now_.thread = i;
    threadIdx = {i % blockDim.x, i / blockDim.x % blockDim.y, i / blockDim.x / blockDim.y};
    if (_setjmp(scheduler_) != 0) return;
    if (own().started) _longjmp(own().here, 1);
    own().started = true;
    ucontext_t start;
    getcontext(&start);
    start.uc_stack.ss_sp = stacks_ + i * kStackBytes;
    start.uc_stack.ss_size = kStackBytes;
    start.uc_link = nullptr;
    const auto self = reinterpret_cast<uintptr_t>(this);
    makecontext(&start, reinterpret_cast<void (*)()>(live), 2, static_cast<unsigned>(self >> 32),
                static_cast<unsigned>(self));
    running_ = true;
    setcontext(&start);
  }

  void run_block() {
    for (int i = 0; i < size_; ++i) fibers_[i].state = Fiber::kReady;
    do {
      for (const int i : order_)
        if (fibers_[i].state == Fiber::kReady) enter(i);
    } while (go_on());
  }

  // Makes ready those that need not wait any longer. Whether there are any.
  bool go_on() {
    if (!problem_.empty()) return release([](const Fiber&) { return true; });
    if (pass_numbers()) return true;
    for (const int together : {kWarpSize, size_})  // lanes of a warp may be where no other warp can be
      for (int i = 0; i < size_; ++i) {
        const int first = i / together * together;
        if (fibers_[i].state == fibers_[first].state && same_place(fibers_[i], fibers_[first])) continue;
        part(text("thread ", name(first), " ", describe(fibers_[first]), ", thread ", name(i), " ",
                  describe(fibers_[i])));
        return go_on();
      }
    if (fibers_[0].state == Fiber::kInShuffle) {
      part(text("thread ", name(0), " ", describe(fibers_[0]), " with a mask of lanes that it lacks"));
      return go_on();
    }
    ++now_.interval;
    return release([](const Fiber&) { return true; });
  }

  template <class F>
  bool release(const F& which) {
    bool any = false;
    for (int i = 0; i < size_; ++i)
      if (fibers_[i].state != Fiber::kEnded && which(fibers_[i])) {
        fibers_[i].state = Fiber::kReady;
        any = true;
      }
    return any;
  }

  // Lets each group of lanes go on that waits in a shuffle and is complete. Whether there is one.
  bool pass_numbers() {
    bool any = false;
    for (int first = 0; first < size_; first += kWarpSize) {
      Warp& warp = warps_[first / kWarpSize];
      warp.lanes = std::min(kWarpSize, size_ - first);
      for (int lane = 0; lane < warp.lanes; ++lane) {
        const Fiber& one = fibers_[first + lane];
        if (one.state != Fiber::kInShuffle) continue;
        const auto in_mask = [&](int i) { return one.mask >> i & 1; };
        bool complete = true;
        for (int i = 0; i < warp.lanes; ++i) {
          const Fiber& other = fibers_[first + i];
          const bool here = other.state == Fiber::kInShuffle && other.where == one.where;
          if (in_mask(i)) complete &= here && other.mask == one.mask;
        }
        if (!complete) continue;
        any = true;
        for (int i = 0; i < warp.lanes; ++i)
          if (in_mask(i)) {
            warp.passed[i] = fibers_[first + i].passed;
            fibers_[first + i].state = Fiber::kReady;
          }
      }
    }
    return any;
  }

  static bool same_place(const Fiber& a, const Fiber& b) {
    return a.state == Fiber::kEnded || a.where == b.where;
  }
  static std::string describe(const Fiber& fiber) {
    if (fiber.state == Fiber::kEnded) return "left the kernel";
    return text("waits in ", fiber.where.function, ", ", fiber.where.name());
  }

  const std::function<void()>* call_ = nullptr;
  int size_ = 0;
  std::vector<int> order_;     // of the threads
  std::vector<Fiber> fibers_;  // [thread]
  char* stacks_;               // [kMaxThreads][kStackBytes]
  jmp_buf scheduler_;          // where enter() goes on
  Warp warps_[kMaxThreads / kWarpSize];
  watch::Moment now_{1};       // what the host writes before all launches is of launch 1
  bool running_ = false;       // whether a kernel's own code runs
  std::string problem_;        // how the threads parted
};

Launch& launch() {
  static Launch only;
  return only;
}

// What was found. Unlike other errors, it has several lines.
class Report : public Error {
 public:
  explicit Report(const std::string& lines) : Error("a report"), lines_(lines) {}
  const char* what() const noexcept override { return lines_.c_str(); }

 private:
  std::string lines_;
};

}  // namespace

void run(Grid grid, Dim3 block, const void* kernel, const std::function<void()>& call) {
  const std::string where = grid.where.name() + ": launch";
  const long size = 1L * block.x * block.y * block.z;
  if (size < 1 || size > kMaxThreads)
    throw Error(where, ": expected a block of 1 to 1024 threads, found ", size);
  launch().run(grid, block, call);
  const std::vector<watch::Finding> findings = watch::end_launch();
  const std::string& problem = launch().problem();
  if (problem.empty() && findings.empty()) return;
  throw Report(text(where, " of ", watch::source_of(kernel).function,
                    problem.empty() ? "" : text(": the threads parted in ", problem),
                    watch::words(findings, grid.size, block)));
}

void barrier(Place where) { launch().barrier(where); }

void exchange(unsigned mask, const Passed& values, const Read& read, Place where) {
  launch().exchange(mask, values, read, where);
}

}  // namespace plainnet::emulator

namespace plainnet::watch {

const Moment* running() { return emulator::launch().running(); }

bool on_own_stack(const void* p) { return emulator::launch().on_own_stack(p); }

bool on_stack_of_host(const void* p) {
  static const auto stack = [] {
    pthread_attr_t attributes;
    void* begin = nullptr;
    size_t bytes = 0;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &begin, &bytes);
    pthread_attr_destroy(&attributes);
    return std::pair(static_cast<char*>(begin), bytes);
  }();
  return p >= stack.first && p < stack.first + stack.second;
}

}  // namespace plainnet::watch
