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
  if (n >= kVectorLanes)
    *reinterpret_cast<UnalignedVector*>(p) = v;
  else
    for (int i = 0; i < n; ++i) p[i] = v[i];
}

#else

using Vector = real;
constexpr int kVectorLanes = 1;
__device__ __forceinline__ Vector load(const real* p) { return *p; }
__device__ __forceinline__ void store(real* p, Vector v, int) { *p = v; }

#endif

}  // namespace plainnet::TARGET
