// Max pooling: the largest number of each window, channel by channel. With stride s:
//
//   y[b][o][p][c] = max over i, j of x[b][o s + i][p s + j][c]
//   winner[b][o][p][c] = the tap (i, j) of the maximum, the first of equal ones, as the number i * width + j,
//                        with the width of the window
//
// b is the image, (o, p) a pixel of y, (i, j) a tap of the window, (h, w) a pixel of x, c the channel.
// There is no padding: what is left over at the right and below is not looked at. Where a change of x is
// small enough, y changes as its winner does, and not at all with the others: so the winner gets the whole
// gradient. A pixel may have won in several windows, if they overlap:
//
//   dx[b][h][w][c] = Σ_o Σ_p dy[b][o][p][c]
//                    over the (o, p) whose window sees (h, w) and whose winner is the tap that lies on it,
//                    i = h - o s and j = w - p s

#include "kernels/max_pool2d.h"

#include "kernels/layer.h"
#include "kernels/window.h"

namespace plainnet::TARGET {
namespace {

// A block computes one pixel of y.
__global__ void max_pool2d_forward(Geometry g,
                                   const real* x,  // [batch][height][width][channels]
                                   real* y,        // [batch][y's height][y's width][channels]
                                   int* winner) {  // like y
  const int b = blockIdx.x, o = blockIdx.y, p = blockIdx.z;
  for (int c = threadIdx.x; c < g.in; c += blockDim.x) {
    real largest = x[g.x_at(b, o * g.rows.stride, p * g.columns.stride, c)];
    int tap = 0;
    for (int i = 0; i < g.rows.window; ++i)
      for (int j = 0; j < g.columns.window; ++j) {
        const real value = x[g.x_at(b, o * g.rows.stride + i, p * g.columns.stride + j, c)];
        const bool wins = value > largest || value != value;  // what is not a number wins, so that it shows
        if (!wins) continue;
        largest = value;
        tap = i * g.columns.window + j;
      }
    y[g.y_at(b, o, p, c)] = largest;
    winner[g.y_at(b, o, p, c)] = tap;
  }
}

// A block computes one pixel of dx.
__global__ void max_pool2d_backward(Geometry g,
                                    const real* dy,     // [batch][y's height][y's width][channels]
                                    const int* winner,  // like dy
                                    real* dx) {         // [batch][height][width][channels]
  const int b = blockIdx.x, h = blockIdx.y, w = blockIdx.z;
  for (int c = threadIdx.x; c < g.in; c += blockDim.x) {
    real sum = 0;
    for (int o = first_output(g.rows, h); o < end_output(g.rows, h); ++o)
      for (int p = first_output(g.columns, w); p < end_output(g.columns, w); ++p) {
        const int i = h - o * g.rows.stride, j = w - p * g.columns.stride;
        if (winner[g.y_at(b, o, p, c)] == i * g.columns.window + j) sum += dy[g.y_at(b, o, p, c)];
      }
    dx[g.x_at(b, h, w, c)] = sum;
  }
}

class PlainMaxPool2d : public Layer {
 public:
  PlainMaxPool2d(const MaxPool2d& pool, Shape input, int max_batch)
      : g_{pool.rows(input), pool.columns(input), input.channels, input.channels},
        winner_(max_batch * pool.output(input).size()) {}

  void forward(const real* x, real* y, int batch) override {
    launch(max_pool2d_forward, {batch, g_.rows.output, g_.columns.output}, threads(64), g_, x, y,
           winner_.data());
  }

  void backward(const real*, const real*, real* dy, real* dx, int batch) override {
    if (dx)
      launch(max_pool2d_backward, {batch, g_.rows.input, g_.columns.input}, threads(64), g_, dy,
             winner_.data(), dx);
  }

 private:
  Geometry g_;
  Buffer<int> winner_;  // [max_batch] like y
};

}  // namespace

LayerPointer plain_layer(const MaxPool2d& pool, Shape input, int max_batch, const Parameter*) {
  return std::make_unique<PlainMaxPool2d>(pool, input, max_batch);
}

}  // namespace plainnet::TARGET
