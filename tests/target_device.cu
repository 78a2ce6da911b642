// What every target must provide: memory, launches, barriers, sums, recordings.

#include "base/random.h"
#include "kernels/reduce.h"
#include "tests/target_test.h"

namespace plainnet::TARGET {
namespace {

// Every thread counts itself, at its own place.
__global__ void count_kernel(int* counts) {
  const int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const int thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  counts[block * (blockDim.x * blockDim.y * blockDim.z) + thread] += 1;
}

TARGET_TEST("launch: each thread of each block runs once") {
  for (const Dim3 grid : {Dim3{1, 1, 1}, Dim3{7, 1, 1}, Dim3{3, 2, 5}, Dim3{1, 37, 2}})
    for (const Dim3 block : {threads(1), threads(7), threads(5, 3), threads(32, 4)}) {
      const int size = grid.x * grid.y * grid.z * block.x * block.y * block.z;
      const Buffer<int> counts(std::vector<int>(size, 0));
      launch(count_kernel, {grid.x, grid.y, grid.z}, block, counts.data());
      for (const int count : counts.download())
        CHECK(count == 1, "grid ", grid.x, " x ", grid.y, " x ", grid.z, ", block ", block.x, " x ", block.y);
    }
}

// A loop with the stride of all threads, as kernels have it.
__global__ void fill_kernel(int* values, int count, int value) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x)
    values[i] += value + i;
}

TARGET_TEST("launch: arguments arrive; one launch follows the other") {
  const Buffer<int> values(std::vector<int>(1000, 0));
  launch(fill_kernel, 3, threads(64), values.data(), 999, 5L);
  launch(fill_kernel, 1, threads(32), values.data(), 10, 100);
  const std::vector<int> got = values.download();
  for (int i = 0; i < 1000; ++i) CHECK_EQUAL(got[i], i < 10 ? 2 * i + 105 : i < 999 ? i + 5 : 0);
}

// Turns an array around many times; each time everybody needs what another thread wrote.
constexpr Dim3 kThreads = threads(64);
__global__ void reverse_kernel(int* values, int rounds) {
  __shared__ int shared[kThreads.x];
  for (int round = 0; round < rounds; ++round) {
    shared[threadIdx.x] = values[blockIdx.x * kThreads.x + threadIdx.x];
    __syncthreads();
    values[blockIdx.x * kThreads.x + threadIdx.x] = shared[kThreads.x - 1 - threadIdx.x] + 1;
    __syncthreads();
  }
}

TARGET_TEST("__syncthreads: shared memory holds what others wrote") {
  constexpr int kBlocks = 3, kRounds = 25;
  std::vector<int> values(kBlocks * kThreads.x);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<int>(1000 * i);
  const Buffer<int> buffer(values);
  launch(reverse_kernel, kBlocks, kThreads, buffer.data(), kRounds);
  for (int b = 0; b < kBlocks; ++b)
    std::reverse(values.begin() + b * kThreads.x, values.begin() + (b + 1) * kThreads.x);
  for (int& value : values) value += kRounds;
  CHECK(buffer.download() == values);
}

// warpSize, for the host: nvcc knows that name on the device only.
constexpr int kWarp = threads(32).x;

template <class T>
__global__ void shuffle_kernel(T* values, int delta) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  values[i] = __shfl_down_sync(0xffffffff, values[i], delta);
}

template <class T>
void check_shuffle() {
  const Dim3 block = threads(96);
  for (int delta : {0, 1, 5, 16, 31}) {
    std::vector<T> values(2 * block.x);
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<T>(i) / 2 - 20;
    const Buffer<T> buffer(values);
    launch(shuffle_kernel<T>, 2, block, buffer.data(), delta);
    const std::vector<T> got = buffer.download();
    for (int i = 0; i < static_cast<int>(values.size()); ++i) {
      const int from = i % kWarp + delta < kWarp ? i + delta : i;
      CHECK_EQUAL(got[i], values[from]);
    }
  }
}

TARGET_TEST("__shfl_down_sync: the value of the lane above") {
  check_shuffle<int>();
  check_shuffle<float>();
  check_shuffle<double>();
}

constexpr Dim3 kSumThreads = threads(96);
__global__ void sum_kernel(const double* values, int count, double* warp_sums, double* block_sums) {
  double own = 0;
  for (int i = threadIdx.x; i < count; i += blockDim.x) own += values[i];
  const double of_warp = warp_sum(own);
  if (threadIdx.x % warpSize == 0) warp_sums[threadIdx.x / warpSize] = of_warp;
  for (int repeat = 0; repeat < 3; ++repeat) {
    const double of_block = block_sum<kSumThreads.x>(own * (repeat + 1));
    if (threadIdx.x == 0) block_sums[repeat] = of_block;
  }
}

TARGET_TEST("warp_sum, block_sum: sums of all lanes, all threads") {
  constexpr int kWarps = kSumThreads.x / kWarp;
  std::vector<double> values(500), warp_sums(kWarps);
  Random random(1, 0);
  double total = 0;
  for (int i = 0; i < 500; ++i) {
    values[i] = random.below(1000);  // whole numbers: sums in any order are exact
    warp_sums[i % kSumThreads.x / kWarp] += values[i];
    total += values[i];
  }
  const Buffer<double> in(values), of_warps(kWarps), of_block(3);
  launch(sum_kernel, 1, kSumThreads, in.data(), 500, of_warps.data(), of_block.data());
  CHECK(of_warps.download() == warp_sums);
  CHECK(of_block.download() == std::vector<double>({total, 2 * total, 3 * total}));
}

TARGET_TEST("launch: grids that CUDA refuses are refused") {
  CHECK_ERROR(Grid(0), __FILE__, "expected a grid", "found 0");
  CHECK_ERROR(Grid(1, 65536), "expected a grid", "found 1 x 65536");
  CHECK_ERROR(Grid(1, 1, 65536), "expected a grid", "found ");
  CHECK_ERROR(Grid(1, -1), "expected a grid", "found ");
  CHECK_ERROR(Grid(65536, 32768), "2147483647 in all", "found ");
  Grid(65536, 32767);
}

TARGET_TEST("Buffer: zero at first, keeps what it gets, refuses more") {
  Buffer<int> buffer(5);
  CHECK(buffer.download() == std::vector<int>(5));
  buffer.upload({1, 2, 3});
  CHECK(buffer.download() == std::vector<int>({1, 2, 3, 0, 0}));
  CHECK(buffer.download(0, 2) == std::vector<int>({1, 2}));
  CHECK(buffer.download(0, 0).empty());

  const auto is_logic_error = [](const std::function<void()>& f) {
    try {
      f();
    } catch (const std::logic_error&) {
      return true;
    }
    return false;
  };
  CHECK(is_logic_error([&] { buffer.upload(std::vector<int>(6)); }));
  CHECK(is_logic_error([&] { buffer.download(1, 6); }));
  CHECK(buffer.download() == std::vector<int>({1, 2, 3, 0, 0}));

  Buffer<int> moved(std::move(buffer));
  CHECK(moved.download() == std::vector<int>({1, 2, 3, 0, 0}));
  Buffer<int> other(std::vector<int>{7});
  other = std::move(moved);
  CHECK(other.download() == std::vector<int>({1, 2, 3, 0, 0}));

  CHECK_EQUAL(Buffer<int>().size(), 0u);
  CHECK(Buffer<int>().download().empty());
  CHECK(Buffer<int>(0).download().empty());
}

TARGET_TEST("Buffer: memory that was used before is zero again") {
  for (int round = 0; round < 3; ++round) {
    Buffer<int> buffer(5000);
    CHECK(buffer.download() == std::vector<int>(5000));
    buffer.upload(std::vector<int>(5000, 7));
  }
}

TARGET_TEST("Recording: runs its launches in order, each time") {
  const Buffer<int> values(std::vector<int>{0, 1, 2});
  const Recording recording{[&] {
    launch(fill_kernel, 1, threads(32), values.data(), 3, 10);
    launch(fill_kernel, 1, threads(32), values.data(), 1, 1000);
  }};
  CHECK(values.download() == std::vector<int>({0, 1, 2}));
  recording.run();
  CHECK(values.download() == std::vector<int>({1010, 12, 14}));
  recording.run();
  recording.run();
  CHECK(values.download() == std::vector<int>({3030, 34, 38}));
}

}  // namespace
}  // namespace plainnet::TARGET
