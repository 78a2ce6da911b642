#pragma once

// What the emulated target is made of: the threads of one block, their barrier, their warps.

#include <array>
#include <functional>

#include "kernels/device.h"

namespace plainnet::emulator {

constexpr int kWarpSize = 32;

inline thread_local constinit Dim3 threadIdx{}, blockIdx{}, blockDim{}, gridDim{};

/// Runs `call` once for every thread of every block, the blocks one after the other; it calls the kernel
/// that begins at `kernel`. Throws Error, naming launch, block, functions and lines, if threads of a block
/// wait at different barriers or leave the kernel while others wait: what CUDA leaves undefined. The kernel
/// itself must not throw.
void run(Grid grid, Dim3 block, const void* kernel, const std::function<void()>& call);

/// Waits for all threads of the block; `where` is the place of the call.
void barrier(Place where);

/// What the lanes of a warp pass to each other: at most so many numbers each.
using Passed = std::array<double, 6>;
struct Warp {
  int lanes;
  std::array<Passed, kWarpSize> passed;  // [lane]
};

/// Passes `values` to the other lanes of the warp, and calls read(lane, warp) with what all of them have
/// passed. All lanes of the warp must call it at the same place, or run() throws as for barriers, and `mask`
/// must name them all, lane 0 with its lowest bit.
using Read = std::function<void(int lane, const Warp& warp)>;
void exchange(unsigned mask, const Passed& values, const Read& read, Place where = Place::here());

/// Zeroed memory of the device; how to give it back; and a copy between such memory and the host's.
void* allocate(size_t bytes);
void release(void* memory);
void copy(void* to, const void* from, size_t bytes);

}  // namespace plainnet::emulator
