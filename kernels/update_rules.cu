// How weights follow their gradients. g is the gradient of a weight w, lr the learning rate, t = 1, 2,
// ... the number of the update; m and v start as zero.
//
// SGD, stochastic gradient descent, with momentum, plain or in Nesterov's form:
//   g = gradient + weight_decay w
//   m = momentum m - lr g
//   w = w + m                    (Polyak, 1964)
//   w = w + momentum m - lr g    (Nesterov, as in Sutskever et al., "On the importance of
//                                 initialization and momentum in deep learning", 2013)
// RMSprop (Tieleman and Hinton, "Lecture 6.5", Coursera, 2012):
//   g = gradient + weight_decay w
//   v = alpha v + (1 - alpha) g²
//   w = w - lr g / (√v + epsilon)
// Adam (Kingma and Ba, "Adam: A method for stochastic optimization", 2015):
//   g = gradient + weight_decay w
//   m = beta1 m + (1 - beta1) g
//   v = beta2 v + (1 - beta2) g²
//   w = w - lr m / (1 - beta1^t) / (√(v / (1 - beta2^t)) + epsilon)
//   The divisors correct a bias: after t updates from zero the weights in the mean m sum to
//   1 - beta1^t, those in v to 1 - beta2^t.
// AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization", 2019): Adam with
//   g = gradient, w = w - lr weight_decay w before the rest, so that the decay is not scaled by √v.
//
// All parameters of a network lie in one buffer, so an update is one kernel.

#include "kernels/update_rules.h"

#include <cmath>

namespace plainnet::TARGET {
namespace {

constexpr int kPerBlock = 2048;

template <UpdateRule::Kind kKind>
__global__ void update_kernel(UpdateRule rule,
                              real* __restrict__ weights,          // [count]
                              const real* __restrict__ gradients,  // [count]
                              real* __restrict__ momenta,          // [count], or null
                              real* __restrict__ squares,          // [count], or null
                              long count,
                              const UpdateStep* __restrict__ steps,  // [steps]
                              const int* __restrict__ step) {
  const UpdateStep now = steps[*step];
  const real momentum = rule.momentum, decay = rule.weight_decay, epsilon = rule.epsilon;
  const real alpha = rule.alpha, not_alpha = 1 - rule.alpha;
  const real beta1 = rule.beta1, not_beta1 = 1 - rule.beta1;
  const real beta2 = rule.beta2, not_beta2 = 1 - rule.beta2;
  const bool nesterov = rule.nesterov;
  const long begin = static_cast<long>(blockIdx.x) * kPerBlock;
  const long end = min(begin + kPerBlock, count);
  for (long i = begin + threadIdx.x; i < end; i += blockDim.x) {
    const real w = weights[i];
    const real g = gradients[i] + (kKind == UpdateRule::kAdamW ? 0 : decay * w);
    if constexpr (kKind == UpdateRule::kSgd) {
      const real m = momentum * momenta[i] - now.rate * g;
      momenta[i] = m;
      weights[i] = w + (nesterov ? momentum * m - now.rate * g : m);
    } else if constexpr (kKind == UpdateRule::kRmsprop) {
      const real v = alpha * squares[i] + not_alpha * g * g;
      squares[i] = v;
      weights[i] = w - now.rate * g / (std::sqrt(v) + epsilon);
    } else {
      const real m = beta1 * momenta[i] + not_beta1 * g;
      const real v = beta2 * squares[i] + not_beta2 * g * g;
      momenta[i] = m;
      squares[i] = v;
      weights[i] = w - (kKind == UpdateRule::kAdamW ? now.rate * decay * w : 0) -
                   now.rate * (now.momentum_scale * m) /
                       (std::sqrt(now.square_scale * v) + epsilon);
    }
  }
}

}  // namespace

std::vector<UpdateStep> update_steps(const UpdateRule& rule,
                                     const std::vector<double>& learning_rates, long before) {
  std::vector<UpdateStep> steps;
  for (const double rate : learning_rates) {
    const double t = static_cast<double>(++before);
    steps.push_back({static_cast<real>(rate),
                     static_cast<real>(1 / (1 - std::pow(rule.beta1, t))),
                     static_cast<real>(1 / (1 - std::pow(rule.beta2, t)))});
  }
  return steps;
}

void update(const UpdateRule& rule, real* weights, const real* gradients, real* momenta,
            real* squares, long count, const UpdateStep* steps, const int* step) {
  constexpr decltype(&update_kernel<UpdateRule::kSgd>) kKernels[] = {
      update_kernel<UpdateRule::kSgd>, update_kernel<UpdateRule::kRmsprop>,
      update_kernel<UpdateRule::kAdam>, update_kernel<UpdateRule::kAdamW>};
  launch(kKernels[rule.kind], tiles(count, kPerBlock), threads(256), rule, weights, gradients,
         momenta, squares, count, steps, step);
}

}  // namespace plainnet::TARGET
