#pragma once

// A convolution and the max pooling after it, as one: what the files of it share. On the cpu target only,
// where it was measured to pay. A block is one thread there, so these kernels have no barrier and no loop
// over threads.

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

/// What becomes of z.
struct PooledOutput {
  const real* bias;       // [out]
  bool with_relu;
  real* y;                // [batch][oh / 2][ow / 2][out]
  unsigned char* winner;  // like y

  // Of the `count` channels from n on, for the number of y that is `pixel` numbers from its first: the largest
  // of z without its bias, or the last that is not a number.
  template <class V>
  __forceinline__ void store(const V (&z)[kPooled], int n, long pixel, int count) const {
    V largest = z[0], which{};
#pragma GCC unroll 3
    for (int q = 1; q < kPooled; ++q) {
      const auto wins = (z[q] > largest) | (z[q] != z[q]);
      largest = wins ? z[q] : largest;
      which = wins ? broadcast<V>(q) : which;
    }
    largest += load<V>(bias + n);
    if (with_relu) which = largest > 0 ? which : broadcast<V>(kNone);
    TARGET::store(y + pixel + n, with_relu ? relu(largest) : largest, count);
    store_bytes(winner + pixel + n, which, count);
  }
};

/// Both as one layer. The classes that derive from it are two ways to compute the gradients.
class PooledConv2d : public Layer {
 public:
  PooledConv2d(const Geometry& z, bool with_relu, int max_batch, const Parameter* parameters);
  void forward(const real* x, real* y, int batch) override;

 protected:
  void backward_x(const real* dy, real* dx, int batch);

  Parameter weight_, bias_;
  bool with_relu_;
  PaddedImages x_;
  PooledGeometry g_;
  Buffer<int> tap_at_;            // [kh][kw][in]: see conv2d.cu
  Buffer<FirstTap> first_tap_;    // [oh / 2][ow / 2][4]
  Buffer<unsigned char> winner_;  // [max_batch][oh / 2][ow / 2][out]
  Buffer<real> weight_g_;         // see winograd()
  Buffer<real> weight_t_;         // [out][kh][kw][in], for the backward pass
};

/// The forward pass for square windows of 3 or 5 that move by one pixel: see winograd.cu. weight_g is memory
/// for [n][n][in][out] numbers, n = kWinogradPoints.
constexpr int kWinogradPoints = 8;
bool suits_winograd(const Geometry& z);
void winograd(const PooledGeometry& g,
              const real* padded_x,  // [batch][padded height][padded width][in]
              const real* weight,    // [kh][kw][in][out]
              int batch, real* weight_g, const PooledOutput& output);

/// For convolutions whose windows have few taps: see few_taps.cu.
bool has_few_taps(const Geometry& z);
LayerPointer few_taps(const Geometry& z, bool with_relu, int max_batch, const Parameter* parameters);

/// For the others: see many_taps.cu.
LayerPointer many_taps(const Geometry& z, bool with_relu, int max_batch, const Parameter* parameters);

}  // namespace plainnet::TARGET
