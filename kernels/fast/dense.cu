// The dense layer, fast: its formulas (kernels/dense.cu) are three matrix products,
//
//   y = relu(x weight + bias)      dweight = x^T dz      dx = dz weight^T
//
// and product.h computes them. It wants its second factor row by row, so for dx something must be transposed.
// dz and dx have fewer numbers than a large weight: dx^T = weight dz^T.
//
// x weight is the sum of two parts, of the first and of the second half of weight's rows. The cores that
// compute a half's part also compute its rows of dweight and of dx^T, and update it: all of these go through
// the rows in order. So a large weight stays in the caches of the cores that use it, which may be far from
// each other.

#include "kernels/dense.h"

#include "kernels/fast/common.h"
#include "kernels/fast/layers.h"
#include "kernels/fast/product.h"
#include "kernels/fast/vector.h"

namespace plainnet::TARGET {
namespace {

// A block computes a row of y from the same row of all parts.
__global__ void dense_sum_parts(const real* __restrict__ part,  // [parts][batch][out]
                                int parts, int out, const real* __restrict__ bias, bool with_relu,
                                real* __restrict__ y) {  // [batch][out]
  const long row = 1L * blockIdx.x * out, size = 1L * gridDim.x * out;
  for (int n = threadIdx.x * kVectorLanes; n < out; n += blockDim.x * kVectorLanes) {
    Vector sum = load(bias + n);
    for (int p = 0; p < parts; ++p) sum += load(part + p * size + row + n);
    store(y + row + n, with_relu ? relu(sum) : sum, out - n);
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
        parts_(in_ % 2 == 0 ? 2 : 1),
        part_(size_t{1} * parts_ * max_batch * out_),
        dz_t_(size_t{1} * out_ * max_batch),
        dx_t_(size_t{1} * in_ * max_batch) {}

  void forward(const real* x, real* y, int batch) override {
    const int rows = in_ / parts_;
    product({x, in_, 1, batch}, weight_.value, out_, rows, part_.data(), out_, out_, /*add=*/false,
            {parts_, rows, 1L * rows * out_, 1L * batch * out_});
    launch(dense_sum_parts, batch, threads(128), part_.data(), parts_, out_, bias_.value, relu_, y);
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
  int parts_;
  Buffer<real> part_;         // the parts of x weight: [parts][batch][out]
  Buffer<real> dz_t_, dx_t_;  // transposed: [out][batch], [in][batch]
};

}  // namespace

LayerPointer fast_layer(const Dense& dense, Shape input, int max_batch, const Parameter* parameters) {
  return std::make_unique<FastDense>(dense, input, max_batch, parameters);
}

}  // namespace plainnet::TARGET
