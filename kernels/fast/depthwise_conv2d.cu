// Depthwise two-dimensional convolution: every channel has a filter of its own (Sifre,
// "Rigid-motion scattering for image classification", 2014), with a bias and, if wanted, a ReLU:
//
//   y[b][o][p][c] = relu(bias[c] + Σ_i Σ_j x[b][o s - t + i][p s - l + j][c] kernel[i][j][c])
//
// with stride s, and t and l zeros above and left of the image. With the gradient dy of the loss by
// y, and dz = dy where y > 0, else 0:
//
//   dbias[c]         = Σ_b Σ_o Σ_p dz[b][o][p][c]
//   dkernel[i][j][c] = Σ_b Σ_o Σ_p x[b][o s - t + i][p s - l + j][c] dz[b][o][p][c]
//   dx[b][h][w][c]   = Σ_i Σ_j dz[b][o][p][c] kernel[i][j][c]  where o s - t + i = h, p s - l + j = w
//
// Shapes: x [batch][height][width][channels], kernel [kh][kw][channels][1], bias [channels],
// y [batch][oh][ow][channels]. backward() overwrites. No channel meets another, so there is no
// matrix product here: a number is used kh kw times only, and the kernels are bound by loads, not
// by arithmetic. A thread computes a few channels.

#include "kernels/fast/common.h"
#include "kernels/fast/vector.h"

namespace plainnet::TARGET {
namespace {

constexpr Dim3 kThreads = threads(32, 4);

// The channels of a thread: on a GPU one, on a CPU two Vectors, for its loops are short.
constexpr int kVectors = kVectorLanes == 1 ? 1 : 2;
constexpr int kChannels = kVectors * kVectorLanes;
constexpr int kPixels = 4;  // neighbours that a thread computes at once

// A block computes one row (b, o) of outputs, a thread four neighbouring pixels at a time, so that
// it loads a number of the kernel once for the four. Here x has its zeros around it.
__global__ void forward_kernel(Axis rows, Axis columns, int channels,
                               const real* __restrict__ x,       // [batch][height][width][channels]
                               const real* __restrict__ kernel,  // [kh][kw][channels]
                               const real* __restrict__ bias,    // [channels]
                               bool with_relu,
                               real* __restrict__ y) {  // [batch][oh][ow][channels]
  const int b = blockIdx.x / rows.output, o = blockIdx.x % rows.output;
  const long x_row = (static_cast<long>(b) * rows.input + o * rows.stride) * columns.input;
  const long y_row = static_cast<long>(blockIdx.x) * columns.output;
  for (int p0 = threadIdx.y * kPixels; p0 < columns.output; p0 += blockDim.y * kPixels)
    for (int c = threadIdx.x * kChannels; c < channels; c += blockDim.x * kChannels) {
      long at[kPixels];  // of the pixels' first taps; beyond the end of the row, the last pixel's
      Vector sum[kPixels][kVectors];
      for (int q = 0; q < kPixels; ++q) {
        at[q] = (x_row + min(p0 + q, columns.output - 1) * columns.stride) * channels + c;
        for (int v = 0; v < kVectors; ++v) sum[q][v] = load(bias + c + v * kVectorLanes);
      }
      for (int i = 0; i < rows.kernel; ++i)
        for (int j = 0; j < columns.kernel; ++j) {
          const real* weights = kernel + (i * columns.kernel + j) * channels + c;
          const real* x_tap = x + (static_cast<long>(i) * columns.input + j) * channels;
          for (int v = 0; v < kVectors; ++v) {
            const Vector weight = load(weights + v * kVectorLanes);
            for (int q = 0; q < kPixels; ++q)
              sum[q][v] += load(x_tap + at[q] + v * kVectorLanes) * weight;
          }
        }
      for (int q = 0; q < kPixels && p0 + q < columns.output; ++q)
        for (int v = 0; v < kVectors; ++v)
          store(y + (y_row + p0 + q) * channels + c + v * kVectorLanes,
                with_relu ? relu(sum[q][v]) : sum[q][v], channels - c - v * kVectorLanes);
    }
}

// A block computes one row (b, h) of input gradients, a thread again four neighbouring pixels at a
// time. Output p reads pixel w with tap j = w + before - p stride, if there is such a tap; for
// those that read only some of the four pixels, the rows of the kernel have three zeros at both
// ends here.
__global__ void backward_x_kernel(Axis rows, Axis columns, int channels,
                                  const real* __restrict__ dz,      // [batch][oh][ow][channels]
                                  const real* __restrict__ kernel,  // [kh][3 + kw + 3][channels]
                                  real* __restrict__ dx) {  // [batch][height][width][channels]
  const int b = blockIdx.x / rows.input, h = blockIdx.x % rows.input;
  const int o0 = rows.first_output(h), o1 = rows.end_output(h);
  const int kernel_row = columns.kernel + 2 * (kPixels - 1);
  const long dx_row = static_cast<long>(blockIdx.x) * columns.input;
  for (int w0 = threadIdx.y * kPixels; w0 < columns.input; w0 += blockDim.y * kPixels) {
    const int p0 = columns.first_output(w0);
    const int p1 = columns.end_output(min(w0 + kPixels, columns.input) - 1);
    for (int c = threadIdx.x * kChannels; c < channels; c += blockDim.x * kChannels) {
      Vector sum[kPixels][kVectors];
      for (int q = 0; q < kPixels; ++q)
        for (int v = 0; v < kVectors; ++v) sum[q][v] = Vector{};
      for (int o = o0; o < o1; ++o) {
        const int i = h + rows.before - o * rows.stride;
        const real* dz_row =
            dz + (static_cast<long>(b) * rows.output + o) * columns.output * channels + c;
        for (int p = p0; p < p1; ++p) {
          const int j = w0 + columns.before - p * columns.stride;
          const real* weights = kernel + (i * kernel_row + kPixels - 1 + j) * channels + c;
          for (int v = 0; v < kVectors; ++v) {
            const Vector gradient = load(dz_row + p * channels + v * kVectorLanes);
            for (int q = 0; q < kPixels; ++q)
              sum[q][v] += gradient * load(weights + q * channels + v * kVectorLanes);
          }
        }
      }
      for (int q = 0; q < kPixels && w0 + q < columns.input; ++q)
        for (int v = 0; v < kVectors; ++v)
          store(dx + (dx_row + w0 + q) * channels + c + v * kVectorLanes, sum[q][v],
                channels - c - v * kVectorLanes);
    }
  }
}

// A block sums five taps of the kernel over a few images; there is a partial result for every few
// images, and sum_rows adds them. Here x has its zeros around it.
constexpr int kTapsPerBlock = 5;

__global__ void backward_weights_kernel(
    Axis rows, Axis columns, int channels,
    const real* __restrict__ x,   // [batch][height][width][channels]
    const real* __restrict__ dz,  // [batch][oh][ow][channels]
    int batch, int images_per_split,
    real* __restrict__ partial) {  // [splits][kh][kw][channels]
  const int taps = rows.kernel * columns.kernel, tap0 = blockIdx.x * kTapsPerBlock;
  const int b0 = blockIdx.y * images_per_split, b1 = min(b0 + images_per_split, batch);
  for (int c = threadIdx.x * kChannels; c < channels; c += blockDim.x * kChannels) {
    long at[kTapsPerBlock];  // of the taps of the first output; beyond the last tap, the last one's
    Vector sum[kTapsPerBlock][kVectors];
    for (int q = 0; q < kTapsPerBlock; ++q) {
      const int tap = min(tap0 + q, taps - 1);
      at[q] = (tap / columns.kernel * columns.input + tap % columns.kernel) * channels + c;
      for (int v = 0; v < kVectors; ++v) sum[q][v] = Vector{};
    }
    for (int b = b0; b < b1; ++b)
      for (int o = 0; o < rows.output; ++o) {
        const real* x_row =
            x + (static_cast<long>(b) * rows.input + o * rows.stride) * columns.input * channels;
        const real* dz_row =
            dz + (static_cast<long>(b) * rows.output + o) * columns.output * channels + c;
        for (int p = 0; p < columns.output; ++p)
          for (int v = 0; v < kVectors; ++v) {
            const Vector gradient = load(dz_row + p * channels + v * kVectorLanes);
            const real* x_pixel = x_row + p * columns.stride * channels + v * kVectorLanes;
            for (int q = 0; q < kTapsPerBlock; ++q) sum[q][v] += load(x_pixel + at[q]) * gradient;
          }
      }
    for (int q = 0; q < kTapsPerBlock && tap0 + q < taps; ++q)
      for (int v = 0; v < kVectors; ++v)
        store(partial + (static_cast<long>(blockIdx.y) * taps + tap0 + q) * channels + c +
                  v * kVectorLanes,
              sum[q][v], channels - c - v * kVectorLanes);
  }
}

class DepthwiseConv2d : public Layer {
 public:
  explicit DepthwiseConv2d(const DepthwiseConv2dOptions& options) : options_(options) {}

  std::string type() const override { return "depthwise_conv2d"; }

  Shape build(Shape input, int max_batch) override {
    const Size size = options_.kernel;
    const char* name = "depthwise_conv2d";
    rows_ = window_axis(name, input.height, size.height, options_.stride, options_.padding);
    columns_ = window_axis(name, input.width, size.width, options_.stride, options_.padding);
    channels_ = input.channels;
    const long window = static_cast<long>(size.height) * size.width;
    parameters = {{.name = "kernel",
                   .shape = {size.height, size.width, channels_, 1},
                   .initializer = options_.initializer,
                   // All channels, as in Keras, though an output sums one: so training settles.
                   .fan_in = window * channels_,
                   .fan_out = window},
                  {.name = "bias", .shape = {channels_}, .initializer = Initializer::constant(0)}};
    bias_gradient_ =
        BiasGradient(static_cast<long>(max_batch) * rows_.output * columns_.output, channels_);
    padded_rows_ = rows_;
    padded_columns_ = columns_;
    if (has_border()) {
      padded_rows_ = padded(rows_);
      padded_columns_ = padded(columns_);
      padded_x_ = Buffer<real>(static_cast<long>(max_batch) * padded_rows_.input *
                               padded_columns_.input * channels_);
    }
    padded_kernel_ = Buffer<real>(size.height * (size.width + 2L * (kPixels - 1)) * channels_);
    images_per_split_ = static_cast<int>(max(1L, max_batch * window / (kTapsPerBlock * 256)));
    partial_ = Buffer<real>(tiles(max_batch, images_per_split_) * window * channels_);
    return {rows_.output, columns_.output, channels_};
  }

  void forward(const real* x, real* y, int batch) override {
    if (has_border()) pad(x, rows_, columns_, channels_, batch, padded_x_.data());
    launch(forward_kernel, batch * rows_.output, kThreads, padded_rows_, padded_columns_, channels_,
           with_border(x), kernel().value, bias().value, options_.relu, y);
  }

  void backward(const real* x, const real* y, real* dy, real* dx, int batch) override {
    real* dz = dy;  // BiasGradient turns dy into dz in place
    bias_gradient_.run(options_.relu ? y : nullptr, dz,
                       static_cast<long>(batch) * rows_.output * columns_.output, bias().gradient);
    const int splits = tiles(batch, images_per_split_), taps = rows_.kernel * columns_.kernel;
    launch(backward_weights_kernel, {tiles(taps, kTapsPerBlock), splits}, threads(32), padded_rows_,
           padded_columns_, channels_, with_border(x), dz, batch, images_per_split_,
           partial_.data());
    sum_rows(partial_.data(), splits, taps * channels_, taps * channels_, kernel().gradient);
    if (!dx) return;
    // The kernel is padded as an image is for a window of one row, with kPixels - 1 zeros before it.
    const Axis kernel_rows{rows_.kernel, rows_.kernel, 1, 1, 0};
    const Axis kernel_columns{columns_.kernel, columns_.kernel, 2 * kPixels - 1, 1, kPixels - 1};
    pad(kernel().value, kernel_rows, kernel_columns, channels_, 1, padded_kernel_.data());
    launch(backward_x_kernel, batch * rows_.input, kThreads, rows_, columns_, channels_, dz,
           padded_kernel_.data(), dx);
  }

 private:
  Parameter& kernel() { return parameters[0]; }
  Parameter& bias() { return parameters[1]; }
  bool has_border() const { return needs_padding(rows_) || needs_padding(columns_); }
  // x with the zeros that forward() put around it.
  const real* with_border(const real* x) const { return has_border() ? padded_x_.data() : x; }

  DepthwiseConv2dOptions options_;
  Axis rows_{}, columns_{}, padded_rows_{}, padded_columns_{};
  int channels_ = 0, images_per_split_ = 1;
  BiasGradient bias_gradient_;
  Buffer<real> padded_x_;       // [max_batch][padded height][padded width][channels]
  Buffer<real> padded_kernel_;  // [kh][3 + kw + 3][channels]
  Buffer<real> partial_;        // [splits][kh][kw][channels]
};

}  // namespace

LayerPointer depthwise_conv2d(const DepthwiseConv2dOptions& options) {
  return std::make_unique<DepthwiseConv2d>(options);
}

}  // namespace plainnet::TARGET
