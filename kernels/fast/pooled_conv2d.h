#pragma once

// A convolution and the max pooling of 2 x 2 after it, as one: what pooled_conv2d.cu and winograd.cu share.
// On the cpu target only, where it was measured to pay. A block is one thread there, so these kernels have no
// barrier and no loop over threads.

#include "kernels/fast/common.h"
#include "kernels/fast/vector.h"

namespace plainnet::TARGET {

/// The pixels of a pooling window: its top left, top right, bottom left and bottom right one.
constexpr int kPooled = 4;

/// `winner` says of each number of y which pixel of its pooling window was the largest, 0 to 3, or this:
/// with a ReLU, y is not above 0, so that no pixel gets a gradient.
constexpr unsigned char kNone = kPooled;

/// z is what the convolution makes, y what the pooling makes of it.
struct PooledGeometry {
  Geometry z;       // from x to z
  Geometry padded;  // the same for x with its zeros around it

  int y_height() const { return z.rows.output / 2; }
  int y_width() const { return z.columns.output / 2; }
  int y_pixels() const { return y_height() * y_width(); }
  long y_size() const { return static_cast<long>(y_pixels()) * z.out; }
};

/// What becomes of z.
struct PooledOutput {
  const real* bias;  // [out]
  bool with_relu;
  real* y;                // [batch][oh / 2][ow / 2][out]
  unsigned char* winner;  // like y
  // 0 where the four windows see zeros only, 1 where not, or where nobody looked: only by rows (winograd.cu)
  // anybody does.
  unsigned char* seen;  // [batch][oh / 2][ow / 2]

  // Writes `count` channels from n on of the pixel of y that begins at y[y_at], given z without its bias at
  // the four pixels of the pooling window. The largest wins, the first of equal ones; or the last that is not
  // a number.
  __forceinline__ void store(const Vector (&z)[kPooled], int n, long y_at, int count) const {
    Vector largest = z[0], which{};
    for (int q = 1; q < kPooled; ++q) {
      const auto wins = (z[q] > largest) | (z[q] != z[q]);
      largest = wins ? z[q] : largest;
      which = wins ? broadcast(q) : which;
    }
    largest += load(bias + n);
    if (with_relu) which = largest > 0 ? which : broadcast(kNone);
    TARGET::store(y + y_at + n, with_relu ? relu(largest) : largest, count);
    TARGET::store(winner + y_at + n, to_bytes(which), count);
  }
};

/// The forward pass for windows of 5 x 5 that move by one pixel: see winograd.cu. winograd_numbers() is the
/// size of weight_points, memory for what it makes of the weights; 0 where it does not suit and must not be
/// called.
size_t winograd_numbers(const PooledGeometry& g);
void winograd(const PooledGeometry& g,
              const real* padded_x,  // [batch][padded height][padded width][in]
              const real* weight,    // [kh][kw][in][out]
              int batch, real* weight_points, const PooledOutput& output);

}  // namespace plainnet::TARGET
