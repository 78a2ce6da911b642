// Long short-term memory over a sequence x_1 ... x_T, in one direction (Hochreiter and Schmidhuber, "Long
// short-term memory", 1997; with the forget gate of Gers, Schmidhuber and Cummins, "Learning to forget",
// 2000). It has u units, each with a cell c and an output h, which begin as c_0 = h_0 = 0. At each step t
//
//   z_t = x_t W + h_{t-1} U + bias            4u numbers: the quarters z_i, z_f, z_g and z_o
//   i_t = sigmoid(z_i)                        how much of the new goes into the cell
//   f_t = sigmoid(z_f)                        how much of the old stays
//   g_t = tanh(z_g)                           the new
//   o_t = sigmoid(z_o)                        how much of the cell is shown
//   c_t = f_t c_{t-1} + i_t g_t
//   h_t = o_t tanh(c_t)
//
// where products of i, f, g, o, c and h go unit by unit. y is h_T, or all of h_1 ... h_T.
//
// Backward, from step T to step 1 (Werbos, "Backpropagation through time", 1990). The loss depends on h_t
// through y and through z_{t+1}, on c_t through h_t and through c_{t+1} = f_{t+1} c_t + ..., so by the
// chain rule
//
//   dh_t = dy_t + dz_{t+1} U^T                dy_t = 0 for a step that y does not hold; of the step after the
//   dc_t = dh_t o_t (1 - tanh(c_t)^2) + dc_{t+1} f_{t+1}                            last one, all is 0
//   dz_i = dc_t g_t i_t (1 - i_t)             as sigmoid' = sigmoid (1 - sigmoid)
//   dz_f = dc_t c_{t-1} f_t (1 - f_t)
//   dz_g = dc_t i_t (1 - g_t^2)               as tanh' = 1 - tanh^2
//   dz_o = dh_t tanh(c_t) o_t (1 - o_t)
//   dW = Σ_b Σ_t x_t^T dz_t   dU = Σ_b Σ_t h_{t-1}^T dz_t   dbias = Σ_b Σ_t dz_t   dx_t = dz_t W^T
//
// In the code b is the image, t the time, k a feature of x or a unit, n one of the 4u columns of z. A layer
// that goes backwards begins at the last time: then the step before the one at time t is at time t + 1.

#include "kernels/lstm.h"

#include <cmath>

#include "kernels/common.h"
#include "kernels/layer.h"

namespace plainnet::TARGET {
namespace {

// The sizes, the parameters, and what is kept of all steps.
struct Sequence {
  int steps, features, units;
  int next;                  // from the time of a step to that of the next: 1, or -1
  const real *W, *U, *bias;  // [features][4u], [u][4u], [4u]
  real *z, *gates, *dz;      // [batch][steps][4u]; the quarters of `gates` are i, f, g, o
  real *c, *h, *dc, *dh;     // [batch][steps][u]

  // Where a[b][t][k] lies in an array [batch][steps][size].
  __device__ long place(long b, int t, int k, int size) const { return (b * steps + t) * size + k; }
  // Whether t is the time of a step: before the first one and after the last one it is not.
  __device__ bool has(int t) const { return t >= 0 && t < steps; }
};

__device__ real sigmoid(real x) { return 1 / (1 + std::exp(-x)); }

// z_t. A block computes one image.
__global__ void lstm_sum(Sequence s, int t, const real* x) {  // [batch][steps][features]
  const int b = blockIdx.x, columns = 4 * s.units, before = t - s.next;
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
  const int b = blockIdx.x, u = s.units, before = t - s.next;
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

// y: h of the times from `first` on. A block copies one time of one image.
__global__ void lstm_output(Sequence s, int first, int times, real* y) {  // [batch][times][u]
  const int b = blockIdx.x, t = first + blockIdx.y;
  for (int k = threadIdx.x; k < s.units; k += blockDim.x)
    y[at(b * times + t - first, k, s.units)] = s.h[s.place(b, t, k, s.units)];
}

// dh_t. A block computes one image.
__global__ void lstm_backward_h(Sequence s, int t, int first, int times, const real* dy) {  // like y
  const int b = blockIdx.x, columns = 4 * s.units, after = t + s.next;
  const bool in_y = t >= first && t < first + times;
  for (int k = threadIdx.x; k < s.units; k += blockDim.x) {
    real sum = in_y ? dy[at(b * times + t - first, k, s.units)] : 0;
    if (s.has(after))
      for (int n = 0; n < columns; ++n) sum += s.dz[s.place(b, after, n, columns)] * s.U[at(k, n, columns)];
    s.dh[s.place(b, t, k, s.units)] = sum;
  }
}

// dc_t and dz_t. A block computes one image.
__global__ void lstm_gates_backward(Sequence s, int t) {
  const int b = blockIdx.x, u = s.units, before = t - s.next, after = t + s.next;
  for (int k = threadIdx.x; k < u; k += blockDim.x) {
    const real* gate = s.gates + s.place(b, t, k, 4 * u);
    real* dz = s.dz + s.place(b, t, k, 4 * u);
    const real i = gate[0], f = gate[u], g = gate[2 * u], o = gate[3 * u];
    const real c_tanh = std::tanh(s.c[s.place(b, t, k, u)]), dh = s.dh[s.place(b, t, k, u)];
    const real c_before = s.has(before) ? s.c[s.place(b, before, k, u)] : 0;
    real dc = dh * o * (1 - c_tanh * c_tanh);
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
__global__ void lstm_backward_x(Sequence s, real* dx) {  // [batch][steps][features]
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
    first_in_y_ = lstm.return_sequences ? 0 : last_time_;
    times_in_y_ = lstm.return_sequences ? s_.steps : 1;
  }

  void forward(const real* x, real* y, int batch) override {
    for (int step = 0, t = first_time_; step < s_.steps; ++step, t += s_.next) {
      launch(lstm_sum, batch, threads(128), s_, t, x);
      launch(lstm_gates_forward, batch, threads(128), s_, t);
    }
    launch(lstm_output, {batch, times_in_y_}, threads(128), s_, first_in_y_, times_in_y_, y);
  }

  void backward(const real* x, const real*, real* dy, real* dx, int batch) override {
    for (int step = 0, t = last_time_; step < s_.steps; ++step, t -= s_.next) {
      launch(lstm_backward_h, batch, threads(128), s_, t, first_in_y_, times_in_y_, dy);
      launch(lstm_gates_backward, batch, threads(128), s_, t);
    }
    launch(lstm_backward_weight, s_.features, threads(128), s_, 0, s_.features, x, batch, W_.gradient);
    launch(lstm_backward_weight, s_.units, threads(128), s_, s_.next, s_.units, s_.h, batch, U_.gradient);
    bias_gradient(s_.dz, batch * s_.steps, 4 * s_.units, bias_.gradient);
    if (dx) launch(lstm_backward_x, {batch, s_.steps}, threads(64), s_, dx);
  }

 private:
  Parameter W_, U_, bias_;
  Buffer<real> z_, gates_, dz_, c_, h_, dc_, dh_;
  Sequence s_{};
  int first_time_, last_time_;   // of the steps
  int first_in_y_, times_in_y_;  // the times whose h is in y
};

}  // namespace

LayerPointer plain_layer(const Lstm& lstm, Shape x, int max_batch, const Parameter* parameters) {
  return std::make_unique<PlainLstm>(lstm, x, max_batch, parameters);
}

}  // namespace plainnet::TARGET
