#include "training/trainer.h"

#include "base/threads.h"

namespace plainnet {

ChosenTarget choose_target(const std::string& name, int threads) {
  if (threads > 0) set_thread_count(threads);
  if (name == "cpu") return {cpu_float::target(), name, ""};
  if (name == "emulated") return {emulated_float::target(), name, ""};
#ifdef WITH_GPU
  const Target gpu = gpu_float::target();
  const std::string problem = gpu.problem();
  if (problem.empty()) return {gpu, "gpu", ""};
#else
  const std::string problem = "built without the CUDA toolkit";
#endif
  if (name == "gpu") throw Error("--device gpu: expected a GPU, found none: " + problem);
  return {cpu_float::target(), "cpu", "No GPU (" + problem + "): running on the CPU."};
}

}  // namespace plainnet
