// Whether there is a GPU that can run what was compiled.

#include "kernels/device.h"

#include <cstdlib>

namespace plainnet::TARGET {

static __device__ int product;
static __global__ void multiply(int a, int b) { product = a * b; }

// 12040 as "12.4".
static std::string version(int number) { return text(number / 1000, ".", number % 1000 / 10); }

// What a user can do about `status`, the first that CUDA returned.
static std::string reason(cudaError_t status) {
  int driver = 0, toolkit = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&toolkit);
  const char* const visible = std::getenv("CUDA_VISIBLE_DEVICES");
  cudaDeviceProp gpu;
  if (driver == 0) return "no NVIDIA driver is installed";
  if (status == cudaErrorNoDevice && visible) return text("CUDA_VISIBLE_DEVICES=", visible, " hides it");
  if (status == cudaErrorInsufficientDriver || status == cudaErrorUnsupportedPtxVersion)
    return text("the driver is for CUDA ", version(driver), ", this was built with ", version(toolkit),
                ": update the driver");
  if (status == cudaErrorNoKernelImageForDevice && cudaGetDeviceProperties(&gpu, 0) == cudaSuccess)
    return text(gpu.name, " has compute capability ", gpu.major, ".", gpu.minor,
                ", for which this was not built: make GPU_ARCH=", gpu.major, ".", gpu.minor);
  return cudaGetErrorString(status);
}

std::string device_problem() {
  // All kernels load at the start: one that loads at its first launch would do so in a recording.
  setenv("CUDA_MODULE_LOADING", "EAGER", 0);
  // Nothing is trusted to a device that does not multiply.
  multiply<<<1, 1>>>(6, 7);
  int found = 0;
  cudaError_t status = cudaGetLastError();
  if (status == cudaSuccess) status = cudaMemcpyFromSymbol(&found, product, sizeof found);
  const std::string problem = status != cudaSuccess ? reason(status)
                              : found != 42         ? text("it takes 6 * 7 for ", found)
                                                    : "";
  cudaGetLastError();  // forgets it: it is told here
  return problem;
}

}  // namespace plainnet::TARGET
