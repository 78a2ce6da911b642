#pragma once

// The targets that this program was built with.

#include "training/trainer.h"

namespace plainnet {

struct Target {
  std::string (*problem)();  // why there is no such device; empty if there is one
  std::string (*device)();   // what it is
  std::unique_ptr<Trainer> (*make_trainer)(const TrainerOptions&, const Dataset&);
};

namespace cpu_float { Target target(); }
namespace emulated_float { Target target(); }
namespace gpu_float { Target target(); }  // only where the CUDA toolkit was found

struct ChosenTarget : Target {
  std::string name;  // "gpu", "cpu" or "emulated"
  std::string note;  // why it is not the GPU; empty if there is nothing to say
};

/// The target of that name; for "auto", the GPU where one answers, else the CPU. The CPU gets so many
/// `threads`, or keeps those that it has where that is 0. Throws Error if the GPU is asked for and cannot be
/// had.
ChosenTarget choose_target(const std::string& name, int threads = 0);

}  // namespace plainnet
