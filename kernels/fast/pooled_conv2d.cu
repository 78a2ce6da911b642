// A convolution and the max pooling of 2 x 2 after it, as one, on the cpu target. Forward, a tile of the
// product (see conv2d.cu) has the four pixels of a pooling window side by side in its rows, so that their
// maximum is taken in registers, and z, four times as large as y, is never written to memory:
//
//   y[b][o][p][n] = relu(bias[n] + max of Σ_k a[b, 2o + q / 2, 2p + q % 2][k] weight[k][n] over q = 0 ... 3)
//
// Bias and ReLU do not change which pixel is the largest. Backward, dz is dy at the winner of each pooling
// window, where y > 0, and 0 elsewhere: one number of four, and with the ReLU about one of eight. So
// nothing is multiplied by the zeros: many_taps.cu and few_taps.cu go from pooling window to pooling
// window.

#include "kernels/conv2d.h"
#include "kernels/max_pool2d.h"

#include "kernels/fast/layers.h"
#include "kernels/fast/pooled_conv2d.h"
#include "kernels/fast/tile.h"

namespace plainnet::TARGET {
namespace {

// A tile is one pixel of y of several images by several channels.
template <class T>  // a Tile
__global__ void pooled_conv2d_forward(PooledGeometry g,
                                      const real* __restrict__ x,  // [batch][padded height][padded width][in]
                                      const int* __restrict__ tap_at,          // [kh][kw][in]
                                      const FirstTap* __restrict__ first_tap,  // [oh / 2][ow / 2][4]
                                      const real* __restrict__ weight,         // [kh][kw][in][out]
                                      int batch, PooledOutput output) {
  constexpr int kImages = T::kRows / kPooled;
  const int b0 = blockIdx.y * kImages, n0 = blockIdx.z * T::kColumns;
  const int images = min(batch - b0, kImages), channels = g.z.out - n0;
  const FirstTap* pixel = first_tap + blockIdx.x * kPooled;

  T tile;
  tile.add_product(
      [&](int m) {
        const int image = min(m / kPooled, images - 1);
        return x + g.padded.x_at(b0 + image, 0, 0, 0) + pixel[m % kPooled].at;
      },
      [&](int k) { return tap_at[k]; }, weight + n0, g.z.out, channels, g.z.window_size());
  const long first = b0 * g.y_size() + static_cast<long>(blockIdx.x) * g.z.out, y_size = g.y_size();
  tile.store_fours(images, channels, [=](int m, int n, const auto& z, int count) {
    output.store(z, n0 + n, first + m * y_size, count);
  });
}

// The channels of a pixel whose dz is not zero.
struct Nonzero {
  int channel;
  real dz;
};
constexpr int kWindows = 16, kChannels = 64;  // whose dz are listed at once
constexpr int kFewSums = 2, kMostSums = 8;    // vectors of a row of a window, by its length

// A block computes dx of an image. Which dz are zero cannot be foreseen, so there is no branch in the making
// of the lists: those that belong to no pixel have one, too. Then it adds, for each pixel and each row i of
// its window, a row of weights times each of the listed numbers, kSums vectors of it in registers.
template <int kSums>
__global__ void pooled_conv2d_backward_x(PooledGeometry g,
                                         const FirstTap* __restrict__ first_tap,    // [oh / 2][ow / 2][4]
                                         const real* __restrict__ dy,               // [batch][oh / 2][ow / 2][out]
                                         const unsigned char* __restrict__ winner,  // like dy
                                         const real* __restrict__ weight_t,         // [out][kh][kw][in]
                                         real* __restrict__ dx) {                   // [batch][height][width][in]
  Nonzero list[kWindows][kPooled + 1][kChannels];
  const Geometry& z = g.z;
  const int x_row = z.columns.input * z.in, weight_row = z.columns.window * z.in;
  real* dx_image = dx + z.x_at(blockIdx.x, 0, 0, 0);
  std::fill(dx_image, dx_image + z.rows.input * x_row, real(0));
  for (int n0 = 0; n0 < z.out; n0 += kChannels)
    for (int k0 = 0; k0 < g.y_pixels(); k0 += kWindows) {
      const int windows = min(g.y_pixels() - k0, kWindows);
      int listed[kWindows][kPooled + 1] = {};
      for (int k = 0; k < windows; ++k)
        for (int n = n0; n < min(n0 + kChannels, z.out); ++n) {
          const long at = blockIdx.x * g.y_size() + static_cast<long>(k0 + k) * z.out + n;
          list[k][winner[at]][listed[k][winner[at]]++] = {n, dy[at]};
        }
      for (int i = 0; i < z.rows.window; ++i)
        for (int k = 0; k < windows; ++k)
          for (int q = 0; q < kPooled; ++q) {
            const FirstTap first = first_tap[(k0 + k) * kPooled + q];
            const int h = first.h + i, begin = max(-first.w, 0) * z.in;
            const int end = min(weight_row, (z.columns.input - first.w) * z.in);
            if (h < 0 || h >= z.rows.input) continue;
            for (int tap = begin; tap < end; tap += kSums * kVectorLanes) {
              Vector sum[kSums]{};
              for (int e = 0; e < listed[k][q]; ++e) {
                const real* from = weight_t + (list[k][q][e].channel * z.rows.window + i) * weight_row + tap;
#pragma GCC unroll 8
                for (int s = 0; s < kSums; ++s) sum[s] += list[k][q][e].dz * load(from + s * kVectorLanes);
              }
              real* to = dx_image + h * x_row + first.w * z.in + tap;
#pragma GCC unroll 8
              for (int s = 0; s < kSums; ++s)
                if (const int at = s * kVectorLanes; tap + at < end)
                  store(to + at, load(to + at) + sum[s], end - tap - at);
            }
          }
    }
}

}  // namespace

PooledConv2d::PooledConv2d(const Geometry& z, bool with_relu, int max_batch, const Parameter* parameters)
    : weight_(parameters[0]),
      bias_(parameters[1]),
      with_relu_(with_relu),
      x_(z, max_batch),
      g_{z, x_.padded()},
      tap_at_(tap_offsets(g_.padded)),
      winner_(max_batch * g_.y_size()),
      weight_t_(size_t{1} * z.window_size() * z.out + kMostSums * kVectorLanes) {
  std::vector<FirstTap> first_tap;
  for (int k = 0; k < g_.y_pixels(); ++k)
    for (int q = 0; q < kPooled; ++q) {
      const int h = (k / g_.y_width() * 2 + q / 2) * z.rows.stride;  // with the zeros
      const int w = (k % g_.y_width() * 2 + q % 2) * z.columns.stride;
      const int at = (h * g_.padded.columns.input + w) * z.in;
      first_tap.push_back({at, h - z.rows.before, w - z.columns.before});
    }
  first_tap_ = Buffer<FirstTap>(first_tap);
  if (!has_few_taps(z) && suits_winograd(z))
    weight_g_ = Buffer<real>(size_t{1} * kWinogradPoints * kWinogradPoints * z.in * z.out);
}

void PooledConv2d::forward(const real* x, real* y, int batch) {
  const real* padded_x = x_.pad(x, batch);
  const PooledOutput output{bias_.value, with_relu_, y, winner_.data()};
  if (weight_g_.size() > 0) return winograd(g_, padded_x, weight_.value, batch, weight_g_.data(), output);
  const auto run = [&]<class T>(T*) {
    const Grid grid(g_.y_pixels(), tiles(batch, T::kRows / kPooled), tiles(g_.z.out, T::kColumns));
    launch(pooled_conv2d_forward<T>, grid, T::kThreads, g_, padded_x, tap_at_.data(), first_tap_.data(),
           weight_.value, batch, output);
  };
  using Half = Tile<3, kInRow, HalfVector>;
  if (g_.z.out % Half::kColumns == 0 && g_.z.out % kVectorLanes != 0)
    run(static_cast<Half*>(nullptr));
  else
    with_width(g_.z.out, [&](auto width) { run(static_cast<Tile<width()>*>(nullptr)); });
}

void PooledConv2d::backward_x(const real* dy, real* dx, int batch) {
  transpose(weight_.value, 1, g_.z.window_size(), g_.z.out, weight_t_.data());
  const bool few = g_.z.columns.window * g_.z.in <= kFewSums * kVectorLanes;
  launch(few ? pooled_conv2d_backward_x<kFewSums> : pooled_conv2d_backward_x<kMostSums>, batch, threads(1),
         g_, first_tap_.data(), dy, winner_.data(), weight_t_.data(), dx);
}

bool can_be_fused(const MaxPool2d& pool) {
  return pool.window.height == 2 && pool.window.width == 2 && pool.stride == 2;
}

LayerPointer pooled_conv2d(const Conv2d& conv2d, Shape input, int max_batch, const Parameter* parameters) {
  const Geometry z{conv2d.rows(input), conv2d.columns(input), input.channels, conv2d.filters};
  return has_few_taps(z) ? few_taps(z, conv2d.relu, max_batch, parameters)
                         : many_taps(z, conv2d.relu, max_batch, parameters);
}

}  // namespace plainnet::TARGET
