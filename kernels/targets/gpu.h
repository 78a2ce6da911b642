#pragma once

// The gpu target: CUDA as it is, with every call checked.

#include <cuda_runtime.h>

namespace plainnet::TARGET {

constexpr Dim3 threads(int x, int y = 1) { return {x, y, 1}; }

/// Throws Error unless `status` is success, naming the place, what CUDA says, and a hint.
inline void check(cudaError_t status, const char* what, Place where = Place::here()) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // forgets it: it is told once
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

#ifdef __CUDACC__  // g++ compiles the files without kernels, and does not know <<<>>>

/// x with the 10 bits of fraction that tensor cores multiply, ties away from zero. This and the next
/// are for code that tf32_problem() has nothing against.
__device__ inline real to_tf32(real x) {
#if __CUDA_ARCH__ >= 800
  unsigned rounded;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(static_cast<float>(x)));
  x = __uint_as_float(rounded);
#endif
  return x;
}

/// d += a b for a [16][8], b [8][8] and d [16][8], which lie spread over the lanes of a warp: lane
/// 4 g + t has a[g][t], a[g+8][t], a[g][t+4], a[g+8][t+4]; b[t][g], b[t+4][g]; and of d upper[i] =
/// d[g][2t+i], lower[i] = d[g+8][2t+i], i = 0, 1. All lanes must call it, with numbers from
/// to_tf32(). See "mma.m16n8k8" in the PTX ISA; tensor cores have it from compute capability 8.0 on.
__device__ inline void mma_m16n8k8(real* upper, real* lower, const real* a, const real* b) {
#if __CUDA_ARCH__ >= 800
  float d[4] = {float(upper[0]), float(upper[1]), float(lower[0]), float(lower[1])};
  const auto bits = [](real x) { return __float_as_uint(static_cast<float>(x)); };
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(bits(a[0])), "r"(bits(a[1])), "r"(bits(a[2])), "r"(bits(a[3])), "r"(bits(b[0])),
        "r"(bits(b[1])));
  upper[0] = d[0], upper[1] = d[1], lower[0] = d[2], lower[1] = d[3];
#endif
}

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
    check(cudaGraphInstantiate(&graph_, graph, 0), "cudaGraphInstantiate");
    cudaGraphDestroy(graph);
  }
  Recording(const Recording&) = delete;
  ~Recording() { cudaGraphExecDestroy(graph_); }
  void run() const { check(cudaGraphLaunch(graph_, stream()), "cudaGraphLaunch"); }

 private:
  cudaGraphExec_t graph_ = nullptr;
};

inline std::string device_name() {
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
  return text(properties.name, ", compute capability ", properties.major, ".", properties.minor);
}

}  // namespace plainnet::TARGET
