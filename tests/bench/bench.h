#pragma once

// What the benchmark asks of a target (target_bench.cu, compiled once for each), and how much work
// a layer is (work.cpp).

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/description.h"
#include "tests/values.h"

namespace plainnet {
namespace bench {

/// What a machine does at best in a second.
struct Ceilings {
  double operations;  // additions and multiplications in single precision
  double read, copy;  // bytes of memory that no cache holds; what is copied counts twice
};

/// A layer in its place in a network.
struct LayerInfo {
  std::string name, type;                        // "conv2d_2", "conv2d"
  Shape input, output;                           // of one image
  std::vector<std::vector<int64_t>> parameters;  // their shapes
  bool is_first;                                 // then nobody wants dx
};

struct Work {
  double operations;  // two for each multiply-add of the layer's sums of products
  double bytes;       // each number that goes in or comes out, once
};

/// The work of a pass over a batch. Throws Error for a type of layer that it does not know.
Work forward_work(const LayerInfo& layer, int batch);
Work backward_work(const LayerInfo& layer, int batch);

/// In seconds, one for each repetition.
struct LayerTimes {
  std::vector<double> forward, backward;
};

struct Probe {
  /// Has all that follows run on tensor cores, or not. Throws Error where that cannot be had.
  void (*set_tf32)(bool on);
  /// The fastest of repetitions for so many seconds.
  Ceilings (*ceilings)(double seconds);
  std::vector<LayerInfo> (*layers)(const std::string& model);
  /// What layer i of a model computes from fixed numbers: y, dx unless it is the first, and the
  /// gradient of each parameter.
  std::vector<test::NamedValues> (*values)(const std::string& model, size_t i, int batch);
  /// The times of all layers of a model, or of the one named, repeated for so many seconds; if
  /// `cold`, with caches that hold nothing of the network. Empty for layers that were not wanted.
  std::vector<LayerTimes> (*times)(const std::string& model, const std::string& layer, int batch,
                                   double seconds, bool cold);
};

}  // namespace bench

namespace cpu_float {
bench::Probe probe();
}
namespace cpu_double {
bench::Probe probe();
}
namespace emulated_float {
bench::Probe probe();
}
namespace gpu_float {
bench::Probe probe();  // only where the CUDA toolkit was found
}

}  // namespace plainnet
