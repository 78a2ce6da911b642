#pragma once

// What a layer is, and which there are. Each is written in the .cu file of its name.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/device.h"
#include "kernels/description.h"

namespace plainnet::TARGET {

/// A tensor that training changes. It lies in the network's buffers.
struct Parameter {
  std::string name;            // "kernel", or "forward.kernel"
  std::vector<int64_t> shape;  // {5, 5, 1, 24}
  Initializer initializer;
  long fan_in = 1, fan_out = 1;  // see src/initializers.h
  real* value = nullptr;     // set by the network
  real* gradient = nullptr;  // set by the network; backward() overwrites it

  long size() const { return product(shape); }
};

class Layer {
 public:
  virtual ~Layer() = default;

  /// "conv2d": with a number after it, the layer's name in files.
  virtual std::string type() const = 0;

  /// Tells the layer its input and the largest batch; fills `parameters` and returns the shape of
  /// the output. Throws Error if the layer does not take such an input.
  virtual Shape build(Shape input, int max_batch) = 0;

  /// y from x, for the first `batch` images of both.
  virtual void forward(const real* x,  // [batch] of the input's shape
                       real* y,        // [batch] of the output's shape
                       int batch) = 0;

  /// The gradients of the loss by the parameters and by x, from the one by y; call it after
  /// forward() with the same x, y and batch. Overwrites the parameters' gradients, dx, and dy, which
  /// it needs as scratch.
  virtual void backward(const real* x,  // [batch] of the input's shape
                        const real* y,  // [batch] of the output's shape
                        real* dy,       // [batch] of the output's shape
                        real* dx,       // [batch] of the input's shape, or null: not wanted
                        int batch) = 0;

  std::vector<Parameter> parameters;
};

using LayerPointer = std::unique_ptr<Layer>;

/// Height and width; one number stands for both.
struct Size {
  int height, width;
  Size(int both) : height(both), width(both) {}
  Size(int height, int width) : height(height), width(width) {}
};

/// Where an output would reach beyond the image: kValid has no such outputs, kSame computes them, on
/// an image with a border of zeros, so that the output is ceil(input / stride) in size. An odd number
/// of zeros has the one more below and at the right.
enum Padding { kValid, kSame };

struct Conv2dOptions {
  int filters;
  Size kernel;
  int stride = 1;
  Padding padding = kValid;
  bool relu = false;
  int pool = 1;  // or 2: then as max_pool2d of that size and stride
  Initializer initializer{};
};
LayerPointer conv2d(const Conv2dOptions& options);

struct DepthwiseConv2dOptions {
  Size kernel;
  int stride = 1;
  Padding padding = kValid;
  bool relu = false;
  Initializer initializer{};
};
LayerPointer depthwise_conv2d(const DepthwiseConv2dOptions& options);

/// The largest number of each `size` window, windows `stride` apart; without padding.
struct MaxPool2dOptions {
  Size size;
  int stride;
};
LayerPointer max_pool2d(const MaxPool2dOptions& options);

struct DenseOptions {
  int units;
  bool relu = false;
  Initializer initializer{};
};
LayerPointer dense(const DenseOptions& options);

/// An image is a sequence of its rows.
struct LstmOptions {
  int units;
  bool bidirectional = false;
  bool return_sequence = false;  // the output of every step, not only the last
};
LayerPointer lstm(const LstmOptions& options);

}  // namespace plainnet::TARGET
