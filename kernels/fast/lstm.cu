// The LSTM, fast, in one direction or both: kernels/lstm.cu has the formulas. What is sequential in them
// stays in one kernel: a block takes some images through all steps, z_t, gates, c_t and h_t, and waits for
// no other block, as no image meets another. Whatever is not sequential is a product over all steps at once
// (product.h):
//
//   dW = Σ_t x_t^T dz_t      dU = Σ_t h_{t-1}^T dz_t      dx_t = dz_t W^T
//
// For that, everything is kept time after time, [steps][batch][...]: the rows of all times together are one
// matrix, and h_{t-1} beside dz_t are two parts of such matrices, one time apart. x is copied into that
// order, and y and dx out of it. x_t W is summed in the recurrence, beside h_{t-1} U, rather than for all
// steps beforehand: that would write z to memory and read it again, which takes longer than the product.

#include "kernels/bidirectional.h"
#include "kernels/lstm.h"

#include "kernels/fast/activation.h"
#include "kernels/fast/common.h"
#include "kernels/fast/layers.h"
#include "kernels/fast/product.h"
#include "kernels/fast/strip.h"

namespace plainnet::TARGET {
namespace {

struct Sizes {
  int batch, steps, features, units, directions;
  bool first_backwards;    // whether direction 0 begins at the end; direction 1 begins at the other end
  int z_stride, h_stride;  // from row to row of z [..][4u], and of c and h [..][u]; see FastLstm

  // The time of step s of direction d.
  __host__ __device__ int time(int d, int s) const { return goes_on(d) ? s : steps - 1 - s; }
  // Whether time t + 1 follows time t.
  __host__ __device__ bool goes_on(int d) const { return (d == 1) == first_backwards; }
  // The first row of time t in arrays [directions][steps][batch][...].
  __host__ __device__ long row(int d, int t) const { return (static_cast<long>(d) * steps + t) * batch; }
};

// The parameters of one direction.
struct Weights {
  const real *W, *U, *bias;  // [features][4u], [u][4u], [4u]
};

// All steps of some images in one direction. No barrier is needed between h_t and its use in the next step:
// that is a product, which begins with one. The same holds for dz below.
template <class S>  // a Strip
__global__ void __launch_bounds__(S::kMaxThreads, 1)
    lstm_recurrence(Sizes sizes, Weights first, Weights second,
                    const real* __restrict__ x,  // [steps][batch][features]
                    real* __restrict__ z,        // [directions][steps][batch][4u]: the gates
                    real* __restrict__ c,        // [directions][steps][batch][u]
                    real* __restrict__ h) {      // [directions][steps][batch][u]
  const int d = blockIdx.y, b0 = blockIdx.x * S::kRows, u = sizes.units;
  const int images = min(sizes.batch - b0, S::kRows);
  const Weights weights = d == 0 ? first : second;
  for (int s = 0; s < sizes.steps; ++s) {
    const int t = sizes.time(d, s), before = sizes.time(d, max(s - 1, 0));
    const real* x_rows = x + (static_cast<long>(t) * sizes.batch + b0) * sizes.features;
    const real* h_before = h + (sizes.row(d, before) + b0) * sizes.h_stride;
    const real* c_before = c + (sizes.row(d, before) + b0) * sizes.h_stride;
    real* z_rows = z + (sizes.row(d, t) + b0) * sizes.z_stride;
    real* c_rows = c + (sizes.row(d, t) + b0) * sizes.h_stride;
    real* h_rows = h + (sizes.row(d, t) + b0) * sizes.h_stride;
    for (int n0 = 0; n0 < 4 * u; n0 += S::columns_at_once()) {
      const int columns = min(4 * u - n0, S::columns_at_once());
      S strip;
      strip.add_product(Strided{x_rows, sizes.features, 1, images}, weights.W + n0, 4 * u, columns,
                        sizes.features);
      if (s > 0)
        strip.add_product(Strided{h_before, sizes.h_stride, 1, images}, weights.U + n0, 4 * u, columns, u);
      strip.store(images, columns, [&](int m, int n, Vector sum, int count) {
        store(z_rows + m * sizes.z_stride + n0 + n, sum + load(weights.bias + n0 + n), count);
      });
    }
    __syncthreads();  // all of z_t is there
    for (int m = 0; m < images; ++m) {
      real* gate = z_rows + m * sizes.z_stride;
      for (int k = threadIdx.x * kVectorLanes; k < u; k += blockDim.x * kVectorLanes) {
        const Vector i = sigmoid(load(gate + k)), f = sigmoid(load(gate + u + k));
        const Vector g = hyperbolic_tangent(load(gate + 2 * u + k));
        const Vector o = sigmoid(load(gate + 3 * u + k));
        const Vector c_t = s > 0 ? f * load(c_before + m * sizes.h_stride + k) + i * g : i * g;
        store(gate + k, i, u - k);
        store(gate + u + k, f, u - k);
        store(gate + 2 * u + k, g, u - k);
        store(gate + 3 * u + k, o, u - k);
        store(c_rows + m * sizes.h_stride + k, c_t, u - k);
        store(h_rows + m * sizes.h_stride + k, o * hyperbolic_tangent(c_t), u - k);
      }
    }
  }
}

// The same from the last step to the first. It turns the gates into dz, sums dz for dbias, and hands dh and
// dc on to the step before.
template <class S>
__global__ void __launch_bounds__(S::kMaxThreads, 1)
    lstm_backward_recurrence(Sizes sizes,
                             const real* __restrict__ u_t,  // [directions][4u][u]: U transposed
                             const real* __restrict__ dy,   // [batch][directions u], or ..[steps][..]
                             bool whole_sequence,
                             real* __restrict__ z,         // [directions][steps][batch][4u]: gates, then dz
                             const real* __restrict__ c,   // [directions][steps][batch][u]
                             real* __restrict__ dh,        // [directions][batch][u]: dz_{t+1} U^T
                             real* __restrict__ dc,        // [directions][batch][u]: dc_{t+1} f_{t+1}
                             real* __restrict__ dz_sum) {  // [directions][batch][4u]: Σ_t dz_t
  const int d = blockIdx.y, b0 = blockIdx.x * S::kRows, u = sizes.units;
  const int images = min(sizes.batch - b0, S::kRows);
  const long first_row = static_cast<long>(d) * sizes.batch + b0;
  for (int s = sizes.steps - 1; s >= 0; --s) {
    const int t = sizes.time(d, s);
    const bool last = s == sizes.steps - 1, in_y = whole_sequence || last;
    real* z_rows = z + (sizes.row(d, t) + b0) * sizes.z_stride;
    const real* c_rows = c + (sizes.row(d, t) + b0) * sizes.h_stride;
    const real* c_before = c + (sizes.row(d, sizes.time(d, max(s - 1, 0))) + b0) * sizes.h_stride;
    for (int m = 0; m < images; ++m) {
      const long of_y = whole_sequence ? static_cast<long>(b0 + m) * sizes.steps + t : b0 + m;
      const real* dy_row = dy + (of_y * sizes.directions + d) * u;
      real* gate = z_rows + m * sizes.z_stride;
      real *dh_row = dh + (first_row + m) * u, *dc_row = dc + (first_row + m) * u;
      real* dz_sum_row = dz_sum + (first_row + m) * 4 * u;
      for (int k = threadIdx.x * kVectorLanes; k < u; k += blockDim.x * kVectorLanes) {
        const Vector i = load(gate + k), f = load(gate + u + k);
        const Vector g = load(gate + 2 * u + k), o = load(gate + 3 * u + k);
        const Vector c_tanh = hyperbolic_tangent(load(c_rows + m * sizes.h_stride + k));
        Vector dh_t{}, dc_t{};
        if (in_y) dh_t += load(dy_row + k);
        if (!last) dh_t += load(dh_row + k);  // which this thread has stored
        if (!last) dc_t += load(dc_row + k);
        dc_t += dh_t * o * (1 - c_tanh * c_tanh);
        store(dc_row + k, dc_t * f, u - k);
        const Vector c_t_before = s > 0 ? load(c_before + m * sizes.h_stride + k) : Vector{};
        const Vector dz[4] = {dc_t * g * i * (1 - i), dc_t * c_t_before * f * (1 - f), dc_t * i * (1 - g * g),
                              dh_t * c_tanh * o * (1 - o)};
        for (int n = 0; n < 4; ++n) {
          real* sum = dz_sum_row + n * u + k;
          store(gate + n * u + k, dz[n], u - k);
          store(sum, last ? dz[n] : load(sum) + dz[n], u - k);
        }
      }
    }
    if (s > 0)
      for (int k0 = 0; k0 < u; k0 += S::columns_at_once()) {
        const int columns = min(u - k0, S::columns_at_once());
        S strip;
        strip.add_product(Strided{z_rows, sizes.z_stride, 1, images},
                          u_t + static_cast<long>(d) * 4 * u * u + k0, u, columns, 4 * u);
        strip.store(images, columns, [&](int m, int k, Vector sum, int count) {
          store(dh + (first_row + m) * u + k0 + k, sum, count);
        });
      }
  }
}

// Where the row of image b and time t lies: b * image + t * time numbers from the first.
struct Rows {
  long image, time;
};

// Copies rows of `size` numbers from [batch][times] to [times][batch], or back. A block copies one row.
__global__ void exchange_rows(const real* __restrict__ from, Rows from_at, int size, real* __restrict__ to,
                              Rows to_at) {
  const long b = blockIdx.x, t = blockIdx.y;
  const real* from_row = from + b * from_at.image + t * from_at.time;
  real* to_row = to + b * to_at.image + t * to_at.time;
  for (int k = threadIdx.x; k < size; k += blockDim.x) to_row[k] = from_row[k];
}

class FastLstm : public Layer {
 public:
  FastLstm(const Lstm& lstm, int directions, Shape x, int max_batch, const Parameter* parameters)
      : whole_sequence_(lstm.return_sequences), parameters_(parameters, parameters + 3 * directions) {
    const int u = lstm.units, features = lstm.features(x);
    // Rows a power of two apart would share a few lines of the CPU's first cache.
    sizes_ = {max_batch, x.height, features, u, directions, lstm.go_backwards, 4 * u + kColumnStep,
              u + kColumnStep};
    const size_t sequences = size_t{1} * directions * max_batch, rows = sequences * x.height;
    x_ = Buffer<real>(size_t{1} * x.height * max_batch * features);
    dx_ = Buffer<real>(x_.size());
    z_ = Buffer<real>(rows * sizes_.z_stride);
    for (Buffer<real>* buffer : {&c_, &h_}) *buffer = Buffer<real>(rows * sizes_.h_stride);
    for (Buffer<real>* buffer : {&dh_, &dc_}) *buffer = Buffer<real>(sequences * u);
    dz_sum_ = Buffer<real>(sequences * 4 * u);
    u_t_ = Buffer<real>(size_t{1} * directions * 4 * u * u);
    w_t_ = Buffer<real>(size_t{1} * 4 * u * features);
  }

  void forward(const real* x, real* y, int batch) override {
    sizes_.batch = batch;
    const int steps = sizes_.steps, features = sizes_.features, u = sizes_.units;
    launch(exchange_rows, {batch, steps}, threads(32), x, in_x(), features, x_.data(), by_time(features));
    with_width(4 * u, [&](auto width) {
      using S = Strip<width()>;
      launch(lstm_recurrence<S>, {tiles(batch, S::kRows), sizes_.directions}, S::block(4 * u), sizes_,
             weights(0), weights(sizes_.directions - 1), x_.data(), z_.data(), c_.data(), h_.data());
    });
    const int kept = whole_sequence_ ? steps : 1;  // times of an image in y
    const long y_row = static_cast<long>(sizes_.directions) * u;
    for (int d = 0; d < sizes_.directions; ++d) {
      const int first_kept = whole_sequence_ ? 0 : sizes_.time(d, steps - 1);
      launch(exchange_rows, {batch, kept}, threads(128),
             h_.data() + sizes_.row(d, first_kept) * sizes_.h_stride, by_time(sizes_.h_stride), u, y + d * u,
             Rows{kept * y_row, y_row});
    }
  }

  void backward(const real*, const real*, real* dy, real* dx, int batch) override {
    const int u = sizes_.units;
    for (int d = 0; d < sizes_.directions; ++d)
      transpose(weights(d).U, 1, u, 4 * u, u_t_.data() + 4L * u * u * d);
    with_width(u, [&](auto width) {
      using S = Strip<width()>;
      launch(lstm_backward_recurrence<S>, {tiles(batch, S::kRows), sizes_.directions}, S::block(u), sizes_,
             u_t_.data(), dy, whole_sequence_, z_.data(), c_.data(), dh_.data(), dc_.data(), dz_sum_.data());
    });
    for (int d = 0; d < sizes_.directions; ++d) backward_products(d, dx != nullptr);
    if (dx)
      launch(exchange_rows, {batch, sizes_.steps}, threads(32), dx_.data(), by_time(sizes_.features),
             sizes_.features, dx, in_x());
  }

 private:
  // The gradients of one direction's parameters, and its part of dx.
  void backward_products(int d, bool want_dx) {
    const int u = sizes_.units, features = sizes_.features, batch = sizes_.batch, steps = sizes_.steps;
    const real* dz = z_.data() + sizes_.row(d, 0) * sizes_.z_stride;
    const real* h = h_.data() + sizes_.row(d, 0) * sizes_.h_stride;
    const Parameter *W = &parameters_[3 * d], *U = W + 1, *bias = W + 2;
    // dweight, += a^T b over the times from `first` to before `end`; a [times][batch][size], b like dz.
    const auto weight_gradient = [&](const real* a, int a_stride, int size, const real* b, int first, int end,
                                 real* dweight) {
      const long row = static_cast<long>(first) * batch;
      product({a + row * a_stride, 1, a_stride, size}, b + row * sizes_.z_stride, sizes_.z_stride,
              (end - first) * batch, dweight, 4 * u, 4 * u, Finish{nullptr, false, /*add=*/first > 0});
    };
    // dz of all times but the first step's, beside h of the time before: one of the two begins a time later.
    const long dz_rows = sizes_.goes_on(d) ? batch : 0, h_rows = batch - dz_rows;
    const real *dz_after = dz + dz_rows * sizes_.z_stride, *h_before = h + h_rows * sizes_.h_stride;
    const int some = tiles(steps, 4);  // times, so that a strip of dz stays in the cache
    for (int t = 0; t < steps; t += some) {
      weight_gradient(x_.data(), features, features, dz, t, min(t + some, steps), W->gradient);
      weight_gradient(h_before, sizes_.h_stride, u, dz_after, t, min(t + some, steps - 1), U->gradient);
    }
    sum_rows(dz_sum_.data() + 4L * u * batch * d, batch, 4 * u, 4 * u, bias->gradient);
    if (!want_dx) return;
    transpose(W->value, 1, features, 4 * u, w_t_.data());
    product({dz, sizes_.z_stride, 1, steps * batch}, w_t_.data(), features, 4 * u, dx_.data(), features,
            features, Finish{nullptr, false, /*add=*/d > 0});
  }

  // The rows of x and dx, and those of arrays that are kept time after time.
  Rows in_x() const { return {static_cast<long>(sizes_.steps) * sizes_.features, sizes_.features}; }
  Rows by_time(int stride) const { return {stride, static_cast<long>(sizes_.batch) * stride}; }

  Weights weights(int d) const {
    return {parameters_[3 * d].value, parameters_[3 * d + 1].value, parameters_[3 * d + 2].value};
  }

  bool whole_sequence_;
  std::vector<Parameter> parameters_;  // of each direction W, U and the bias
  Sizes sizes_{};
  Buffer<real> x_, dx_;    // [steps][batch][features]
  Buffer<real> z_;         // [directions][steps][batch][4u]: z, then the gates, then dz
  Buffer<real> c_, h_;     // [directions][steps][batch][u]
  Buffer<real> dh_, dc_;   // [directions][batch][u]: what step t gets from step t+1
  Buffer<real> dz_sum_;    // [directions][batch][4u]
  Buffer<real> u_t_;       // [directions][4u][u]
  Buffer<real> w_t_;       // [4u][features]
};

}  // namespace

LayerPointer fast_layer(const Lstm& lstm, Shape x, int max_batch, const Parameter* parameters) {
  return std::make_unique<FastLstm>(lstm, 1, x, max_batch, parameters);
}

LayerPointer fast_layer(const Bidirectional& both, Shape x, int max_batch, const Parameter* parameters) {
  return std::make_unique<FastLstm>(both.onward, 2, x, max_batch, parameters);
}

}  // namespace plainnet::TARGET
