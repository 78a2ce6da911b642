#pragma once

// What the emulated target is made of: the threads of one block, their barrier, their warps.

#include <array>
#include <functional>

#include "kernels/device.h"

namespace plainnet::emulator {

constexpr int kWarpSize = 32;

inline thread_local constinit Dim3 threadIdx{};
inline thread_local constinit Dim3 blockIdx{};
inline thread_local constinit Dim3 blockDim{};
inline thread_local constinit Dim3 gridDim{};

/// Runs `kernel` once for every thread of every block, the blocks one after the other. Throws Error,
/// naming the launch, if threads of a block wait at different barriers or leave the kernel while
/// others wait: what CUDA leaves undefined. The kernel itself must not throw.
void run(Grid grid, Dim3 block, const std::function<void()>& kernel);

/// Waits for all threads of the block; `where` is the place of the call.
void barrier(Place where);

/// What the lanes of a warp pass to each other: at most so many numbers each.
using Passed = std::array<double, 6>;
struct Warp {
  int lanes;
  std::array<Passed, kWarpSize> passed;  // [lane]
};

/// Passes `values` to the other lanes of the warp, and calls read(lane, warp) with what all of them
/// have passed. All lanes of the warp must call it, or the others wait for ever: only barrier() looks
/// who is missing.
void exchange(const Passed& values, const std::function<void(int lane, const Warp& warp)>& read);

}  // namespace plainnet::emulator
