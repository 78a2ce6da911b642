// Planted bugs. The watched emulator must report each, in any order of the threads, with the kernel, the
// blocks and threads, and the lines.

#include "tests/target_test.h"

#if defined TARGET_EMULATED

namespace plainnet::TARGET {
namespace {

// The text that names line `line` of this file.
std::string at(int line) { return text(__FILE__, ":", line); }

const std::vector<real> kZeros(150);

constexpr Dim3 kBlock = threads(64);

// --- Races in shared memory.

__device__ real from(const real* x, int n, int i) { return i < n ? x[i] : real(0); }

constexpr int kTreeLine = __LINE__ + 7;
template <bool kWithBarrier>
__global__ void tree_sum(const real* x, int n, real* sum) {
  __shared__ real part[kBlock.x];
  part[threadIdx.x] = from(x, n, blockIdx.x * blockDim.x + threadIdx.x);
  __syncthreads();
  for (int half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
    if (kWithBarrier) __syncthreads();
  }
  if (threadIdx.x == 0) sum[blockIdx.x] = part[0];
}

TARGET_TEST("watch: a tree's sum without its barrier") {
  const Buffer<real> x(kZeros), sum(3);
  constexpr int kLaunch = __LINE__ + 1;
  const auto run = [&] { launch(tree_sum<false>, 3, kBlock, x.data(), 150, sum.data()); };
  CHECK_ERROR(run(), at(kLaunch) + ": launch of tree_sum", "a race on number ",
              " of part of 64, in shared memory, with no __syncthreads() between", ", 0, 0), thread ",
              " writes it in tree_sum, " + at(kTreeLine),
              " reads it in tree_sum, " + at(kTreeLine) + ":  if (threadIdx.x < half) part[");
  launch(tree_sum<true>, 3, kBlock, x.data(), 150, sum.data());
}

constexpr int kFillLine = __LINE__ + 6, kWalkLine = __LINE__ + 8;
template <bool kWithBarrier>
__global__ void tiled_walk(const real* x, int n, real* sums) {
  __shared__ real part[kBlock.x];
  real sum = 0;
  for (int k0 = 0; k0 < n; k0 += blockDim.x) {
    part[threadIdx.x] = from(x, n, k0 + threadIdx.x);
    __syncthreads();
    for (int k = 0; k < blockDim.x; ++k) sum += part[k];
    if (kWithBarrier) __syncthreads();
  }
  sums[threadIdx.x] = sum;
}

TARGET_TEST("watch: a walk from tile to tile without its second barrier") {
  const Buffer<real> x(kZeros), sums(64);
  CHECK_ERROR(launch(tiled_walk<false>, 1, kBlock, x.data(), 150, sums.data()), "launch of tiled_walk",
              "a race on number ", " of part of 64, in shared memory, with no __syncthreads() between",
              "block (0, 0, 0), thread ", " reads it in tiled_walk, " + at(kWalkLine),
              " writes it in tiled_walk, " + at(kFillLine));
  launch(tiled_walk<true>, 1, kBlock, x.data(), 150, sums.data());
}

// --- Races in global memory.

constexpr int kTwoThreadsLine = __LINE__ + 2;
__global__ void two_threads_write(real* out) {
  if (threadIdx.x == 3 || threadIdx.x == 40) out[7] = 1;
}

TARGET_TEST("watch: two threads that write one number") {
  const Buffer<real> out(9);
  CHECK_ERROR(launch(two_threads_write, 1, kBlock, out.data()), "launch of two_threads_write",
              "a race on number 7 of a buffer of 9, with no __syncthreads() between",
              "block (0, 0, 0), thread 3 writes it in two_threads_write, " + at(kTwoThreadsLine),
              "block (0, 0, 0), thread 40 writes it in two_threads_write, " + at(kTwoThreadsLine));
}

constexpr int kTwoBlocksLine = __LINE__ + 2;
__global__ void two_blocks_write(real* out) {
  if (threadIdx.x == blockIdx.x) out[blockIdx.x / 2] = 1;
}

TARGET_TEST("watch: two blocks that write one number") {
  const Buffer<real> out(1);
  CHECK_ERROR(launch(two_blocks_write, 2, kBlock, out.data()), "launch of two_blocks_write",
              "a race on number 0 of a buffer of 1, of blocks, which run in any order",
              "block (0, 0, 0), thread 0 writes it in two_blocks_write, " + at(kTwoBlocksLine),
              "block (1, 0, 0), thread 1 writes it in two_blocks_write, " + at(kTwoBlocksLine));
}

// Thread 5, after it has read the number itself: the other readers are not forgotten.
constexpr int kReadLine = __LINE__ + 3, kOverwriteLine = __LINE__ + 4;
__global__ void overwrite_what_others_read(real* x, real* out) {
  if (blockIdx.x == 0 || threadIdx.x > 0)
    out[blockIdx.x * blockDim.x + threadIdx.x] = x[0];
  if (blockIdx.x == gridDim.x - 1 && threadIdx.x == 5) x[0] = 1;
}

TARGET_TEST("watch: a thread overwrites what others read") {
  const Buffer<real> x(kZeros), out(2 * 64);
  for (const int blocks : {1, 2})
    CHECK_ERROR(launch(overwrite_what_others_read, blocks, kBlock, x.data(), out.data()),
                "a race on number 0 of a buffer of 150",
                "thread 5 writes it in overwrite_what_others_read, " + at(kOverwriteLine),
                " reads it in overwrite_what_others_read, " + at(kReadLine));
}

// Bytes that lie side by side are each a number of their own.
__global__ void write_bytes(uint8_t* bytes, int thread_0_writes) {
  bytes[threadIdx.x == 0 ? thread_0_writes : threadIdx.x] = 1;
}

TARGET_TEST("watch: bytes of one word") {
  const Buffer<uint8_t> bytes(64);
  launch(write_bytes, 1, kBlock, bytes.data(), 0);
  CHECK_ERROR(launch(write_bytes, 1, kBlock, bytes.data(), 6), "a race on number 6 of a buffer of 64",
              "thread 0 ", "thread 6 ");
}

// --- Reads of what nothing has written.

constexpr int kAddLine = __LINE__ + 1;
__global__ void add(const real* x, real* out) { out[threadIdx.x] += x[threadIdx.x]; }

TARGET_TEST("watch: += on what nothing has written") {
  const Buffer<real> x(kZeros), out(64);
  CHECK_ERROR(launch(add, 1, kBlock, x.data(), out.data()), "launch of add", "a read of number ",
              " of a buffer of 64, which nothing has written", "block (0, 0, 0), thread ",
              " reads it in add, " + at(kAddLine));
  const Buffer<real> zeros(kZeros);
  launch(add, 1, kBlock, x.data(), zeros.data());
}

constexpr int kStaleLine = __LINE__ + 5;
__global__ void only_block_0_fills(const real* x, real* out) {
  __shared__ real part[kBlock.x];
  if (blockIdx.x == 0) part[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  out[blockIdx.x * blockDim.x + threadIdx.x] = part[threadIdx.x];
}

TARGET_TEST("watch: shared memory that only block 0 fills") {
  const Buffer<real> x(kZeros), out(2 * 64);
  CHECK_ERROR(launch(only_block_0_fills, 2, kBlock, x.data(), out.data()), "launch of only_block_0_fills",
              " of part of 64, in shared memory, which nothing in this block has written",
              "block (1, 0, 0), thread ", " reads it in only_block_0_fills, " + at(kStaleLine));
  launch(only_block_0_fills, 1, kBlock, x.data(), out.data());
}

// --- Accesses outside.

constexpr int kBeyondLine = __LINE__ + 3;
__global__ void copy_one_further(const real* x, int n, int shift, real* out) {
  for (int i = threadIdx.x; i < n; i += blockDim.x)
    out[i] = x[i + shift];
}

TARGET_TEST("watch: reads of x[-1] and x[n]") {
  const Buffer<real> x(kZeros), out(150);
  CHECK_ERROR(launch(copy_one_further, 1, kBlock, x.data(), 150, 1, out.data()), "launch of copy_one_further",
              "an access outside of all buffers, at number 150 of a buffer of 150",
              "block (0, 0, 0), thread 21 reads it in copy_one_further, " + at(kBeyondLine));
  CHECK_ERROR(launch(copy_one_further, 1, kBlock, x.data(), 150, -1, out.data()), "outside of all buffers",
              "1 before the first number of a buffer of 150", "block (0, 0, 0), thread 0 reads it");
}

TARGET_TEST("watch: memory of the host") {
  const std::vector<real> x(64);
  const Buffer<real> out(64);
  CHECK_ERROR(launch(copy_one_further, 1, kBlock, x.data(), 64, 0, out.data()), "outside of all buffers",
              " reads it in copy_one_further, " + at(kBeyondLine));
}

constexpr int kPastLine = __LINE__ + 5;
__global__ void one_past_shared(const real* x, real* out) {
  __shared__ real part[kBlock.x];
  part[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  out[threadIdx.x] = part[threadIdx.x + 1];
}

// What lies there is another array, perhaps, but not one that this block has written.
TARGET_TEST("watch: a read of one past a shared array") {
  const Buffer<real> x(kZeros), out(64);
  CHECK_ERROR(launch(one_past_shared, 1, kBlock, x.data(), out.data()), "launch of one_past_shared",
              "thread 63 reads it in one_past_shared, " + at(kPastLine));
}

// --- What a GPU does not have.

__global__ void large_arrays(int* out) {
  __shared__ int a[8 * 1024], b[8 * 1024];
  a[threadIdx.x] = b[threadIdx.x] = 1;
  __syncthreads();
  out[threadIdx.x] = a[blockDim.x - 1 - threadIdx.x] + b[blockDim.x - 1 - threadIdx.x];
}

TARGET_TEST("watch: 64 KB of shared memory") {
  const Buffer<int> out(64);
  CHECK_ERROR(launch(large_arrays, 1, kBlock, out.data()), "launch of large_arrays",
              "more shared memory than the 49152 bytes that a block has: 65536");
}

__global__ void nothing() {}

TARGET_TEST("watch: 1025 threads") {
  launch(nothing, 1, threads(1024));
  CHECK_ERROR(launch(nothing, 1, threads(1025)), __FILE__, "1 to 1024 threads, found 1025");
}

// --- Shuffles and barriers. target_emulator.cu has more of them.

constexpr int kShuffleLine = __LINE__ + 3;
__global__ void half_a_warp(unsigned mask, int lanes, int* out) {
  if (threadIdx.x < lanes)
    out[threadIdx.x] = __shfl_down_sync(mask, static_cast<int>(threadIdx.x), 1);
}

TARGET_TEST("watch: the mask of a shuffle") {
  const Buffer<int> out(32);
  launch(half_a_warp, 1, threads(32), 0x0000ffffu, 16, out.data());
  CHECK_EQUAL(out.download()[14], 15);
  CHECK_ERROR(launch(half_a_warp, 1, threads(32), 0x0000ffffu, 17, out.data()), "launch of half_a_warp",
              "the threads parted in block (0, 0, 0)",
              "thread 16 passes a number on in half_a_warp, " + at(kShuffleLine),
              "its lane 16 is not in the mask");
  CHECK_ERROR(launch(half_a_warp, 1, threads(32), 0x0001ffffu, 16, out.data()),
              "the threads parted in block (0, 0, 0): thread 0 waits in half_a_warp, " + at(kShuffleLine),
              "thread 16 left the kernel");
}

constexpr int kInIfLine = __LINE__ + 5;
__global__ void barrier_in_if(const real* x, int n, real* out) {
  __shared__ real part[kBlock.x];
  if (threadIdx.x >= n) return;
  part[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  out[threadIdx.x] = part[n - 1 - threadIdx.x];
}

TARGET_TEST("watch: a barrier that some threads never reach") {
  const Buffer<real> x(kZeros), out(64);
  CHECK_ERROR(launch(barrier_in_if, 1, kBlock, x.data(), 50, out.data()), "launch of barrier_in_if",
              "the threads parted in block (0, 0, 0)", "waits in barrier_in_if, " + at(kInIfLine),
              "thread 50 left the kernel");
}

}  // namespace
}  // namespace plainnet::TARGET

#endif
