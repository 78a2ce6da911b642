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
// Shapes: x [batch][height][width][in], kernel [kh][kw][in][out], bias [out], y [batch][oh][ow][out].
// All three sums are matrix products of which one matrix is never written down ("implicit GEMM",
// Chetlur et al., "cuDNN: Efficient primitives for deep learning", 2014). backward() overwrites.

#include "common.h"
#include "tile.h"
#include "window.h"

namespace plainnet::TARGET {
namespace {

struct Geometry {
  Axis rows, columns;
  int in, out;  // channels

  __host__ __device__ long x_size() const {
    return static_cast<long>(rows.input) * columns.input * in;
  }
  __host__ __device__ long y_size() const {
    return static_cast<long>(rows.output) * columns.output * out;
  }
  // The number of pairs of a tap and an input channel.
  __host__ __device__ int taps() const { return rows.kernel * columns.kernel * in; }
  // Where the first tap of output (o, p) lies in an image that has its zeros around it.
  __host__ __device__ long x_offset(int o, int p) const {
    return (static_cast<long>(o) * rows.stride * columns.input + p * columns.stride) * in;
  }
};

// A tile is one output pixel (o, p) of several images by several output channels; k runs over the
// taps and input channels (i, j, c). Here x has its zeros around it, so every tap is inside, and
// offset[k] is where x[..][o s + i][p s + j][c] lies, from x[..][o s][p s][0] on.
template <int V, bool kRelu>
__global__ void forward_kernel(Geometry g,
                               const real* __restrict__ x,       // [batch][height][width][in]
                               const int* __restrict__ offset,   // [kh][kw][in]
                               const real* __restrict__ kernel,  // [kh][kw][in][out]
                               const real* __restrict__ bias,    // [out]
                               real* __restrict__ y,             // [batch][oh][ow][out]
                               int batch) {
  const int o = blockIdx.x / g.columns.output, p = blockIdx.x % g.columns.output;
  const int b0 = blockIdx.y * Tile<V>::kRows, n0 = blockIdx.z * Tile<V>::kColumns;
  const int images = min(batch - b0, Tile<V>::kRows);
  const int channels = min(g.out - n0, Tile<V>::kColumns);
  const real* x_pixel = x + b0 * g.x_size() + g.x_offset(o, p);

  Tile<V> tile;
  tile.add_product([&](int m) { return x_pixel + min(m, images - 1) * g.x_size(); },
                   [&](int k) { return offset[k]; }, kernel + n0, g.out, channels, g.taps());
  real* y_pixel = y + b0 * g.y_size() + (o * g.columns.output + p) * g.out + n0;
  tile.store(images, channels, [&](int m, int n, Vector sum, int count) {
    const Vector z = sum + load(bias + n0 + n);
    store(y_pixel + m * g.y_size() + n, kRelu ? relu(z) : z, count);
  });
}

// A tile is one input pixel (h, w) of several images by several input channels. It sums, over the
// taps (i, j) with which an output reads that pixel, products with k = n. They need the kernel with
// its channels exchanged: [kh][kw][out][in].
template <int V>
__global__ void backward_x_kernel(Geometry g,
                                  const real* __restrict__ dz,        // [batch][oh][ow][out]
                                  const real* __restrict__ kernel_t,  // [kh][kw][out][in]
                                  real* __restrict__ dx,              // [batch][height][width][in]
                                  int batch) {
  const int h = blockIdx.x / g.columns.input, w = blockIdx.x % g.columns.input;
  const int b0 = blockIdx.y * Tile<V>::kRows, c0 = blockIdx.z * Tile<V>::kColumns;
  const int images = min(batch - b0, Tile<V>::kRows);
  const int channels = min(g.in - c0, Tile<V>::kColumns);

  Tile<V> tile;
  for (int i = 0; i < g.rows.kernel; ++i) {
    const int o = g.rows.output_at(h, i);
    if (o < 0) continue;
    for (int j = 0; j < g.columns.kernel; ++j) {
      const int p = g.columns.output_at(w, j);
      if (p < 0) continue;
      const real* dz_pixel =
          dz + b0 * g.y_size() + static_cast<long>(o * g.columns.output + p) * g.out;
      const real* kernel_tap =
          kernel_t + static_cast<long>(i * g.columns.kernel + j) * g.out * g.in + c0;
      tile.add_product([&](int m) { return dz_pixel + min(m, images - 1) * g.y_size(); },
                       [](int n) { return n; }, kernel_tap, g.in, channels, g.out);
    }
  }
  real* dx_pixel = dx + b0 * g.x_size() + (h * g.columns.input + w) * g.in + c0;
  tile.store(images, channels, [&](int m, int n, Vector sum, int count) {
    store(dx_pixel + m * g.x_size() + n, sum, count);
  });
}

// A tile is several rows (i, j, c) of the kernel by several output channels. It sums, for a few
// images, products with k = p along each row of pixels; there is a partial result for every few
// images, and sum_rows adds them. Here x has its zeros around it.
template <int V>
__global__ void backward_kernel_kernel(Geometry g,
                                       const real* __restrict__ x,      // [batch][height][width][in]
                                       const int* __restrict__ offset,  // [kh][kw][in]
                                       const real* __restrict__ dz,     // [batch][oh][ow][out]
                                       real* __restrict__ partial,  // [splits][kh][kw][in][out]
                                       int batch, int images_per_split) {
  const int m0 = blockIdx.x * Tile<V>::kRows, n0 = blockIdx.z * Tile<V>::kColumns;
  const int rows = min(g.taps() - m0, Tile<V>::kRows);
  const int channels = min(g.out - n0, Tile<V>::kColumns);
  const int b0 = blockIdx.y * images_per_split, b1 = min(b0 + images_per_split, batch);

  Tile<V, kInColumn> tile;
  for (int b = b0; b < b1; ++b)
    for (int o = 0; o < g.rows.output; ++o) {
      const real* x_row = x + b * g.x_size() + g.x_offset(o, 0);
      const real* dz_row = dz + b * g.y_size() + static_cast<long>(o) * g.columns.output * g.out;
      tile.add_product([&](int m) { return x_row + offset[m0 + min(m, rows - 1)]; },
                       [&](int p) { return p * g.columns.stride * g.in; }, dz_row + n0, g.out,
                       channels, g.columns.output);
    }
  real* out = partial + (static_cast<long>(blockIdx.y) * g.taps() + m0) * g.out + n0;
  tile.store(rows, channels, [&](int m, int n, Vector sum, int count) {
    store(out + m * g.out + n, sum, count);
  });
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
    const Shape output{g_.rows.output, g_.columns.output, g_.out};
    if (size.height == 1 && size.width == 1 && options_.stride == 1) {
      // A 1x1 convolution sees pixels, not rows: as one long row it is one long product.
      const int pixels = input.height * input.width;
      g_.rows = {1, 1, 1, 1, 0};
      g_.columns = {pixels, pixels, 1, 1, 0};
    }

    const long window = static_cast<long>(size.height) * size.width;
    const long kernel_size = static_cast<long>(g_.taps()) * g_.out;
    parameters = {{.name = "kernel",
                   .shape = {size.height, size.width, g_.in, g_.out},
                   .initializer = options_.initializer,
                   .fan_in = window * g_.in,
                   .fan_out = window * g_.out},
                  {.name = "bias", .shape = {g_.out}, .initializer = Initializer::constant(0)}};

    kernel_t_ = Buffer<real>(kernel_size);
    bias_gradient_ = BiasGradient(max_batch * g_.y_size() / g_.out, g_.out);
    padded_ = g_;
    if (has_border()) {
      padded_.rows = padded(g_.rows);
      padded_.columns = padded(g_.columns);
      padded_x_ = Buffer<real>(max_batch * padded_.x_size());
    }
    std::vector<int> offset;
    for (int i = 0; i < size.height; ++i)
      for (int j = 0; j < size.width; ++j)
        for (int c = 0; c < g_.in; ++c)
          offset.push_back((i * padded_.columns.input + j) * g_.in + c);
    offset_ = Buffer<int>(offset);
    // Enough blocks to fill the machine, whichever it is: the split must not depend on it, for the
    // order of the sums does.
    const long tiles_of_kernel = tiles(g_.taps(), kTileRows) * tiles(g_.out, 3 * kLanes);
    images_per_split_ = static_cast<int>(max(1L, max_batch * tiles_of_kernel / 1024));
    partial_ = Buffer<real>(tiles(max_batch, images_per_split_) * kernel_size);
    return output;
  }

  void forward(const real* x, real* y, int batch) override {
    if (has_border()) pad(x, g_.rows, g_.columns, g_.in, batch, padded_x_.data());
    with_width(g_.out, [&](auto width) {
      constexpr int V = width();
      const Grid grid(g_.rows.output * g_.columns.output, tiles(batch, kTileRows),
                      tiles(g_.out, Tile<V>::kColumns));
      launch(options_.relu ? forward_kernel<V, true> : forward_kernel<V, false>, grid,
             Tile<V>::kThreads, padded_, with_border(x), offset_.data(), kernel().value,
             bias().value, y, batch);
    });
  }

  void backward(const real* x, const real* y, real* dy, real* dx, int batch) override {
    real* dz = dy;
    bias_gradient_.run(options_.relu ? y : nullptr, dz, batch * g_.y_size() / g_.out,
                       bias().gradient);
    backward_kernel(x, dz, batch);
    if (dx) backward_x(dz, dx, batch);
  }

 private:
  Parameter& kernel() { return parameters[0]; }
  Parameter& bias() { return parameters[1]; }
  bool has_border() const { return needs_padding(g_.rows) || needs_padding(g_.columns); }
  // x with the zeros that forward() put around it.
  const real* with_border(const real* x) const { return has_border() ? padded_x_.data() : x; }

  void backward_kernel(const real* x, const real* dz, int batch) {
    const int splits = tiles(batch, images_per_split_);
    with_width(g_.out, [&](auto width) {
      constexpr int V = width();
      const Grid grid(tiles(g_.taps(), kTileRows), splits, tiles(g_.out, Tile<V>::kColumns));
      launch(backward_kernel_kernel<V>, grid, Tile<V>::kThreads, padded_, with_border(x),
             offset_.data(), dz, partial_.data(), batch, images_per_split_);
    });
    const int size = g_.taps() * g_.out;
    sum_rows(partial_.data(), splits, size, size, kernel().gradient);
  }

  void backward_x(const real* dz, real* dx, int batch) {
    transpose(kernel().value, g_.rows.kernel * g_.columns.kernel, g_.in, g_.out, kernel_t_.data());
    with_width(g_.in, [&](auto width) {
      constexpr int V = width();
      const Grid grid(g_.rows.input * g_.columns.input, tiles(batch, kTileRows),
                      tiles(g_.in, Tile<V>::kColumns));
      launch(backward_x_kernel<V>, grid, Tile<V>::kThreads, g_, dz, kernel_t_.data(), dx, batch);
    });
  }

  Conv2dOptions options_;
  Geometry g_, padded_;  // of the image as it is, and with its border of zeros
  int images_per_split_ = 1;
  BiasGradient bias_gradient_;
  Buffer<int> offset_;     // [kh][kw][in]
  Buffer<real> kernel_t_;  // [kh][kw][out][in]
  Buffer<real> padded_x_;  // [max_batch][padded height][padded width][in]
  Buffer<real> partial_;   // [splits][kh][kw][in][out]
};

}  // namespace

LayerPointer conv2d(const Conv2dOptions& options) { return std::make_unique<Conv2d>(options); }

}  // namespace plainnet::TARGET
