#pragma once

// What the benchmark asks of a target (target_bench.cu, compiled once for each), and how much work a piece
// of a network is (work.cpp).

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/layers.h"
#include "tests/values.h"

namespace plainnet {
namespace bench {

/// Whether the layer of that name, "conv2d_1", is in `piece`.
inline bool has_layer(const std::string& piece, const std::string& layer) {
  return (" + " + piece + " + ").find(" + " + layer + " + ") != std::string::npos;
}

/// What a machine does at best in a second.
struct Ceilings {
  double operations;  // additions and multiplications in single precision
  double read, copy;  // bytes of memory that no cache holds; what is copied counts twice
};

/// What one piece of code computes in a network: a layer, or a convolution and the pooling after it.
struct Piece {
  std::string name;  // "conv2d_2 + max_pool2d_2"
  std::vector<LayerDescription> layers;
  Shape input;    // of one image
  bool is_first;  // then nobody wants dx
};

struct Work {
  double operations;  // two for each multiply-add of the layer's sums of products
  double bytes;       // each number that goes in or comes out, once
};

/// The work of a pass over a batch.
Work forward_work(const Piece& piece, int batch);
Work backward_work(const Piece& piece, int batch);

/// In seconds, one for each repetition.
struct PieceTimes {
  std::vector<double> forward, backward;
};

struct Probe {
  /// The fastest of repetitions for so many seconds.
  Ceilings (*ceilings)(double seconds);
  std::vector<Piece> (*pieces)(const std::string& model, Kernels kernels);
  /// What a piece computes from fixed numbers: y, dx unless it is the first, and the gradient of each
  /// parameter.
  std::vector<test::NamedValues> (*values)(const Piece& piece, Kernels kernels, int batch);
  /// The times of all pieces of a model, or of the one that has the layer named, repeated for so
  /// many seconds; if `cold`, with caches that hold nothing of the network. Empty for pieces that were not
  /// wanted.
  std::vector<PieceTimes> (*times)(const std::string& model, Kernels kernels, const std::string& layer, int batch,
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
