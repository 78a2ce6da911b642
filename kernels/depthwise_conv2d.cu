// A depthwise convolution: every channel has a filter of its own and meets no other (Sifre, "Rigid-motion
// scattering for image classification", 2014). With a bias and, if wanted, a ReLU, with stride s, and with t
// rows and l columns of zeros above and left of the image:
//
//   z[b][o][p][c] = bias[c] + Σ_i Σ_j x[b][o s - t + i][p s - l + j][c] weight[i][j][c]
//   y[b][o][p][c] = max(z[b][o][p][c], 0) with a ReLU, else z[b][o][p][c]
//
// b is the image, (o, p) a pixel of y, (i, j) a tap of the window, (h, w) a pixel of x, c the channel of
// all of them. With dy the gradient of the loss by y, and dz the one by z (see common.cu):
//
//   dbias[c]         = Σ_b Σ_o Σ_p dz[b][o][p][c]
//   dweight[i][j][c] = Σ_b Σ_o Σ_p x[b][o s - t + i][p s - l + j][c] dz[b][o][p][c]
//   dx[b][h][w][c]   = Σ_o Σ_p dz[b][o][p][c] weight[h - o s + t][w - p s + l][c]
//                      over the (o, p) whose window sees (h, w)
//
// They follow as those of conv2d.cu do, without its sums over channels.

#include "kernels/depthwise_conv2d.h"

#include "kernels/common.h"
#include "kernels/layer.h"
#include "kernels/window.h"

namespace plainnet::TARGET {
namespace {

// Where weight[i][j][c] lies.
__device__ long weight_at(const Geometry& g, int i, int j, int c) {
  return (static_cast<long>(i) * g.columns.window + j) * g.in + c;
}

// A block computes one pixel of y.
__global__ void depthwise_conv2d_forward(Geometry g,
                                         const real* x,       // [batch][height][width][channels]
                                         const real* weight,  // [window height][window width][channels]
                                         const real* bias,    // [channels]
                                         bool relu,
                                         real* y) {  // [batch][y's height][y's width][channels]
  const int b = blockIdx.x, o = blockIdx.y, p = blockIdx.z;
  for (int c = threadIdx.x; c < g.in; c += blockDim.x) {
    real z = bias[c];
    for (int i = 0; i < g.rows.window; ++i)
      for (int j = 0; j < g.columns.window; ++j) {
        const int h = o * g.rows.stride - g.rows.before + i;
        const int w = p * g.columns.stride - g.columns.before + j;
        if (g.has(h, w)) z += x[g.x_at(b, h, w, c)] * weight[weight_at(g, i, j, c)];
      }
    y[g.y_at(b, o, p, c)] = relu && z < 0 ? 0 : z;
  }
}

// A block computes dweight of one tap.
__global__ void depthwise_conv2d_backward_weight(Geometry g,
                                                 const real* x,   // [batch][height][width][channels]
                                                 const real* dz,  // [batch][y's height][y's width][channels]
                                                 int batch,
                                                 real* dweight) {  // like weight
  const int i = blockIdx.x, j = blockIdx.y;
  for (int c = threadIdx.x; c < g.in; c += blockDim.x) {
    real sum = 0;
    for (int b = 0; b < batch; ++b)
      for (int o = 0; o < g.rows.output; ++o)
        for (int p = 0; p < g.columns.output; ++p) {
          const int h = o * g.rows.stride - g.rows.before + i;
          const int w = p * g.columns.stride - g.columns.before + j;
          if (g.has(h, w)) sum += x[g.x_at(b, h, w, c)] * dz[g.y_at(b, o, p, c)];
        }
    dweight[weight_at(g, i, j, c)] = sum;
  }
}

// A block computes one pixel of dx.
__global__ void depthwise_conv2d_backward_x(Geometry g,
                                            const real* dz,      // [batch][y's height][y's width][channels]
                                            const real* weight,  // [window height][window width][channels]
                                            real* dx) {          // like x
  const int b = blockIdx.x, h = blockIdx.y, w = blockIdx.z;
  for (int c = threadIdx.x; c < g.in; c += blockDim.x) {
    real sum = 0;
    for (int o = first_output(g.rows, h); o < end_output(g.rows, h); ++o)
      for (int p = first_output(g.columns, w); p < end_output(g.columns, w); ++p) {
        const int i = h - o * g.rows.stride + g.rows.before;
        const int j = w - p * g.columns.stride + g.columns.before;
        sum += dz[g.y_at(b, o, p, c)] * weight[weight_at(g, i, j, c)];
      }
    dx[g.x_at(b, h, w, c)] = sum;
  }
}

class PlainDepthwiseConv2d : public Layer {
 public:
  PlainDepthwiseConv2d(const DepthwiseConv2d& depthwise, Shape input, const Parameter* parameters)
      : g_{depthwise.rows(input), depthwise.columns(input), input.channels, input.channels},
        relu_(depthwise.relu),
        weight_(parameters[0]),
        bias_(parameters[1]) {}

  void forward(const real* x, real* y, int batch) override {
    launch(depthwise_conv2d_forward, {batch, g_.rows.output, g_.columns.output}, threads(64), g_, x,
           weight_.value, bias_.value, relu_, y);
  }

  void backward(const real* x, const real* y, real* dy, real* dx, int batch) override {
    const int pixels = batch * g_.y_pixels();
    if (relu_) relu_backward(y, dy, pixels, g_.out);
    const real* dz = dy;
    bias_gradient(dz, pixels, g_.out, bias_.gradient);
    launch(depthwise_conv2d_backward_weight, {g_.rows.window, g_.columns.window}, threads(64), g_, x, dz,
           batch, weight_.gradient);
    if (dx)
      launch(depthwise_conv2d_backward_x, {batch, g_.rows.input, g_.columns.input}, threads(64), g_, dz,
             weight_.value, dx);
  }

 private:
  Geometry g_;
  bool relu_;
  Parameter weight_, bias_;
};

}  // namespace

LayerPointer plain_layer(const DepthwiseConv2d& depthwise, Shape input, int, const Parameter* parameters) {
  return std::make_unique<PlainDepthwiseConv2d>(depthwise, input, parameters);
}

}  // namespace plainnet::TARGET
