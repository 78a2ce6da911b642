// The dense layer, fast: its formulas (kernels/dense.cu) are three matrix products,
//
//   y = relu(x weight + bias)      dweight = x^T dz      dx = dz weight^T
//
// and product.h computes them, so there is no kernel here. It wants its second factor row by row, so for dx
// something must be transposed. dz and dx have fewer numbers than a large weight: dx^T = weight dz^T.

#include "kernels/dense.h"

#include "kernels/fast/common.h"
#include "kernels/fast/layers.h"
#include "kernels/fast/product.h"

namespace plainnet::TARGET {
namespace {

class FastDense : public Layer {
 public:
  FastDense(const Dense& dense, Shape input, int max_batch, const Parameter* parameters)
      : in_(static_cast<int>(input.size())),
        out_(dense.units),
        relu_(dense.relu),
        weight_(parameters[0]),
        bias_(parameters[1]),
        bias_gradient_(max_batch, out_),
        dz_t_(size_t{1} * out_ * max_batch),
        dx_t_(size_t{1} * in_ * max_batch) {}

  void forward(const real* x, real* y, int batch) override {
    product({x, in_, 1, batch}, weight_.value, out_, in_, y, out_, out_, {bias_.value, relu_});
  }

  void backward(const real* x, const real* y, real* dy, real* dx, int batch) override {
    const real* dz = bias_gradient_.run(relu_ ? y : nullptr, dy, batch, bias_.gradient);
    product({x, 1, in_, in_}, dz, out_, batch, weight_.gradient, out_, out_);
    if (!dx) return;
    transpose(dz, 1, batch, out_, dz_t_.data());
    product({weight_.value, out_, 1, in_}, dz_t_.data(), batch, out_, dx_t_.data(), batch, batch);
    transpose(dx_t_.data(), 1, in_, batch, dx);
  }

 private:
  int in_, out_;
  bool relu_;
  Parameter weight_, bias_;
  BiasGradient bias_gradient_;
  Buffer<real> dz_t_, dx_t_;  // transposed: [out][batch], [in][batch]
};

}  // namespace

LayerPointer fast_layer(const Dense& dense, Shape input, int max_batch, const Parameter* parameters) {
  return std::make_unique<FastDense>(dense, input, max_batch, parameters);
}

}  // namespace plainnet::TARGET
