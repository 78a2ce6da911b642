#pragma once

// Sums of rows that are multiplied by one number each, where many of these numbers are zero: the others are
// listed, and only they are multiplied. On the cpu target only, where a row is a few vectors.

#include "kernels/fast/vector.h"

namespace plainnet::TARGET {

/// A number that is not zero, and where the row begins that it is multiplied with.
struct Nonzero {
  int at;
  real value;
};

/// Lists a number, if it is not zero. That cannot be foreseen, so there is no branch here: a processor would
/// guess wrong half the time. A zero is written, too, and overwritten by the next.
__forceinline__ void add_to_list(Nonzero* list, int& listed, Nonzero number, bool is_zero) {
  list[listed] = number;
  listed += !is_zero;
}

/// to[n] = Σ_e list[e].value rows[list[e].at + n] for e < listed, n < columns; or adds it to `to`.
/// kVectors vectors are summed at once, in registers. They may reach beyond a row (kReadableBeyond).
template <int kVectors>
__forceinline__ void sum_list(const Nonzero* list, int listed, const real* rows, int columns, real* to,
                              bool add) {
  static_assert(kVectors * kVectorBytes <= kReadableBeyond);
  for (int n0 = 0; n0 < columns; n0 += kVectors * kVectorLanes) {
    Vector sum[kVectors]{};
    for (int e = 0; e < listed; ++e) {
      const real* row = rows + list[e].at + n0;
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) sum[v] += list[e].value * load(row + v * kVectorLanes);
    }
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v)
      if (const int n = n0 + v * kVectorLanes; n < columns)
        store(to + n, add ? load(to + n) + sum[v] : sum[v], columns - n);
  }
}

}  // namespace plainnet::TARGET
