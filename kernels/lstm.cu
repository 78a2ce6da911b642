// Long short-term memory over a sequence x_1 ... x_T, in one direction (Hochreiter and Schmidhuber, "Long
// short-term memory", 1997; with the forget gate of Gers, Schmidhuber and Cummins, "Learning to forget",
// 2000). It has u units, each with a cell c and an output h, which are 0 before the first step. Vectors are
// rows, so x_t W and h_{t-1} U are matrix products; all other products go unit by unit. At each step
//
//   z_t = x_t W + h_{t-1} U + bias      4u numbers: the quarters zi_t, zf_t, zg_t and zo_t
//   i_t = sigmoid(zi_t)                 how much of the new goes into the cell
//   f_t = sigmoid(zf_t)                 how much of the old stays in it
//   g_t = tanh(zg_t)                    the new
//   o_t = sigmoid(zo_t)                 how much of the cell is shown
//   c_t = f_t c_{t-1} + i_t g_t
//   h_t = o_t tanh(c_t)
//
// y is h_T, or all of h_1 ... h_T. Backward, from step T to 1 (Werbos, "Backpropagation through time", 1990),
// as the loss depends on h_t through y and z_{t+1}, and on c_t through h_t and c_{t+1}:
//
//   dh_t  = dy_t + dz_{t+1} U^T         dy_t is 0 for a step that y does not hold
//   dc_t  = dh_t o_t (1 - tanh(c_t)^2) + dc_{t+1} f_{t+1}
//   dzi_t = dc_t g_t i_t (1 - i_t)      as sigmoid' = sigmoid (1 - sigmoid)
//   dzf_t = dc_t c_{t-1} f_t (1 - f_t)
//   dzg_t = dc_t i_t (1 - g_t^2)        as tanh' = 1 - tanh^2
//   dzo_t = dh_t tanh(c_t) o_t (1 - o_t)
//   dW = Σ_b Σ_t x_t^T dz_t   dU = Σ_b Σ_t h_{t-1}^T dz_t   dbias = Σ_b Σ_t dz_t   dx_t = dz_t W^T
//
// where all of a step T + 1 is 0. In the code b is the image, k a feature of x or a unit, n one of the 4u
// columns of z, and t the time: the place in x, from 0. The previous step's time is t - direction, with a
// direction of 1, or of -1 for a layer that goes from the last time to the first.

#include "kernels/lstm.h"

#include <cmath>

#include "kernels/common.h"
#include "kernels/layer.h"

namespace plainnet::TARGET {
namespace {

// The sizes, the parameters, and what is kept of all steps.
struct Sequence {
  int steps, features, units;
  int direction;             // 1, or -1 to go backwards
  const real *W, *U, *bias;  // [features][4u], [u][4u], [4u]
  real *z, *gates, *dz;      // [batch][steps][4u]; the quarters of `gates` are i, f, g, o
  real *c, *h, *dc, *dh;     // [batch][steps][u]

  // Where a[b][t][k] lies in an array [batch][steps][size].
  __device__ long place(long b, int t, int k, int size) const { return (b * steps + t) * size + k; }
  // Whether there is a time t.
  __device__ bool has(int t) const { return t >= 0 && t < steps; }
};

__device__ real sigmoid(real x) { return 1 / (1 + std::exp(-x)); }

// z_t. A block computes one image.
__global__ void lstm_sum(Sequence s, int t,
                         const real* x) {  // [batch][steps][features]
  const int b = blockIdx.x, columns = 4 * s.units, before = t - s.direction;
  for (int n = threadIdx.x; n < columns; n += blockDim.x) {
    real sum = s.bias[n];
    for (int k = 0; k < s.features; ++k) sum += x[s.place(b, t, k, s.features)] * s.W[at(k, n, columns)];
    if (s.has(before))
      for (int k = 0; k < s.units; ++k) sum += s.h[s.place(b, before, k, s.units)] * s.U[at(k, n, columns)];
    s.z[s.place(b, t, n, columns)] = sum;
  }
}

// The gates, c_t and h_t. A block computes one image.
__global__ void lstm_gates_forward(Sequence s, int t) {
  const int b = blockIdx.x, u = s.units, before = t - s.direction;
  for (int k = threadIdx.x; k < u; k += blockDim.x) {
    const real* z = s.z + s.place(b, t, k, 4 * u);
    real* gate = s.gates + s.place(b, t, k, 4 * u);
    const real i = gate[0] = sigmoid(z[0]);
    const real f = gate[u] = sigmoid(z[u]);
    const real g = gate[2 * u] = std::tanh(z[2 * u]);
    const real o = gate[3 * u] = sigmoid(z[3 * u]);
    const real c_before = s.has(before) ? s.c[s.place(b, before, k, u)] : 0;
    const real c = s.c[s.place(b, t, k, u)] = f * c_before + i * g;
    s.h[s.place(b, t, k, u)] = o * std::tanh(c);
  }
}

// y: h of `kept` times, from `first` on. A block copies one time of one image.
__global__ void lstm_output(Sequence s, int first, int kept,
                            real* y) {  // [batch][kept][u]
  const int b = blockIdx.x, t = first + blockIdx.y;
  for (int k = threadIdx.x; k < s.units; k += blockDim.x)
    y[at(b * kept + t - first, k, s.units)] = s.h[s.place(b, t, k, s.units)];
}

// dh_t. A block computes one image.
__global__ void lstm_backward_h(Sequence s, int t, int first, int kept,
                                const real* dy) {  // [batch][kept][u]
  const int b = blockIdx.x, columns = 4 * s.units, after = t + s.direction;
  const bool in_y = t >= first && t < first + kept;
  for (int k = threadIdx.x; k < s.units; k += blockDim.x) {
    real sum = in_y ? dy[at(b * kept + t - first, k, s.units)] : 0;
    if (s.has(after))
      for (int n = 0; n < columns; ++n) sum += s.dz[s.place(b, after, n, columns)] * s.U[at(k, n, columns)];
    s.dh[s.place(b, t, k, s.units)] = sum;
  }
}

// dc_t and dz_t. A block computes one image.
__global__ void lstm_gates_backward(Sequence s, int t) {
  const int b = blockIdx.x, u = s.units, before = t - s.direction, after = t + s.direction;
  for (int k = threadIdx.x; k < u; k += blockDim.x) {
    const real* gate = s.gates + s.place(b, t, k, 4 * u);
    real* dz = s.dz + s.place(b, t, k, 4 * u);
    const real i = gate[0], f = gate[u], g = gate[2 * u], o = gate[3 * u];
    const real c_tanh = std::tanh(s.c[s.place(b, t, k, u)]), dh = s.dh[s.place(b, t, k, u)];
    const real c_before = s.has(before) ? s.c[s.place(b, before, k, u)] : 0;
    real dc = dh * o * (1 - c_tanh * c_tanh);
    // Column u + k of the gates is f of unit k: this is dc_{t+1} f_{t+1}.
    if (s.has(after)) dc += s.dc[s.place(b, after, k, u)] * s.gates[s.place(b, after, u + k, 4 * u)];
    s.dc[s.place(b, t, k, u)] = dc;
    dz[0] = dc * g * i * (1 - i);
    dz[u] = dc * c_before * f * (1 - f);
    dz[2 * u] = dc * i * (1 - g * g);
    dz[3 * u] = dh * c_tanh * o * (1 - o);
  }
}

// Σ_b Σ_t a_{t - shift}^T dz_t: dW with x for a and no shift, dU with h and one step. A block computes one
// row.
__global__ void lstm_backward_weight(Sequence s, int shift, int size,
                                     const real* a,  // [batch][steps][size]
                                     int batch,
                                     real* dweight) {  // [size][4u]
  const int k = blockIdx.x, columns = 4 * s.units;
  for (int n = threadIdx.x; n < columns; n += blockDim.x) {
    real sum = 0;
    for (int b = 0; b < batch; ++b)
      for (int t = 0; t < s.steps; ++t)
        if (s.has(t - shift)) sum += a[s.place(b, t - shift, k, size)] * s.dz[s.place(b, t, n, columns)];
    dweight[at(k, n, columns)] = sum;
  }
}

// dx_t. A block computes one time of one image.
__global__ void lstm_backward_x(Sequence s,
                                real* dx) {  // [batch][steps][features]
  const int b = blockIdx.x, t = blockIdx.y, columns = 4 * s.units;
  for (int k = threadIdx.x; k < s.features; k += blockDim.x) {
    real sum = 0;
    for (int n = 0; n < columns; ++n) sum += s.dz[s.place(b, t, n, columns)] * s.W[at(k, n, columns)];
    dx[s.place(b, t, k, s.features)] = sum;
  }
}

class PlainLstm : public Layer {
 public:
  PlainLstm(const Lstm& lstm, Shape x, int max_batch, const Parameter* parameters)
      : W_(parameters[0]), U_(parameters[1]), bias_(parameters[2]) {
    const size_t numbers = size_t{1} * max_batch * x.height * lstm.units;
    for (Buffer<real>* buffer : {&z_, &gates_, &dz_}) *buffer = Buffer<real>(4 * numbers);
    for (Buffer<real>* buffer : {&c_, &h_, &dc_, &dh_}) *buffer = Buffer<real>(numbers);
    s_ = {x.height, lstm.features(x), lstm.units, lstm.go_backwards ? -1 : 1, W_.value, U_.value, bias_.value,
          z_.data(), gates_.data(), dz_.data(), c_.data(), h_.data(), dc_.data(), dh_.data()};
    first_time_ = lstm.go_backwards ? s_.steps - 1 : 0;
    last_time_ = s_.steps - 1 - first_time_;
    first_kept_ = lstm.return_sequences ? 0 : last_time_;
    kept_ = lstm.return_sequences ? s_.steps : 1;
  }

  void forward(const real* x, real* y, int batch) override {
    for (int step = 0, t = first_time_; step < s_.steps; ++step, t += s_.direction) {
      launch(lstm_sum, batch, threads(128), s_, t, x);
      launch(lstm_gates_forward, batch, threads(128), s_, t);
    }
    launch(lstm_output, {batch, kept_}, threads(128), s_, first_kept_, kept_, y);
  }

  void backward(const real* x, const real*, real* dy, real* dx, int batch) override {
    for (int step = 0, t = last_time_; step < s_.steps; ++step, t -= s_.direction) {
      launch(lstm_backward_h, batch, threads(128), s_, t, first_kept_, kept_, dy);
      launch(lstm_gates_backward, batch, threads(128), s_, t);
    }
    launch(lstm_backward_weight, s_.features, threads(64), s_, 0, s_.features, x, batch, W_.gradient);
    launch(lstm_backward_weight, s_.units, threads(64), s_, s_.direction, s_.units, s_.h, batch, U_.gradient);
    bias_gradient(s_.dz, batch * s_.steps, 4 * s_.units, bias_.gradient);
    if (dx) launch(lstm_backward_x, {batch, s_.steps}, threads(64), s_, dx);
  }

 private:
  Parameter W_, U_, bias_;
  Buffer<real> z_, gates_, dz_, c_, h_, dc_, dh_;
  Sequence s_{};
  int first_time_, last_time_;  // of the first step and of the last
  int first_kept_, kept_;       // y holds h at kept_ values of t, from t = first_kept_ on
};

}  // namespace

LayerPointer plain_layer(const Lstm& lstm, Shape x, int max_batch, const Parameter* parameters) {
  return std::make_unique<PlainLstm>(lstm, x, max_batch, parameters);
}

}  // namespace plainnet::TARGET
