// Stochastic gradient descent with momentum, plain or in Nesterov's form, and weight decay:
//
//   g = gradient + weight_decay w
//   v = momentum v - lr g
//   w = w + v                       (Polyak, 1964)
//   w = w + momentum v - lr g       (Nesterov, as in Sutskever et al., "On the importance of
//                                    initialization and momentum in deep learning", ICML 2013)
//
// All parameters of a network lie in one buffer, so an update is one kernel.

#include "sgd.h"

namespace plainnet::TARGET {
namespace {

constexpr int kPerBlock = 2048;

__global__ void sgd_kernel(SgdOptions options, real* __restrict__ weights,
                           const real* __restrict__ gradients, real* __restrict__ velocities,
                           long count, const float* __restrict__ learning_rates,
                           const int* __restrict__ step) {
  const real rate = learning_rates[*step], momentum = options.momentum;
  const real decay = options.weight_decay;
  const bool nesterov = options.nesterov;
  const long begin = static_cast<long>(blockIdx.x) * kPerBlock;
  const long end = begin + kPerBlock < count ? begin + kPerBlock : count;
  for (long i = begin + threadIdx.x; i < end; i += blockDim.x) {
    const real g = gradients[i] + decay * weights[i];
    const real v = momentum * velocities[i] - rate * g;
    velocities[i] = v;
    weights[i] += nesterov ? momentum * v - rate * g : v;
  }
}

}  // namespace

void sgd(const SgdOptions& options, real* weights, const real* gradients, real* velocities,
         long count, const float* learning_rates, const int* step) {
  launch(sgd_kernel, tiles(count, kPerBlock), threads(256), options, weights, gradients, velocities,
         count, learning_rates, step);
}

}  // namespace plainnet::TARGET
