#pragma once

namespace plainnet {

/// How weights follow their gradients; the formulas stand in kernels/update_rules.cu.
struct UpdateRule {
  enum Kind { kSgd, kRmsprop, kAdam, kAdamW } kind = kSgd;
  double momentum = 0.9;  // of SGD; 0 or more, below 1
  bool nesterov = true;   // of SGD
  double weight_decay = 0;
  double alpha = 0.99;                // of RMSprop
  double beta1 = 0.9, beta2 = 0.999;  // of Adam and AdamW
  double epsilon = 1e-8;              // of all but SGD

  bool has_momenta() const { return kind != kRmsprop; }
  bool has_squares() const { return kind != kSgd; }
};

}  // namespace plainnet
