#pragma once

// A convolution and the max pooling after it, as one: what the files of it share. On the cpu target only,
// where it was measured to pay. A block is one thread there, so these kernels have no barrier and no loop
// over threads.

#include <memory>

#include "kernels/fast/common.h"
#include "kernels/fast/vector.h"
#include "kernels/layer.h"

namespace plainnet::TARGET {

/// Where the windows of the convolution lie, by the pixel of z that they make. The pixels of a pooling
/// window, its top left, top right, bottom left and bottom right one, follow each other.
struct FirstTap {
  int at;    // how far a window's first tap lies from the first number of its image x, with its zeros
  int h, w;  // the same as a pixel of x without its zeros; may be negative
};

/// The pixels of a pooling window.
constexpr int kPooled = 4;

/// `winner` says of each number of y which pixel of its pooling window was the largest, 0 to 3, or this:
/// the ReLU made it zero, so that no pixel gets a gradient.
constexpr unsigned char kNone = kPooled;

/// z is what the convolution makes, y what the pooling makes of it.
struct PooledGeometry {
  Geometry z;       // of x as it is
  Geometry padded;  // of x with its zeros around it

  int y_width() const { return z.columns.output / 2; }
  int y_pixels() const { return z.rows.output / 2 * y_width(); }
  long y_size() const { return static_cast<long>(y_pixels()) * z.out; }
};

/// What the backward pass of a layer needs, and keeps from the forward pass.
struct PooledMemory {
  PooledGeometry g;
  const unsigned char* winner;  // [max_batch][oh / 2][ow / 2][out]
  const FirstTap* first_tap;    // [oh / 2][ow / 2][4]
  Parameter weight, bias;       // [kh][kw][in][out], [out]
};

/// The backward pass: overwrites the gradients of weight and bias, and dx.
class PooledGradient {
 public:
  virtual ~PooledGradient() = default;
  virtual void run(const real* padded_x,  // [batch][padded height][padded width][in]
                   const real* dy,        // [batch][oh / 2][ow / 2][out]
                   int batch,
                   real* dx) = 0;  // [batch][height][width][in], or null
};

/// For convolutions whose windows have few taps: see few_taps.cu.
bool has_few_taps(const Geometry& g);
std::unique_ptr<PooledGradient> few_taps_gradient(const PooledMemory& memory, int max_batch);

/// For the others: see many_taps.cu.
std::unique_ptr<PooledGradient> many_taps_gradient(const PooledMemory& memory, int max_batch);

}  // namespace plainnet::TARGET
