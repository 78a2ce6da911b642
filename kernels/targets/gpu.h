#pragma once

// The gpu target: CUDA as it is, with every call checked.

#include <cuda_runtime.h>

namespace plainnet::TARGET {

constexpr Dim3 threads(int x, int y = 1) { return {x, y, 1}; }

/// Throws Error unless `status` is success, naming the place, what CUDA says, and a hint.
inline void check(cudaError_t status, const char* what, Place where = Place::here()) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // forgets it: it is told once
  const char* const hint =
      status == cudaErrorMemoryAllocation ? "; a smaller batch needs less (nvidia-smi shows who has it)"
      : status == cudaErrorIllegalAddress ? "; compute-sanitizer finds the access"
                                          : "";
  throw Error(where.name(), ": ", what, ": ", cudaGetErrorString(status), hint);
}

/// The one stream that everything runs on, in order: that of the thread that launches, for CUDA does not
/// record its default one.
inline cudaStream_t stream() { return cudaStreamPerThread; }

inline dim3 to_dim3(Dim3 d) { return dim3(d.x, d.y, d.z); }

#ifdef __CUDACC__  // g++ compiles the files without kernels, and does not know <<<>>>

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), Grid grid, Dim3 block, Arguments... arguments) {
  kernel<<<to_dim3(grid.size), to_dim3(block), 0, stream()>>>(static_cast<Parameters>(arguments)...);
  check(cudaGetLastError(), "launch", grid.where);
}
#endif

inline void synchronize() { check(cudaStreamSynchronize(stream()), "a kernel before this"); }

inline void* allocate(size_t bytes) {
  void* memory = nullptr;
  check(cudaMalloc(&memory, bytes > 0 ? bytes : 1), "cudaMalloc");
  if (bytes > 0) check(cudaMemsetAsync(memory, 0, bytes, stream()), "cudaMemset");
  return memory;
}
inline void release(void* memory) { cudaFree(memory); }
inline void copy(void* to, const void* from, size_t bytes) {
  if (bytes > 0)
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream()), "cudaMemcpy");
  synchronize();
}

/// The launches of `steps`, recorded once as a CUDA graph and replayed as a whole: one call of the
/// driver instead of one per kernel.
class Recording {
 public:
  template <class Steps>
  explicit Recording(const Steps& steps) {
    check(cudaStreamBeginCapture(stream(), cudaStreamCaptureModeRelaxed), "begin capture");
    cudaGraph_t graph = nullptr;
    try {
      steps();
    } catch (...) {  // the stream must not stay in its capture
      cudaStreamEndCapture(stream(), &graph);
      if (graph) cudaGraphDestroy(graph);
      throw;
    }
    check(cudaStreamEndCapture(stream(), &graph), "end capture");
    const cudaError_t status = cudaGraphInstantiateWithFlags(&graph_, graph, 0);
    cudaGraphDestroy(graph);
    check(status, "cudaGraphInstantiate");
  }
  Recording(const Recording&) = delete;
  ~Recording() { cudaGraphExecDestroy(graph_); }
  void run() const { check(cudaGraphLaunch(graph_, stream()), "cudaGraphLaunch"); }

 private:
  cudaGraphExec_t graph_ = nullptr;
};

std::string device_problem();  // in gpu.cu

inline std::string device_name() {
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
  return text(properties.name, ", compute capability ", properties.major, ".", properties.minor);
}

}  // namespace plainnet::TARGET
