#include "kernels/targets/emulator.h"

#include <atomic>
#include <barrier>
#include <cstring>
#include <deque>
#include <thread>
#include <vector>

namespace plainnet::emulator {
namespace {

// Thrown inside a kernel's thread, after the barriers were found to disagree, to leave the kernel.
struct Abandon {};

// Where a thread that left the kernel waits for the others.
constexpr Place kEnd{};

std::string describe(Place place) {
  return place == kEnd ? "left the kernel" : text("waits in ", place.function, ", ", place.name());
}

// The block that this thread is one of, and its number there.
thread_local struct Block* own_block = nullptr;
thread_local int own_index = 0;

// The threads of the running block. All of them meet at `barrier`: at each __syncthreads() and at
// the end of the kernel. The last one to arrive compares the places.
struct Block {
  explicit Block(int size) : places(size), barrier(size, compare), warps((size - 1) / kWarpSize + 1) {
    for (int i = 0; i < size; ++i) ++warps[i / kWarpSize].lanes;
    for (const Warp& warp : warps) warp_barriers.emplace_back(warp.lanes);
  }

  static void compare() noexcept { own_block->compare_places(); }

  void wait() {
    barrier.arrive_and_wait();
    if (!problem.empty()) throw Abandon{};
  }

  // First those of a warp, whose lanes may be where no other warp can be.
  void compare_places() {
    const int size = static_cast<int>(places.size());
    for (const int together : {kWarpSize, size})
      for (int i = 0; i < size && problem.empty(); ++i) {
        const Place place = places[i], first = places[i / together * together];
        if (place == first) continue;
        problem = text("block (", blockIdx.x, ", ", blockIdx.y, ", ", blockIdx.z, "): thread ",
                       i / together * together, " ", describe(first), ", thread ", i, " ", describe(place));
      }
  }

  std::vector<Place> places;  // [thread]
  std::string problem;
  std::barrier<void (*)() noexcept> barrier;
  std::vector<Warp> warps;
  std::deque<std::barrier<>> warp_barriers;  // [warp]
};

// The threads are started when a launch first needs them, and wait for the next launch after it, until the
// program ends.
class Threads {
 public:
  // Calls body(0) to body(count - 1) at the same time.
  void run(int count, const std::function<void(int)>& body) {
    count_ = count;
    body_ = &body;
    for (int i = static_cast<int>(threads_.size()); i < count; ++i)
      threads_.emplace_back(&Threads::work, this, i, launch_.load());
    running_ = static_cast<int>(threads_.size());
    ++launch_;
    launch_.notify_all();
    for (int n; (n = running_.load()) > 0;) running_.wait(n);
  }

 private:
  void work(int index, unsigned seen) {
    for (;; ++seen) {
      launch_.wait(seen);
      if (index < count_) (*body_)(index);
      if (--running_ == 0) running_.notify_all();
    }
  }

  std::vector<std::thread> threads_;
  std::atomic<unsigned> launch_ = 0;  // counts the launches so far
  std::atomic<int> running_ = 0;
  int count_ = 0;
  const std::function<void(int)>* body_ = nullptr;  // of the launch
};

}  // namespace

void run(Grid grid, Dim3 block_size, const void*, const std::function<void()>& call) {
  const int size = block_size.x * block_size.y * block_size.z;
  if (size < 1 || size > 1024)
    throw Error(grid.where.name(), ": launch: expected a block of 1 to 1024 threads, found ", size);
  Block block(size);
  static Threads& threads = *new Threads;  // never destroyed, as its threads never end
  threads.run(size, [&](int index) {
    own_block = &block;
    own_index = index;
    blockDim = block_size;
    gridDim = grid.size;
    threadIdx = {index % blockDim.x, index / blockDim.x % blockDim.y, index / (blockDim.x * blockDim.y)};
    try {
      for (int i = 0; i < gridDim.x * gridDim.y * gridDim.z; ++i) {
        blockIdx = {i % gridDim.x, i / gridDim.x % gridDim.y, i / (gridDim.x * gridDim.y)};
        call();
        barrier(kEnd);
      }
    } catch (const Abandon&) {
    }
  });
  if (!block.problem.empty())
    throw Error(grid.where.name(), ": launch: the threads parted in ", block.problem,
                " (all of a block must reach the same __syncthreads(), all of a warp the same shuffle)");
}

// The warp of a thread does not wait for it while it is here.
void barrier(Place where) {
  own_block->places[own_index] = where;
  (void)own_block->warp_barriers[own_index / kWarpSize].arrive();
  own_block->wait();
}

void exchange(unsigned, const Passed& values, const Read& read, Place where) {
  const int lane = own_index % kWarpSize;
  Warp& warp = own_block->warps[own_index / kWarpSize];
  std::barrier<>& warp_barrier = own_block->warp_barriers[own_index / kWarpSize];
  warp.passed[lane] = values;
  own_block->places[own_index] = where;
  warp_barrier.arrive_and_wait();
  for (int i = 0; i < warp.lanes; ++i)
    if (!(own_block->places[own_index - lane + i] == where)) own_block->wait();
  read(lane, warp);
  warp_barrier.arrive_and_wait();
}

void* allocate(size_t bytes) { return new char[bytes](); }
void release(void* memory) { delete[] static_cast<char*>(memory); }
void copy(void* to, const void* from, size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);
}

}  // namespace plainnet::emulator
