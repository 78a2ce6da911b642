#pragma once

#include "kernels/description.h"

namespace plainnet {

/// The values that a parameter starts with; the same for the same `seed` and `stream`.
///   kZero           0
///   kUniform        uniform in [-scale, scale)
///   kHeNormal       normal, variance 2 / fan_in (He et al., "Delving deep into rectifiers", 2015)
///   kGlorotUniform  uniform, variance 2 / (fan_in + fan_out) (Glorot and Bengio, "Understanding the
///                   difficulty of training deep feedforward neural networks", 2010)
///   kOrthogonal     rows (or columns, if they are fewer) of length 1, at right angles to each other,
///                   in random directions (Saxe et al., "Exact solutions to the nonlinear dynamics of
///                   learning in deep linear neural networks", 2014); for a matrix
///   kForgetBias     1 for the forget gates of an LSTM, else 0 (Jozefowicz et al., "An empirical
///                   exploration of recurrent network architectures", 2015)
/// fan_in is the number of inputs that an output sums, fan_out that of outputs that an input reaches;
/// of a depthwise kernel fan_in is, as in Keras, the window times all channels.
std::vector<float> initial_values(const ParameterDescription& parameter, uint64_t seed, uint64_t stream);

}  // namespace plainnet
