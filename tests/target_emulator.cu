// What the emulated target adds to CUDA: it reports what CUDA leaves undefined. What all targets
// have in common is in tests/target_device.cu.

#include "kernels/reduce.h"
#include "tests/target_test.h"

#if defined TARGET_EMULATED

namespace plainnet::TARGET {
namespace {

// The text that names line `line` of this file.
std::string at(int line) { return text(__FILE__, ":", line); }

constexpr int kFirstBarrier = __LINE__ + 3, kSecondBarrier = __LINE__ + 5;
__global__ void parting_kernel(int* arrived) {
  if (threadIdx.x < 5)
    __syncthreads();
  else
    __syncthreads();
  arrived[threadIdx.x] = 1;
}

TARGET_TEST("emulator: reports threads that wait at two barriers") {
  const Buffer<int> arrived(8);
  constexpr int kLaunch = __LINE__ + 1;
  const auto run = [&] { launch(parting_kernel, 1, threads(8), arrived.data()); };
  CHECK_ERROR(run(), at(kLaunch) + ": launch", "the threads parted in block (0, 0, 0)",
              "thread 0 waits in parting_kernel, " + at(kFirstBarrier),
              "thread 5 waits in parting_kernel, " + at(kSecondBarrier));
  CHECK(arrived.download() == std::vector<int>(8), "threads went on after the barrier");
  launch(parting_kernel, 1, threads(5), arrived.data());
  CHECK(arrived.download() == std::vector<int>({1, 1, 1, 1, 1, 0, 0, 0}));
}

constexpr int kOnlyBarrier = __LINE__ + 3;
__global__ void leaving_kernel(int leaver) {
  if (static_cast<int>(threadIdx.x) == leaver && blockIdx.x == 2) return;
  __syncthreads();
}

TARGET_TEST("emulator: reports a thread that leaves while others wait") {
  CHECK_ERROR(launch(leaving_kernel, 4, threads(7), 3), "parted in block (2, 0, 0)",
              "thread 0 waits in leaving_kernel, " + at(kOnlyBarrier), "thread 3 left the kernel");
  CHECK_ERROR(launch(leaving_kernel, 4, threads(7), 0), "thread 0 left the kernel",
              "thread 1 waits in leaving_kernel, " + at(kOnlyBarrier));
  launch(leaving_kernel, 4, threads(7), -1);
}

// Thread 0 goes around once more than the others.
__global__ void looping_kernel() {
  for (int i = threadIdx.x == 0 ? 0 : 1; i < 4; ++i) __syncthreads();
}

TARGET_TEST("emulator: reports a barrier that one thread passes again") {
  CHECK_ERROR(launch(looping_kernel, 1, threads(33)), "thread 0 waits", "thread 1 left the kernel");
}

__global__ void skipped_sum_kernel(double* sum) {
  if (threadIdx.x >= 64) return;  // a whole warp, which block_sum needs too
  *sum = block_sum<96>(1.0);
}

TARGET_TEST("emulator: reports a warp that a block's sum misses") {
  const Buffer<double> sum(1);
  CHECK_ERROR(launch(skipped_sum_kernel, 1, threads(96), sum.data()), "thread 64 left the kernel",
              "reduce.h");
}

TARGET_TEST("emulator: refuses a block of 0 or 1025 threads") {
  CHECK_ERROR(launch(leaving_kernel, 1, threads(0), -1), __FILE__, "1 to 1024 threads", "found 0");
  CHECK_ERROR(launch(leaving_kernel, 1, threads(1025), -1), "1 to 1024", "found 1025");
  CHECK_ERROR(launch(leaving_kernel, 1, threads(32, 33), -1), "1 to 1024", "found 1056");
}

// In block `parted`, the lanes from 40 on pass nothing on: of the second warp, that is not a whole one.
constexpr int kShuffle = __LINE__ + 3;
__global__ void lane_missing_kernel(int* values, int parted) {
  if (static_cast<int>(blockIdx.x) == parted && threadIdx.x >= 40) return;
  values[blockIdx.x * blockDim.x + threadIdx.x] = __shfl_down_sync(0xffffffff, 7, 1);
}

TARGET_TEST("emulator: reports lanes that are missing in a shuffle") {
  const Buffer<int> values(2 * 64);
  CHECK_ERROR(launch(lane_missing_kernel, 2, threads(64), values.data(), 1), "parted in block (1, 0, 0)",
              "thread 32 waits in lane_missing_kernel, " + at(kShuffle), "thread 40 left the kernel");
  launch(lane_missing_kernel, 2, threads(64), values.data(), 2);
  CHECK(values.download() == std::vector<int>(2 * 64, 7));
}

// Every other lane passes its number on, while the others wait for all threads.
constexpr int kShuffleInIf = __LINE__ + 3, kOtherBarrier = __LINE__ + 5;
__global__ void lanes_elsewhere_kernel(int* values) {
  if (threadIdx.x % 2 == 0)
    values[threadIdx.x] = __shfl_down_sync(0xffffffff, 7, 1);
  else
    __syncthreads();
}

TARGET_TEST("emulator: reports lanes that wait elsewhere than in the shuffle") {
  const Buffer<int> values(32);
  CHECK_ERROR(launch(lanes_elsewhere_kernel, 1, threads(32), values.data()),
              "thread 0 waits in lanes_elsewhere_kernel, " + at(kShuffleInIf),
              "thread 1 waits in lanes_elsewhere_kernel, " + at(kOtherBarrier));
}

__global__ void lane_kernel(int* values) {
  values[threadIdx.x] = __shfl_down_sync(0xffffffff, values[threadIdx.x], 4);
}

TARGET_TEST("emulator: a warp that is not whole has its lanes only") {
  std::vector<int> values(40);
  for (int i = 0; i < 40; ++i) values[i] = i * i;
  const Buffer<int> buffer(values);
  launch(lane_kernel, 1, threads(40), buffer.data());
  const std::vector<int> got = buffer.download();
  for (int i = 0; i < 40; ++i) {
    const bool has_source = i < 32 ? i + 4 < 32 : i + 4 < 40;
    CHECK_EQUAL(got[i], values[has_source ? i + 4 : i]);
  }
}

}  // namespace
}  // namespace plainnet::TARGET

#endif
