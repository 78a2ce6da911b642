#pragma once

// The exponential function and what an LSTM makes of it.

#include <cmath>

#include "kernels/fast/vector.h"

namespace plainnet::TARGET {

#if defined TARGET_CPU

/// e^x of each number. In single precision it is computed for the whole vector at once: x = n ln 2 + r
/// with |r| <= ln 2 / 2, e^x = 2^n e^r, and e^r is its Taylor polynomial to r^7, exact to 2 units in
/// the last place. Below -87 and above 88 it is as for these.
__forceinline__ Vector exponential(Vector x) {
  if constexpr (sizeof(real) == sizeof(float)) {
    using Integers = decltype(x < x);  // of the same width
    constexpr real kLog2e = 1.44269504f, kRounder = 12582912.0f;  // 1.5 * 2^23
    constexpr real kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
    x = x > 88 ? broadcast(88) : x;
    x = x < -87 ? broadcast(-87) : x;
    const Vector shifted = x * kLog2e + kRounder;  // its low bits are n
    const Vector n = shifted - kRounder;
    const Vector r = (x - n * kLn2High) - n * kLn2Low;
    Vector p = broadcast(1.0 / 5040);
    for (const double c : {1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 1.0 / 2, 1.0, 1.0})
      p = p * r + static_cast<real>(c);
    // A cast between vectors of one size keeps the bits.
    return p * (Vector)((((Integers)shifted) + 127) << 23);
  }
  for (int i = 0; i < kVectorLanes; ++i) x[i] = std::exp(x[i]);
  return x;
}

#else

__device__ inline Vector exponential(Vector x) { return std::exp(x); }

#endif

/// 1 / (1 + e^-x)
__device__ __forceinline__ Vector sigmoid(Vector x) { return 1 / (1 + exponential(-x)); }

/// tanh x = 2 sigmoid(2x) - 1, to rounding errors of 1 (not of x, where x is small).
__device__ __forceinline__ Vector hyperbolic_tangent(Vector x) { return 2 * sigmoid(2 * x) - 1; }

}  // namespace plainnet::TARGET
