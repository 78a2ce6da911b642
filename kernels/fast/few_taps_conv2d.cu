// The backward pass of a convolution whose output is max-pooled, for kernels of few taps: the first
// layer's, with one input channel, and 1 x 1 kernels of few channels. dz is zero at three pixels of
// each pooling window, and where the ReLU was zero; `winner` says at which. Such zeros are not
// worth a list (see pooled_conv2d.cu, which has the formulas), for what a number of dz is
// multiplied by is only two vectors of a CPU. So these kernels go through all pooling windows,
// without any question that a processor could guess wrong: `winner` chooses one of five patches.
//
// A strip is what a row of pixels sees of x: column after column, x[b][o s - t + i][w][c] over i and c,
// then a 1, whose sum is dbias. A patch is kw columns of it, from where the pixel's window begins; s
// columns further is the next pixel's. Four patches belong to the pixels of a pooling window; the
// fifth, that of kNone, is zeros. For a 5 x 5 kernel of one channel a column is 6 numbers, 5 of x and
// the 1, and a patch 5 columns, 30 of kPatch = 32 numbers; neighbours share 4 of the columns.

#include "kernels/fast/common.h"
#include "kernels/fast/pooled_conv2d.h"
#include "kernels/fast/vector.h"

namespace plainnet::TARGET {
namespace {

// A thread along x does kPatchVectors Vectors of a patch.
constexpr Dim3 kThreads = threads(32, 4);
constexpr int kPatchVectors = kPatch / kVectorLanes / kThreads.x;
constexpr int kChannels = 4;  // at once, so that one need not wait for the sum before
constexpr int kWindows = 12;  // neighbours in a row, done together
constexpr int kStrip = 2 * kWindows * kPatch;  // as long as its pixels' patches side by side
// A block takes kImages images and one of kParts parts of their rows. A GPU needs many blocks; on a
// CPU each would only write one more set of sums.
constexpr int kImages = kVectorLanes == 1 ? 1 : 4, kParts = kVectorLanes == 1 ? 4 : 1;

__device__ __forceinline__ int own_number(int vector) {
  return (threadIdx.x + vector * blockDim.x) * kVectorLanes;
}

// A block sums dkernel and dbias over some rows of pooling windows of kImages images. A row of
// windows is two rows of pixels: two strips. kOneChannel: a constant `in` of 1 makes a plain loop of
// the copying.
template <bool kOneChannel>
__global__ void backward_weights_kernel(
    Geometry g,
    const real* __restrict__ x,                // [batch][padded height][padded width][in]
    const FirstTap* __restrict__ first_tap,    // [oh / 2][ow / 2][2][2]
    const real* __restrict__ dy,               // [batch][oh / 2][ow / 2][out]
    const unsigned char* __restrict__ winner,  // like dy
    int batch, int rows,
    real* __restrict__ partial) {  // [parts][tiles of images][out][kPatch]
  __shared__ real strips[2 * kStrip + kPatch];
  __shared__ int patch_begin[kWindows][kPixels + 1];  // in the strips
  const int in = kOneChannel ? 1 : g.in, column = column_size(g), x_row = g.columns.input * in;
  const int thread = threadIdx.y * blockDim.x + threadIdx.x, all = blockDim.y * blockDim.x;
  for (int k = thread; k < kWindows; k += all) {
    for (int q = 0; q < kPixels; ++q)
      patch_begin[k][q] = q / 2 * kStrip + (2 * k + q % 2) * g.columns.stride * column;
    patch_begin[k][kNone] = 2 * kStrip;
  }
  for (int i = thread; i < 2 * kStrip + kPatch; i += all) strips[i] = 0;
  __syncthreads();
  // The 1 that ends each column; copying leaves it.
  for (int i = (thread + 1) * column - 1; i < kStrip; i += all * column)
    strips[i] = strips[kStrip + i] = 1;

  const int b0 = blockIdx.x * kImages, b1 = min(b0 + kImages, batch);
  const int begin = blockIdx.y * rows * g.y_width();
  const int end = min(begin + rows * g.y_width(), g.y_pixels());
  for (int b = b0; b < b1; ++b)
    for (int k0 = begin, count; k0 < end; k0 += count) {
      count = min(g.y_width() - k0 % g.y_width(), kWindows);
      const int width = (2 * count - 1) * g.columns.stride + g.columns.kernel;
      __syncthreads();  // the strips before these have been used
      for (int row = 0; row < 2; ++row)
        for (int i = threadIdx.y; i < g.rows.kernel; i += blockDim.y) {
          const real* from = x + b * g.x_size() + first_tap[k0 * kPixels + 2 * row].at + i * x_row;
          real* to = strips + row * kStrip + i * in;
          for (int w = threadIdx.x; w < width; w += blockDim.x)
            for (int c = 0; c < in; ++c) to[w * column + c] = from[w * in + c];
        }
      __syncthreads();

      const long first = b * g.y_size() + static_cast<long>(k0) * g.out;
      for (int n0 = threadIdx.y * kChannels; n0 < g.out; n0 += blockDim.y * kChannels) {
        Vector sum[kChannels][kPatchVectors];
#pragma GCC unroll 4
        for (int n = 0; n < kChannels; ++n)
#pragma GCC unroll 8
          for (int v = 0; v < kPatchVectors; ++v) sum[n][v] = Vector{};
        for (int k = 0; k < count; ++k)
#pragma GCC unroll 4
          for (int n = 0; n < kChannels; ++n) {
            const long at = first + k * g.out + min(n0 + n, g.out - 1);
            const real* from = strips + patch_begin[k][winner[at]];
#pragma GCC unroll 8
            for (int v = 0; v < kPatchVectors; ++v) sum[n][v] += dy[at] * load(from + own_number(v));
          }
        const bool begins = b == b0 && k0 == begin;  // else adds to what is there
        const long block = static_cast<long>(blockIdx.y) * gridDim.x + blockIdx.x;
        real* to = partial + (block * g.out + n0) * kPatch;
#pragma GCC unroll 4
        for (int n = 0; n < kChannels; ++n)
#pragma GCC unroll 8
          for (int v = 0; v < kPatchVectors; ++v) {
            const int i = n * kPatch + own_number(v);
            if (n0 + n < g.out)
              store(to + i, begins ? sum[n][v] : load(to + i) + sum[n][v], kVectorLanes);
          }
      }
    }
}

// A block does one tap and input channel, the last block dbias.
__global__ void separate_kernel(Geometry g,
                                const real* __restrict__ sum,  // [out][kPatch]
                                real* __restrict__ dkernel,    // [kh][kw][in][out]
                                real* __restrict__ dbias) {    // [out]
  const int t = blockIdx.x, i_j = t / g.in, i = i_j / g.columns.kernel, j = i_j % g.columns.kernel;
  const bool is_tap = t < g.taps();
  const int in_patch = is_tap ? j * column_size(g) + i * g.in + t % g.in : column_size(g) - 1;
  real* to = is_tap ? dkernel + static_cast<long>(t) * g.out : dbias;
  for (int n = threadIdx.x; n < g.out; n += blockDim.x) to[n] = sum[n * kPatch + in_patch];
}

#if defined TARGET_CPU  // see kPooledGradientMakesX

// A block computes dx of an image, one pooling window after the other: it adds the kernel times dz
// to the chosen patch, and then the patches to dx. kNone's patch takes what belongs to no pixel.
__global__ void backward_x_kernel(Geometry g,
                                  const FirstTap* __restrict__ first_tap,  // [oh / 2][ow / 2][2][2]
                                  const real* __restrict__ dy,  // [batch][oh / 2][ow / 2][out]
                                  const unsigned char* __restrict__ winner,  // like dy
                                  const real* __restrict__ kernel_t,         // [out][kh][kw][in]
                                  real* __restrict__ dx) {  // [batch][height][width][in]
  real patch[kPixels + 1][kPatch + kVectorLanes];  // [pixel or kNone][kh][kw][in]
  const int row = g.columns.kernel * g.in, x_row = g.columns.input * g.in, taps = g.taps();
  real* dx_image = dx + blockIdx.x * g.x_size();
  std::fill(dx_image, dx_image + g.x_size(), real(0));

  for (int k = 0; k < g.y_pixels(); ++k) {
    for (int q = 0; q <= kPixels; ++q)
      for (int v = 0; v < kPatchVectors; ++v) store(patch[q] + own_number(v), Vector{}, kVectorLanes);
    const long first = blockIdx.x * g.y_size() + static_cast<long>(k) * g.out;
    for (int n = 0; n < g.out; ++n) {
      real* to = patch[winner[first + n]];
      for (int v = 0; v < kPatchVectors; ++v) {
        const int t = own_number(v);
        if (t < taps)
          store(to + t, load(to + t) + dy[first + n] * load(kernel_t + n * taps + t), kVectorLanes);
      }
    }
    for (int q = 0; q < kPixels; ++q) {
      const FirstTap tap = first_tap[k * kPixels + q];
      const int begin = max(-tap.w, 0) * g.in, end = min(row, (g.columns.input - tap.w) * g.in);
      for (int i = max(-tap.h, 0); i < g.rows.kernel && tap.h + i < g.rows.input; ++i)
        for (int t = begin; t < end; t += kVectorLanes) {
          real* to = dx_image + (tap.h + i) * x_row + tap.w * g.in + t;
          store(to, load(to) + load(patch[q] + i * row + t), end - t);
        }
    }
  }
}

#endif

}  // namespace

FewTapsGradient::FewTapsGradient(const Geometry& geometry, const Geometry& padded, int max_batch)
    : g_(geometry),
      padded_(padded),
      rows_per_part_(tiles(g_.y_pixels() / g_.y_width(), kParts)),
      parts_(tiles(g_.y_pixels() / g_.y_width(), rows_per_part_)),
      partial_(static_cast<size_t>(parts_) * tiles(max_batch, kImages) * g_.out * kPatch),
      sum_(static_cast<size_t>(g_.out) * kPatch),
      kernel_t_(kPooledGradientMakesX ? static_cast<size_t>(g_.taps()) * g_.out : 0) {}

void FewTapsGradient::run(const real* padded_x, const real* dy, const unsigned char* winner,
                          const FirstTap* first_tap, [[maybe_unused]] const real* kernel, int batch,
                          real* dkernel, real* dbias, [[maybe_unused]] real* dx) {
  const Grid grid(tiles(batch, kImages), parts_);
  const int sums = g_.out * kPatch;
  launch(g_.in == 1 ? backward_weights_kernel<true> : backward_weights_kernel<false>, grid, kThreads,
         padded_, padded_x, first_tap, dy, winner, batch, rows_per_part_, partial_.data());
  sum_rows(partial_.data(), grid.size.x * grid.size.y, sums, sums, sum_.data());
  launch(separate_kernel, g_.taps() + 1, threads(64), g_, sum_.data(), dkernel, dbias);
#if defined TARGET_CPU
  if (!dx) return;
  transpose(kernel, 1, g_.taps(), g_.out, kernel_t_.data());
  launch(backward_x_kernel, batch, threads(1), g_, first_tap, dy, winner, kernel_t_.data(), dx);
#endif
}

}  // namespace plainnet::TARGET
