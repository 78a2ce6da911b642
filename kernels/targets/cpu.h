#pragma once

// The cpu target: a grid is a parallel loop over its blocks, a block is one thread. threadIdx and
// blockDim are constants, so a loop with a stride of blockDim.x is a plain loop over neighbouring
// elements, which the compiler vectorises; the barrier is nothing, and shared memory is an array on
// the stack, that is, in the first-level cache.

#include "base/system.h"
#include "base/threads.h"
#include "kernels/targets/host.h"

#define __shared__

namespace plainnet::TARGET {

constexpr Dim3 threadIdx{0, 0, 0}, blockDim{1, 1, 1};
constexpr int warpSize = 1;
inline thread_local constinit Dim3 blockIdx{}, gridDim{};

constexpr Dim3 threads(int, int = 1) { return {1, 1, 1}; }

inline void __syncthreads() {}
template <class T>
T __shfl_down_sync(unsigned, T value, int) {
  return value;
}

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), Grid grid, Dim3, Arguments... arguments) {
  const Dim3 size = grid.size;
  parallel_for(size.x * size.y * size.z, [&](int begin, int end) {
    gridDim = size;
    for (int i = begin; i < end; ++i) {
      blockIdx = {i % size.x, i / size.x % size.y, i / (size.x * size.y)};
      kernel(static_cast<Parameters>(arguments)...);  // as the kernel declares them: an int for a long, say
    }
  });
}

/// Zeroed memory, on a cache line of its own. Fast kernels load several neighbouring numbers at once, and
/// such a load may reach up to kReadableBeyond bytes past the end: that is harmless, and what is read there
/// is not used.
constexpr size_t kReadableBeyond = 512;
inline void* allocate(size_t bytes) { return allocate_pages(bytes + kReadableBeyond); }
inline void release(void* memory) { release_pages(memory); }
inline void copy(void* to, const void* from, size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);
}

inline std::string device_name() {
  return text(processor_name(), ", ", thread_count(), thread_count() == 1 ? " thread" : " threads");
}

}  // namespace plainnet::TARGET
