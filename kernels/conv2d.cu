// A convolution (in fact a cross-correlation, as everywhere in the field) with a bias and, if wanted, a
// ReLU. With stride s, and t rows and l columns of zeros above and left of the image (g.rows.before,
// g.columns.before):
//
//   z[b][o][p][n] = bias[n] + Σ_i Σ_j Σ_c x[b][o s - t + i][p s - l + j][c] weight[i][j][c][n]
//   y[b][o][p][n] = max(z[b][o][p][n], 0) with a ReLU, else z[b][o][p][n]
//
// b is the image, (o, p) a pixel of y and n its channel, (i, j) a tap of the window, (h, w) a pixel of x and
// c its channel. With dy the gradient of the loss by y, and dz the one by z (see common.cu):
//
//   dbias[n]            = Σ_b Σ_o Σ_p dz[b][o][p][n]
//   dweight[i][j][c][n] = Σ_b Σ_o Σ_p x[b][o s - t + i][p s - l + j][c] dz[b][o][p][n]
//   dx[b][h][w][c]      = Σ_o Σ_p Σ_n dz[b][o][p][n] weight[h - o s + t][w - p s + l][c][n]
//                         over the (o, p) whose window sees (h, w)
//
// A weight is used once for each pixel of y, with another pixel of x as its factor: so its gradient sums over
// all of them. A pixel of x is used by each window that sees it, with the weight of the tap that lies on it:
// z[b][o][p] sees (h, w) with the tap i for which o s - t + i = h, that is, i = h - o s + t.

#include "kernels/conv2d.h"

#include "kernels/common.h"
#include "kernels/layer.h"
#include "kernels/window.h"

namespace plainnet::TARGET {
namespace {

// Where weight[i][j][c][n] lies.
__device__ long weight_at(const Geometry& g, int i, int j, int c, int n) {
  return ((static_cast<long>(i) * g.columns.window + j) * g.in + c) * g.out + n;
}

// A block computes one pixel of y.
__global__ void conv2d_forward(Geometry g,
                               const real* x,       // [batch][height][width][in]
                               const real* weight,  // [window height][window width][in][out]
                               const real* bias,    // [out]
                               bool relu,
                               real* y) {  // [batch][y's height][y's width][out]
  const int b = blockIdx.x, o = blockIdx.y, p = blockIdx.z;
  for (int n = threadIdx.x; n < g.out; n += blockDim.x) {
    real z = bias[n];
    for (int i = 0; i < g.rows.window; ++i)
      for (int j = 0; j < g.columns.window; ++j) {
        const int h = o * g.rows.stride - g.rows.before + i;
        const int w = p * g.columns.stride - g.columns.before + j;
        if (!g.has(h, w)) continue;
        for (int c = 0; c < g.in; ++c) z += x[g.x_at(b, h, w, c)] * weight[weight_at(g, i, j, c, n)];
      }
    y[g.y_at(b, o, p, n)] = relu && z < 0 ? 0 : z;
  }
}

// A block computes dweight of one tap and input channel.
__global__ void conv2d_backward_weight(Geometry g,
                                       const real* x,   // [batch][height][width][in]
                                       const real* dz,  // [batch][y's height][y's width][out]
                                       int batch,
                                       real* dweight) {  // like weight
  const int i = blockIdx.x, j = blockIdx.y, c = blockIdx.z;
  for (int n = threadIdx.x; n < g.out; n += blockDim.x) {
    real sum = 0;
    for (int b = 0; b < batch; ++b)
      for (int o = 0; o < g.rows.output; ++o)
        for (int p = 0; p < g.columns.output; ++p) {
          const int h = o * g.rows.stride - g.rows.before + i;
          const int w = p * g.columns.stride - g.columns.before + j;
          if (g.has(h, w)) sum += x[g.x_at(b, h, w, c)] * dz[g.y_at(b, o, p, n)];
        }
    dweight[weight_at(g, i, j, c, n)] = sum;
  }
}

// A block computes one pixel of dx.
__global__ void conv2d_backward_x(Geometry g,
                                  const real* dz,      // [batch][y's height][y's width][out]
                                  const real* weight,  // [window height][window width][in][out]
                                  real* dx) {          // like x
  const int b = blockIdx.x, h = blockIdx.y, w = blockIdx.z;
  for (int c = threadIdx.x; c < g.in; c += blockDim.x) {
    real sum = 0;
    for (int o = first_output(g.rows, h); o < end_output(g.rows, h); ++o)
      for (int p = first_output(g.columns, w); p < end_output(g.columns, w); ++p) {
        const int i = h - o * g.rows.stride + g.rows.before;
        const int j = w - p * g.columns.stride + g.columns.before;
        for (int n = 0; n < g.out; ++n) sum += dz[g.y_at(b, o, p, n)] * weight[weight_at(g, i, j, c, n)];
      }
    dx[g.x_at(b, h, w, c)] = sum;
  }
}

class PlainConv2d : public Layer {
 public:
  PlainConv2d(const Conv2d& conv2d, Shape input, const Parameter* parameters)
      : g_{conv2d.rows(input), conv2d.columns(input), input.channels, conv2d.filters},
        relu_(conv2d.relu),
        weight_(parameters[0]),
        bias_(parameters[1]) {}

  void forward(const real* x, real* y, int batch) override {
    launch(conv2d_forward, {batch, g_.rows.output, g_.columns.output}, threads(64), g_, x, weight_.value,
           bias_.value, relu_, y);
  }

  void backward(const real* x, const real* y, real* dy, real* dx, int batch) override {
    const int pixels = batch * g_.y_pixels();
    if (relu_) relu_backward(y, dy, pixels, g_.out);
    const real* dz = dy;
    bias_gradient(dz, pixels, g_.out, bias_.gradient);
    launch(conv2d_backward_weight, {g_.rows.window, g_.columns.window, g_.in}, threads(64), g_, x, dz, batch,
           weight_.gradient);
    if (dx)
      launch(conv2d_backward_x, {batch, g_.rows.input, g_.columns.input}, threads(64), g_, dz, weight_.value,
             dx);
  }

 private:
  Geometry g_;
  bool relu_;
  Parameter weight_, bias_;
};

}  // namespace

LayerPointer plain_layer(const Conv2d& conv2d, Shape input, int, const Parameter* parameters) {
  return std::make_unique<PlainConv2d>(conv2d, input, parameters);
}

}  // namespace plainnet::TARGET
