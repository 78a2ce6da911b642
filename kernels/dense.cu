// A dense (fully connected) layer with a bias and, if wanted, a ReLU. Image b has inputs c, the layer
// units n:
//
//   z[b][n] = bias[n] + Σ_c x[b][c] weight[c][n]
//   y[b][n] = max(z[b][n], 0) with a ReLU, else z[b][n]
//
// With dy the gradient of the loss by y, and dz the one by z (see common.cu):
//
//   dbias[n]      = Σ_b dz[b][n]
//   dweight[c][n] = Σ_b x[b][c] dz[b][n]
//   dx[b][c]      = Σ_n dz[b][n] weight[c][n]
//
// By the chain rule dweight[c][n] is the sum over all z[b][m] of dz[b][m] times the slope of z[b][m] by
// weight[c][n]. This slope is x[b][c] where m = n, else 0: so one sum, over b, is left. Likewise x[b][c]
// is in z[b][n] with the factor weight[c][n], for each n, and in no other image's z.

#include "kernels/dense.h"

#include "kernels/common.h"
#include "kernels/layer.h"

namespace plainnet::TARGET {
namespace {

// A block computes y of one image.
__global__ void dense_forward(const real* x,       // [batch][in]
                              const real* weight,  // [in][out]
                              const real* bias,    // [out]
                              int in, int out, bool relu,
                              real* y) {  // [batch][out]
  const int b = blockIdx.x;
  for (int n = threadIdx.x; n < out; n += blockDim.x) {
    real z = bias[n];
    for (int c = 0; c < in; ++c) z += x[at(b, c, in)] * weight[at(c, n, out)];
    y[at(b, n, out)] = relu && z < 0 ? 0 : z;  // what is not a number stays so
  }
}

// A block computes dweight of one input.
__global__ void dense_backward_weight(const real* x,   // [batch][in]
                                      const real* dz,  // [batch][out]
                                      int batch, int in, int out,
                                      real* dweight) {  // [in][out]
  const int c = blockIdx.x;
  for (int n = threadIdx.x; n < out; n += blockDim.x) {
    real sum = 0;
    for (int b = 0; b < batch; ++b) sum += x[at(b, c, in)] * dz[at(b, n, out)];
    dweight[at(c, n, out)] = sum;
  }
}

// A block computes dx of one image.
__global__ void dense_backward_x(const real* dz,      // [batch][out]
                                 const real* weight,  // [in][out]
                                 int in, int out,
                                 real* dx) {  // [batch][in]
  const int b = blockIdx.x;
  for (int c = threadIdx.x; c < in; c += blockDim.x) {
    real sum = 0;
    for (int n = 0; n < out; ++n) sum += dz[at(b, n, out)] * weight[at(c, n, out)];
    dx[at(b, c, in)] = sum;
  }
}

class PlainDense : public Layer {
 public:
  PlainDense(const Dense& dense, Shape input, const Parameter* parameters)
      : in_(static_cast<int>(input.size())),
        out_(dense.units),
        relu_(dense.relu),
        weight_(parameters[0]),
        bias_(parameters[1]) {}

  void forward(const real* x, real* y, int batch) override {
    launch(dense_forward, batch, threads(128), x, weight_.value, bias_.value, in_, out_, relu_, y);
  }

  void backward(const real* x, const real* y, real* dy, real* dx, int batch) override {
    if (relu_) relu_backward(y, dy, batch, out_);  // in place
    const real* dz = dy;
    bias_gradient(dz, batch, out_, bias_.gradient);
    launch(dense_backward_weight, in_, threads(128), x, dz, batch, in_, out_, weight_.gradient);
    if (dx) launch(dense_backward_x, batch, threads(128), dz, weight_.value, in_, out_, dx);
  }

 private:
  int in_, out_;
  bool relu_;
  Parameter weight_, bias_;
};

}  // namespace

LayerPointer plain_layer(const Dense& dense, Shape input, int, const Parameter* parameters) {
  return std::make_unique<PlainDense>(dense, input, parameters);
}

}  // namespace plainnet::TARGET
