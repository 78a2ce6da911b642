#pragma once

// The shapes of a convolution, and its backward pass where its output is max-pooled.

#include "kernels/window.h"

namespace plainnet::TARGET {

/// The shapes of a convolution.
struct Geometry {
  Axis rows, columns;
  int in, out;  // channels
  int pool;     // the side of a pooling window: 2, or 1 without pooling

  __host__ __device__ long x_size() const {
    return static_cast<long>(rows.input) * columns.input * in;
  }
  __host__ __device__ long z_size() const {  // before pooling
    return static_cast<long>(rows.output) * columns.output * out;
  }
  __host__ __device__ int y_width() const { return columns.output / pool; }
  __host__ __device__ int y_pixels() const { return rows.output / pool * y_width(); }
  __host__ __device__ long y_size() const { return static_cast<long>(y_pixels()) * out; }
  // The number of pairs of a tap and an input channel.
  __host__ __device__ int taps() const { return rows.kernel * columns.kernel * in; }
};

/// Where the first tap of a pixel (o, p) lies. In the array of them the pixels of a pooling window
/// follow each other.
struct FirstTap {
  int at;    // in an image of x with its zeros around it
  int h, w;  // in x without them; may be negative
};

/// The pixels of a pooling window.
constexpr int kPixels = 4;

/// The byte `winner` of a pooling window is the number of its largest pixel, or this: the ReLU made it
/// zero.
constexpr int kNone = kPixels;

/// Whether the classes below compute dx: on the cpu target only. Elsewhere Conv2d does.
#if defined TARGET_CPU
constexpr bool kPooledGradientMakesX = true;
#else
constexpr bool kPooledGradientMakesX = false;
#endif

/// A convolution has few taps if the columns of a window, each with a 1 for the bias, fit into a patch
/// of kPatch numbers. And windows must leave no gap, so that a strip of few_taps_conv2d.cu is no
/// longer than its patches.
constexpr int kPatch = 32;
__host__ __device__ inline int column_size(const Geometry& g) { return g.rows.kernel * g.in + 1; }
inline bool has_few_taps(const Geometry& g) {
  return g.columns.kernel * column_size(g) <= kPatch && g.columns.stride <= g.columns.kernel;
}

/// For convolutions that do not have few taps: see pooled_conv2d.cu.
class PooledGradient {
 public:
  PooledGradient() = default;

  /// For batches of up to max_batch images; `padded` are the shapes with x's zeros around it.
  PooledGradient(const Geometry& geometry, const Geometry& padded, int max_batch);

  /// Overwrites the gradients; dx may be null, and is written only where kPooledGradientMakesX.
  void run(const real* padded_x,         // [batch][padded height][padded width][in]
           const real* dy,               // [batch][oh / 2][ow / 2][out]
           const unsigned char* winner,  // like dy
           const FirstTap* first_tap,    // [oh / 2][ow / 2][2][2]
           const real* kernel,           // [kh][kw][in][out]
           int batch,
           real* dkernel,  // [kh][kw][in][out]
           real* dbias,    // [out]
           real* dx);      // [batch][height][width][in]

 private:
  Geometry g_{}, padded_{};
  int images_per_split_ = 1;
  Buffer<int> segment_;        // [segments]: how far its x lies from that of the first tap
  Buffer<real> partial_;       // [splits][out][segments][kVectorLanes]
  Buffer<real> partial_bias_;  // [splits][out]
  Buffer<real> kernel_sum_;    // [out][segments][kVectorLanes]
  Buffer<real> kernel_t_;      // [out][kh][kw][in]
};

/// For convolutions of few taps: see few_taps_conv2d.cu.
class FewTapsGradient {
 public:
  FewTapsGradient() = default;
  FewTapsGradient(const Geometry& geometry, const Geometry& padded, int max_batch);

  /// As PooledGradient's.
  void run(const real* padded_x, const real* dy, const unsigned char* winner,
           const FirstTap* first_tap, const real* kernel, int batch, real* dkernel, real* dbias,
           real* dx);

 private:
  Geometry g_{}, padded_{};
  int rows_per_part_ = 1, parts_ = 1;
  Buffer<real> partial_;   // [parts][tiles of images][out][kPatch]
  Buffer<real> sum_;       // [out][kPatch]
  Buffer<real> kernel_t_;  // [out][kh][kw][in]
};

}  // namespace plainnet::TARGET
