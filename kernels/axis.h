#pragma once

// Windows that slide over an image, seen along one axis: convolutions and pooling share them.

#include "base/error.h"

namespace plainnet {

/// Height and width; one number stands for both.
struct Size {
  int height, width;
  Size(int both) : height(both), width(both) {}
  Size(int height, int width) : height(height), width(width) {}
};

/// What becomes of windows that reach beyond the image. kValid leaves them out. kSame puts zeros around the
/// image, so that there are ceil(input / stride) windows along each axis; if the number of zeros is odd,
/// the extra one is below, or at the right.
enum Padding { kValid, kSame };

/// Output o is made from the inputs o * stride - before + tap, for each tap (place in the window) from 0 to
/// window - 1. What lies beyond the input is 0.
struct Axis {
  int input, output;  // how many inputs and outputs there are
  int window, stride;  // the length of a window; how far it moves from output to output
  int before;  // zeros before the first input
};

/// The axis of a window over `input` pixels. Throws Error, naming `layer`, if no window fits.
inline Axis window_axis(const char* layer, int input, int window, int stride, Padding padding) {
  if (window < 1 || stride < 1)
    throw Error(layer, ": expected a window and a stride of 1 or more, found ", window, " and ", stride);
  if (padding == kValid && input < window)
    throw Error(layer, ": expected an input of at least ", window,
                " pixels along each axis of the window, found ", input);
  const int output = padding == kSame ? (input + stride - 1) / stride : (input - window) / stride + 1;
  const int zeros = (output - 1) * stride + window - input;  // below 0: inputs that no window reaches
  return {input, output, window, stride, zeros > 0 ? zeros / 2 : 0};
}

}  // namespace plainnet
