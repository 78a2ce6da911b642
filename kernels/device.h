#pragma once

// One kernel source, three targets.
//
// Every .cu file, and what calls it, is compiled once for each target, into a namespace of its own:
// -DTARGET_GPU, -DTARGET_CPU or -DTARGET_EMULATED chooses the target, -DREAL=float or -DREAL=double the
// number type, and -DTARGET=cpu_float, say, the namespace, plainnet::TARGET. What is compiled once is
// compiled as cpu_float.
//
// A kernel is written in CUDA's own words, which docs/architecture.md explains: __global__,
// __shared__, threadIdx, __syncthreads(). It works on all three targets if it follows two rules:
//   - loops that the threads of a block share have a stride, for (i = threadIdx.x; i < n; i += blockDim.x),
//     because on the cpu target a block has one thread;
//   - arrays that hold something per thread are sized with threads(...), never with a number.
//
// What a target header defines, in namespace plainnet::TARGET:
//   threadIdx, blockIdx, blockDim, gridDim, warpSize, __syncthreads(), __shfl_down_sync()
//   min, max
//   threads(x, y)                             the shape of a block: x by y threads on a GPU, one on a CPU
//   launch(kernel, grid, block, arguments...) runs a kernel
//   allocate, release, copy                   device memory, behind Buffer below
//   synchronize()                             waits for all launches
//   Recording                                 a sequence of launches, kept to be run again
//   device_name()                             which device this is
//   device_problem()                          why there is none to run on; empty if there is one

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"

namespace plainnet {

/// The extent of a grid or of a block.
struct Dim3 {
  int x = 1, y = 1, z = 1;
};

/// A place in the source, for error messages. As a default argument, Place::here() is the place of
/// the call. (It is std::source_location, which clang 14 lacks.)
struct Place {
  const char* file = nullptr;
  int line = 0;
  const char* function = nullptr;

  static constexpr Place here(const char* file = __builtin_FILE(), int line = __builtin_LINE(),
                              const char* function = __builtin_FUNCTION()) {
    return {file, line, function};
  }
  std::string name() const { return text(file, ":", line); }
  // Addresses are compared: the names of one source file, compiled once, are one literal.
  bool operator==(const Place& other) const { return file == other.file && line == other.line; }
};

/// The extent of a grid, and the place that launches it. It is not explicit: a number, or {x, y, z}, is one.
/// Throws Error, on all targets, for what one of them cannot launch: a GPU limits y and z, and the cpu target
/// counts all blocks in an int.
struct Grid {
  Dim3 size;
  Place where;

  Grid(int x, int y = 1, int z = 1, Place where = Place::here()) : size{x, y, z}, where(where) {
    if (x < 1 || y < 1 || z < 1 || y > 65535 || z > 65535 || 1.0 * x * y * z > INT32_MAX)
      throw Error(where.name(), ": launch: expected a grid of 1 or more by 1 to 65535 by 1 to 65535 blocks, ",
                  "2147483647 in all, found ", x, " x ", y, " x ", z);
  }
};

/// How many tiles of `size` cover `n`.
constexpr int tiles(long n, int size) { return static_cast<int>((n + size - 1) / size); }

}  // namespace plainnet

#if defined TARGET_GPU
#include "kernels/targets/gpu.h"
#elif defined TARGET_EMULATED
#include "kernels/targets/emulated.h"
#else
#include "kernels/targets/cpu.h"
#endif

namespace plainnet::TARGET {

using real = REAL;

/// `size` elements of device memory, freed with their owner. All bytes are zero at first, but a kernel reads
/// only what was written: where it counts on zeros, they are uploaded.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t size) : data_(static_cast<T*>(allocate(size * sizeof(T))), release), size_(size) {}
  explicit Buffer(const std::vector<T>& values) : Buffer(values.size()) { upload(values); }

  T* data() const { return data_.get(); }
  size_t size() const { return size_; }

  /// Copies from the host to the first elements, after all launches so far.
  void upload(const std::vector<T>& values) {
    require(values.size());
    copy(data(), values.data(), values.size() * sizeof(T));
  }

  /// All elements, or those from `begin` to before `end`, on the host, as all launches so far leave them.
  std::vector<T> download() const { return download(0, size_); }
  std::vector<T> download(size_t begin, size_t end) const {
    require(end);
    std::vector<T> values(end - begin);
    copy(values.data(), data() + begin, values.size() * sizeof(T));
    return values;
  }

 private:
  void require(size_t count) const {
    if (count > size_)
      throw std::logic_error(text("a buffer of ", size_, " elements has no ", count));
  }

  std::unique_ptr<T[], void (*)(void*)> data_{nullptr, release};
  size_t size_ = 0;
};

}  // namespace plainnet::TARGET
