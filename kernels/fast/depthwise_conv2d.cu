// The depthwise convolution, fast. No channel meets another, so there is no matrix product in
// kernels/depthwise_conv2d.cu: a number is used kh kw times only, and the kernels are bound by loads, not by
// arithmetic. What can be saved are loads: a thread keeps the sums of several neighbours in registers, and
// loads what they share once. It computes some channels of kRun neighbouring pixels (of dx kRunOfDx), or of
// kTaps taps (on a GPU one channel: neighbouring threads have its neighbours). As each multiply-add waits for
// the one before it in the same sum, there are a dozen sums or more (a GPU has other threads to go on with).

#include "kernels/fast/common.h"
#include "kernels/fast/layers.h"
#include "kernels/fast/vector.h"

namespace plainnet::TARGET {
namespace {

constexpr Dim3 kThreads = threads(32, 4);
constexpr int kRun = 4, kRunOfDx = 6, kTaps = 5;

// The channels of a thread: kParts vectors of kPart, with AVX 24 floats; on a GPU one.
constexpr int kPart = sizeof(ShortVector) / sizeof(real), kParts = kPart > 1 ? 3 : 1;
constexpr int kChannels = kParts * kPart;

struct Channels {
  ShortVector part[kParts]{};

  __device__ __forceinline__ static Channels load(const real* from) {
    Channels loaded;
    for (int v = 0; v < kParts; ++v) loaded.part[v] = TARGET::load<ShortVector>(from + v * kPart);
    return loaded;
  }
  // Adds a * (what lies at b).
  __device__ __forceinline__ void add_product(const Channels& a, const real* b) {
    for (int v = 0; v < kParts; ++v) part[v] += a.part[v] * TARGET::load<ShortVector>(b + v * kPart);
  }
  // Writes the first n, or all if n is larger.
  __device__ __forceinline__ void store(real* to, int n, bool with_relu = false) const {
    for (int v = 0; v < kParts; ++v)
      TARGET::store(to + v * kPart, with_relu ? relu(part[v]) : part[v], n - v * kPart);
  }
};

// A block computes one row (b, o) of y.
__global__ void depthwise_forward_by_runs(
    Geometry padded,
    const real* __restrict__ x,       // [batch][padded height][padded width][channels]
    const real* __restrict__ weight,  // [kh][kw][channels]
    const real* __restrict__ bias,    // [channels]
    bool with_relu,
    real* __restrict__ y) {  // [batch][oh][ow][channels]
  const Axis rows = padded.rows, columns = padded.columns;
  const int channels = padded.in, b = blockIdx.x / rows.output, o = blockIdx.x % rows.output;
  for (int p0 = threadIdx.y * kRun; p0 < columns.output; p0 += blockDim.y * kRun)
    for (int c = threadIdx.x * kChannels; c < channels; c += blockDim.x * kChannels) {
      long first[kRun];  // where the pixels' first taps lie; beyond the end of the row, the last pixel's
      Channels sum[kRun];
      for (int r = 0; r < kRun; ++r) {
        first[r] = padded.x_at(b, o * rows.stride, min(p0 + r, columns.output - 1) * columns.stride, c);
        sum[r] = Channels::load(bias + c);
      }
      for (int i = 0; i < rows.window; ++i)
        for (int j = 0; j < columns.window; ++j) {
          const Channels factor = Channels::load(weight + (i * columns.window + j) * channels + c);
          const real* x_tap = x + (static_cast<long>(i) * columns.input + j) * channels;
          for (int r = 0; r < kRun; ++r) sum[r].add_product(factor, x_tap + first[r]);
        }
      for (int r = 0; r < kRun && p0 + r < columns.output; ++r)
        sum[r].store(y + padded.y_at(b, o, p0 + r, c), channels - c, with_relu);
    }
}

// A block computes one row (b, h) of dx. Output p sees pixel w with tap j = w + before - p stride, if there
// is such a tap; for those that see only some of the run, the rows of `weight` have kRunOfDx - 1 zeros at
// both ends here.
__global__ void depthwise_backward_x_by_runs(
    Geometry g,
    const real* __restrict__ dz,      // [batch][oh][ow][channels]
    const real* __restrict__ weight,  // [kh][kRunOfDx - 1 + kw + kRunOfDx - 1][channels]
    real* __restrict__ dx) {          // [batch][height][width][channels]
  const Axis rows = g.rows, columns = g.columns;
  const int channels = g.in, b = blockIdx.x / rows.input, h = blockIdx.x % rows.input;
  const int weight_row = columns.window + 2 * (kRunOfDx - 1);
  for (int w0 = threadIdx.y * kRunOfDx; w0 < columns.input; w0 += blockDim.y * kRunOfDx) {
    const int p0 = first_output(columns, w0);
    const int p1 = end_output(columns, min(w0 + kRunOfDx, columns.input) - 1);
    for (int c = threadIdx.x * kChannels; c < channels; c += blockDim.x * kChannels) {
      Channels sum[kRunOfDx]{};
      for (int o = first_output(rows, h); o < end_output(rows, h); ++o)
        for (int p = p0; p < p1; ++p) {
          const int i = h + rows.before - o * rows.stride, j = w0 + columns.before - p * columns.stride;
          const real* w = weight + (i * weight_row + kRunOfDx - 1 + j) * channels + c;
          const Channels factor = Channels::load(dz + g.y_at(b, o, p, c));
          for (int r = 0; r < kRunOfDx; ++r) sum[r].add_product(factor, w + r * channels);
        }
      for (int r = 0; r < kRunOfDx && w0 + r < columns.input; ++r)
        sum[r].store(dx + g.x_at(b, h, w0 + r, c), channels - c);
    }
  }
}

// A block sums kTaps taps over a few images; there is a partial result for every few images, and sum_rows
// adds them.
__global__ void depthwise_backward_weight_by_taps(
    Geometry padded,
    const real* __restrict__ x,   // [batch][padded height][padded width][channels]
    const real* __restrict__ dz,  // [batch][oh][ow][channels]
    int batch, int images_per_part,
    real* __restrict__ partial) {  // [parts][kh][kw][channels]
  const Axis rows = padded.rows, columns = padded.columns;
  const int channels = padded.in, taps = rows.window * columns.window, tap0 = blockIdx.x * kTaps;
  const int b0 = blockIdx.y * images_per_part, b1 = min(b0 + images_per_part, batch);
  for (int c = threadIdx.x * kChannels; c < channels; c += blockDim.x * kChannels) {
    long offset[kTaps];  // how far the taps lie from the first; beyond the last tap, that one's
    Channels sum[kTaps]{};
    for (int t = 0; t < kTaps; ++t) {
      const int tap = min(tap0 + t, taps - 1);
      offset[t] = (static_cast<long>(tap / columns.window) * columns.input + tap % columns.window) * channels;
    }
    for (int b = b0; b < b1; ++b)
      for (int o = 0; o < rows.output; ++o) {
        const real* x_row = x + padded.x_at(b, o * rows.stride, 0, c);
        const real* dz_row = dz + padded.y_at(b, o, 0, c);
        for (int p = 0; p < columns.output; ++p) {
          const Channels factor = Channels::load(dz_row + p * channels);
          const real* x_pixel = x_row + p * columns.stride * channels;
          for (int t = 0; t < kTaps; ++t) sum[t].add_product(factor, x_pixel + offset[t]);
        }
      }
    for (int t = 0; t < kTaps && tap0 + t < taps; ++t)
      sum[t].store(partial + (static_cast<long>(blockIdx.y) * taps + tap0 + t) * channels + c, channels - c);
  }
}

class FastDepthwiseConv2d : public Layer {
 public:
  FastDepthwiseConv2d(const DepthwiseConv2d& depthwise, Shape input, int max_batch,
                      const Parameter* parameters)
      : g_{depthwise.rows(input), depthwise.columns(input), input.channels, input.channels},
        relu_(depthwise.relu),
        weight_(parameters[0]),
        bias_(parameters[1]),
        x_(g_, max_batch),
        // As an image is for a window of one row, with kRunOfDx - 1 zeros before it.
        padded_weight_(Geometry{{g_.rows.window, g_.rows.window, 1, 1, 0},
                                {g_.columns.window, g_.columns.window, 2 * kRunOfDx - 1, 1, kRunOfDx - 1},
                                g_.in, g_.in}, 1),
        images_per_part_(static_cast<int>(max(1L, 1L * max_batch * taps() / (kTaps * 256)))),
        partial_(size_t{1} * tiles(max_batch, images_per_part_) * g_.window_size()),
        bias_gradient_(1L * max_batch * g_.y_pixels(), g_.out) {}

  void forward(const real* x, real* y, int batch) override {
    const real* padded_x = x_.pad(x, batch);
    launch(depthwise_forward_by_runs, batch * g_.rows.output, kThreads, x_.padded(), padded_x, weight_.value,
           bias_.value, relu_, y);
  }

  void backward(const real* x, const real* y, real* dy, real* dx, int batch) override {
    const real* dz = bias_gradient_.run(relu_ ? y : nullptr, dy, 1L * batch * g_.y_pixels(), bias_.gradient);
    const int parts = tiles(batch, images_per_part_), size = g_.window_size();
    launch(depthwise_backward_weight_by_taps, {tiles(taps(), kTaps), parts}, threads(32), x_.padded(),
           x_.padded_already(x), dz, batch, images_per_part_, partial_.data());
    sum_rows(partial_.data(), parts, size, weight_.gradient);
    if (!dx) return;
    const real* padded_weight = padded_weight_.pad(weight_.value, 1);
    launch(depthwise_backward_x_by_runs, batch * g_.rows.input, kThreads, g_, dz, padded_weight, dx);
  }

 private:
  int taps() const { return g_.rows.window * g_.columns.window; }

  Geometry g_;
  bool relu_;
  Parameter weight_, bias_;
  PaddedImages x_;
  PaddedImages padded_weight_;  // [kh][kRunOfDx - 1 + kw + kRunOfDx - 1][channels]
  int images_per_part_;
  Buffer<real> partial_;  // [parts][kh][kw][channels]
  BiasGradient bias_gradient_;
};

}  // namespace

LayerPointer fast_layer(const DepthwiseConv2d& depthwise, Shape input, int max_batch,
                        const Parameter* parameters) {
  return std::make_unique<FastDepthwiseConv2d>(depthwise, input, max_batch, parameters);
}

}  // namespace plainnet::TARGET
