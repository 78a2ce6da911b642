#pragma once

#include "kernels/device.h"

namespace plainnet::TARGET {

/// How a batch did: what training and evaluation record at every step.
struct BatchScore {
  real loss;    // mean over the batch, in nats (units of the natural logarithm)
  int correct;  // images guessed right: whose largest logit is their label's
};

/// scores[*step] = the loss of the batch and its correct guesses; dz = the gradient of the loss by
/// the logits, unless dz is null.
void softmax_cross_entropy(const real* z,         // [batch][classes]: the logits
                           const uint8_t* label,  // [batch], below classes
                           int batch, int classes,
                           real* dz,         // [batch][classes], or null
                           const int* step,  // on the device
                           BatchScore* scores);  // on the device, [steps]

/// p = the probabilities that the logits z stand for.
void softmax(const real* z,  // [batch][classes]
             int batch, int classes,
             real* p);  // [batch][classes]

}  // namespace plainnet::TARGET
