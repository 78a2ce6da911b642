// Two-dimensional convolution (in fact a cross-correlation, as everywhere in the field) with a bias
// and, if wanted, a ReLU:
//
//   y[b][o][p][n] = relu(bias[n] + Σ_i Σ_j Σ_c x[b][o s - t + i][p s - l + j][c] kernel[i][j][c][n])
//
// with stride s, and t and l zeros above and left of the image. With the gradient dy of the loss by
// y, and dz = dy where y > 0, else 0:
//
//   dbias[n]           = Σ_b Σ_o Σ_p dz[b][o][p][n]
//   dkernel[i][j][c][n] = Σ_b Σ_o Σ_p x[b][o s - t + i][p s - l + j][c] dz[b][o][p][n]
//   dx[b][h][w][c]     = Σ_i Σ_j Σ_n dz[b][o][p][n] kernel[i][j][c][n]
//                        where o s - t + i = h and p s - l + j = w
//
// Shapes: x [batch][height][width][in], kernel [kh][kw][in][out], bias [out],
// y [batch][oh][ow][out].
//
// If wanted, y is max-pooled at once, over windows of 2 x 2 pixels side by side (pool = 2), so that
// the large y is never written to memory: it is then [batch][oh / 2][ow / 2][out], and dz is dy at
// the largest pixel of each window (where y > 0, with a ReLU), else 0.
//
// All three sums are matrix products of which one matrix is never written down ("implicit GEMM",
// Chetlur et al., "cuDNN: Efficient primitives for deep learning", 2014). With pooling, dz is so
// sparse that the gradients are summed in another way: see pooled_conv2d.cu and few_taps_conv2d.cu.
// Only dx, on a GPU, is a product again, of dz with its zeros: a block that adds window after window
// to dx would have too little to do at once.

#include "kernels/fast/common.h"
#include "kernels/fast/pooled_conv2d.h"
#include "kernels/fast/tile.h"

namespace plainnet::TARGET {
namespace {

// A tile is one pixel (o, p), or the four of a pooling window, of several images by several output
// channels; k runs over the taps and input channels (i, j, c). As x has its zeros around it, every tap
// is inside, and x[o s + i][p s + j][c] lies offset[k] after x[o s][p s][0]. Bias and ReLU do not
// change which pixel is the largest.
template <int V>
__global__ void __launch_bounds__(Tile<V>::kThreadCount, 2) forward_kernel(
    Geometry g, bool tf32,
    const real* __restrict__ x,              // [batch][padded height][padded width][in]
    const int* __restrict__ offset,          // [kh][kw][in]
    const FirstTap* __restrict__ first_tap,  // [oh / pool][ow / pool][pool][pool]
    const real* __restrict__ kernel,         // [kh][kw][in][out]
    const real* __restrict__ bias,           // [out]
    bool with_relu, int batch,
    real* __restrict__ y,                  // [batch][oh / pool][ow / pool][out]
    unsigned char* __restrict__ winner) {  // like y
  const bool pooled = g.pool == 2;
  const int images_at_once = pooled ? Tile<V>::kRows / 4 : Tile<V>::kRows;
  const int b0 = blockIdx.y * images_at_once, n0 = blockIdx.z * Tile<V>::kColumns;
  const int images = min(batch - b0, images_at_once);
  const int channels = min(g.out - n0, Tile<V>::kColumns);
  const FirstTap* pixel = first_tap + blockIdx.x * g.pool * g.pool;

  Tile<V> tile(tf32);
  tile.add_product(
      [&](int m) {
        const int image = min(pooled ? m / 4 : m, images - 1);
        return x + (b0 + image) * g.x_size() + pixel[pooled ? m % 4 : 0].at;
      },
      [&](int k) { return offset[k]; }, kernel + n0, g.out, channels, g.taps());

  const long y_size = g.y_size();
  const long first = b0 * y_size + static_cast<long>(blockIdx.x) * g.out + n0;
  if (!pooled)
    tile.store(images, channels, [=](int m, int n, Vector sum, int count) {
      const Vector z = sum + load(bias + n0 + n);
      store(y + first + m * y_size + n, with_relu ? relu(z) : z, count);
    });
  else
    tile.store_largest_of_4(images, channels,
                            [=](int m, int n, Vector largest, Vector which, int count) {
                              const Vector z = largest + load(bias + n0 + n);
                              const long at = first + m * y_size + n;
                              store(y + at, with_relu ? relu(z) : z, count);
                              if (with_relu) which = z <= 0 ? broadcast(kNone) : which;
                              store_bytes(winner + at, which, count);
                            });
}

// A tile is one input pixel (h, w) of several images by several input channels. For each output
// (o, p) that reads the pixel it adds Σ_n dz[b][o][p][n] kernel[i][j][c][n], for which kernel_t has
// the channels exchanged. With a stride of 1, the output to the right, p + 1, reads the pixel with the
// tap to the left, j - 1. dz of neighbouring p lie side by side, and so do taps j, j - 1, ... in
// kernel_t, which has them reversed: a row of outputs is one product over p and n.
template <int V>
__global__ void __launch_bounds__(Tile<V>::kThreadCount, 1) backward_x_kernel(
    Geometry g, bool tf32,
    const real* __restrict__ dz,        // [batch][oh][ow][out]
    const real* __restrict__ kernel_t,  // [kh kw, reversed][out][in]
    real* __restrict__ dx,              // [batch][height][width][in]
    int batch) {
  const int h = blockIdx.x / g.columns.input, w = blockIdx.x % g.columns.input;
  const int b0 = blockIdx.y * Tile<V>::kRows, c0 = blockIdx.z * Tile<V>::kColumns;
  const int images = min(batch - b0, Tile<V>::kRows);
  const int channels = min(g.in - c0, Tile<V>::kColumns);
  const int p0 = g.columns.first_output(w), p1 = g.columns.end_output(w);
  const int run = g.columns.stride == 1 ? p1 - p0 : 1;
  const int last_tap = g.rows.kernel * g.columns.kernel - 1;

  Tile<V> tile(tf32);
  for (int o = g.rows.first_output(h); o < g.rows.end_output(h); ++o)
    for (int p = p0; p < p1; p += run) {
      const int i = h + g.rows.before - o * g.rows.stride;
      const int j = w + g.columns.before - p * g.columns.stride;
      const real* dz_pixel =
          dz + b0 * g.z_size() + static_cast<long>(o * g.columns.output + p) * g.out;
      const real* kernel_tap =
          kernel_t + static_cast<long>(last_tap - (i * g.columns.kernel + j)) * g.out * g.in + c0;
      tile.add_product([&](int m) { return dz_pixel + min(m, images - 1) * g.z_size(); },
                       [](int n) { return n; }, kernel_tap, g.in, channels, run * g.out);
    }
  real* dx_pixel = dx + b0 * g.x_size() + (h * g.columns.input + w) * g.in + c0;
  tile.store(images, channels, [&](int m, int n, Vector sum, int count) {
    store(dx_pixel + m * g.x_size() + n, sum, count);
  });
}

// dz where y was pooled: dy at the largest pixel of a window, else 0. A block writes one pixel.
__global__ void unpool_kernel(Geometry g,
                              const real* __restrict__ dy,  // [batch][oh / 2][ow / 2][out]
                              const unsigned char* __restrict__ winner,  // like dy
                              real* __restrict__ dz) {                   // [batch][oh][ow][out]
  const int b = blockIdx.x, o = blockIdx.y, p = blockIdx.z, pixel = o % 2 * 2 + p % 2;
  const bool in_window = o / 2 * 2 + 1 < g.rows.output && p / 2 * 2 + 1 < g.columns.output;
  const long from = b * g.y_size() + static_cast<long>(o / 2 * g.y_width() + p / 2) * g.out;
  const long to = b * g.z_size() + static_cast<long>(o * g.columns.output + p) * g.out;
  for (int n = threadIdx.x; n < g.out; n += blockDim.x)
    dz[to + n] = in_window && winner[from + n] == pixel ? dy[from + n] : real(0);
}

// Without pooling: a tile is several rows (i, j, c) of the kernel by several output channels; k runs
// over the pixels (o, p) of an image, and first_tap[k].at is where x[..][o s][p s][0] lies. There is a
// partial result for every few images, and sum_rows adds them.
template <int V>
__global__ void __launch_bounds__(Tile<V>::kThreadCount, 1) backward_weights_kernel(
    Geometry g, bool tf32,
    const real* __restrict__ x,              // [batch][padded height][padded width][in]
    const int* __restrict__ offset,          // [kh][kw][in]
    const FirstTap* __restrict__ first_tap,  // [oh][ow]
    const real* __restrict__ dz,             // [batch][oh][ow][out]
    real* __restrict__ partial,              // [splits][kh][kw][in][out]
    int batch, int images_per_split) {
  const int m0 = blockIdx.x * Tile<V>::kRows, n0 = blockIdx.z * Tile<V>::kColumns;
  const int rows = min(g.taps() - m0, Tile<V>::kRows);
  const int channels = min(g.out - n0, Tile<V>::kColumns);
  const int b0 = blockIdx.y * images_per_split, b1 = min(b0 + images_per_split, batch);

  Tile<V, kInColumn> tile(tf32);
  for (int b = b0; b < b1; ++b)
    tile.add_product([&](int m) { return x + b * g.x_size() + offset[m0 + min(m, rows - 1)]; },
                     [&](int k) { return first_tap[k].at; }, dz + b * g.z_size() + n0, g.out,
                     channels, g.rows.output * g.columns.output);
  real* out = partial + (static_cast<long>(blockIdx.y) * g.taps() + m0) * g.out + n0;
  tile.store(rows, channels,
             [&](int m, int n, Vector sum, int count) { store(out + m * g.out + n, sum, count); });
}

class Conv2d : public Layer {
 public:
  explicit Conv2d(const Conv2dOptions& options) : options_(options) {}

  std::string type() const override { return "conv2d"; }

  Shape build(Shape input, int max_batch) override {
    const Size size = options_.kernel;
    g_.rows = window_axis("conv2d", input.height, size.height, options_.stride, options_.padding);
    g_.columns = window_axis("conv2d", input.width, size.width, options_.stride, options_.padding);
    g_.in = input.channels;
    g_.out = options_.filters;
    g_.pool = options_.pool;
    if (g_.pool < 1 || g_.pool > min(min(g_.rows.output, g_.columns.output), 2))
      throw Error(text("conv2d: expected a pooling window of 1 or 2 x 2 pixels, found ", g_.pool,
                       " x ", g_.pool, " of ", g_.rows.output, " x ", g_.columns.output));
    const Shape output{g_.rows.output / g_.pool, g_.y_width(), g_.out};

    const long area = static_cast<long>(size.height) * size.width;
    const long kernel_size = static_cast<long>(g_.taps()) * g_.out;
    parameters = {{.name = "kernel",
                   .shape = {size.height, size.width, g_.in, g_.out},
                   .initializer = options_.initializer,
                   .fan_in = area * g_.in,
                   .fan_out = area * g_.out},
                  {.name = "bias", .shape = {g_.out}, .initializer = Initializer::constant(0)}};

    padded_ = g_;
    if (has_border()) {
      padded_.rows = padded(g_.rows);
      padded_.columns = padded(g_.columns);
      padded_x_ = Buffer<real>(max_batch * padded_.x_size());
    }
    std::vector<int> offset;
    for (int i = 0; i < size.height; ++i)
      for (int k = 0; k < size.width * g_.in; ++k)
        offset.push_back(i * padded_.columns.input * g_.in + k);
    offset_ = Buffer<int>(offset);
    std::vector<FirstTap> first_tap;
    for (int k = 0; k < g_.y_pixels(); ++k)
      for (int pixel = 0; pixel < g_.pool * g_.pool; ++pixel) {
        const int h = (k / g_.y_width() * g_.pool + pixel / g_.pool) * g_.rows.stride;
        const int w = (k % g_.y_width() * g_.pool + pixel % g_.pool) * g_.columns.stride;
        first_tap.push_back(
            {(h * padded_.columns.input + w) * g_.in, h - g_.rows.before, w - g_.columns.before});
      }
    first_tap_ = Buffer<FirstTap>(first_tap);

    if (makes_x()) kernel_t_ = Buffer<real>(kernel_size);
    if (g_.pool == 2) {
      winner_ = Buffer<unsigned char>(max_batch * g_.y_size());
      if (has_few_taps(g_))
        few_taps_gradient_ = FewTapsGradient(g_, padded_, max_batch);
      else
        pooled_gradient_ = PooledGradient(g_, padded_, max_batch);
      if (makes_x()) dz_ = Buffer<real>(max_batch * g_.z_size());
    } else {
      // About 1024 blocks, enough for a large GPU. The device is not asked, for the order of the sums
      // depends on the split.
      const int blocks = tiles(g_.taps(), kTileRows) * tiles(g_.out, 3 * kUnit);
      images_per_split_ = max(1, max_batch * blocks / 1024);
      partial_ = Buffer<real>(tiles(max_batch, images_per_split_) * kernel_size);
      bias_gradient_ = BiasGradient(static_cast<long>(max_batch) * g_.y_pixels(), g_.out);
    }
    return output;
  }

  void forward(const real* x, real* y, int batch) override {
    if (has_border()) pad(x, g_.rows, g_.columns, g_.in, batch, padded_x_.data());
    with_width(g_.out, [&](auto width) {
      constexpr int V = width();
      const Grid grid(g_.y_pixels(), tiles(batch, kTileRows / (g_.pool * g_.pool)),
                      tiles(g_.out, Tile<V>::kColumns));
      launch(forward_kernel<V>, grid, Tile<V>::kThreads, padded_, use_tf32, with_border(x),
             offset_.data(), first_tap_.data(), kernel().value, bias().value, options_.relu, batch, y,
             winner_.data());
    });
  }

  void backward(const real* x, const real* y, real* dy, real* dx, int batch) override {
    const auto pooled_backward = [&](auto& gradient) {
      gradient.run(with_border(x), dy, winner_.data(), first_tap_.data(), kernel().value, batch,
                   kernel().gradient, bias().gradient, dx);
    };
    if (g_.pool == 1)
      backward_parameters(x, y, dy, batch);
    else if (has_few_taps(g_))
      pooled_backward(few_taps_gradient_);
    else
      pooled_backward(pooled_gradient_);
    if (!dx || !makes_x()) return;
    if (g_.pool == 2)
      launch(unpool_kernel, {batch, g_.rows.output, g_.columns.output}, threads(64), g_, dy,
             winner_.data(), dz_.data());
    backward_x(g_.pool == 2 ? dz_.data() : dy, dx, batch);
  }

 private:
  Parameter& kernel() { return parameters[0]; }
  Parameter& bias() { return parameters[1]; }
  // Whether dx is computed here.
  bool makes_x() const { return g_.pool == 1 || !kPooledGradientMakesX; }
  bool has_border() const { return needs_padding(g_.rows) || needs_padding(g_.columns); }
  // x with the zeros that forward() put around it.
  const real* with_border(const real* x) const { return has_border() ? padded_x_.data() : x; }

  // The gradients of the parameters. Leaves dz in dy.
  void backward_parameters(const real* x, const real* y, real* dy, int batch) {
    real* dz = dy;  // BiasGradient turns dy into dz in place
    bias_gradient_.run(options_.relu ? y : nullptr, dz, static_cast<long>(batch) * g_.y_pixels(),
                       bias().gradient);
    const int splits = tiles(batch, images_per_split_), kernel_size = g_.taps() * g_.out;
    with_width(g_.out, [&](auto width) {
      constexpr int V = width();
      const Grid grid(tiles(g_.taps(), kTileRows), splits, tiles(g_.out, Tile<V>::kColumns));
      launch(backward_weights_kernel<V>, grid, Tile<V>::kThreads, padded_, use_tf32, with_border(x),
             offset_.data(), first_tap_.data(), dz, partial_.data(), batch, images_per_split_);
    });
    sum_rows(partial_.data(), splits, kernel_size, kernel_size, kernel().gradient);
  }

  void backward_x(const real* dz, real* dx, int batch) {
    transpose(kernel().value, g_.rows.kernel * g_.columns.kernel, g_.in, g_.out, kernel_t_.data());
    with_width(g_.in, [&](auto width) {
      constexpr int V = width();
      const Grid grid(g_.rows.input * g_.columns.input, tiles(batch, kTileRows),
                      tiles(g_.in, Tile<V>::kColumns));
      launch(backward_x_kernel<V>, grid, Tile<V>::kThreads, g_, use_tf32, dz, kernel_t_.data(), dx,
             batch);
    });
  }

  Conv2dOptions options_;
  Geometry g_, padded_;  // of the image as it is, and with its border of zeros
  Buffer<int> offset_;   // [kh][kw][in]: of a tap from its window's first, in x with its zeros
  Buffer<FirstTap> first_tap_;  // [oh / pool][ow / pool][pool][pool]
  Buffer<real> padded_x_;       // [max_batch][padded height][padded width][in]
  Buffer<real> kernel_t_;       // [kh kw, reversed][out][in]
  // With pooling:
  Buffer<unsigned char> winner_;  // [max_batch] like y
  PooledGradient pooled_gradient_;
  FewTapsGradient few_taps_gradient_;
  Buffer<real> dz_;  // [max_batch][oh][ow][out]
  // Without:
  int images_per_split_ = 1;
  BiasGradient bias_gradient_;
  Buffer<real> partial_;  // [splits][kh][kw][in][out]
};

}  // namespace

LayerPointer conv2d(const Conv2dOptions& options) { return std::make_unique<Conv2d>(options); }

}  // namespace plainnet::TARGET
