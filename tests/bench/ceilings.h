#pragma once

// What the machine does at best: how many additions and multiplications a second, and how many
// bytes to and from memory. Measured, because no datasheet knows the clock that all cores keep
// while all their vector units work, or how much of a virtual machine's memory bus is one's own.

#include "kernels/fast/vector.h"
#include "tests/bench/bench.h"
#include "tests/bench/stopwatch.h"
#if defined TARGET_CPU
#include <unistd.h>
#endif

namespace plainnet::TARGET {

constexpr Dim3 kThreads = threads(256);

// A multiply-add waits four cycles or so for the one whose result it needs, and a core can begin
// two in each cycle: eight chains of them keep it busy, and a few more do no harm.
constexpr int kChains = 12;
#if defined TARGET_EMULATED
constexpr int kChainBlocks = 4, kRounds = 100;
#else
constexpr int kChainBlocks = 8192, kRounds = 1000;
#endif

// Every thread advances its chains s = s a + b, in registers. It writes their sum, or the compiler
// would see that nobody wants them.
__global__ void multiply_add_kernel(int rounds, real a, real b,
                                    real* __restrict__ out) {  // [blocks][threads][lanes]
  Vector chain[kChains];
#pragma GCC unroll 16
  for (int i = 0; i < kChains; ++i) chain[i] = broadcast(i);
  for (int r = 0; r < rounds; ++r)
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) chain[i] = chain[i] * a + b;
  Vector sum{};
#pragma GCC unroll 16
  for (int i = 0; i < kChains; ++i) sum += chain[i];
  store(out + (blockIdx.x * blockDim.x + threadIdx.x) * kVectorLanes, sum, kVectorLanes);
}

// How many numbers a block reads or writes, side by side; and how many vectors a thread has under
// way at a time, for memory is far away and answers many at once.
constexpr int kPart = 1 << 15, kUnderWay = 4;

__global__ void read_kernel(const real* __restrict__ from,  // [blocks][kPart]
                            real* __restrict__ out) {       // [blocks][threads][lanes]
  const real* part = from + static_cast<long>(blockIdx.x) * kPart;
  const int stride = blockDim.x * kVectorLanes;
  Vector sum[kUnderWay]{};
  for (int i = threadIdx.x * kVectorLanes; i < kPart; i += kUnderWay * stride)
#pragma GCC unroll 16
    for (int q = 0; q < kUnderWay; ++q) sum[q] += load(part + i + q * stride);
  for (int q = 1; q < kUnderWay; ++q) sum[0] += sum[q];
  store(out + (blockIdx.x * blockDim.x + threadIdx.x) * kVectorLanes, sum[0], kVectorLanes);
}

__global__ void copy_kernel(const real* __restrict__ from,  // [blocks][kPart]
                            real* __restrict__ to) {        // [blocks][kPart]
  const long part = static_cast<long>(blockIdx.x) * kPart;
  const int stride = blockDim.x * kVectorLanes;
  for (int i = threadIdx.x * kVectorLanes; i < kPart; i += kUnderWay * stride) {
    Vector some[kUnderWay];
    for (int q = 0; q < kUnderWay; ++q) some[q] = load(from + part + i + q * stride);
    for (int q = 0; q < kUnderWay; ++q) store(to + part + i + q * stride, some[q], kVectorLanes);
  }
}

/// Memory of at least twice the last-level cache.
class Scratch {
 public:
  Scratch() : half_(tiles(bytes() / 2, kPart * sizeof(real))), memory_(2L * half_ * kPart) {}

  /// Copies one half to the other, on all processors, so that their caches hold nothing else.
  void copy() {
    launch(copy_kernel, half_, kThreads, memory_.data(), memory_.data() + 1L * half_ * kPart);
  }

  bench::Ceilings measure(double seconds) {
    const int per_block = kThreads.x * kVectorLanes;
    const Buffer<real> out(1L * std::max(kChainBlocks, 2 * half_) * per_block);
    Stopwatch chains, reading, copying;
    const auto steps = [&] {
      chains.start();
      launch(multiply_add_kernel, kChainBlocks, kThreads, kRounds, real(0.5), real(1), out.data());
      chains.stop();
      reading.start();
      launch(read_kernel, 2 * half_, kThreads, memory_.data(), out.data());
      reading.stop();
      copying.start();
      copy();
      copying.stop();
    };
    const double operations = 2.0 * kChainBlocks * per_block * kChains * kRounds;
    const double size = 1.0 * memory_.size() * sizeof(real);
    bench::Ceilings best{};
    repeat(seconds, steps, [&] {
      best.operations = std::max(best.operations, operations / chains.seconds());
      best.read = std::max(best.read, size / reading.seconds());
      best.copy = std::max(best.copy, size / copying.seconds());
    });
    return best;
  }

 private:
  static long bytes() {
#if defined TARGET_CPU
    return max(256L << 20, 2 * sysconf(_SC_LEVEL3_CACHE_SIZE));
#elif defined TARGET_GPU
    return 256L << 20;
#else
    return 8L << 20;
#endif
  }

  int half_;  // in parts
  Buffer<real> memory_;
};

}  // namespace plainnet::TARGET
