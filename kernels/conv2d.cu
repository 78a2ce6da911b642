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
//
// If wanted, y is max-pooled at once, over windows of pool x pool pixels side by side, so that the
// large y is never written to memory: it is then [batch][oh / pool][ow / pool][out], and dz is dy at
// the largest pixel of each window, else 0.
//
// All three sums are matrix products of which one matrix is never written down ("implicit GEMM",
// Chetlur et al., "cuDNN: Efficient primitives for deep learning", 2014). With pooling, dz is so
// sparse that backward() sums over what is not zero instead. backward() overwrites.

#include <cmath>

#include "common.h"
#include "tile.h"

namespace plainnet::TARGET {
namespace {

struct Geometry {
  Axis rows, columns;
  int in, out;  // channels
  int pool;     // the side of a pooling window; 1 is no pooling

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

// A tile is one pixel (o, p) of several images by several output channels; k runs over the taps and
// input channels (i, j, c). Here x has its zeros around it, so every tap is inside: in an image,
// x[o s][p s][0] lies at pixel[(o, p)], and x[o s + i][p s + j][c] lies offset[k] after it. A block
// computes the tiles of one pooling window, one after the other, and keeps the largest numbers; bias
// and ReLU do not change which one is the largest.
template <int V>
__global__ void forward_kernel(Geometry g,
                               const real* __restrict__ x,       // [batch][height][width][in]
                               const int* __restrict__ offset,   // [kh][kw][in]
                               const int* __restrict__ pixel,    // [oh][ow]
                               const real* __restrict__ kernel,  // [kh][kw][in][out]
                               const real* __restrict__ bias,    // [out]
                               bool with_relu, int batch,
                               real* __restrict__ y,         // [batch][oh / pool][ow / pool][out]
                               real* __restrict__ winner) {  // like y: the number o ow + p
  const int b0 = blockIdx.y * Tile<V>::kRows, n0 = blockIdx.z * Tile<V>::kColumns;
  const int images = min(batch - b0, Tile<V>::kRows);
  const int channels = min(g.out - n0, Tile<V>::kColumns);
  const int o0 = blockIdx.x / g.y_width() * g.pool, p0 = blockIdx.x % g.y_width() * g.pool;

  Tile<V> largest(-INFINITY), winners(o0 * g.columns.output + p0);
  for (int o = o0; o < o0 + g.pool; ++o)
    for (int p = p0; p < p0 + g.pool; ++p) {
      const int number = o * g.columns.output + p;
      const real* x_pixel = x + b0 * g.x_size() + pixel[number];
      Tile<V> tile;
      tile.add_product([&](int m) { return x_pixel + min(m, images - 1) * g.x_size(); },
                       [&](int k) { return offset[k]; }, kernel + n0, g.out, channels, g.taps());
      largest.take_larger(tile, winners, number);
    }

  const long at = b0 * g.y_size() + static_cast<long>(blockIdx.x) * g.out + n0;
  largest.store(images, channels, [&](int m, int n, Vector sum, int count) {
    const Vector z = sum + load(bias + n0 + n);
    store(y + at + m * g.y_size() + n, with_relu ? relu(z) : z, count);
  });
  if (g.pool > 1)
    winners.store(images, channels, [&](int m, int n, Vector numbers, int count) {
      store(winner + at + m * g.y_size() + n, numbers, count);
    });
}

// A tile is one input pixel (h, w) of several images by several input channels. It sums, over the
// outputs (o, p) that read this pixel, products with k = n. They need the kernel with its channels
// exchanged; with its taps in reverse order, too, the numbers over p and n lie side by side in both
// factors where the stride is 1, and a row of outputs is one product.
template <int V>
__global__ void backward_x_kernel(Geometry g,
                                  const real* __restrict__ dz,        // [batch][oh][ow][out]
                                  const real* __restrict__ kernel_t,  // [kh kw, reversed][out][in]
                                  real* __restrict__ dx,              // [batch][height][width][in]
                                  int batch) {
  const int h = blockIdx.x / g.columns.input, w = blockIdx.x % g.columns.input;
  const int b0 = blockIdx.y * Tile<V>::kRows, c0 = blockIdx.z * Tile<V>::kColumns;
  const int images = min(batch - b0, Tile<V>::kRows);
  const int channels = min(g.in - c0, Tile<V>::kColumns);
  const int p1 = g.columns.end_output(w), last_tap = g.rows.kernel * g.columns.kernel - 1;

  Tile<V> tile;
  for (int o = g.rows.first_output(h); o < g.rows.end_output(h); ++o)
    for (int p = g.columns.first_output(w), run; p < p1; p += run) {
      run = g.columns.stride == 1 ? p1 - p : 1;
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

// A tile is several rows (i, j, c) of the kernel by several output channels; k runs over the pixels
// (o, p) of an image, and pixel[k] is where x[..][o s][p s][0] lies. There is a partial result for
// every few images, and sum_rows adds them. Here x has its zeros around it.
template <int V>
__global__ void backward_kernel_kernel(Geometry g,
                                       const real* __restrict__ x,      // [batch][height][width][in]
                                       const int* __restrict__ offset,  // [kh][kw][in]
                                       const int* __restrict__ pixel,   // [oh][ow]
                                       const real* __restrict__ dz,     // [batch][oh][ow][out]
                                       real* __restrict__ partial,  // [splits][kh][kw][in][out]
                                       int batch, int images_per_split) {
  const int m0 = blockIdx.x * Tile<V>::kRows, n0 = blockIdx.z * Tile<V>::kColumns;
  const int rows = min(g.taps() - m0, Tile<V>::kRows);
  const int channels = min(g.out - n0, Tile<V>::kColumns);
  const int b0 = blockIdx.y * images_per_split, b1 = min(b0 + images_per_split, batch);

  Tile<V, kInColumn> tile;
  for (int b = b0; b < b1; ++b)
    tile.add_product([&](int m) { return x + b * g.x_size() + offset[m0 + min(m, rows - 1)]; },
                     [&](int k) { return pixel[k]; }, dz + b * g.z_size() + n0, g.out, channels,
                     g.rows.output * g.columns.output);
  real* out = partial + (static_cast<long>(blockIdx.y) * g.taps() + m0) * g.out + n0;
  tile.store(rows, channels, [&](int m, int n, Vector sum, int count) {
    store(out + m * g.out + n, sum, count);
  });
}

// With pooling, dz is zero at all pixels of a window but the largest, and there, too, where the ReLU
// was zero: seven numbers of eight, with windows of 2 x 2. These kernels go from one number that is
// not zero to the next.
struct Nonzero {
  int pixel;  // o ow + p
  real dz;
};
constexpr int kMaxListed = 512;

// Lists the `count` next pixels of a channel and returns how many are in the list. A thread that is
// alone in its block leaves out the zeros; many threads leave them in, and skip them together.
__device__ int list_nonzeros(const real* dy, const real* winner, int out, int count, Nonzero* list) {
  const int thread = threadIdx.y * blockDim.x + threadIdx.x, all = blockDim.y * blockDim.x;
  int listed = 0;
  __syncthreads();  // the list before this one has been used
  for (int k = thread; k < count; k += all) {
    const long at = static_cast<long>(k) * out;
    const real dz = dy[at];
    list[all == 1 ? listed : k] = {static_cast<int>(winner[at]), dz};
    listed += dz != 0;
  }
  __syncthreads();
  return all == 1 ? listed : count;
}

// A block sums dkernel of a few output channels over a few images; there is a partial result for
// every few images. The row i of a kernel for one output channel, [kw][in], lies side by side in x,
// too: a Vector of it is a segment, and segment[s] says how far its x lies from its pixel's. A thread
// keeps the sums of several segments in registers. A segment may reach beyond its row: these sums
// are not used.
constexpr int kChannelsPerBlock = 4;
constexpr int kSegments = 5;
constexpr Dim3 kPooledThreads = threads(32, 4);

__global__ void pooled_backward_kernel_kernel(
    Geometry g, int segments,
    const real* __restrict__ x,       // [batch][height][width][in]
    const int* __restrict__ segment,  // [segments]
    const int* __restrict__ pixel,    // [oh][ow]
    const real* __restrict__ dy,      // [batch][oh / pool][ow / pool][out]
    const real* __restrict__ winner,  // like dy
    real* __restrict__ partial,       // [splits][out][segments][kVectorLanes]
    int batch, int images_per_split) {
  __shared__ Nonzero list[kMaxListed];
  const int thread = threadIdx.y * blockDim.x + threadIdx.x, all = blockDim.y * blockDim.x;
  const int n0 = blockIdx.x * kChannelsPerBlock, n1 = min(n0 + kChannelsPerBlock, g.out);
  const int b0 = blockIdx.y * images_per_split, b1 = min(b0 + images_per_split, batch);
  for (int b = b0; b < b1; ++b)
    for (int n = n0; n < n1; ++n)
      for (int k = 0; k < g.y_pixels(); k += kMaxListed) {
        const long first = b * g.y_size() + static_cast<long>(k) * g.out + n;
        const int listed = list_nonzeros(dy + first, winner + first, g.out,
                                         min(g.y_pixels() - k, kMaxListed), list);
        real* out = partial + (static_cast<long>(blockIdx.y) * g.out + n) * segments * kVectorLanes;
        for (int s0 = thread; s0 < segments; s0 += kSegments * all) {
          const real* x_segment[kSegments];
          Vector sum[kSegments];
#pragma GCC unroll 8
          for (int q = 0; q < kSegments; ++q) {
            const int s = min(s0 + q * all, segments - 1);
            x_segment[q] = x + b * g.x_size() + segment[s];
            sum[q] = b == b0 && k == 0 ? Vector{} : load(out + s * kVectorLanes);
          }
          for (int e = 0; e < listed; ++e) {
            const real dz = list[e].dz;
            if (dz == 0) continue;
            const int at = pixel[list[e].pixel];
#pragma GCC unroll 8
            for (int q = 0; q < kSegments; ++q) sum[q] += dz * load(x_segment[q] + at);
          }
#pragma GCC unroll 8
          for (int q = 0; q < kSegments; ++q)
            if (s0 + q * all < segments)
              store(out + (s0 + q * all) * kVectorLanes, sum[q], kVectorLanes);
        }
      }
}

// From the order of the segments to that of the kernel.
__global__ void reorder_kernel(Geometry g, int segments_per_row,
                               const real* __restrict__ sum,  // [out][kh][segments per row][lanes]
                               real* __restrict__ dkernel) {  // [kh][kw][in][out]
  const int row = g.columns.kernel * g.in, i = blockIdx.x / row, k = blockIdx.x % row;
  const int padded_row = segments_per_row * kVectorLanes;
  for (int n = threadIdx.x; n < g.out; n += blockDim.x)
    dkernel[blockIdx.x * g.out + n] = sum[(n * g.rows.kernel + i) * padded_row + k];
}

// The first number from `from` on that is `mine` modulo `all`.
__device__ int own_from(int from, int mine, int all) {
  return from + ((mine - from) % all + all) % all;
}

// A block computes dx of one image: it adds the kernel times dz to the window of x that dz's pixel
// has read. A thread works on rows and columns of dx of its own, so that threads need not wait for
// each other.
__global__ void pooled_backward_x_kernel(Geometry g,
                                         const real* __restrict__ dy,  // [batch][oh / pool][ow / pool][out]
                                         const real* __restrict__ winner,    // like dy
                                         const real* __restrict__ kernel_t,  // [out][kh][kw][in]
                                         real* __restrict__ dx) {  // [batch][height][width][in]
  __shared__ Nonzero list[kMaxListed];
  const int x_row = g.columns.input * g.in, kernel_row = g.columns.kernel * g.in;
  real* dx_image = dx + blockIdx.x * g.x_size();
  for (int h = threadIdx.y; h < g.rows.input; h += blockDim.y)
    for (int k = threadIdx.x; k < x_row; k += blockDim.x) dx_image[h * x_row + k] = 0;

  for (int n = 0; n < g.out; ++n)
    for (int first = 0; first < g.y_pixels(); first += kMaxListed) {
      const long at = blockIdx.x * g.y_size() + static_cast<long>(first) * g.out + n;
      const int listed = list_nonzeros(dy + at, winner + at, g.out,
                                       min(g.y_pixels() - first, kMaxListed), list);
      for (int e = 0; e < listed; ++e) {
        const real dz = list[e].dz;
        if (dz == 0) continue;
        const int h0 = list[e].pixel / g.columns.output * g.rows.stride - g.rows.before;
        const int w0 = list[e].pixel % g.columns.output * g.columns.stride - g.columns.before;
        const int h1 = min(h0 + g.rows.kernel, g.rows.input);
        const int k0 = max(w0, 0) * g.in, k1 = min(w0 + g.columns.kernel, g.columns.input) * g.in;
        for (int h = own_from(max(h0, 0), threadIdx.y, blockDim.y); h < h1; h += blockDim.y) {
          real* to = dx_image + h * x_row;
          const real* from = kernel_t + (n * g.rows.kernel + h - h0) * kernel_row - w0 * g.in;
          int k = own_from(k0, threadIdx.x, blockDim.x);
          for (; k <= k1 - kVectorLanes; k += blockDim.x * kVectorLanes)
            store(to + k, load(to + k) + dz * load(from + k), kVectorLanes);
          if (k < k1) store(to + k, load(to + k) + dz * load(from + k), k1 - k);
        }
      }
    }
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
    if (g_.pool < 1 || g_.pool > min(g_.rows.output, g_.columns.output))
      throw Error(text("conv2d: expected a pooling window from 1 pixel to ", g_.rows.output, " x ",
                       g_.columns.output, ", found ", g_.pool, " x ", g_.pool));
    const Shape output{g_.rows.output / g_.pool, g_.y_width(), g_.out};
    if (g_.pool == 1 && size.height == 1 && size.width == 1 && options_.stride == 1) {
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
    bias_gradient_ = BiasGradient(static_cast<long>(max_batch) * g_.y_pixels(), g_.out);
    padded_ = g_;
    if (has_border()) {
      padded_.rows = padded(g_.rows);
      padded_.columns = padded(g_.columns);
      padded_x_ = Buffer<real>(max_batch * padded_.x_size());
    }
    const int x_row = padded_.columns.input * g_.in, kernel_row = size.width * g_.in;
    std::vector<int> offset, pixel, segment;
    for (int i = 0; i < size.height; ++i) {
      for (int k = 0; k < kernel_row; ++k) offset.push_back(i * x_row + k);
      for (int k = 0; k < kernel_row; k += kVectorLanes) segment.push_back(i * x_row + k);
    }
    for (int o = 0; o < g_.rows.output; ++o)
      for (int p = 0; p < g_.columns.output; ++p)
        pixel.push_back(o * g_.rows.stride * x_row + p * g_.columns.stride * g_.in);
    offset_ = Buffer<int>(offset);
    pixel_ = Buffer<int>(pixel);

    // Enough blocks to fill the machine, whichever it is: the split must not depend on it, for the
    // order of the sums does.
    const int per_image = g_.pool > 1
                              ? 5 * tiles(g_.out, kChannelsPerBlock)
                              : tiles(g_.taps(), kTileRows) * tiles(g_.out, 3 * kLanes);
    images_per_split_ = max(1, max_batch * per_image / 1024);
    const int splits = tiles(max_batch, images_per_split_);
    if (g_.pool > 1) {
      segment_ = Buffer<int>(segment);
      winner_ = Buffer<real>(max_batch * g_.y_size());
      kernel_sum_ = Buffer<real>(segment.size() * kVectorLanes * g_.out);
      partial_ = Buffer<real>(splits * kernel_sum_.size());
    } else {
      partial_ = Buffer<real>(splits * kernel_size);
    }
    return output;
  }

  void forward(const real* x, real* y, int batch) override {
    if (has_border()) pad(x, g_.rows, g_.columns, g_.in, batch, padded_x_.data());
    with_width(g_.out, [&](auto width) {
      constexpr int V = width();
      const Grid grid(g_.y_pixels(), tiles(batch, kTileRows), tiles(g_.out, Tile<V>::kColumns));
      launch(forward_kernel<V>, grid, Tile<V>::kThreads, padded_, with_border(x), offset_.data(),
             pixel_.data(), kernel().value, bias().value, options_.relu, batch, y, winner_.data());
    });
  }

  void backward(const real* x, const real* y, real* dy, real* dx, int batch) override {
    bias_gradient_.run(options_.relu ? y : nullptr, dy, static_cast<long>(batch) * g_.y_pixels(),
                       bias().gradient);
    if (g_.pool > 1)
      pooled_backward(x, dy, dx, batch);
    else
      plain_backward(x, dy, dx, batch);
  }

 private:
  Parameter& kernel() { return parameters[0]; }
  Parameter& bias() { return parameters[1]; }
  bool has_border() const { return needs_padding(g_.rows) || needs_padding(g_.columns); }
  // x with the zeros that forward() put around it.
  const real* with_border(const real* x) const { return has_border() ? padded_x_.data() : x; }

  void plain_backward(const real* x, const real* dz, real* dx, int batch) {
    const int splits = tiles(batch, images_per_split_), kernel_size = g_.taps() * g_.out;
    with_width(g_.out, [&](auto width) {
      constexpr int V = width();
      const Grid grid(tiles(g_.taps(), kTileRows), splits, tiles(g_.out, Tile<V>::kColumns));
      launch(backward_kernel_kernel<V>, grid, Tile<V>::kThreads, padded_, with_border(x),
             offset_.data(), pixel_.data(), dz, partial_.data(), batch, images_per_split_);
    });
    sum_rows(partial_.data(), splits, kernel_size, kernel_size, kernel().gradient);
    if (!dx) return;
    transpose(kernel().value, g_.rows.kernel * g_.columns.kernel, g_.in, g_.out, kernel_t_.data());
    with_width(g_.in, [&](auto width) {
      constexpr int V = width();
      const Grid grid(g_.rows.input * g_.columns.input, tiles(batch, kTileRows),
                      tiles(g_.in, Tile<V>::kColumns));
      launch(backward_x_kernel<V>, grid, Tile<V>::kThreads, g_, dz, kernel_t_.data(), dx, batch);
    });
  }

  void pooled_backward(const real* x, const real* dy, real* dx, int batch) {
    const int splits = tiles(batch, images_per_split_);
    const int segments = static_cast<int>(segment_.size());
    const int sums = static_cast<int>(kernel_sum_.size());
    launch(pooled_backward_kernel_kernel, {tiles(g_.out, kChannelsPerBlock), splits}, kPooledThreads,
           padded_, segments, with_border(x), segment_.data(), pixel_.data(), dy, winner_.data(),
           partial_.data(), batch, images_per_split_);
    sum_rows(partial_.data(), splits, sums, sums, kernel_sum_.data());
    launch(reorder_kernel, g_.taps(), kPooledThreads, g_, segments / g_.rows.kernel,
           kernel_sum_.data(), kernel().gradient);
    if (!dx) return;
    transpose(kernel().value, 1, g_.taps(), g_.out, kernel_t_.data());
    launch(pooled_backward_x_kernel, batch, kPooledThreads, g_, dy, winner_.data(),
           kernel_t_.data(), dx);
  }

  Conv2dOptions options_;
  Geometry g_, padded_;  // of the image as it is, and with its border of zeros
  int images_per_split_ = 1;
  BiasGradient bias_gradient_;
  Buffer<int> offset_;     // [kh][kw][in]: of a tap from its window's first, in x with its zeros
  Buffer<int> pixel_;      // [oh][ow]: of a window's first tap
  Buffer<real> kernel_t_;  // [kh kw, reversed][out][in]; with pooling [out][kh][kw][in]
  Buffer<real> padded_x_;  // [max_batch][padded height][padded width][in]
  Buffer<real> partial_;   // [splits][kh][kw][in][out]; with pooling [splits] like kernel_sum_
  // With pooling:
  Buffer<real> winner_;      // [max_batch] like y: the pixel that was the largest of its window
  Buffer<int> segment_;      // [segments]: of a segment from its window's first tap
  Buffer<real> kernel_sum_;  // [out][segments][kVectorLanes]
};

}  // namespace

LayerPointer conv2d(const Conv2dOptions& options) { return std::make_unique<Conv2d>(options); }

}  // namespace plainnet::TARGET
