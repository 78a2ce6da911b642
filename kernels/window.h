#pragma once

// Where the numbers of images lie, and which windows see a pixel: for kernels of layers with windows.

#include "kernels/axis.h"
#include "kernels/device.h"

namespace plainnet::TARGET {

/// A window of taps (i, j) that slides over images x, pixels (h, w), and makes images y, pixels (o, p):
///   h = o * rows.stride - rows.before + i,   w = p * columns.stride - columns.before + j
struct Geometry {
  Axis rows, columns;
  int in, out;  // channels of x and of y

  // Where x[b][h][w][c] and y[b][o][p][n] lie.
  __device__ long x_at(long b, int h, int w, int c) const {
    return ((b * rows.input + h) * columns.input + w) * in + c;
  }
  __device__ long y_at(long b, int o, int p, int n) const {
    return ((b * rows.output + o) * columns.output + p) * out + n;
  }

  // The numbers of an image y, and those that a window sees.
  __host__ __device__ long y_size() const { return static_cast<long>(rows.output) * columns.output * out; }
  __host__ __device__ int taps() const { return rows.window * columns.window * in; }

  // Whether (h, w) is a pixel of x; else it is one of the zeros around it.
  __device__ bool has(int h, int w) const {
    return h >= 0 && h < rows.input && w >= 0 && w < columns.input;
  }
};

/// The windows that see input h: those of the outputs first_output(h) ... end_output(h) - 1.
/// Output o sees it with tap h - o * stride + before, which must be at least 0 and below the window.
__host__ __device__ inline int first_output(Axis axis, int h) {
  const int beyond = h + axis.before - axis.window + axis.stride;  // (h + before - window + 1) / stride,
  return beyond > 0 ? beyond / axis.stride : 0;                    // rounded up
}
__host__ __device__ inline int end_output(Axis axis, int h) {
  return min((h + axis.before) / axis.stride + 1, axis.output);
}

}  // namespace plainnet::TARGET
