#pragma once

// What one instruction of one thread computes: on a CPU a vector of 16, 8 or 4 floats, on a GPU
// one number (there, the neighbouring threads are the vector). Kernels that go channel by channel
// use it.

#include "kernels/device.h"

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
// For few channels half a vector of AVX-512 is as fast, and 24 are three of them.
typedef real ShortVector __attribute__((vector_size(min(kVectorBytes, 32))));

// A vector may begin in a row of one thread and end in one that another thread is writing: those lanes
// are not used, and a race detector need not know of them.
#if defined __SANITIZE_THREAD__
#define UNWATCHED inline __attribute__((noinline, no_sanitize("thread")))
#else
#define UNWATCHED __forceinline__
#endif

/// The vector that begins at p. It may reach beyond the end of an array: see kReadableBeyond.
template <class V = Vector>
UNWATCHED V load(const real* p) {
  V v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

/// Asks for the memory at p, which is wanted soon, to be read or to be written. It may be anywhere.
__forceinline__ void prefetch(const real* p) { __builtin_prefetch(p); }
__forceinline__ void prefetch_to_write(real* p) { __builtin_prefetch(p, 1); }

/// Writes the first n numbers of a vector, or all if n is larger.
template <class T, class V>
__forceinline__ void store(T* p, V v, int n) {
  constexpr int kLanes = sizeof v / sizeof(T);
  if (n >= kLanes) {
    __builtin_memcpy(p, &v, sizeof v);
    return;
  }
  T lanes[kLanes];  // in memory, where they can be told apart
  __builtin_memcpy(lanes, &v, sizeof v);
  // Half of the lanes at once, if so many: 24 channels are a vector and a half.
  constexpr int kHalf = kLanes / 2;
  if (n >= kHalf) __builtin_memcpy(p, lanes, sizeof(T) * kHalf);
  for (int i = n >= kHalf ? kHalf : 0; i < n; ++i) p[i] = lanes[i];
}

/// The same numbers as bytes: they must be whole, from 0 to 255.
template <class V>
__forceinline__ auto to_bytes(V v) {
  typedef unsigned char Bytes __attribute__((vector_size(sizeof v / sizeof(real))));
  using Integers = decltype(v < v);  // of the same width; there is no instruction from real to byte
  return __builtin_convertvector(__builtin_convertvector(v, Integers), Bytes);
}

#else

using Vector = real;
using ShortVector = real;
constexpr int kVectorLanes = 1;
template <class V = Vector>
__device__ __forceinline__ V load(const real* p) {
  return *p;
}
__device__ __forceinline__ void prefetch(const real*) {}
__device__ __forceinline__ void prefetch_to_write(real*) {}
__device__ __forceinline__ void store(real* p, Vector v, int) { *p = v; }

#endif

/// x in every lane.
template <class V = Vector>
__device__ __forceinline__ V broadcast(real x) {
  return V{} + x;
}

/// max(v, 0), and v where v is not a number.
template <class V>
__device__ __forceinline__ V relu(V v) {
  return v < 0 ? V{} : v;
}

}  // namespace plainnet::TARGET
