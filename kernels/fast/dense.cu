// A dense (fully connected) layer with a bias and, if wanted, a ReLU:
//
//   y[b][n] = relu(bias[n] + Σ_k x[b][k] kernel[k][n])
//
// With the gradient dy of the loss by y, and dz = dy where y > 0, else 0:
//
//   dbias[n]      = Σ_b dz[b][n]
//   dkernel[k][n] = Σ_b x[b][k] dz[b][n]
//   dx[b][k]      = Σ_n dz[b][n] kernel[k][n]
//
// Shapes: x [batch][in], kernel [in][out], bias [out], y [batch][out]. backward() overwrites.

#include "kernels/fast/common.h"
#include "kernels/layer.h"
#include "kernels/fast/tile.h"

namespace plainnet::TARGET {
namespace {

// A matrix product c = a b: with a bias and a ReLU it is y = relu(x kernel + bias), without these
// dx = dz kernelᵀ or dxᵀ = kernel dzᵀ. Neighbouring blocks share what they read of the larger factor.
template <int V>
__global__ void __launch_bounds__(Tile<V>::kThreadCount, 2) product_kernel(
    bool tf32,
    const real* __restrict__ a,     // [rows][depth]
    const real* __restrict__ b,     // [depth][columns]
    const real* __restrict__ bias,  // [columns], or null
    bool with_relu,
    real* __restrict__ c,  // [rows][columns]
    int rows, int depth, int columns) {
  const int x = blockIdx.x, y = blockIdx.y;
  const int m0 = (rows < columns ? x : y) * Tile<V>::kRows;
  const int n0 = (rows < columns ? y : x) * Tile<V>::kColumns;
  const int height = min(rows - m0, Tile<V>::kRows), width = min(columns - n0, Tile<V>::kColumns);

  Tile<V> tile(tf32);
  const real* a_rows = a + static_cast<long>(m0) * depth;
  tile.add_product([&](int m) { return a_rows + static_cast<long>(min(m, height - 1)) * depth; },
                   [](int k) { return k; }, b + n0, columns, width, depth);
  real* c_rows = c + static_cast<long>(m0) * columns + n0;
  tile.store(height, width, [&](int m, int n, Vector sum, int count) {
    const Vector z = bias ? sum + load(bias + n0 + n) : sum;
    store(c_rows + m * columns + n, with_relu ? relu(z) : z, count);
  });
}

// A tile is several inputs by several outputs; the sum is over the images.
template <int V>
__global__ void __launch_bounds__(Tile<V>::kThreadCount, 2) backward_weights_kernel(
    bool tf32,
    const real* __restrict__ x,   // [batch][in]
    const real* __restrict__ dz,  // [batch][out]
    real* __restrict__ dkernel,   // [in][out]
    int batch, int in, int out) {
  const int k0 = blockIdx.y * Tile<V>::kRows, n0 = blockIdx.x * Tile<V>::kColumns;
  const int rows = min(in - k0, Tile<V>::kRows);
  const int columns = min(out - n0, Tile<V>::kColumns);

  Tile<V, kInColumn> tile(tf32);
  tile.add_product([&](int m) { return x + k0 + min(m, rows - 1); },
                   [&](int b) { return static_cast<long>(b) * in; }, dz + n0, out, columns, batch);
  real* dkernel_rows = dkernel + static_cast<long>(k0) * out + n0;
  tile.store(rows, columns, [&](int m, int n, Vector sum, int count) {
    store(dkernel_rows + m * out + n, sum, count);
  });
}

class Dense : public Layer {
 public:
  explicit Dense(const DenseOptions& options) : options_(options) {}

  std::string type() const override { return "dense"; }

  Shape build(Shape input, int max_batch) override {
    in_ = static_cast<int>(input.size());
    out_ = options_.units;
    parameters = {{.name = "kernel",
                   .shape = {in_, out_},
                   .initializer = options_.initializer,
                   .fan_in = in_,
                   .fan_out = out_},
                  {.name = "bias", .shape = {out_}, .initializer = Initializer::constant(0)}};
    kernel_t_ = Buffer<real>(static_cast<size_t>(in_) * out_);
    dz_t_ = Buffer<real>(static_cast<size_t>(out_) * max_batch);
    dx_t_ = Buffer<real>(static_cast<size_t>(in_) * max_batch);
    bias_gradient_ = BiasGradient(max_batch, out_);
    return {1, 1, out_};
  }

  void forward(const real* x, real* y, int batch) override {
    product(x, kernel().value, bias().value, options_.relu, y, batch, in_, out_);
  }

  void backward(const real* x, const real* y, real* dy, real* dx, int batch) override {
    real* dz = dy;  // BiasGradient turns dy into dz in place
    bias_gradient_.run(options_.relu ? y : nullptr, dz, batch, bias().gradient);
    with_width(out_, [&](auto width) {
      constexpr int V = width();
      launch(backward_weights_kernel<V>, {tiles(out_, Tile<V>::kColumns), tiles(in_, kTileRows)},
             Tile<V>::kThreads, use_tf32, x, dz, kernel().gradient, batch, in_, out_);
    });
    if (!dx) return;
    // Tile wants both factors row by row. Whichever is smaller is transposed: the kernel, or dz and dx.
    if (static_cast<long>(in_) * out_ < static_cast<long>(batch) * (in_ + out_)) {
      transpose(kernel().value, 1, in_, out_, kernel_t_.data());
      product(dz, kernel_t_.data(), nullptr, false, dx, batch, out_, in_);
    } else {
      transpose(dz, 1, batch, out_, dz_t_.data());
      product(kernel().value, dz_t_.data(), nullptr, false, dx_t_.data(), in_, out_, batch);
      transpose(dx_t_.data(), 1, in_, batch, dx);
    }
  }

 private:
  Parameter& kernel() { return parameters[0]; }
  Parameter& bias() { return parameters[1]; }

  void product(const real* a, const real* b, const real* bias, bool with_relu, real* c, int rows,
               int depth, int columns) {
    with_width(columns, [&](auto width) {
      constexpr int V = width();
      const int m = tiles(rows, kTileRows), n = tiles(columns, Tile<V>::kColumns);
      launch(product_kernel<V>, rows < columns ? Grid(m, n) : Grid(n, m), Tile<V>::kThreads, use_tf32,
             a, b, bias, with_relu, c, rows, depth, columns);
    });
  }

  DenseOptions options_;
  int in_ = 0, out_ = 0;
  BiasGradient bias_gradient_;
  Buffer<real> kernel_t_;  // [out][in]
  Buffer<real> dz_t_;      // [out][batch]
  Buffer<real> dx_t_;      // [in][batch]
};

}  // namespace

LayerPointer dense(const DenseOptions& options) { return std::make_unique<Dense>(options); }

}  // namespace plainnet::TARGET
