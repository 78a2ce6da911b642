// The loss: how wrong the network's guesses are. Its outputs, the logits z, become probabilities p (softmax),
// and the loss of an image is -log p of its label, the right digit (cross entropy).
// With m = max_n z[b][n], the largest logit of image b:
//
//   p[b][n]  = exp(z[b][n] - m) / Σ_k exp(z[b][k] - m)     (m cancels; it keeps exp finite)
//   loss     = 1/batch Σ_b -log p[b][label[b]]
//            = 1/batch Σ_b (log Σ_k exp(z[b][k] - m) - (z[b][label[b]] - m))
//   dz[b][n] = (p[b][n] - (1 if n is label[b], else 0)) / batch
//
// As m cancels, the loss does not depend on it, and it counts as a constant. The slopes by z[b][n] are
//   of log Σ_k exp(z[b][k] - m):  exp(z[b][n] - m) / Σ_k exp(z[b][k] - m) = p[b][n]
//   of z[b][label[b]] - m:        1 for n = label[b], else 0

#include "kernels/softmax_cross_entropy.h"

#include <cmath>

#include "kernels/common.h"
#include "kernels/reduce.h"

namespace plainnet::TARGET {
namespace {

constexpr Dim3 kThreads = threads(128);

// One block does the batch; a thread takes whole images. Then the threads add up what they have.
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
    const real m = row[best];
    real sum = 0;
    for (int n = 0; n < classes; ++n) sum += std::exp(row[n] - m);
    loss += std::log(sum) - (row[label[b]] - m);
    correct += best == label[b];
    if (dz)
      for (int n = 0; n < classes; ++n)
        dz[at(b, n, classes)] = (std::exp(row[n] - m) / sum - (n == label[b])) / batch;
  }
  loss = block_sum<kThreads.x>(loss);
  correct = block_sum<kThreads.x>(correct);
  if (threadIdx.x == 0) scores[*step] = {loss / batch, correct};
}

// One block does the batch; a thread takes whole images.
__global__ void softmax_of_batch(const real* z,  // [batch][classes]
                                 int batch, int classes,
                                 real* p) {  // [batch][classes]
  for (int b = threadIdx.x; b < batch; b += blockDim.x) {
    const real* row = z + at(b, 0, classes);
    real m = row[0];
    for (int n = 1; n < classes; ++n) m = max(m, row[n]);
    real sum = 0;
    for (int n = 0; n < classes; ++n) sum += std::exp(row[n] - m);
    for (int n = 0; n < classes; ++n) p[at(b, n, classes)] = std::exp(row[n] - m) / sum;
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
