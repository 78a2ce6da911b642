#include "targets.h"

#include "error.h"

namespace plainnet {
namespace {

#ifdef WITH_GPU
std::string gpu_problem() { return gpu_float::target().problem(); }
Target gpu() { return gpu_float::target(); }
#else
std::string gpu_problem() { return "built without the CUDA toolkit"; }
Target gpu() { return {}; }
#endif

}  // namespace

ChosenTarget choose_target(const std::string& name) {
  if (name == "cpu") return {cpu_float::target(), name, ""};
  if (name == "emulated") return {emulated_float::target(), name, ""};
  const std::string problem = gpu_problem();
  if (problem.empty()) return {gpu(), "gpu", ""};
  if (name == "gpu") throw Error("--device gpu: expected a GPU, found none: " + problem);
  return {cpu_float::target(), "cpu", "No GPU (" + problem + "): running on the CPU."};
}

}  // namespace plainnet
