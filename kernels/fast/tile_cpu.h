#pragma once

// The tile of the cpu target: see tile.h, which includes it. It belongs to one thread, 8 rows of up to 3
// vectors, or 6 rows of 4: 24 of the 32 vector registers of AVX-512 (with AVX2 and less 4 or 3 rows, 12 of
// 16 registers). A row of b is loaded as vectors, a number of a is broadcast to all lanes. Both are read
// straight from memory: the caches do what shared memory does on a GPU.

namespace plainnet::TARGET {

constexpr int kColumnStep = kVectorLanes;
constexpr int kTileRows = kVectorBytes == 64 ? 8 : 4;
static_assert(3 * kVectorBytes <= kReadableBeyond, "a tile may read that far beyond a row");

template <int V, Neighbours kNeighbours = kInRow>
class Tile {
 public:
  static constexpr int kRows = V < 4 ? kTileRows : kTileRows / 4 * 3;
  static constexpr int kColumns = V * kVectorLanes;
  static constexpr Dim3 kThreads = threads(1);
  static constexpr Dim3 block(int /*columns*/) { return kThreads; }  // as a Strip (strip.h)
  static constexpr int columns_at_once() { return kColumns; }

  // Vector after vector, so that the compiler keeps the zeros in registers, too.
  __forceinline__ Tile() {
#pragma GCC unroll 8
    for (int m = 0; m < kRows; ++m)
      for (int v = 0; v < V; ++v) sum_[m][v] = Vector{};
  }

  /// sum[m][n] += Σ_{k < depth} a[m][k] b[k * b_stride + n]; the vectors of a row of b may lie `apart`.
  __forceinline__ void add_product(Strided a, const real* b, int b_stride, int columns, int depth,
                                   int apart = kVectorLanes) {
    // In a column, one pointer serves all rows; beyond the last, any number will do.
    add_scattered([=](int m) { return kNeighbours == kInColumn ? a.first + m : a.begin(m); },
                  [=](int k) { return k * a.column; },
                  [=](int k) { return b + static_cast<long>(k) * b_stride; }, columns, depth, apart);
  }

  /// sum[m][n] += Σ_{k < depth} row(m)[at(k)] b(k)[n]
  template <class Row, class At, class B>
  __forceinline__ void add_scattered(Row row, At at, B b, int /*columns*/, int depth,
                                     int apart = kVectorLanes) {
    const real* a[kRows];
    Vector sum[kRows][V];  // a copy, which the compiler keeps in registers throughout the loop
#pragma GCC unroll 8
    for (int m = 0; m < kRows; ++m) {
      a[m] = row(m);
      for (int v = 0; v < V; ++v) sum[m][v] = sum_[m][v];
    }
    for (int k = 0; k < depth; ++k) {
      Vector b_row[V];
      const real *b_k = b(k), *ahead = b(k + 8);
      for (int v = 0; v < V; ++v) {
        b_row[v] = load(b_k + v * apart);
        // Those of vectors that lie apart come in time without being asked for.
        if (V < 4) prefetch(ahead + v * kVectorLanes);
      }
      const long column = at(k);
      if (kNeighbours == kInColumn) prefetch(a[0] + at(k + 8));
      for (int m = 0; m < kRows; ++m)
        for (int v = 0; v < V; ++v) sum[m][v] += a[m][column] * b_row[v];
    }
#pragma GCC unroll 8
    for (int m = 0; m < kRows; ++m)
      for (int v = 0; v < V; ++v) sum_[m][v] = sum[m][v];
  }

  /// Calls f(m, n, sums, count) for all m < rows, n < columns, on the thread that has them: `sums` is a
  /// vector of sum[m][n ... n + count - 1]. Not inlined: what f needs in registers must not push sums out
  /// of them.
  template <class F>
  __attribute__((noinline)) void store(int rows, int columns, const F& f) const {
    for (int m = 0; m < min(rows, kRows); ++m)
      for (int v = 0; v < V && v * kVectorLanes < columns; ++v)
        f(m, v * kVectorLanes, sum_[m][v], min(columns - v * kVectorLanes, kVectorLanes));
  }

  /// The same for all sums of a row at once.
  template <class F>
  __attribute__((noinline)) void store_rows(int rows, int columns, const F& f) const {
    for (int m = 0; m < min(rows, kRows); ++m) f(m, 0, sum_[m], columns);
  }

  /// The same for four rows at once, 4 m to 4 m + 3, for all m < fours: calls f(m, n, their sums, count).
  template <class F>
  __attribute__((noinline)) void store_fours(int fours, int columns, const F& f) const {
    for (int m = 0; m < min(fours, kRows / 4); ++m)
      for (int v = 0; v < V && v * kVectorLanes < columns; ++v) {
        const auto* row = sum_ + 4 * m;
        const Vector sums[4] = {row[0][v], row[1][v], row[2][v], row[3][v]};
        f(m, v * kVectorLanes, sums, min(columns - v * kVectorLanes, kVectorLanes));
      }
  }

 private:
  Vector sum_[kRows][V];
};

/// All other columns of a are zero, as edges of pictures are, and need not be multiplied.
inline Span nonzero_columns(Strided a, int columns) {
  using Bits = decltype(Vector{} != Vector{});
  Span span{columns, 0};
  for (int n = 0; n < columns; n += kVectorLanes) {
    Bits seen{};
    for (int m = 0; m < a.rows; ++m) seen |= Bits(load(a.begin(m) + n));
    for (int l = 0; l < min(kVectorLanes, columns - n); ++l)
      if (seen[l]) span = {min(span.begin, n + l), n + l + 1};
  }
  return span;
}

}  // namespace plainnet::TARGET
