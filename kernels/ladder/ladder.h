#pragma once

// The ladder: from the plain matrix product to a fast one, one idea a file. Read the rungs in order.
//
//   c[m][n] = Σ_k a[m][k] b[k][n]
//
// That is rows x columns x depth multiply-adds, and far fewer numbers: one of a is a factor of `columns`
// products, one of b of `rows`. So what counts is how often a number is loaded, and from where.

#include "kernels/fast/vector.h"

namespace plainnet::TARGET::ladder {

/// c = a b, where a [rows][depth], b [depth][columns] and c [rows][columns] lie row by row in device
/// memory, each from a multiple of 16 bytes on. rows, depth and columns are 1 or more; c is overwritten.
using Product = void(const real* a, const real* b, real* c, int rows, int depth, int columns);

/// The rungs, each in its file: functions that launch the kernel product_plain and so on.
Product launch_plain, launch_shared, launch_registers, launch_wide, launch_ahead, launch_groups,
    launch_tensor_cores;

/// Whether launch_tensor_cores can run: on a GPU if this was compiled for compute capability 8.0 or later,
/// and on the emulated target.
bool has_tensor_cores();

struct Rung {
  const char* file;
  Product* launch;
  bool rounds_to_tf32 = false;  // its factors: tensor_cores.h
};

/// The rungs that this target can run.
inline std::vector<Rung> rungs() {
  std::vector<Rung> all = {{"kernels/ladder/1_plain.cu", launch_plain},
                           {"kernels/ladder/2_shared.cu", launch_shared},
                           {"kernels/ladder/3_registers.cu", launch_registers},
                           {"kernels/ladder/4_wide.cu", launch_wide},
                           {"kernels/ladder/5_ahead.cu", launch_ahead},
                           {"kernels/ladder/6_groups.cu", launch_groups}};
  if (has_tensor_cores()) all.push_back({"kernels/ladder/7_tensor_cores.cu", launch_tensor_cores, true});
  return all;
}

/// x[row][column] of a matrix [rows][columns]; what lies outside of it is 0. So a tile may reach beyond
/// the edge: products with 0 add nothing, and what lies outside of c is not stored.
__device__ __forceinline__ real number_at(const real* x, int rows, int columns, int row, int column) {
  return row < rows && column < columns ? x[static_cast<long>(row) * columns + column] : real(0);
}

// From rung 3 on a thread has kM x kN sums. It must have registers for them: on a GPU 16 sums leave room
// for many threads; a CPU with AVX-512 has 32 vector registers, others have 16, and a quarter of them is
// left for the factors. The threads of a block lie side by side as kDown x kAcross: 8 x 8, or the one of
// the cpu target.
#if defined TARGET_CPU
constexpr int kM = kVectorBytes == 64 ? 8 : 4, kN = 3 * kVectorLanes;
#else
constexpr int kM = 4, kN = 4;
#endif
constexpr Dim3 kThreads = threads(8, 8);
constexpr int kDown = kThreads.y, kAcross = kThreads.x;

// So a block computes kRows x kColumns numbers of c, 32 x 32 on a GPU, and goes along k in slices.
constexpr int kRows = kDown * kM, kColumns = kAcross * kN, kSlice = 32;

// From rung 6 on a GPU's block has several such groups of threads: 4, but 2 in double precision, whose
// slices take twice the shared memory.
constexpr Dim3 kGroupThreads = threads(kAcross, 8 * 16 / sizeof(real));
constexpr int kGroups = kGroupThreads.y / kDown;

}  // namespace plainnet::TARGET::ladder
