// Max pooling: the largest number of each window, channel by channel.
//
//   y[b][o][p][c] = max over i, j of x[b][o s + i][p s + j][c]
//
// The gradient goes to the number that was the largest, the first of equal ones:
//
//   dx[b][h][w][c] = Σ dy[b][o][p][c] over the windows (o, p) whose largest number is at (h, w)
//
// Shapes: x [batch][height][width][channels], y [batch][oh][ow][channels]. There is no padding: what
// is left over at the right and below is not looked at, and gets a gradient of zero. backward()
// overwrites dx. (The models here pool within conv2d, which takes less time; this is for other
// windows, and for what is no convolution.)

#include "kernels/fast/vector.h"
#include "kernels/window.h"

namespace plainnet::TARGET {
namespace {

constexpr Dim3 kThreads = threads(32, 4);  // 32 channels of 4 pixels at a time

// A block computes one row (b, o) of outputs.
__global__ void forward_kernel(Axis rows, Axis columns, int channels,
                               const real* __restrict__ x,  // [batch][height][width][channels]
                               real* __restrict__ y,        // [batch][oh][ow][channels]
                               real* __restrict__ winner) {  // [batch][oh][ow][channels]
  const int row = blockIdx.x;
  const int b = row / rows.output, o = row % rows.output;
  const long image = static_cast<long>(b) * rows.input;
  for (int p = threadIdx.y; p < columns.output; p += blockDim.y)
    for (int c = threadIdx.x * kVectorLanes; c < channels; c += blockDim.x * kVectorLanes) {
      Vector best{}, best_tap{};
      for (int i = 0; i < rows.kernel; ++i)
        for (int j = 0; j < columns.kernel; ++j) {
          const int tap = i * columns.kernel + j;
          const long pixel = (image + o * rows.stride + i) * columns.input + p * columns.stride + j;
          const Vector value = load(x + pixel * channels + c);
          if (tap == 0) best = value;
          const auto wins = (value > best) | (value != value);  // a NaN shows
          best = wins ? value : best;
          best_tap = wins ? broadcast(tap) : best_tap;
        }
      const long out = (static_cast<long>(row) * columns.output + p) * channels + c;
      store(y + out, best, channels - c);
      store(winner + out, best_tap, channels - c);
    }
}

// A block computes one row (b, h) of input gradients, a pixel at a time: with windows apart by s, the
// pixel w = q s + r is tap r of window q, tap r + s of window q - 1, and so on.
__global__ void backward_kernel(Axis rows, Axis columns, int channels,
                                const real* __restrict__ dy,         // [batch][oh][ow][channels]
                                const real* __restrict__ winner,  // [batch][oh][ow][channels]
                                real* __restrict__ dx) {  // [batch][height][width][channels]
  const int b = blockIdx.x / rows.input, h = blockIdx.x % rows.input;
  const long image = static_cast<long>(b) * rows.output;
  for (int q = threadIdx.y; q * columns.stride < columns.input; q += blockDim.y)
    for (int r = 0; r < columns.stride && q * columns.stride + r < columns.input; ++r) {
      const long in =
          (static_cast<long>(blockIdx.x) * columns.input + q * columns.stride + r) * channels;
      for (int c = threadIdx.x * kVectorLanes; c < channels; c += blockDim.x * kVectorLanes) {
        Vector sum{};
        for (int i = h % rows.stride, o = h / rows.stride; i < rows.kernel && o >= 0;
             i += rows.stride, --o) {
          if (o >= rows.output) continue;
          for (int j = r, p = q; j < columns.kernel && p >= 0; j += columns.stride, --p) {
            if (p >= columns.output) continue;
            const Vector tap = broadcast(i * columns.kernel + j);
            const long out = ((image + o) * columns.output + p) * channels + c;
            sum += load(winner + out) == tap ? load(dy + out) : Vector{};
          }
        }
        store(dx + in + c, sum, channels - c);
      }
    }
}

class MaxPool2d : public Layer {
 public:
  explicit MaxPool2d(const MaxPool2dOptions& options) : options_(options) {}

  std::string type() const override { return "max_pool2d"; }

  Shape build(Shape input, int max_batch) override {
    const Size size = options_.size;
    rows_ = window_axis("max_pool2d", input.height, size.height, options_.stride, kValid);
    columns_ = window_axis("max_pool2d", input.width, size.width, options_.stride, kValid);
    channels_ = input.channels;
    const Shape output{rows_.output, columns_.output, channels_};
    winner_ = Buffer<real>(max_batch * output.size());
    return output;
  }

  void forward(const real* x, real* y, int batch) override {
    launch(forward_kernel, batch * rows_.output, kThreads, rows_, columns_, channels_, x, y,
           winner_.data());
  }

  void backward(const real*, const real*, real* dy, real* dx, int batch) override {
    if (dx)
      launch(backward_kernel, batch * rows_.input, kThreads, rows_, columns_, channels_, dy,
             winner_.data(), dx);
  }

 private:
  MaxPool2dOptions options_;
  Axis rows_{}, columns_{};
  int channels_ = 0;
  Buffer<real> winner_;  // [max_batch][oh][ow][channels]: which tap of the window was the largest
};

}  // namespace

LayerPointer max_pool2d(const MaxPool2dOptions& options) {
  return std::make_unique<MaxPool2d>(options);
}

}  // namespace plainnet::TARGET
