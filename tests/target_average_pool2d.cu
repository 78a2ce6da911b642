// A layer type of one's own, as docs/architecture.md shows how to add one: average pooling. With stride s,
// over windows of N = window height * window width taps:
//
//   y[b][o][p][c] = 1/N Σ_i Σ_j x[b][o s + i][p s + j][c]
//
// b is the image, (o, p) a pixel of y, (i, j) a tap of the window, (h, w) a pixel of x, c the channel. Each
// pixel of x is in a window's mean with the factor 1/N, and in no mean of a window that does not see it:
//
//   dx[b][h][w][c] = 1/N Σ_o Σ_p dy[b][o][p][c]   over the (o, p) whose window sees (h, w)

#include "tests/average_pool2d.h"

#include "kernels/layer.h"
#include "kernels/window.h"
#include "tests/gradients.h"

namespace plainnet::TARGET {
namespace {

// A block computes one pixel of y.
__global__ void average_pool2d_forward(Geometry g,
                                       const real* x,  // [batch][height][width][channels]
                                       real* y) {      // [batch][y's height][y's width][channels]
  const int b = blockIdx.x, o = blockIdx.y, p = blockIdx.z;
  for (int c = threadIdx.x; c < g.in; c += blockDim.x) {
    real sum = 0;
    for (int i = 0; i < g.rows.window; ++i)
      for (int j = 0; j < g.columns.window; ++j)
        sum += x[g.x_at(b, o * g.rows.stride + i, p * g.columns.stride + j, c)];
    y[g.y_at(b, o, p, c)] = sum / (g.rows.window * g.columns.window);
  }
}

// A block computes one pixel of dx.
__global__ void average_pool2d_backward(Geometry g,
                                        const real* dy,  // [batch][y's height][y's width][channels]
                                        real* dx) {      // [batch][height][width][channels]
  const int b = blockIdx.x, h = blockIdx.y, w = blockIdx.z;
  for (int c = threadIdx.x; c < g.in; c += blockDim.x) {
    real sum = 0;
    for (int o = first_output(g.rows, h); o < end_output(g.rows, h); ++o)
      for (int p = first_output(g.columns, w); p < end_output(g.columns, w); ++p)
        sum += dy[g.y_at(b, o, p, c)];
    dx[g.x_at(b, h, w, c)] = sum / (g.rows.window * g.columns.window);
  }
}

class PlainAveragePool2d : public Layer {
 public:
  PlainAveragePool2d(const AveragePool2d& pool, Shape input)
      : g_{pool.rows(input), pool.columns(input), input.channels, input.channels} {}

  void forward(const real* x, real* y, int batch) override {
    launch(average_pool2d_forward, {batch, g_.rows.output, g_.columns.output}, threads(64), g_, x, y);
  }

  void backward(const real*, const real*, real* dy, real* dx, int batch) override {
    if (dx)
      launch(average_pool2d_backward, {batch, g_.rows.input, g_.columns.input}, threads(64), g_, dy, dx);
  }

 private:
  Geometry g_;
};

}  // namespace

LayerPointer plain_layer(const AveragePool2d& pool, Shape input, int, const Parameter*) {
  return std::make_unique<PlainAveragePool2d>(pool, input);
}

static void check_average_pool2d() {
  const Shape input{5, 4, 2};
  const AveragePool2d pool{.window = {3, 2}, .stride = 2};
  LayerRun run(plain_layer(pool, input, 3, nullptr), input, pool.output(input), 2, 3);
  test::note(check_gradients(run));
}

// In single precision, slopes are too coarse.
[[maybe_unused]] static const bool registered = [] {
  if (sizeof(real) == sizeof(double)) TargetRegistration("average_pool2d: gradients", check_average_pool2d);
  return true;
}();

}  // namespace plainnet::TARGET
