#pragma once

// The gpu target: CUDA as it is, with every call checked.

#include <cuda_runtime.h>

#include <cstdlib>

namespace plainnet::TARGET {

constexpr Dim3 threads(int x, int y = 1) { return {x, y, 1}; }

/// Throws Error unless `status` is success, naming the place, what CUDA says, and a hint.
inline void check(cudaError_t status, const char* what, Place where = Place::here()) {
  if (status == cudaSuccess) return;
  std::string hint;
  switch (status) {
    case cudaErrorMemoryAllocation:
      hint = "; try a smaller --batch, or free the GPU (nvidia-smi shows who uses it)";
      break;
    case cudaErrorNoKernelImageForDevice:
      hint = "; built for another GPU: make clean && make on this machine";
      break;
    case cudaErrorInsufficientDriver:
      hint = "; the driver is older than the CUDA toolkit that built this: update the driver";
      break;
    case cudaErrorIllegalAddress:
      hint = "; compute-sanitizer finds the access";
      break;
    case cudaErrorInvalidConfiguration:
    case cudaErrorLaunchOutOfResources:
      hint = "; the grid or the block is too large for this GPU";
      break;
    default:
      break;
  }
  throw Error(text(where.name(), ": ", what, ": ",
                   cudaGetErrorString(status), hint));
}

/// The one stream that everything runs on, in order.
inline cudaStream_t stream() {
  static const cudaStream_t only = [] {
    cudaStream_t created;
    check(cudaStreamCreateWithFlags(&created, cudaStreamNonBlocking), "cudaStreamCreate");
    return created;
  }();
  return only;
}

inline dim3 to_dim3(Dim3 d) { return dim3(d.x, d.y, d.z); }

#ifdef __CUDACC__  // what only calls launching functions is compiled by g++
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), Grid grid, Dim3 block, Arguments... arguments) {
  kernel<<<to_dim3(grid.size), to_dim3(block), 0, stream()>>>(
      static_cast<Parameters>(arguments)...);
  check(cudaGetLastError(), "launch", grid.where);
}
#endif

inline void synchronize() { check(cudaStreamSynchronize(stream()), "a kernel before this"); }

inline void* allocate(size_t bytes) {
  void* memory = nullptr;
  check(cudaMalloc(&memory, bytes > 0 ? bytes : 1), "cudaMalloc");
  check(cudaMemsetAsync(memory, 0, bytes, stream()), "cudaMemset");
  return memory;
}
inline void release(void* memory) { cudaFree(memory); }
inline void copy(void* to, const void* from, size_t bytes) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream()), "cudaMemcpy");
  synchronize();
}

// Memory of the host that the GPU writes to directly.
inline void* allocate_visible(size_t bytes) {
  void* memory = nullptr;
  check(cudaHostAlloc(&memory, bytes > 0 ? bytes : 1, cudaHostAllocDefault), "cudaHostAlloc");
  return memory;
}
inline void release_visible(void* memory) { cudaFreeHost(memory); }

/// The launches of `steps`, recorded once as a CUDA graph and replayed as a whole: one call of the
/// driver instead of one per kernel.
class Recording {
 public:
  template <class Steps>
  explicit Recording(const Steps& steps) {
    check(cudaStreamBeginCapture(stream(), cudaStreamCaptureModeThreadLocal), "begin capture");
    steps();
    cudaGraph_t graph;
    check(cudaStreamEndCapture(stream(), &graph), "end capture");
    check(cudaGraphInstantiate(&graph_, graph, 0), "cudaGraphInstantiate");
    cudaGraphDestroy(graph);
  }
  Recording(const Recording&) = delete;
  ~Recording() { cudaGraphExecDestroy(graph_); }
  void run() const { check(cudaGraphLaunch(graph_, stream()), "cudaGraphLaunch"); }

 private:
  cudaGraphExec_t graph_ = nullptr;
};

/// Why there is no GPU to run on; empty if there is one.
inline std::string device_problem() {
  // All kernels load at the start: one that loads at its first launch would do so in a recording.
  setenv("CUDA_MODULE_LOADING", "EAGER", 0);
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) return cudaGetErrorString(status);
  return count > 0 ? "" : "no GPU found";
}

inline std::string device_name() {
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
  return text(properties.name, ", compute capability ", properties.major, ".", properties.minor);
}

}  // namespace plainnet::TARGET
