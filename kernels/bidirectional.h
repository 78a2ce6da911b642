#pragma once

#include "kernels/lstm.h"

namespace plainnet {

/// Two LSTMs, each with weights of its own, over the sequence and over its reverse; their outputs side by
/// side. bidirectional.cu has the formulas.
struct Bidirectional {
  Lstm onward;

  const char* type() const { return "bidirectional"; }

  /// The same in the other direction.
  Lstm reverse() const { return {onward.units, onward.return_sequences, !onward.go_backwards}; }

  Shape output(Shape x) const { return {onward.output(x).height, 1, 2 * onward.units}; }

  // The names are Keras's: "forward.kernel" is W of the LSTM onward, "backward.kernel" that of the reverse.
  std::vector<ParameterDescription> parameters(Shape x) const {
    std::vector<ParameterDescription> all;
    for (const char* prefix : {"forward.", "backward."})
      for (ParameterDescription parameter : onward.parameters(x)) {
        parameter.name = prefix + parameter.name;
        all.push_back(parameter);
      }
    return all;
  }
};

}  // namespace plainnet
