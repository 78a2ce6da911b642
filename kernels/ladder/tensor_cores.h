#pragma once

// What tensor cores compute, for rung 7: on a GPU with its instruction, on the emulated target with lanes
// that pass numbers to each other.

#include "kernels/device.h"

namespace plainnet::TARGET::ladder {

// mma_m16n8k8(sum, a, b): d += a b for a [16][8], b [8][8] and d [16][8], which lie spread over the 32 lanes
// of a warp. Lane 4 g + t, t < 4, has
//   a[0 ... 3]    a[g][t], a[g+8][t], a[g][t+4], a[g+8][t+4]
//   b[0 ... 1]    b[t][g], b[t+4][g]
//   sum[0 ... 3]  d[g][2t], d[g][2t+1], d[g+8][2t], d[g+8][2t+1]
// All lanes must call it. It rounds its factors to TF32, that is to 10 bits of fraction, ties away from
// zero, and adds up in float. See "mma.m16n8k8" in the PTX ISA.

#if defined TARGET_GPU

__device__ inline unsigned as_tf32(real x) {  // the bits
  unsigned bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(static_cast<float>(x)));
  return bits;
}

__device__ inline void mma_m16n8k8(real* sum, const real* a, const real* b) {
#if __CUDA_ARCH__ >= 800  // before compute capability 8.0 there are no such instructions
  float d[4] = {float(sum[0]), float(sum[1]), float(sum[2]), float(sum[3])};
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(as_tf32(a[0])), "r"(as_tf32(a[1])), "r"(as_tf32(a[2])), "r"(as_tf32(a[3])),
        "r"(as_tf32(b[0])), "r"(as_tf32(b[1])));
  for (int i = 0; i < 4; ++i) sum[i] = d[i];
#endif
}

#elif defined TARGET_EMULATED

inline real as_tf32(real x) {  // in double, where the sums are checked, x itself
  if (sizeof(real) > sizeof(float) || x != x) return x;
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  bits = (bits + 0x1000) & ~0x1FFFu;
  std::memcpy(&x, &bits, sizeof bits);
  return x;
}

inline void mma_m16n8k8(real* sum, const real* a, const real* b) {
  const emulator::Passed own = {as_tf32(a[0]), as_tf32(a[1]), as_tf32(a[2]),
                                as_tf32(a[3]), as_tf32(b[0]), as_tf32(b[1])};
  emulator::exchange(0xffffffff, own, [&](int lane, const emulator::Warp& warp) {
    for (int i = 0; i < 4; ++i)  // sum[i] is of row g + i / 2 * 8 and column 2 t + i % 2
      for (int k = 0; k < 8; ++k) {
        const double from_a = warp.passed[lane / 4 * 4 + k % 4][i / 2 + k / 4 * 2];
        const double from_b = warp.passed[(lane % 4 * 2 + i % 2) * 4 + k % 4][4 + k / 4];
        sum[i] += static_cast<real>(from_a * from_b);
      }
  });
}

#endif

}  // namespace plainnet::TARGET::ladder
