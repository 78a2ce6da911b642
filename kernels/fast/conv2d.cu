// The convolution, fast. All three sums of kernels/conv2d.cu are matrix products of which one matrix is never
// written down ("implicit GEMM", Chetlur et al., "cuDNN: Efficient primitives for deep learning", 2014).
// For y, a row of the matrix is what one window sees, the numbers of x over (i, j, c), and the other factor
// is `weight` as it lies in memory:
//
//   z[b][o][p][n] = bias[n] + Σ_k a[b, o, p][k] weight[k][n],      k = (i, j, c) = (i kw + j) in + c
//   a[b, o, p][k] = the number that lies tap_at[k] after x[b][o s][p s][0],
//
// where x has its zeros around it, so that every tap is inside. Tile multiplies such scattered rows as well
// as those of a matrix: it asks where a row begins, and how far from there the k-th number lies. The padded
// image has shapes of its own, called `padded` below; g are those of the image as it is.

#include "kernels/fast/common.h"
#include "kernels/fast/layers.h"
#include "kernels/fast/tile.h"

namespace plainnet::TARGET {
namespace {

// A tile is one pixel (o, p) of several images by several output channels.
template <int V>
__global__ void conv2d_forward_by_tiles(
    Geometry padded,
    const real* __restrict__ x,       // [batch][padded height][padded width][in]
    const int* __restrict__ tap_at,   // [kh][kw][in]
    const real* __restrict__ weight,  // [kh][kw][in][out]
    const real* __restrict__ bias,    // [out]
    bool with_relu, int batch,
    real* __restrict__ y) {  // [batch][oh][ow][out]
  const int o = blockIdx.x / padded.columns.output, p = blockIdx.x % padded.columns.output;
  const int b0 = blockIdx.y * Tile<V>::kRows, n0 = blockIdx.z * Tile<V>::kColumns;
  const int images = min(batch - b0, Tile<V>::kRows), channels = padded.out - n0;

  Tile<V> tile;
  tile.add_scattered(
      [&](int m) {
        return x + padded.x_at(b0 + min(m, images - 1), o * padded.rows.stride, p * padded.columns.stride, 0);
      },
      [&](int k) { return tap_at[k]; }, [&](int k) { return weight + k * padded.out + n0; }, channels,
      padded.window_size());
  tile.store(images, channels, [&](int m, int n, Vector sum, int count) {
    const Vector z = sum + load(bias + n0 + n);
    store(y + padded.y_at(b0 + m, o, p, n0 + n), with_relu ? relu(z) : z, count);
  });
}

// dweight = a^T dz. A tile is several k = (i, j, c) by several output channels, the sum is over the pixels
// (o, p) of some images; `pixel_at` says how far the first tap of each lies from the first number of its
// image. There is a partial result for every few images, and sum_rows adds them.
template <int V>
__global__ void conv2d_backward_weight_by_tiles(
    Geometry padded,
    const real* __restrict__ x,        // [batch][padded height][padded width][in]
    const int* __restrict__ tap_at,    // [kh][kw][in]
    const int* __restrict__ pixel_at,  // [oh][ow]
    const real* __restrict__ dz,       // [batch][oh][ow][out]
    real* __restrict__ partial,        // [parts][kh][kw][in][out]
    int batch, int images_per_part) {
  const int k0 = blockIdx.x * Tile<V>::kRows, n0 = blockIdx.z * Tile<V>::kColumns;
  const int taps = min(padded.window_size() - k0, Tile<V>::kRows), channels = padded.out - n0;
  const int b0 = blockIdx.y * images_per_part, b1 = min(b0 + images_per_part, batch);

  Tile<V, kInColumn> tile;
  for (int b = b0; b < b1; ++b)
    tile.add_scattered([&](int m) { return x + padded.x_at(b, 0, 0, 0) + tap_at[k0 + min(m, taps - 1)]; },
                     [&](int k) { return pixel_at[k]; },
                     [&](int k) { return dz + padded.y_at(b, 0, k, n0); }, channels, padded.y_pixels());
  real* to = partial + (static_cast<long>(blockIdx.y) * padded.window_size() + k0) * padded.out + n0;
  tile.store(taps, channels,
             [&](int m, int n, Vector sum, int count) { store(to + m * padded.out + n, sum, count); });
}

// A tile is one pixel (h, w) of dx of several images by several input channels. For each output (o, p)
// whose window sees it, the product Σ_n dz[b][o][p][n] weight[i][j][c][n] is added, for which weight_t has
// the channels exchanged.
template <int V>
__global__ void conv2d_backward_x_by_tiles(Geometry g,
                                           const real* __restrict__ dz,        // [batch][oh][ow][out]
                                           const real* __restrict__ weight_t,  // [kh][kw][out][in]
                                           real* __restrict__ dx,              // [batch][height][width][in]
                                           int batch) {
  const int h = blockIdx.x / g.columns.input, w = blockIdx.x % g.columns.input;
  const int b0 = blockIdx.y * Tile<V>::kRows, c0 = blockIdx.z * Tile<V>::kColumns;

  Tile<V> tile;
  for (int o = first_output(g.rows, h); o < end_output(g.rows, h); ++o)
    for (int p = first_output(g.columns, w); p < end_output(g.columns, w); ++p) {
      const int i = h - o * g.rows.stride + g.rows.before, j = w - p * g.columns.stride + g.columns.before;
      const long tap = i * g.columns.window + j;
      tile.add_product(Strided{dz + g.y_at(b0, o, p, 0), g.y_size(), 1, min(batch - b0, Tile<V>::kRows)},
                       weight_t + tap * g.out * g.in + c0, g.in, g.in - c0, g.out);
    }
  tile.store(batch - b0, g.in - c0, [&](int m, int n, Vector sum, int count) {
    store(dx + g.x_at(b0 + m, h, w, c0 + n), sum, count);
  });
}

class FastConv2d : public Layer {
 public:
  FastConv2d(const Conv2d& conv2d, Shape input, int max_batch, const Parameter* parameters)
      : g_{conv2d.rows(input), conv2d.columns(input), input.channels, conv2d.filters},
        relu_(conv2d.relu),
        weight_(parameters[0]),
        bias_(parameters[1]),
        x_(g_, max_batch),
        tap_at_(tap_offsets(x_.padded())),
        weight_t_(size_t{1} * g_.window_size() * g_.out),
        bias_gradient_(1L * max_batch * g_.y_pixels(), g_.out) {
    std::vector<int> pixel_at;
    for (int o = 0; o < g_.rows.output; ++o)
      for (int p = 0; p < g_.columns.output; ++p)
        pixel_at.emplace_back(x_.padded().x_at(0, o * g_.rows.stride, p * g_.columns.stride, 0));
    pixel_at_ = Buffer<int>(pixel_at);
    // About 1024 blocks, enough for a large GPU. The device is not asked, for the order of the sums depends
    // on it.
    const int blocks = tiles(g_.window_size(), kTileRows) * tiles(g_.out, 3 * kColumnStep);
    images_per_part_ = static_cast<int>(max(1L, 1L * max_batch * blocks / 1024));
    partial_ = Buffer<real>(size_t{1} * tiles(max_batch, images_per_part_) * g_.window_size() * g_.out);
  }

  void forward(const real* x, real* y, int batch) override {
    const real* padded_x = x_.pad(x, batch);
    with_width(g_.out, [&](auto width) {
      constexpr int V = width();
      const Grid grid(g_.y_pixels(), tiles(batch, kTileRows), tiles(g_.out, Tile<V>::kColumns));
      launch(conv2d_forward_by_tiles<V>, grid, Tile<V>::kThreads, x_.padded(), padded_x, tap_at_.data(),
             weight_.value, bias_.value, relu_, batch, y);
    });
  }

  void backward(const real* x, const real* y, real* dy, real* dx, int batch) override {
    const real* dz = bias_gradient_.run(relu_ ? y : nullptr, dy, 1L * batch * g_.y_pixels(), bias_.gradient);
    const int parts = tiles(batch, images_per_part_), size = g_.window_size() * g_.out;
    with_width(g_.out, [&](auto width) {
      constexpr int V = width();
      const Grid grid(tiles(g_.window_size(), kTileRows), parts, tiles(g_.out, Tile<V>::kColumns));
      launch(conv2d_backward_weight_by_tiles<V>, grid, Tile<V>::kThreads, x_.padded(), x_.padded_already(x),
             tap_at_.data(), pixel_at_.data(), dz, partial_.data(), batch, images_per_part_);
    });
    sum_rows(partial_.data(), parts, size, weight_.gradient);
    if (!dx) return;
    transpose(weight_.value, g_.rows.window * g_.columns.window, g_.in, g_.out, weight_t_.data());
    with_width(g_.in, [&](auto width) {
      constexpr int V = width();
      const Grid grid(g_.rows.input * g_.columns.input, tiles(batch, kTileRows),
                      tiles(g_.in, Tile<V>::kColumns));
      launch(conv2d_backward_x_by_tiles<V>, grid, Tile<V>::kThreads, g_, dz, weight_t_.data(), dx, batch);
    });
  }

 private:
  Geometry g_;
  bool relu_;
  Parameter weight_, bias_;
  PaddedImages x_;
  Buffer<int> tap_at_;     // [kh][kw][in]: how far a tap lies from its window's first
  Buffer<int> pixel_at_;   // [oh][ow]: how far a pixel's first tap lies from its image's first number
  Buffer<real> weight_t_;  // [kh][kw][out][in]
  BiasGradient bias_gradient_;
  int images_per_part_ = 1;
  Buffer<real> partial_;  // [parts][kh][kw][in][out]
};

}  // namespace

LayerPointer fast_layer(const Conv2d& conv2d, Shape input, int max_batch, const Parameter* parameters) {
  return std::make_unique<FastConv2d>(conv2d, input, max_batch, parameters);
}

}  // namespace plainnet::TARGET
