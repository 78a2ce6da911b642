#pragma once

// The exponential function and what an LSTM makes of it.

#include <cmath>
#include <cstdint>

#include "device.h"

namespace plainnet::TARGET {

/// e^x. In single precision on the cpu target it is a polynomial, which the compiler can compute for
/// a vector of numbers at once: x = n ln 2 + r with |r| <= ln 2 / 2, e^x = 2^n e^r, and e^r is its
/// Taylor polynomial to r^7, exact to 2 units in the last place. It is 0 below -87 and finite above 88.
__device__ __forceinline__ real exponential(real x) {
#if defined TARGET_CPU
  if constexpr (sizeof(real) == sizeof(float)) {
    constexpr float kLog2e = 1.44269504f, kRounder = 12582912.0f;  // 1.5 * 2^23
    constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
    float clamped = x > 88.0f ? 88.0f : x;
    clamped = clamped < -87.0f ? -87.0f : clamped;
    const float shifted = clamped * kLog2e + kRounder;  // its low bits are n
    const float n = shifted - kRounder;
    const float r = (clamped - n * kLn2High) - n * kLn2Low;
    float p = 1.0f / 5040;
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 1.0f / 2;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    const uint32_t exponent = (__builtin_bit_cast(uint32_t, shifted) + 127u) << 23;
    return p * __builtin_bit_cast(float, exponent);
  }
#endif
  return std::exp(x);
}

/// 1 / (1 + e^-x)
__device__ __forceinline__ real sigmoid(real x) { return 1 / (1 + exponential(-x)); }

/// tanh x = 2 sigmoid(2x) - 1, to rounding errors of 1 (not of x, where x is small).
__device__ __forceinline__ real hyperbolic_tangent(real x) {
#if defined TARGET_CPU
  if constexpr (sizeof(real) == sizeof(float)) return 2 / (1 + exponential(-2 * x)) - 1;
#endif
  return std::tanh(x);
}

}  // namespace plainnet::TARGET
