// Long short-term memory: a recurrent layer over a sequence x_1 ... x_T, in one direction or in
// both (Hochreiter and Schmidhuber, 1997; with the forget gate of Gers, Schmidhuber and Cummins,
// 2000). With units u, * element by element, and h_0 = c_0 = 0, for t = 1 ... T:
//
//   z_t = x_t W + h_{t-1} U + b              the four quarters of z_t belong to i, f, g, o
//   i_t = sigmoid(z_i)   f_t = sigmoid(z_f)   g_t = tanh(z_g)   o_t = sigmoid(z_o)
//   c_t = f_t * c_{t-1} + i_t * g_t
//   h_t = o_t * tanh(c_t)
//
// Backpropagation through time (Werbos, 1990), with dh_t the gradient of the loss by h_t: what
// comes from y, plus what comes from step t+1. For t = T ... 1, with dc_{T+1} = 0:
//
//   dc_t = dh_t * o_t * (1 - tanh(c_t)^2) + dc_{t+1} * f_{t+1}
//   dz_i = dc_t * g_t * i_t * (1 - i_t)       dz_f = dc_t * c_{t-1} * f_t * (1 - f_t)
//   dz_g = dc_t * i_t * (1 - g_t^2)           dz_o = dh_t * tanh(c_t) * o_t * (1 - o_t)
//   dh_{t-1} gets dz_t U^T
//   dW = Σ_t x_t^T dz_t     dU = Σ_t h_{t-1}^T dz_t     db = Σ_t dz_t     dx_t = dz_t W^T
//
// The backward direction is the same layer with weights of its own over x_T ... x_1. The output is
// h_T of each direction, side by side, or the whole sequence, in the order of x.
//
// Shapes: x [batch][T][in], W [in][4u], U [u][4u], b [4u], y [batch][directions u] or
// [batch][T][directions u]. backward() overwrites. It reads the gates, c and h of every step, which
// forward() keeps: recomputing them would cost as much as the whole forward pass.

#include "kernels/fast/activation.h"
#include "kernels/fast/common.h"
#include "kernels/layer.h"
#include "kernels/fast/strip.h"

namespace plainnet::TARGET {
namespace {

// The sizes, and what is kept of the steps. Step s of direction d is the s-th that this direction
// takes: it reads x at time s, or T-1-s if it goes backward.
struct Sequence {
  int batch, steps, in, units, directions;
  // From row to row of z [..][4u], and of c and h [..][u]: kUnit more than these, see build().
  int z_stride, h_stride;

  // The time of step s, and the step at time s: it is its own inverse.
  __host__ __device__ int time(int d, int s) const { return d == 0 ? s : steps - 1 - s; }
  __host__ __device__ int gates() const { return 4 * units; }
  // The first row of step s of direction d in arrays [directions][steps][batch][...].
  __host__ __device__ long row(int d, int s) const {
    return (static_cast<long>(d) * steps + s) * batch;
  }
};

// The parameters of one direction.
struct Weights {
  const real *kernel, *recurrent_kernel, *bias;  // W, U, b
};

// The recurrence: a block takes some rows of the batch through all steps of one direction. x_t W is
// summed here, beside h_{t-1} U, rather than for all steps beforehand: that would write z to memory
// and read it again, which takes longer than the product.
template <class S>  // a Strip
__global__ void __launch_bounds__(S::kMaxThreads, 1) recurrence_kernel(
    Sequence q, Weights forward, Weights backward,
    const real* __restrict__ x,  // [batch][T][in]
    real* __restrict__ z,        // [directions][steps][batch][4u]: the gates
    real* __restrict__ c,        // [directions][steps][batch][u]
    real* __restrict__ h) {      // [directions][steps][batch][u]
  const int d = blockIdx.y, b0 = blockIdx.x * S::kRows, u = q.units;
  const int images = min(q.batch - b0, S::kRows);
  const Weights weights = d == 0 ? forward : backward;
  for (int s = 0; s < q.steps; ++s) {
    const real* x_rows = x + (static_cast<long>(b0) * q.steps + q.time(d, s)) * q.in;
    const real* h_before = h + (q.row(d, max(s - 1, 0)) + b0) * q.h_stride;
    const real* c_before = c + (q.row(d, max(s - 1, 0)) + b0) * q.h_stride;
    real* z_rows = z + (q.row(d, s) + b0) * q.z_stride;
    real* c_rows = c + (q.row(d, s) + b0) * q.h_stride;
    real* h_rows = h + (q.row(d, s) + b0) * q.h_stride;
    for (int n0 = 0; n0 < q.gates(); n0 += S::columns_at_once()) {
      const int columns = min(q.gates() - n0, S::columns_at_once());
      S strip;
      strip.add_product([&](int m) { return x_rows + min(m, images - 1) * q.steps * q.in; },
                        [](int k) { return k; }, weights.kernel + n0, q.gates(), columns, q.in);
      if (s > 0)
        strip.add_product([&](int m) { return h_before + min(m, images - 1) * q.h_stride; },
                          [](int k) { return k; }, weights.recurrent_kernel + n0, q.gates(), columns,
                          u);
      strip.store(images, columns, [&](int m, int n, Vector sum, int count) {
        store(z_rows + m * q.z_stride + n0 + n, sum + load(weights.bias + n0 + n), count);
      });
    }
    __syncthreads();
    for (int m = threadIdx.y; m < images; m += blockDim.y) {
      real* gate = z_rows + m * q.z_stride;
      for (int k = threadIdx.x * kVectorLanes; k < u; k += blockDim.x * kVectorLanes) {
        const Vector i = sigmoid(load(gate + k)), f = sigmoid(load(gate + u + k));
        const Vector g = hyperbolic_tangent(load(gate + 2 * u + k));
        const Vector o = sigmoid(load(gate + 3 * u + k));
        const Vector c_t = s > 0 ? f * load(c_before + m * q.h_stride + k) + i * g : i * g;
        store(gate + k, i, u - k);
        store(gate + u + k, f, u - k);
        store(gate + 2 * u + k, g, u - k);
        store(gate + 3 * u + k, o, u - k);
        store(c_rows + m * q.h_stride + k, c_t, u - k);
        store(h_rows + m * q.h_stride + k, o * hyperbolic_tangent(c_t), u - k);
      }
    }
    __syncthreads();
  }
}

// The same backward: a block takes some rows of the batch from the last step to the first. It turns
// the gates into dz, sums dz for db, and hands dh and dc on to the step before.
template <class S>
__global__ void __launch_bounds__(S::kMaxThreads, 1) backward_recurrence_kernel(
    Sequence q,
    const real* __restrict__ u_t,  // [directions][4u][u]: U transposed
    const real* __restrict__ dy,   // [batch][directions u], or [batch][T][directions u]
    bool whole_sequence,
    real* __restrict__ z,         // [directions][steps][batch][4u]: the gates, then dz
    const real* __restrict__ c,   // [directions][steps][batch][u]
    real* __restrict__ dh,        // [directions][batch][u]
    real* __restrict__ dc,        // [directions][batch][u]: dc_{t+1} * f_{t+1}
    real* __restrict__ dz_sum) {  // [directions][batch][4u]: Σ_t dz_t
  const int d = blockIdx.y, b0 = blockIdx.x * S::kRows, u = q.units;
  const int images = min(q.batch - b0, S::kRows);
  real* dh_rows = dh + (static_cast<long>(d) * q.batch + b0) * u;
  real* dc_rows = dc + (static_cast<long>(d) * q.batch + b0) * u;
  real* dz_sum_rows = dz_sum + (static_cast<long>(d) * q.batch + b0) * q.gates();
  for (int s = q.steps - 1; s >= 0; --s) {
    const bool last = s == q.steps - 1, has_output = whole_sequence || last;
    real* z_rows = z + (q.row(d, s) + b0) * q.z_stride;
    const real* c_rows = c + (q.row(d, s) + b0) * q.h_stride;
    const real* c_before = c + (q.row(d, max(s - 1, 0)) + b0) * q.h_stride;
    for (int m = threadIdx.y; m < images; m += blockDim.y) {
      const long output = whole_sequence ? static_cast<long>(b0 + m) * q.steps + q.time(d, s)
                                         : static_cast<long>(b0 + m);
      const real* dy_row = dy + output * q.directions * u + d * u;
      real* gate = z_rows + m * q.z_stride;
      for (int k = threadIdx.x * kVectorLanes; k < u; k += blockDim.x * kVectorLanes) {
        const Vector i = load(gate + k), f = load(gate + u + k);
        const Vector g = load(gate + 2 * u + k), o = load(gate + 3 * u + k);
        const Vector c_tanh = hyperbolic_tangent(load(c_rows + m * q.h_stride + k));
        Vector dh_t{}, dc_t{};
        if (has_output) dh_t += load(dy_row + k);
        if (!last) dh_t += load(dh_rows + m * u + k);
        if (!last) dc_t += load(dc_rows + m * u + k);
        dc_t += dh_t * o * (1 - c_tanh * c_tanh);
        store(dc_rows + m * u + k, dc_t * f, u - k);
        const Vector c_t_before = s > 0 ? load(c_before + m * q.h_stride + k) : Vector{};
        const Vector dz[4] = {dc_t * g * i * (1 - i), dc_t * c_t_before * f * (1 - f),
                              dc_t * i * (1 - g * g), dh_t * c_tanh * o * (1 - o)};
        for (int n = 0; n < 4; ++n) {
          real* sum = dz_sum_rows + m * q.gates() + n * u + k;
          store(gate + n * u + k, dz[n], u - k);
          store(sum, last ? dz[n] : load(sum) + dz[n], u - k);
        }
      }
    }
    __syncthreads();
    if (s > 0)
      for (int k0 = 0; k0 < u; k0 += S::columns_at_once()) {
        const int columns = min(u - k0, S::columns_at_once());
        S strip;
        strip.add_product([&](int m) { return z_rows + min(m, images - 1) * q.z_stride; },
                          [](int n) { return n; }, u_t + static_cast<long>(d) * q.gates() * u + k0,
                          u, columns, q.gates());
        strip.store(images, columns, [&](int m, int k, Vector sum, int count) {
          store(dh_rows + m * u + k0 + k, sum, count);
        });
      }
    __syncthreads();
  }
}

// y from h: the last step of each direction, or all of them in the order of time.
__global__ void output_kernel(Sequence q,
                              const real* __restrict__ h,  // [directions][steps][batch][u]
                              bool whole_sequence,
                              real* __restrict__ y) {  // [batch][1 or T][directions u]
  const int b = blockIdx.x, t = blockIdx.y;  // t is 0 where only the last step is wanted
  for (int d = 0; d < q.directions; ++d) {
    const int s = whole_sequence ? q.time(d, t) : q.steps - 1;
    const real* h_row = h + (q.row(d, s) + b) * q.h_stride;
    real* y_row = y + (static_cast<long>(b) * gridDim.y + t) * q.directions * q.units + d * q.units;
    for (int k = threadIdx.x; k < q.units; k += blockDim.x) y_row[k] = h_row[k];
  }
}

// dW = Σ_t x_t^T dz_t and dU = Σ_t h_{t-1}^T dz_t, in one kernel, so that there are more blocks at
// once, and neighbouring ones find the same dz in the cache: the first tiles of rows are those of W,
// the others those of U. There is a partial result for every `steps_per_part` steps.
template <int V>
__global__ void __launch_bounds__(Tile<V>::kThreadCount, 2) backward_weights_kernel(
    Sequence q, bool tf32,
    const real* __restrict__ x,   // [batch][T][in]
    const real* __restrict__ h,   // [directions][steps][batch][u]
    const real* __restrict__ dz,  // [directions][steps][batch][4u]
    int steps_per_part,
    real* __restrict__ dw,    // [parts][directions][in][4u]
    real* __restrict__ du) {  // [parts][directions][u][4u]
  const int d = blockIdx.z % q.directions, s0 = blockIdx.z / q.directions * steps_per_part;
  const int s1 = min(s0 + steps_per_part, q.steps), n0 = blockIdx.y * Tile<V>::kColumns;
  const int tiles_of_w = (q.in + Tile<V>::kRows - 1) / Tile<V>::kRows;
  const bool is_w = static_cast<int>(blockIdx.x) < tiles_of_w;
  const int k0 = (is_w ? blockIdx.x : blockIdx.x - tiles_of_w) * Tile<V>::kRows;
  const int size = is_w ? q.in : q.units, rows = min(size - k0, Tile<V>::kRows);
  const int columns = min(q.gates() - n0, Tile<V>::kColumns);

  Tile<V, kInColumn> tile(tf32);
  for (int s = is_w ? s0 : max(s0, 1); s < s1; ++s) {
    const real* a =
        is_w ? x + static_cast<long>(q.time(d, s)) * q.in : h + q.row(d, s - 1) * q.h_stride;
    const long stride = is_w ? q.steps * q.in : q.h_stride;
    tile.add_product([&](int m) { return a + k0 + min(m, rows - 1); },
                     [&](int b) { return b * stride; }, dz + q.row(d, s) * q.z_stride + n0,
                     q.z_stride, columns, q.batch);
  }
  real* out = (is_w ? dw : du) + (static_cast<long>(blockIdx.z) * size + k0) * q.gates() + n0;
  tile.store(rows, columns, [&](int m, int n, Vector sum, int count) {
    store(out + m * q.gates() + n, sum, count);
  });
}

// dx_t = dz_t W^T, of both directions together.
template <int V>
__global__ void __launch_bounds__(Tile<V>::kThreadCount, 2) backward_x_kernel(
    Sequence q, bool tf32,
    const real* __restrict__ dz,   // [directions][steps][batch][4u]
    const real* __restrict__ w_t,  // [directions][4u][in]
    real* __restrict__ dx) {       // [batch][T][in]
  const int t = blockIdx.z, b0 = blockIdx.x * Tile<V>::kRows, k0 = blockIdx.y * Tile<V>::kColumns;
  const int images = min(q.batch - b0, Tile<V>::kRows);
  const int columns = min(q.in - k0, Tile<V>::kColumns);

  Tile<V> tile(tf32);
  for (int d = 0; d < q.directions; ++d) {
    const real* dz_rows = dz + (q.row(d, q.time(d, t)) + b0) * q.z_stride;
    tile.add_product([&](int m) { return dz_rows + min(m, images - 1) * q.z_stride; },
                     [](int n) { return n; }, w_t + static_cast<long>(d) * q.gates() * q.in + k0,
                     q.in, columns, q.gates());
  }
  real* dx_rows = dx + (static_cast<long>(b0) * q.steps + t) * q.in + k0;
  tile.store(images, columns, [&](int m, int n, Vector sum, int count) {
    store(dx_rows + static_cast<long>(m) * q.steps * q.in + n, sum, count);
  });
}

class Lstm : public Layer {
 public:
  explicit Lstm(const LstmOptions& options) : options_(options) {}

  std::string type() const override { return options_.bidirectional ? "bidirectional" : "lstm"; }

  Shape build(Shape input, int max_batch) override {
    const int u = options_.units, directions = options_.bidirectional ? 2 : 1;
    // Rows a power of two apart would share a few lines of the CPU's first cache.
    q_ = {max_batch,      input.height, input.width * input.channels, u, directions,
          4 * u + kUnit, u + kUnit};
    const std::string prefixes[2] = {options_.bidirectional ? "forward." : "", "backward."};
    for (int d = 0; d < directions; ++d) {
      parameters.push_back({.name = prefixes[d] + "kernel",
                            .shape = {q_.in, 4 * u},
                            .initializer = {Initializer::kGlorotUniform},
                            .fan_in = q_.in,
                            .fan_out = 4 * u});
      parameters.push_back({.name = prefixes[d] + "recurrent_kernel",
                            .shape = {u, 4 * u},
                            .initializer = {Initializer::kOrthogonal}});
      parameters.push_back({.name = prefixes[d] + "bias",
                            .shape = {4 * u},
                            .initializer = {Initializer::kForgetBias}});
    }
    const long rows = static_cast<long>(directions) * q_.steps * max_batch;
    z_ = Buffer<real>(rows * q_.z_stride);
    c_ = Buffer<real>(rows * q_.h_stride);
    h_ = Buffer<real>(rows * q_.h_stride);
    dh_ = Buffer<real>(static_cast<long>(directions) * max_batch * u);
    dc_ = Buffer<real>(static_cast<long>(directions) * max_batch * u);
    u_t_ = Buffer<real>(static_cast<long>(directions) * 4 * u * u);
    w_t_ = Buffer<real>(static_cast<long>(directions) * 4 * u * q_.in);
    dw_ = Buffer<real>(static_cast<long>(kParts) * directions * q_.in * 4 * u);
    du_ = Buffer<real>(static_cast<long>(kParts) * directions * u * 4 * u);
    dz_sum_ = Buffer<real>(static_cast<long>(directions) * max_batch * 4 * u);
    return {options_.return_sequence ? q_.steps : 1, 1, directions * u};
  }

  void forward(const real* x, real* y, int batch) override {
    q_.batch = batch;
    with_width(q_.gates(), [&](auto width) {
      constexpr int V = width();
      launch(recurrence_kernel<Strip<V>>, {tiles(batch, Strip<V>::kRows), q_.directions},
             Strip<V>::block(q_.gates()), q_, weights(0), weights(1), x, z_.data(), c_.data(),
             h_.data());
    });
    launch(output_kernel, {batch, options_.return_sequence ? q_.steps : 1}, threads(128), q_,
           h_.data(), options_.return_sequence, y);
  }

  void backward(const real* x, const real*, real* dy, real* dx, int batch) override {
    q_.batch = batch;
    for (int d = 0; d < q_.directions; ++d)
      transpose(weights(d).recurrent_kernel, 1, q_.units, q_.gates(),
                u_t_.data() + static_cast<long>(d) * q_.gates() * q_.units);
    with_width(q_.units, [&](auto width) {
      constexpr int V = width();
      launch(backward_recurrence_kernel<Strip<V>>, {tiles(batch, Strip<V>::kRows), q_.directions},
             Strip<V>::block(q_.units), q_, u_t_.data(), dy, options_.return_sequence, z_.data(),
             c_.data(), dh_.data(), dc_.data(), dz_sum_.data());
    });
    backward_weights(x, batch);
    if (dx) backward_x(dx, batch);
  }

 private:
  // dW and dU are summed in so many parts: a fixed number, for the order of the sums depends on it.
  static constexpr int kParts = 4;

  Parameter& parameter(int d, int which) { return parameters[3 * d + which]; }
  Weights weights(int d) {
    if (d >= q_.directions) return {};
    return {parameter(d, 0).value, parameter(d, 1).value, parameter(d, 2).value};
  }

  void backward_weights(const real* x, int batch) {
    with_width(q_.gates(), [&](auto width) {
      constexpr int V = width();
      launch(backward_weights_kernel<V>,
             {tiles(q_.in, kTileRows) + tiles(q_.units, kTileRows),
              tiles(q_.gates(), Tile<V>::kColumns), kParts * q_.directions},
             Tile<V>::kThreads, q_, use_tf32, x, h_.data(), z_.data(), tiles(q_.steps, kParts),
             dw_.data(), du_.data());
    });
    const int w_size = q_.in * q_.gates(), u_size = q_.units * q_.gates();
    for (int d = 0; d < q_.directions; ++d) {
      sum_rows(dw_.data() + d * w_size, kParts, w_size, q_.directions * w_size,
               parameter(d, 0).gradient);
      sum_rows(du_.data() + d * u_size, kParts, u_size, q_.directions * u_size,
               parameter(d, 1).gradient);
      sum_rows(dz_sum_.data() + static_cast<long>(d) * batch * q_.gates(), batch, q_.gates(),
               q_.gates(), parameter(d, 2).gradient);
    }
  }

  void backward_x(real* dx, int batch) {
    for (int d = 0; d < q_.directions; ++d)
      transpose(weights(d).kernel, 1, q_.in, q_.gates(),
                w_t_.data() + static_cast<long>(d) * q_.gates() * q_.in);
    with_width(q_.in, [&](auto width) {
      constexpr int V = width();
      launch(backward_x_kernel<V>,
             {tiles(batch, kTileRows), tiles(q_.in, Tile<V>::kColumns), q_.steps},
             Tile<V>::kThreads, q_, use_tf32, z_.data(), w_t_.data(), dx);
    });
  }

  LstmOptions options_;
  Sequence q_{};
  Buffer<real> z_;          // [directions][steps][batch][4u]: z, then the gates, then dz
  Buffer<real> c_, h_;      // [directions][steps][batch][u]
  Buffer<real> dh_, dc_;    // [directions][batch][u]: what step t gets from step t+1
  Buffer<real> dz_sum_;     // [directions][batch][4u]
  Buffer<real> u_t_, w_t_;  // [directions][4u][u], [directions][4u][in]
  Buffer<real> dw_, du_;    // [parts][directions][in][4u], [parts][directions][u][4u]
};

}  // namespace

LayerPointer lstm(const LstmOptions& options) { return std::make_unique<Lstm>(options); }

}  // namespace plainnet::TARGET
