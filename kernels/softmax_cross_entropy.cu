// The loss: softmax, then the cross entropy of the labels, in nats, averaged over the batch. With
// logits z and m = max z:
//
//   p[b][n] = exp(z[b][n] - m) / Σ_k exp(z[b][k] - m)         (m changes nothing but keeps exp finite)
//   loss    = 1/batch Σ_b -log p[b][label[b]]
//   dz[b][n] = (p[b][n] - [n = label[b]]) / batch
//
// Shapes: z, p, dz [batch][classes], label [batch]. What it writes, it overwrites.

#include "kernels/softmax_cross_entropy.h"

#include <cmath>

#include "kernels/common.h"
#include "kernels/reduce.h"

namespace plainnet::TARGET {
namespace {

constexpr Dim3 kThreads = threads(128);

// One block does the batch, each thread some images, whole. Then the threads add up what they have.
__global__ void loss_of_batch(const real* z,         // [batch][classes]
                              const uint8_t* label,  // [batch]
                              int batch, int classes,
                              real* dz,  // [batch][classes], or null
                              const int* step,
                              BatchScore* scores) {  // [steps]
  real loss = 0;
  int correct = 0;
  for (int b = threadIdx.x; b < batch; b += blockDim.x) {
    const real* row = z + at(b, 0, classes);
    int best = 0;
    for (int n = 1; n < classes; ++n)
      if (row[n] > row[best]) best = n;
    real sum = 0;
    for (int n = 0; n < classes; ++n) sum += std::exp(row[n] - row[best]);
    loss += std::log(sum) - (row[label[b]] - row[best]);
    correct += best == label[b];
    if (dz)
      for (int n = 0; n < classes; ++n)
        dz[at(b, n, classes)] = (std::exp(row[n] - row[best]) / sum - (n == label[b])) / batch;
  }
  loss = block_sum<kThreads.x>(loss);
  correct = block_sum<kThreads.x>(correct);
  if (threadIdx.x == 0) scores[*step] = {loss / batch, correct};
}

// One block does the batch, each thread some images, whole.
__global__ void softmax_of_batch(const real* z,  // [batch][classes]
                                 int batch, int classes,
                                 real* p) {  // [batch][classes]
  for (int b = threadIdx.x; b < batch; b += blockDim.x) {
    const real* row = z + at(b, 0, classes);
    real largest = row[0];
    for (int n = 1; n < classes; ++n) largest = max(largest, row[n]);
    real sum = 0;
    for (int n = 0; n < classes; ++n) sum += std::exp(row[n] - largest);
    for (int n = 0; n < classes; ++n) p[at(b, n, classes)] = std::exp(row[n] - largest) / sum;
  }
}

}  // namespace

void softmax_cross_entropy(const real* z, const uint8_t* label, int batch, int classes, real* dz,
                           const int* step, BatchScore* scores) {
  launch(loss_of_batch, 1, kThreads, z, label, batch, classes, dz, step, scores);
}

void softmax(const real* z, int batch, int classes, real* p) {
  launch(softmax_of_batch, 1, kThreads, z, batch, classes, p);
}

}  // namespace plainnet::TARGET
