#pragma once

#include "window.h"

namespace plainnet::TARGET {

/// The gradient of the loss by the input of a max pooling along `rows` and `columns`, from the one by
/// its output and from which tap of each window was the largest.
void max_pool2d_backward(Axis rows, Axis columns, int channels,
                         const real* dy,      // [batch][rows.output][columns.output][channels]
                         const real* winner,  // [batch][rows.output][columns.output][channels]
                         int batch,
                         real* dx);  // [batch][rows.input][columns.input][channels]

}  // namespace plainnet::TARGET
