// The dense layer, fast: its formulas (kernels/dense.cu) are three matrix products,
//
//   y = relu(x weight + bias)      dweight = x^T dz      dx = dz weight^T
//
// and product.h computes them. Behind a ReLU two numbers of three of dz are zero, of which a CPU makes use
// where dz is the first factor. So the gradient by weight is computed transposed, and dx from weight
// transposed:
//
//   dweight^T = dz^T x               dx = dz weight^T

#include "kernels/fast/common.h"
#include "kernels/fast/layers.h"
#include "kernels/fast/product.h"

namespace plainnet::TARGET {
namespace {

// A block turns a row of x weight into one of y.
__global__ void dense_add_bias(const real* __restrict__ bias, int out, bool with_relu,
                               real* __restrict__ y) {  // [batch][out]
  real* row = y + 1L * blockIdx.x * out;
  for (int n = threadIdx.x * kVectorLanes; n < out; n += blockDim.x * kVectorLanes) {
    const Vector sum = load(row + n) + load(bias + n);
    store(row + n, with_relu ? relu(sum) : sum, out - n);
  }
}

class FastDense : public Layer {
 public:
  FastDense(const Dense& dense, Shape input, int max_batch, const Parameter* parameters)
      : in_(static_cast<int>(input.size())),
        out_(dense.units),
        relu_(dense.relu),
        weight_(parameters[0]),
        bias_(parameters[1]),
        bias_gradient_(max_batch, out_),
        weight_t_(size_t{1} * in_ * out_) {}

  void forward(const real* x, real* y, int batch) override {
    product({x, in_, 1, batch}, weight_.value, out_, in_, y, out_, out_);
    launch(dense_add_bias, batch, threads(128), bias_.value, out_, relu_, y);
  }

  void backward(const real* x, const real* y, real* dy, real* dx, int batch) override {
    const real* dz = bias_gradient_.run(relu_ ? y : nullptr, dy, batch, bias_.gradient);
    product({dz, 1, out_, out_, relu_}, x, in_, batch, weight_t_.data(), in_, in_);
    transpose(weight_t_.data(), 1, out_, in_, weight_.gradient);
    if (!dx) return;
    transpose(weight_.value, 1, in_, out_, weight_t_.data());
    product({dz, out_, 1, batch, relu_}, weight_t_.data(), in_, out_, dx, in_, in_);
  }

 private:
  int in_, out_;
  bool relu_;
  Parameter weight_, bias_;
  BiasGradient bias_gradient_;
  Buffer<real> weight_t_;  // transposed, as is its gradient before that: [out][in]
};

}  // namespace

LayerPointer fast_layer(const Dense& dense, Shape input, int max_batch, const Parameter* parameters) {
  return std::make_unique<FastDense>(dense, input, max_batch, parameters);
}

}  // namespace plainnet::TARGET
