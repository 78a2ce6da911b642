#pragma once

// What one instruction of one thread computes: on a CPU a vector of 16, 8 or 4 numbers, on a GPU one
// number (there, the neighbouring threads are the vector). Kernels that go channel by channel use it.

#include "device.h"

namespace plainnet::TARGET {

#if defined TARGET_CPU

#if defined __AVX512F__
constexpr int kVectorBytes = 64;
#elif defined __AVX__
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif
constexpr int kVectorLanes = kVectorBytes / sizeof(real);

typedef real Vector __attribute__((vector_size(kVectorBytes)));
typedef real UnalignedVector
    __attribute__((vector_size(kVectorBytes), aligned(sizeof(real)), may_alias));

/// The vector that begins at p. It may reach beyond the end of an array: see kReadableBeyond.
__forceinline__ Vector load(const real* p) { return *reinterpret_cast<const UnalignedVector*>(p); }

/// Writes the first n numbers of a vector, or all if n is larger.
__forceinline__ void store(real* p, Vector v, int n) {
  if (n >= kVectorLanes) {
    *reinterpret_cast<UnalignedVector*>(p) = v;
    return;
  }
  const Vector copy = v;  // in memory, where its lanes can be told apart
  const real* lanes = reinterpret_cast<const real*>(&copy);
  constexpr int kHalf = kVectorLanes / 2;  // at once if it can be: 24 channels are a vector and a half
  const int copied = n >= kHalf ? kHalf : 0;
  if (copied > 0) __builtin_memcpy(p, lanes, sizeof(real) * kHalf);
  for (int i = copied; i < n; ++i) p[i] = lanes[i];
}

#else

using Vector = real;
constexpr int kVectorLanes = 1;
__device__ __forceinline__ Vector load(const real* p) { return *p; }
__device__ __forceinline__ void store(real* p, Vector v, int) { *p = v; }

#endif

/// x in every lane.
__device__ __forceinline__ Vector broadcast(real x) { return Vector{} + x; }

/// max(v, 0), and v where v is not a number.
__device__ __forceinline__ Vector relu(Vector v) { return v < 0 ? Vector{} : v; }

}  // namespace plainnet::TARGET
