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
  __host__ __device__ long x_at(long b, int h, int w, int c) const {
    return ((b * rows.input + h) * columns.input + w) * in + c;
  }
  __device__ long y_at(long b, int o, int p, int n) const {
    return ((b * rows.output + o) * columns.output + p) * out + n;
  }

  // How many pixels and numbers an image y has, and how many numbers a window sees: in all channels of x.
  __host__ __device__ int y_pixels() const { return rows.output * columns.output; }
  __host__ __device__ long y_size() const { return static_cast<long>(y_pixels()) * out; }
  __host__ __device__ int window_size() const { return rows.window * columns.window * in; }

  // Whether (h, w) is a pixel of x; else it is one of the zeros around it.
  __device__ bool has(int h, int w) const {
    return h >= 0 && h < rows.input && w >= 0 && w < columns.input;
  }
};

/// Output o sees input h if its tap there, h + before - o * stride, is at least 0 and below the window, that
/// is (with exact division here; the code rounds down), if
///   o > (h + before - window) / stride   and   o <= (h + before) / stride.
/// These are the outputs first_output(axis, h) ... end_output(axis, h) - 1.
__host__ __device__ inline int first_output(Axis axis, int h) {
  const int unseen = h + axis.before - axis.window;  // below 0: output 0 sees it
  return unseen < 0 ? 0 : unseen / axis.stride + 1;
}
__host__ __device__ inline int end_output(Axis axis, int h) {
  return min((h + axis.before) / axis.stride + 1, axis.output);
}

}  // namespace plainnet::TARGET
