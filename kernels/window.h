#pragma once

// The geometry of a window that slides over an image: convolutions and pooling share it.

#include "kernels/layer.h"

namespace plainnet::TARGET {

/// Along one axis: output o reads the inputs o * stride - before + k, 0 <= k < kernel.
struct Axis {
  int input, output, kernel, stride;
  int before;  // zeros before the first input

  /// The outputs that read input i: from first_output(i) to end_output(i) - 1.
  __host__ __device__ int first_output(int i) const {
    const int beyond = i + before - kernel + stride;  // rounded up: (i + before - kernel + 1) / stride
    return beyond > 0 ? beyond / stride : 0;
  }
  __host__ __device__ int end_output(int i) const {
    const int reached = (i + before) / stride + 1;
    return reached < output ? reached : output;
  }
};

/// The axis of a window of `kernel` over `input`. Throws Error, naming `layer`, if no window fits.
inline Axis window_axis(const char* layer, int input, int kernel, int stride, Padding padding) {
  if (kernel < 1 || stride < 1)
    throw Error(text(layer, ": expected a window and a stride of 1 or more, found ", kernel,
                     " and ", stride));
  if (padding == kSame) {
    const int output = (input + stride - 1) / stride;
    const int zeros = (output - 1) * stride + kernel - input;
    return {input, output, kernel, stride, zeros > 0 ? zeros / 2 : 0};
  }
  if (input < kernel)
    throw Error(text(layer, ": expected an input of at least ", kernel,
                     " pixels along each axis of the window, found ", input));
  return {input, (input - kernel) / stride + 1, kernel, stride, 0};
}

/// Whether some window reaches beyond the input.
inline bool needs_padding(Axis axis) {
  return axis.before > 0 || (axis.output - 1) * axis.stride + axis.kernel > axis.input;
}

/// The axis of the image that pad() makes: with its zeros written down, every tap is inside.
inline Axis padded(Axis axis) {
  axis.input = (axis.output - 1) * axis.stride + axis.kernel;
  axis.before = 0;
  return axis;
}

}  // namespace plainnet::TARGET
