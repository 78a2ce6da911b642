// The backward pass of a pooled convolution (pooled_conv2d.cu), for windows of few taps: the first layer's,
// with one input channel, and 1 x 1 windows of few channels. dz is zero at three pixels of each pooling
// window, and where the ReLU was zero; `winner` says at which. Such zeros are not worth a list (see
// many_taps.cu, which has the formulas), for what a number of dz is multiplied by is only two vectors. So
// these kernels go through all pooling windows without any question that a processor could guess wrong:
// `winner` chooses one of five patches.
//
// A band is what a row of pixels sees of x: column after column, x[b][o s - t + i][w][c] over i and c, and
// then a 1, whose sum is dbias. A patch is kw columns of a band, from where a pixel's window begins. For a
// 5 x 5 window of one channel a column is 6 numbers, x over i and the 1, and a patch is 5 columns, 30
// numbers of the kPatch = 32 that are multiplied; the patch of the next pixel begins one column, s in
// general, further:
//
//   band    x x x x x 1 | x x x x x 1 | x x x x x 1 | x x x x x 1 | x x x x x 1 | x x x x x 1 | ...
//           \_______________________ patch of pixel p ___________________________/
//                         \_______________________ patch of pixel p + 1 _______________________/
//
// A pooling window has pixels in two rows, so two bands; four patches belong to its pixels, and the fifth,
// that of kNone, is zeros. Here both dweight and dx accumulate.

#include "kernels/fast/pooled_conv2d.h"

namespace plainnet::TARGET {
namespace {

constexpr int kPatch = 32, kPatchVectors = kPatch / kVectorLanes;
constexpr int kAtOnce = 4;                 // channels, so that one need not wait for the sum before
constexpr int kRun = 12;                   // neighbouring pooling windows of a row, done together
constexpr int kBand = 2 * kRun * kPatch;   // as long as its pixels' patches, if they lay side by side
constexpr int kImages = 4;                 // of a block

// The numbers of a column, with its 1.
int column_size(const Geometry& g) { return g.rows.window * g.in + 1; }

// A block sums dweight and dbias over some images. kOneChannel: a constant `in` of 1 makes a plain loop of
// the copying.
template <bool kOneChannel>
__global__ void few_taps_backward_weight(
    PooledGeometry g,
    const real* __restrict__ x,                // [batch][padded height][padded width][in]
    const FirstTap* __restrict__ first_tap,    // [oh / 2][ow / 2][4]
    const real* __restrict__ dy,               // [batch][oh / 2][ow / 2][out]
    const unsigned char* __restrict__ winner,  // like dy
    int batch,
    real* __restrict__ partial) {  // [tiles of images][out][kPatch]
  const Geometry& padded = g.padded;
  const int in = kOneChannel ? 1 : padded.in, out = padded.out, stride = padded.columns.stride;
  const int column = column_size(padded), x_row = padded.columns.input * in;
  real bands[2 * kBand + kPatch] = {};  // two bands, and the patch of zeros
  for (int i = column - 1; i < kBand; i += column) bands[i] = bands[kBand + i] = 1;  // copying leaves them
  int patch_at[kRun][kPooled + 1];  // where in `bands` a patch begins
  for (int k = 0; k < kRun; ++k) {
    for (int q = 0; q < kPooled; ++q) patch_at[k][q] = q / 2 * kBand + (2 * k + q % 2) * stride * column;
    patch_at[k][kNone] = 2 * kBand;
  }

  const int b0 = blockIdx.x * kImages, b1 = min(b0 + kImages, batch);
  for (int b = b0; b < b1; ++b)
    for (int k0 = 0, count; k0 < g.y_pixels(); k0 += count) {
      count = min(g.y_width() - k0 % g.y_width(), kRun);
      const int width = (2 * count - 1) * stride + padded.columns.window;
      for (int row = 0; row < 2; ++row)
        for (int i = 0; i < padded.rows.window; ++i) {
          const real* from = x + padded.x_at(b, 0, 0, 0) + first_tap[k0 * kPooled + 2 * row].at + i * x_row;
          real* to = bands + row * kBand + i * in;
          for (int w = 0; w < width; ++w)
            for (int c = 0; c < in; ++c) to[w * column + c] = from[w * in + c];
        }

      const long of_dy = b * g.y_size() + static_cast<long>(k0) * out;
      for (int n0 = 0; n0 < out; n0 += kAtOnce) {
        Vector sum[kAtOnce][kPatchVectors]{};
        for (int k = 0; k < count; ++k)
#pragma GCC unroll 4
          for (int n = 0; n < kAtOnce; ++n) {
            const long at = of_dy + k * out + min(n0 + n, out - 1);
            const real* from = bands + patch_at[k][winner[at]];
#pragma GCC unroll 8
            for (int v = 0; v < kPatchVectors; ++v) sum[n][v] += dy[at] * load(from + v * kVectorLanes);
          }
        const bool begins = b == b0 && k0 == 0;  // else adds to what is there
        real* to = partial + (static_cast<long>(blockIdx.x) * out + n0) * kPatch;
#pragma GCC unroll 4
        for (int n = 0; n < kAtOnce; ++n)
#pragma GCC unroll 8
          for (int v = 0; v < kPatchVectors; ++v) {
            const int i = n * kPatch + v * kVectorLanes;
            if (n0 + n < out) store(to + i, begins ? sum[n][v] : load(to + i) + sum[n][v], kVectorLanes);
          }
      }
    }
}

// From the order of a patch to that of the weights. A block does one tap (i, j, c), the last block dbias.
__global__ void few_taps_separate(Geometry g,
                                  const real* __restrict__ sum,  // [out][kPatch]
                                  real* __restrict__ dweight,    // [kh][kw][in][out]
                                  real* __restrict__ dbias) {    // [out]
  const int tap = blockIdx.x, i = tap / g.in / g.columns.window, j = tap / g.in % g.columns.window;
  const bool is_tap = tap < g.window_size();
  const int in_patch = is_tap ? j * column_size(g) + i * g.in + tap % g.in : column_size(g) - 1;
  real* to = is_tap ? dweight + static_cast<long>(tap) * g.out : dbias;
  for (int n = 0; n < g.out; ++n) to[n] = sum[n * kPatch + in_patch];
}

class FewTaps : public PooledConv2d {
 public:
  FewTaps(const Geometry& z, bool with_relu, int max_batch, const Parameter* parameters)
      : PooledConv2d(z, with_relu, max_batch, parameters),
        partial_(size_t{1} * tiles(max_batch, kImages) * z.out * kPatch),
        sum_(size_t{1} * z.out * kPatch) {}

  void backward(const real* x, const real*, real* dy, real* dx, int batch) override {
    const Geometry& z = g_.z;
    const int parts = tiles(batch, kImages), sums = z.out * kPatch;
    launch(z.in == 1 ? few_taps_backward_weight<true> : few_taps_backward_weight<false>, parts, threads(1),
           g_, x_.padded_already(x), first_tap_.data(), dy, winner_.data(), batch, partial_.data());
    sum_rows(partial_.data(), parts, sums, sums, sum_.data());
    launch(few_taps_separate, z.window_size() + 1, threads(1), z, sum_.data(), weight_.gradient,
           bias_.gradient);
    if (dx) backward_x(dy, dx, batch);
  }

 private:
  Buffer<real> partial_;  // [tiles of images][out][kPatch]
  Buffer<real> sum_;      // [out][kPatch]
};

}  // namespace

// The columns of a window, each with its 1, must fit into a patch; and windows must leave no gap, so that a
// band is no longer than its patches.
bool has_few_taps(const Geometry& z) {
  return z.columns.window * column_size(z) <= kPatch && z.columns.stride <= z.columns.window;
}

LayerPointer few_taps(const Geometry& z, bool with_relu, int max_batch, const Parameter* parameters) {
  return std::make_unique<FewTaps>(z, with_relu, max_batch, parameters);
}

}  // namespace plainnet::TARGET
