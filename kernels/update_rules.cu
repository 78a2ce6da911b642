// How parameters follow their gradients. For each parameter w, g is the gradient of the loss by it, lr the
// learning rate, and t = 1, 2, ... the number of the update. m and v are kept from update to update, and
// start as zero.
//
// SGD, stochastic gradient descent, with momentum: m is a velocity, which the gradient bends.
//   g = gradient + weight_decay w
//   m = momentum m - lr g
//   either  w = w + m                  (Polyak, "Some methods of speeding up the convergence of iteration
//                                      methods", 1964)
//   or      w = w + momentum m - lr g  (Nesterov's form, as in Sutskever et al., "On the importance of
//                                      initialization and momentum in deep learning", 2013: it takes the
//                                      gradient not at the weights W but at w = W + momentum m, where
//                                      momentum alone would lead. With m' the new m, W' = W + m', so
//                                      w' = W' + momentum m' = w + (m' - momentum m) + momentum m',
//                                      and m' - momentum m = -lr g.)
// RMSprop (Tieleman and Hinton, "Lecture 6.5", Coursera, 2012): v is a mean of g², so that all parameters
// move about equally fast.
//   g = gradient + weight_decay w
//   v = alpha v + (1 - alpha) g²
//   w = w - lr g / (√v + epsilon)
// Adam (Kingma and Ba, "Adam: A method for stochastic optimization", 2015): m is a mean of g as well.
//   g = gradient + weight_decay w
//   m = beta1 m + (1 - beta1) g
//   v = beta2 v + (1 - beta2) g²
//   w = w - lr (m / (1 - beta1^t)) / (√(v / (1 - beta2^t)) + epsilon)
//   The divisors: after t updates from zero, the coefficients of all g in m sum to 1 - beta1^t instead of
//   1, and those of all g² in v to 1 - beta2^t.
// AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization", 2019): Adam with g = gradient, and
//   w = w - lr weight_decay w at each update, so that the decay is not divided by √v.
//
// All parameters of a network lie in one buffer, so an update is one kernel.

#include "kernels/update_rules.h"

#include <cmath>

namespace plainnet::TARGET {
namespace {

// A block updates the parameters from number blockIdx.x * kPerBlock on: its threads take them in turn.
constexpr int kPerBlock = 2048;

__global__ void update_sgd(UpdateRule rule,
                           real* weights,          // [count]
                           const real* gradients,  // [count]
                           real* momenta,          // [count]
                           long count,
                           const UpdateStep* steps,  // [steps]
                           const int* step) {
  const real lr = steps[*step].rate, momentum = rule.momentum, decay = rule.weight_decay;
  const long begin = static_cast<long>(blockIdx.x) * kPerBlock, end = min(begin + kPerBlock, count);
  for (long i = begin + threadIdx.x; i < end; i += blockDim.x) {
    const real w = weights[i], g = gradients[i] + decay * w;
    const real m = momentum * momenta[i] - lr * g;
    momenta[i] = m;
    weights[i] = w + (rule.nesterov ? momentum * m - lr * g : m);
  }
}

__global__ void update_rmsprop(UpdateRule rule,
                               real* weights,          // [count]
                               const real* gradients,  // [count]
                               real* squares,          // [count]: v
                               long count,
                               const UpdateStep* steps,  // [steps]
                               const int* step) {
  const real lr = steps[*step].rate, decay = rule.weight_decay, epsilon = rule.epsilon;
  const real alpha = rule.alpha, one_minus_alpha = 1 - rule.alpha;
  const long begin = static_cast<long>(blockIdx.x) * kPerBlock, end = min(begin + kPerBlock, count);
  for (long i = begin + threadIdx.x; i < end; i += blockDim.x) {
    const real w = weights[i], g = gradients[i] + decay * w;
    const real v = alpha * squares[i] + one_minus_alpha * g * g;
    squares[i] = v;
    weights[i] = w - lr * g / (std::sqrt(v) + epsilon);
  }
}

// Adam, and AdamW, whose decay is `decoupled`. momentum_scale is 1 / (1 - beta1^t), square_scale the same of
// beta2.
__global__ void update_adam(UpdateRule rule, bool decoupled,
                            real* weights,          // [count]
                            const real* gradients,  // [count]
                            real* momenta,          // [count]: m
                            real* squares,          // [count]: v
                            long count,
                            const UpdateStep* steps,  // [steps]
                            const int* step) {
  const UpdateStep now = steps[*step];
  const real beta1 = rule.beta1, one_minus_beta1 = 1 - rule.beta1;
  const real beta2 = rule.beta2, one_minus_beta2 = 1 - rule.beta2;
  const real epsilon = rule.epsilon, decay_of_g = decoupled ? 0 : rule.weight_decay;
  const real decay_of_w = decoupled ? now.rate * rule.weight_decay : 0;
  const long begin = static_cast<long>(blockIdx.x) * kPerBlock, end = min(begin + kPerBlock, count);
  for (long i = begin + threadIdx.x; i < end; i += blockDim.x) {
    const real w = weights[i], g = gradients[i] + decay_of_g * w;
    const real m = beta1 * momenta[i] + one_minus_beta1 * g;
    const real v = beta2 * squares[i] + one_minus_beta2 * g * g;
    momenta[i] = m;
    squares[i] = v;
    weights[i] = w - decay_of_w * w -
                 now.rate * (now.momentum_scale * m) / (std::sqrt(now.square_scale * v) + epsilon);
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
  const Grid grid = tiles(count, kPerBlock);
  const Dim3 block = threads(256);
  if (rule.kind == UpdateRule::kSgd)
    launch(update_sgd, grid, block, rule, weights, gradients, momenta, count, steps, step);
  else if (rule.kind == UpdateRule::kRmsprop)
    launch(update_rmsprop, grid, block, rule, weights, gradients, squares, count, steps, step);
  else
    launch(update_adam, grid, block, rule, rule.kind == UpdateRule::kAdamW, weights, gradients, momenta,
           squares, count, steps, step);
}

}  // namespace plainnet::TARGET
