#pragma once

// What make ladder asks of a target (target_ladder.cu, compiled once for each).

#include <string>
#include <vector>

namespace plainnet {
namespace bench {

/// Rows and depth of a, depth and columns of b.
struct Sizes {
  int rows, depth, columns;
};

struct Ladder {
  /// Why there is no such device, empty if there is one; and what it is.
  std::string (*problem)();
  std::string (*device)();
  /// The files of the rungs that it can run, and last those of the product of kernels/fast, with blanks between.
  std::vector<std::string> (*files)();
  /// Throws test::Failure if the i-th of them is wrong.
  void (*check)(size_t i, const Sizes& sizes);
  /// How long it takes, in seconds, one number for each repetition.
  std::vector<double> (*times)(size_t i, const Sizes& sizes);
  /// How many additions and multiplications the machine does at best in a second.
  double (*ceiling)();
};

}  // namespace bench

namespace cpu_float {
bench::Ladder ladder_probe();
}
namespace cpu_double {
bench::Ladder ladder_probe();
}
namespace emulated_float {
bench::Ladder ladder_probe();
}
namespace emulated_double {
bench::Ladder ladder_probe();
}
namespace gpu_float {
bench::Ladder ladder_probe();  // only where the CUDA toolkit was found
}

}  // namespace plainnet
