#pragma once

// What tests/target_cases.cpp computes on every target, for tests/test_targets.cpp to compare.

#include <functional>
#include <string>
#include <vector>

#include "tests/values.h"

namespace plainnet {

/// A computation on fixed numbers. Their type does not round them: they are multiples of 2^-12.
struct Computation {
  std::string name;
  std::function<std::vector<test::NamedValues>()> run;
};

/// The same list on every target, but that the emulated target has only the small ones.
namespace cpu_float {
std::vector<Computation> computations();
}
namespace cpu_double {
std::vector<Computation> computations();
}
namespace emulated_float {
std::vector<Computation> computations();
}
namespace emulated_double {
std::vector<Computation> computations();
}
namespace gpu_float {
std::vector<Computation> computations();  // only where the CUDA toolkit was found
}
namespace gpu_double {
std::vector<Computation> computations();
}

}  // namespace plainnet
