// Whether there is a GPU that can run what was compiled.

#include "kernels/device.h"

#include <cstdlib>

namespace plainnet::TARGET {

static __global__ void do_nothing() {}

std::string device_problem() {
  // All kernels load at the start: one that loads at its first launch would do so in a recording.
  setenv("CUDA_MODULE_LOADING", "EAGER", 0);
  int count = 0;
  cudaError_t status = cudaGetDeviceCount(&count);
  cudaFuncAttributes code;  // it is there if the driver can load this program
  if (status == cudaSuccess && count > 0) status = cudaFuncGetAttributes(&code, do_nothing);
  cudaGetLastError();  // forgets it: it is told here
  if (status != cudaSuccess) return cudaGetErrorString(status);
  return count > 0 ? "" : "no GPU found";
}

}  // namespace plainnet::TARGET
