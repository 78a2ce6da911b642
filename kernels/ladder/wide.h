#pragma once

// Several neighbouring numbers that one instruction loads: rung 4's idea.

#include "kernels/ladder/ladder.h"

namespace plainnet::TARGET::ladder {

#if defined TARGET_CPU
// A vector register, with which one instruction also computes.
using Wide = Vector;
constexpr int kLanes = kVectorLanes;
inline Wide load_wide(const real* p) { return load(p); }
inline void store_wide(real* p, Wide w) { store(p, w, kLanes); }
#else
// 4 floats are the 128 bits that a GPU's thread loads at most; in double precision they take two loads. It
// computes with one number at a time.
constexpr int kLanes = 4;
struct alignas(16) Wide {
  real number[kLanes];
  __device__ real& operator[](int i) { return number[i]; }
};
__device__ inline Wide operator*(real x, Wide w) {
  return {{x * w[0], x * w[1], x * w[2], x * w[3]}};
}
__device__ inline void operator+=(Wide& to, Wide w) {
  for (int i = 0; i < kLanes; ++i) to[i] += w[i];
}
__device__ inline Wide load_wide(const real* p) { return *reinterpret_cast<const Wide*>(p); }
__device__ inline void store_wide(real* p, Wide w) { *reinterpret_cast<Wide*>(p) = w; }
#endif

constexpr int kWides = kN / kLanes;  // of a row of a thread's sums: 1 on a GPU, 3 on a CPU

// Of the rows of a slice of a, kM are a thread's to copy, kAWides of each; of a slice of b, kBRows with
// kWides of each. On a GPU that is 4 Wides of either.
constexpr int kAWides = kSlice / kLanes / kAcross, kBRows = kSlice / kDown;

/// x[row][column ... column + kLanes - 1] of a matrix [rows][columns]; what lies outside of it is 0.
/// column is a multiple of kLanes.
__device__ __forceinline__ Wide wide_at(const real* x, int rows, int columns, int row, int column) {
  if (row < rows && column < columns && columns % kLanes == 0)  // then Wides lie side by side in x
    return load_wide(x + static_cast<long>(row) * columns + column);
  Wide w = {};
  for (int i = 0; i < kLanes; ++i) w[i] = number_at(x, rows, columns, row, column + i);
  return w;
}

/// Writes w there; nothing outside of the matrix.
__device__ __forceinline__ void put_wide(real* x, int rows, int columns, int row, int column, Wide w) {
  if (row >= rows) return;
  real* to = x + static_cast<long>(row) * columns + column;
  if (column < columns && columns % kLanes == 0) return store_wide(to, w);
  for (int i = 0; i < kLanes && column + i < columns; ++i) to[i] = w[i];
}

}  // namespace plainnet::TARGET::ladder
