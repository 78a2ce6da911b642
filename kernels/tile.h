#pragma once

// A tile of a matrix product: what convolutions, dense layers and the LSTM are made of.
//
//   sum[m][n] = Σ_k a[m][k] b[k][n]      for kRows rows m and kColumns columns n
//
// A block computes one tile. It keeps the sums in registers, spread over its threads, while it
// walks along k, so that each number that it loads serves many multiply-adds. A kernel uses it like
// this:
//
//   Tile<V> tile;  // all sums are zero
//   tile.add_product([&](int m) { return a + min(m, rows - 1) * K; }, [](int k) { return k; },
//                    b, N, columns, K);
//   tile.store(rows, columns,
//              [&](int m, int n, Vector sum, int count) { store(c + m * N + n, sum, count); });
//
// All threads of the block call both; add_product may be called more than once. The number a[m][k]
// is row(m)[at(k)], so that the rows and columns of a may lie anywhere; row() is asked for all
// kRows rows, and on a CPU at() a little beyond K. b is a plain matrix, of which `columns` are in
// use. V, the width of the tile in units of kLanes columns, is 1, 2 or 3: with_width() chooses it.
// The last template argument says which numbers of a lie side by side in memory: those of a row, or
// those of a column.

#include "vector.h"

namespace plainnet::TARGET {

enum Neighbours { kInRow, kInColumn };

#if defined TARGET_CPU

// On a CPU the tile belongs to one thread: 8 rows of up to 3 vectors, 24 of the 32 vector registers
// of AVX-512 (4 rows, 12 of 16 registers, with AVX2 and less). A row of b is loaded as vectors, a
// number of a is broadcast to all lanes. Both are read straight from memory: the caches do what
// shared memory does on a GPU. The last vector of a row may reach beyond its end: see
// kReadableBeyond.
constexpr int kLanes = kVectorLanes;
constexpr int kTileRows = kVectorBytes == 64 ? 8 : 4;
static_assert(3 * kVectorBytes <= kReadableBeyond, "a tile may read that far beyond a row");

template <int V, Neighbours kNeighbours = kInRow>
class Tile {
 public:
  static constexpr int kRows = kTileRows;
  static constexpr int kColumns = V * kLanes;
  static constexpr Dim3 kThreads = threads(1);

  // Vector after vector, so that the compiler keeps the zeros in registers, too.
  __forceinline__ Tile() {
#pragma GCC unroll 8
    for (int m = 0; m < kRows; ++m)
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sum_[m][v] = Vector{};
  }

  /// sum[m][n] += Σ_{k < count} row(m)[at(k)] * b[k * b_stride + n]
  template <class Row, class At>
  __forceinline__ void add_product(Row row, At at, const real* b, int b_stride, int /*columns*/,
                                   int count) {
    const real* a[kRows];
    Vector sum[kRows][V];  // a copy, which the compiler keeps in registers throughout the loop
#pragma GCC unroll 8
    for (int m = 0; m < kRows; ++m) {
      a[m] = row(m);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sum[m][v] = sum_[m][v];
    }
    const real* ahead = b + 8L * b_stride;
    for (int k = 0; k < count; ++k) {
      Vector b_row[V];
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) {
        b_row[v] = load(b + v * kLanes);
        if (v % 2 == 0) __builtin_prefetch(ahead + v * kLanes);  // lines come in pairs
      }
      ahead += b_stride;
      const long column = at(k);
      if (kNeighbours == kInColumn) __builtin_prefetch(a[0] + at(k + 8));
#pragma GCC unroll 8
      for (int m = 0; m < kRows; ++m)
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) sum[m][v] += a[m][column] * b_row[v];
      b += b_stride;
    }
#pragma GCC unroll 8
    for (int m = 0; m < kRows; ++m)
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sum_[m][v] = sum[m][v];
  }

  /// Calls f(m, n, sums, count) for m < rows and n < columns: sums are `count` sums from sum[m][n]
  /// on, as a Vector, and their thread calls it. Not inlined: what f needs in registers must not
  /// push sums out of them.
  template <class F>
  __attribute__((noinline)) void store(int rows, int columns, const F& f) const {
    for (int m = 0; m < min(rows, kRows); ++m)
      for (int v = 0; v < V && v * kLanes < columns; ++v)
        f(m, v * kLanes, sum_[m][v], min(columns - v * kLanes, kLanes));
  }

  /// The same for the largest of each four rows, 4 m to 4 m + 3, or the last that is not a number:
  /// calls f(m, n, largest, row, count), where row says which of the four it was, 0 to 3.
  template <class F>
  __attribute__((noinline)) void store_largest_of_4(int rows, int columns, const F& f) const {
    for (int m = 0; m < min(rows, kRows / 4); ++m)
      for (int v = 0; v < V && v * kLanes < columns; ++v) {
        Vector largest = sum_[4 * m][v], row{};
#pragma GCC unroll 3
        for (int i = 1; i < 4; ++i) {
          const Vector sum = sum_[4 * m + i][v];
          const auto wins = (sum > largest) | (sum != sum);
          largest = wins ? sum : largest;
          row = wins ? broadcast(i) : row;
        }
        f(m, v * kLanes, largest, row, min(columns - v * kLanes, kLanes));
      }
  }

 private:
  Vector sum_[kRows][V];
};

/// A tile whose block shares nothing, for a recurrence; on a CPU, every tile is one.
template <int V>
class Strip : public Tile<V> {
 public:
  static constexpr Dim3 block(int /*columns*/) { return threads(1); }
  __device__ static int columns_at_once() { return Tile<V>::kColumns; }
};

#else

// On a GPU a block computes 32 rows of up to 48 columns, each thread 4 x 4 of them. The block walks
// along k in slices of 16: all threads together copy a slice of a and of b into shared memory,
// wait, and multiply. While they multiply, the numbers of the next slice are already on their way
// into registers.
constexpr int kLanes = 16;
constexpr int kTileRows = 32;

template <int V, Neighbours kNeighbours = kInRow>
class Tile {
 public:
  static constexpr int kRows = kTileRows;
  static constexpr int kColumns = V * kLanes;
  static constexpr Dim3 kThreads = threads((kRows / 4) * (kColumns / 4));

  /// sum[m][n] += Σ_{k < count} row(m)[at(k)] * b[k * b_stride + n]
  template <class Row, class At>
  __device__ void add_product(Row row, At at, const real* b, int b_stride, int columns, int count) {
    __shared__ Four a_slice[kSlice][kRows / 4 + 1];  // 1 more, or its writers meet in a memory bank
    __shared__ Four b_slice[kSlice][kColumns / 4];
    real next_a[kAPerThread], next_b[kBPerThread];

    load_slice(next_a, next_b, 0, row, at, b, b_stride, columns, count);
    for (int k0 = 0; k0 < count; k0 += kSlice) {
      __syncthreads();  // the slice before this one has been used
      for (int i = 0; i < kAPerThread; ++i)
        if (a_index(i) < kSlice * kRows) a_slice[a_k(i)][a_m(i) / 4].of[a_m(i) % 4] = next_a[i];
      for (int i = 0; i < kBPerThread; ++i) b_slice[b_k(i)][b_n(i) / 4].of[b_n(i) % 4] = next_b[i];
      __syncthreads();
      if (k0 + kSlice < count)
        load_slice(next_a, next_b, k0 + kSlice, row, at, b, b_stride, columns, count);
      for (int k = 0; k < kSlice; ++k) {
        const Four a = a_slice[k][own_row() / 4], b_row = b_slice[k][own_column() / 4];
        for (int m = 0; m < 4; ++m)
          for (int n = 0; n < 4; ++n) sum_[m][n] += a.of[m] * b_row.of[n];
      }
    }
  }

  /// Calls f(m, n, sums, count) for m < rows and n < columns: sums are `count` sums from sum[m][n]
  /// on, as a Vector, and their thread calls it.
  template <class F>
  __device__ void store(int rows, int columns, const F& f) const {
    for (int m = 0; m < 4; ++m)
      for (int n = 0; n < 4; ++n)
        if (own_row() + m < rows && own_column() + n < columns)
          f(own_row() + m, own_column() + n, sum_[m][n], 1);
  }

  /// The same for the largest of each four rows, 4 m to 4 m + 3, or the last that is not a number:
  /// calls f(m, n, largest, row, count), where row says which of the four it was, 0 to 3.
  template <class F>
  __device__ void store_largest_of_4(int rows, int columns, const F& f) const {
    if (own_row() / 4 >= rows) return;
    for (int n = 0; n < 4 && own_column() + n < columns; ++n) {
      real largest = sum_[0][n], row = 0;
      for (int i = 1; i < 4; ++i) {
        const bool wins = sum_[i][n] > largest || sum_[i][n] != sum_[i][n];
        largest = wins ? sum_[i][n] : largest;
        row = wins ? i : row;
      }
      f(own_row() / 4, own_column() + n, largest, row, 1);
    }
  }

 private:
  // Loaded by one instruction.
  struct alignas(4 * sizeof(real)) Four {
    real of[4];
  };

  static constexpr int kSlice = 16;
  static constexpr int kAPerThread = (kSlice * kRows + kThreads.x - 1) / kThreads.x;
  static constexpr int kBPerThread = kSlice * kColumns / kThreads.x;
  static_assert(kSlice * kColumns % kThreads.x == 0, "the threads copy a slice of b evenly");

  __device__ static int own_row() { return threadIdx.x / (kColumns / 4) * 4; }
  __device__ static int own_column() { return threadIdx.x % (kColumns / 4) * 4; }

  // Which number of a slice the thread copies as its i-th. Neighbouring threads copy neighbouring
  // memory.
  __device__ static int a_index(int i) { return threadIdx.x + i * kThreads.x; }
  __device__ static int a_k(int i) {
    return kNeighbours == kInRow ? a_index(i) % kSlice : a_index(i) / kRows;
  }
  __device__ static int a_m(int i) {
    return kNeighbours == kInRow ? a_index(i) / kSlice : a_index(i) % kRows;
  }
  __device__ static int b_k(int i) { return (threadIdx.x + i * kThreads.x) / kColumns; }
  __device__ static int b_n(int i) { return (threadIdx.x + i * kThreads.x) % kColumns; }

  template <class Row, class At>
  __device__ void load_slice(real* next_a, real* next_b, int k0, Row row, At at, const real* b,
                             int b_stride, int columns, int count) {
    for (int i = 0; i < kAPerThread; ++i) {
      const int k = k0 + a_k(i);
      next_a[i] = k < count && a_index(i) < kSlice * kRows ? row(a_m(i))[at(k)] : real(0);
    }
    for (int i = 0; i < kBPerThread; ++i) {
      const int k = k0 + b_k(i);
      next_b[i] =
          k < count && b_n(i) < columns ? b[static_cast<long>(k) * b_stride + b_n(i)] : real(0);
    }
  }

  real sum_[4][4]{};
};

/// A tile of few rows whose threads share nothing while they multiply, for a recurrence: a block
/// that owns few rows of the batch computes them step by step and waits for no other block. A
/// thread computes all rows of one column; where there are fewer columns than threads, threadIdx.y
/// divides the sum over k. Its numbers of b come through the caches, in which all blocks find the
/// same b.
template <int V>
class Strip {
 public:
  static constexpr int kRows = 4;
  static constexpr int kMaxThreads = 512;

  /// The block for a product with that many columns: a multiple of 32 threads along x.
  static Dim3 block(int columns) {
    const int x = columns < kMaxThreads ? (columns + 31) / 32 * 32 : kMaxThreads;
    return threads(x, kMaxThreads / x);
  }
  __device__ static int columns_at_once() { return blockDim.x; }

  /// sum[m][n] += Σ_{k < count} row(m)[at(k)] * b[k * b_stride + n]
  template <class Row, class At>
  __device__ void add_product(Row row, At at, const real* b, int b_stride, int columns, int count) {
    const int n = threadIdx.x;
    if (n >= columns) return;
    const int part = (count + blockDim.y - 1) / blockDim.y;
    const int k0 = threadIdx.y * part, k1 = min(k0 + part, count);
#pragma unroll 8
    for (int k = k0; k < k1; ++k) {
      const real b_kn = b[static_cast<long>(k) * b_stride + n];
      for (int m = 0; m < kRows; ++m) sum_[m] += row(m)[at(k)] * b_kn;
    }
  }

  /// As a tile's; all threads must call it.
  template <class F>
  __device__ void store(int rows, int columns, const F& f) const {
    __shared__ real part[kRows][kMaxThreads];
    for (int m = 0; m < kRows; ++m) part[m][threadIdx.y * blockDim.x + threadIdx.x] = sum_[m];
    __syncthreads();
    for (int m = threadIdx.y; m < kRows && m < rows; m += blockDim.y) {
      if (static_cast<int>(threadIdx.x) >= columns) break;
      real sum = 0;
      for (int y = 0; y < static_cast<int>(blockDim.y); ++y)
        sum += part[m][y * blockDim.x + threadIdx.x];
      f(m, static_cast<int>(threadIdx.x), sum, 1);
    }
    __syncthreads();
  }

 private:
  real sum_[kRows]{};
};

#endif

/// Calls f with the width of tile, as a std::integral_constant, that suits a matrix of `columns`
/// columns: few of the tiles' columns should lie beyond it, and a wide tile loads a less often. A
/// step of k costs about 4 for each unit of width, and 1 for a.
template <class F>
void with_width(int columns, const F& f) {
  const auto cost = [&](int width) { return tiles(columns, width * kLanes) * (4 * width + 1); };
  if (cost(3) <= cost(2) && cost(3) <= cost(1))
    f(std::integral_constant<int, 3>());
  else if (cost(2) <= cost(1))
    f(std::integral_constant<int, 2>());
  else
    f(std::integral_constant<int, 1>());
}

}  // namespace plainnet::TARGET
