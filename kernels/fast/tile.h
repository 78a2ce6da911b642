#pragma once

// A tile of a matrix product: what convolutions, dense layers and the LSTM are made of.
//
//   sum[m][n] = Σ_k a[m][k] b[k][n]      for kRows rows m and kColumns columns n
//
// A block computes one tile. It keeps the sums in registers, spread over its threads, while it
// walks along k, so that each number that it loads serves many multiply-adds. A kernel uses it like
// this:
//
//   Tile<V> tile(tf32);  // all sums are zero
//   tile.add_product([&](int m) { return a + min(m, rows - 1) * K; }, [](int k) { return k; },
//                    b, N, columns, K);
//   tile.store(rows, columns,
//              [&](int m, int n, Vector sum, int count) { store(c + m * N + n, sum, count); });
//
// All threads of the block call both; add_product may be called more than once. The number a[m][k]
// is row(m)[at(k)], so that the rows and columns of a may lie anywhere; row() is asked for all
// kRows rows, and on a CPU at() up to 8 beyond K (see kReadableBeyond in target_cpu.h). b is a plain
// matrix, of which `columns` are in use. V, the width of the tile in units of kUnit columns, is 1, 2
// or 3: with_width() chooses it. The last template argument says which numbers of a lie side by side
// in memory: those of a row, or those of a column.

#include "kernels/fast/vector.h"

namespace plainnet::TARGET {

enum Neighbours { kInRow, kInColumn };

#if defined TARGET_CPU

// On a CPU the tile belongs to one thread: 8 rows of up to 3 vectors, 24 of the 32 vector registers
// of AVX-512 (4 rows, 12 of 16 registers, with AVX2 and less). A row of b is loaded as vectors, a
// number of a is broadcast to all lanes. Both are read straight from memory: the caches do what
// shared memory does on a GPU. The last vector of a row may reach beyond its end: see
// kReadableBeyond.
constexpr int kUnit = kVectorLanes;
constexpr int kTileRows = kVectorBytes == 64 ? 8 : 4;
static_assert(3 * kVectorBytes <= kReadableBeyond, "a tile may read that far beyond a row");

template <int V, Neighbours kNeighbours = kInRow>
class Tile {
 public:
  static constexpr int kRows = kTileRows;
  static constexpr int kColumns = V * kUnit;
  static constexpr Dim3 kThreads = threads(1);

  // Vector after vector, so that the compiler keeps the zeros in registers, too.
  explicit __forceinline__ Tile(bool /*tf32*/ = false) {
#pragma GCC unroll 8
    for (int m = 0; m < kRows; ++m)
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sum_[m][v] = Vector{};
  }

  /// sum[m][n] += Σ_{k < depth} row(m)[at(k)] * b[k * b_stride + n]
  template <class Row, class At>
  __forceinline__ void add_product(Row row, At at, const real* b, int b_stride, int /*columns*/,
                                   int depth) {
    const real* a[kRows];
    Vector sum[kRows][V];  // a copy, which the compiler keeps in registers throughout the loop
#pragma GCC unroll 8
    for (int m = 0; m < kRows; ++m) {
      a[m] = row(m);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sum[m][v] = sum_[m][v];
    }
    const real* ahead = b + 8L * b_stride;
    for (int k = 0; k < depth; ++k) {
      Vector b_row[V];
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) {
        b_row[v] = load(b + v * kUnit);
        if (v % 2 == 0) __builtin_prefetch(ahead + v * kUnit);  // lines come in pairs
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

  /// Calls f(m, n, sums, count) for all m < rows, n < columns, on the thread that has them: `sums` is
  /// a Vector of sum[m][n ... n + count - 1]. Not inlined: what f needs in registers must not push
  /// sums out of them.
  template <class F>
  __attribute__((noinline)) void store(int rows, int columns, const F& f) const {
    for (int m = 0; m < min(rows, kRows); ++m)
      for (int v = 0; v < V && v * kUnit < columns; ++v)
        f(m, v * kUnit, sum_[m][v], min(columns - v * kUnit, kUnit));
  }

  /// The same for the largest of each four rows, 4 m to 4 m + 3, or the last that is not a number, for
  /// all m < fours: calls f(m, n, largest, row, count), where row says which of the four it was, 0 to 3.
  template <class F>
  __attribute__((noinline)) void store_largest_of_4(int fours, int columns, const F& f) const {
    for (int m = 0; m < min(fours, kRows / 4); ++m)
      for (int v = 0; v < V && v * kUnit < columns; ++v) {
        Vector largest = sum_[4 * m][v], row{};
#pragma GCC unroll 3
        for (int i = 1; i < 4; ++i) {
          const Vector sum = sum_[4 * m + i][v];
          const auto wins = (sum > largest) | (sum != sum);
          largest = wins ? sum : largest;
          row = wins ? broadcast(i) : row;
        }
        f(m, v * kUnit, largest, row, min(columns - v * kUnit, kUnit));
      }
  }

 private:
  Vector sum_[kRows][V];
};

#else

// On a GPU a block computes 32 rows of up to 48 columns. A warp has 16 of the columns, and each of its
// lanes 4 x 4 sums. V warps are too few: while some wait for memory, others should compute. So
// kGroups groups of warps (threadIdx.y) compute the same tile, each over other k: k goes in slices of
// 8, and a group takes every kGroups-th. It copies its slice of a and of b into shared memory, waits,
// and multiplies; meanwhile the numbers of its next slice are on their way into registers. At the
// end, store() adds up the groups' sums. With tf32 the tensor cores multiply.
constexpr int kUnit = 16;
constexpr int kTileRows = 32;

// Loaded by one instruction.
struct alignas(4 * sizeof(real)) Four {
  real of[4];
};

template <int V, Neighbours kNeighbours = kInRow>
class Tile {
 public:
  static constexpr int kRows = kTileRows;
  static constexpr int kColumns = V * kUnit;
  static constexpr int kGroups = 4;
  static constexpr Dim3 kThreads = threads(V * 32, kGroups);
  static constexpr int kThreadCount = kThreads.x * kThreads.y;  // for __launch_bounds__

  explicit __device__ Tile(bool tf32) : tf32_(tf32) {}

  /// sum[m][n] += Σ_{k < depth} row(m)[at(k)] * b[k * b_stride + n]
  template <class Row, class At>
  __device__ void add_product(Row row, At at, const real* b, int b_stride, int columns, int depth) {
    Slice& slice = shared().slice[threadIdx.y];
    real next_a[kAPerThread], next_b[kBPerThread];
    int k0 = threadIdx.y * kSlice;
    load_slice(next_a, next_b, k0, row, at, b, b_stride, columns, depth);
    // All threads must reach the barriers: a group whose k0 is beyond the depth multiplies zeros.
    for (int done = 0; done < depth; done += kGroups * kSlice) {
      __syncthreads();  // the slice before this one has been used
      for (int i = 0; i < kAPerThread; ++i)
        if (in_a(i)) slice.a[a_k(i)][a_m(i) / 4].of[a_m(i) % 4] = rounded(next_a[i]);
      for (int i = 0; i < kBPerThread; ++i)
        slice.b[b_k(i)][b_n() / 4].of[b_n() % 4] = rounded(next_b[i]);
      __syncthreads();  // the slice is complete
      k0 += kGroups * kSlice;
      if (done + kGroups * kSlice < depth)
        load_slice(next_a, next_b, k0, row, at, b, b_stride, columns, depth);
      if (tf32_)
        multiply_on_tensor_cores(slice);
      else
        multiply(slice);
    }
  }

  /// As on a CPU, with a count of 1.
  template <class F>
  __device__ void store(int rows, int columns, const F& f) const {
    real sum[4];
    add_groups(sum);
    for (int i = 0; i < 4; ++i)
      if (stored_row() + i < rows && stored_column() < columns)
        f(stored_row() + i, stored_column(), sum[i], 1);
  }

  /// As on a CPU, with a count of 1.
  template <class F>
  __device__ void store_largest_of_4(int fours, int columns, const F& f) const {
    real sum[4];
    add_groups(sum);
    if (stored_row() / 4 >= fours || stored_column() >= columns) return;
    real largest = sum[0], row = 0;
    for (int i = 1; i < 4; ++i) {
      const bool wins = sum[i] > largest || sum[i] != sum[i];
      largest = wins ? sum[i] : largest;
      row = wins ? i : row;
    }
    f(stored_row() / 4, stored_column(), largest, row, 1);
  }

 private:
  static constexpr int kSlice = 8;
  struct Slice {
    Four a[kSlice][kRows / 4 + 1];  // 1 more, or its writers meet in a memory bank
    Four b[kSlice][kColumns / 4];
  };
  union Shared {
    Slice slice[kGroups];
    Four sum[kGroups][kRows][kColumns / 4];  // when all slices have been used
  };
  static_assert(sizeof(Shared) <= 48 * 1024, "a block has no more shared memory without asking");
  __device__ static Shared& shared() {
    __shared__ Shared memory;
    return memory;
  }

  static constexpr int kAPerThread = (kSlice * kRows + kThreads.x - 1) / kThreads.x;
  static constexpr int kBPerThread = kSlice * kColumns / kThreads.x;
  static_assert(kSlice * kColumns % kThreads.x == 0, "a group copies a slice of b evenly");
  static_assert(kRows * kColumns == 4 * kThreadCount, "a thread stores four sums");

  // Where in a slice the i-th number lies that the thread copies. Neighbouring threads copy
  // neighbouring memory.
  static constexpr bool kRowwise = kNeighbours == kInRow;
  __device__ static int a_m(int i) {
    return kRowwise ? threadIdx.x / kSlice + i * (kThreads.x / kSlice) : threadIdx.x % kRows;
  }
  __device__ static int a_k(int i) {
    return kRowwise ? threadIdx.x % kSlice : threadIdx.x / kRows + i * (kThreads.x / kRows);
  }
  // Where the threads do not divide a slice of a evenly, the last ones have nothing to copy.
  __device__ static bool in_a(int i) { return a_m(i) < kRows && a_k(i) < kSlice; }
  __device__ static int b_n() { return threadIdx.x % kColumns; }
  __device__ static int b_k(int i) { return threadIdx.x / kColumns + i * (kThreads.x / kColumns); }

  template <class Row, class At>
  __device__ void load_slice(real* next_a, real* next_b, int k0, Row row, At at, const real* b,
                             int b_stride, int columns, int depth) {
    for (int i = 0; i < kAPerThread; ++i) {
      const int k = k0 + a_k(i);
      next_a[i] = k < depth && in_a(i) ? row(a_m(i))[at(k)] : real(0);
    }
    for (int i = 0; i < kBPerThread; ++i) {
      const int k = k0 + b_k(i);
      next_b[i] = k < depth && b_n() < columns ? b[static_cast<long>(k) * b_stride + b_n()] : real(0);
    }
  }

  // The first row and column of the thread's sums: a warp's lanes are 8 x 4.
  __device__ static int own_row() { return threadIdx.x % 32 / 4 * 4; }
  __device__ static int own_column() { return threadIdx.x / 32 * kUnit + threadIdx.x % 4 * 4; }

  __device__ void multiply(const Slice& slice) {
#pragma unroll 4
    for (int k = 0; k < kSlice; ++k) {
      const Four a = slice.a[k][own_row() / 4], b_row = slice.b[k][own_column() / 4];
      for (int m = 0; m < 4; ++m)
        for (int n = 0; n < 4; ++n) sum_[m][n] += a.of[m] * b_row.of[n];
    }
  }

  // The same with mma_m16n8k8, a product of 16 x 8 by 8 x 8 numbers, four times. Its rows g and g + 8
  // are the tile's 4 g + m and 4 g + m + 1, its column 2 t + i is 4 t + n + i of the warp's: so lane
  // 4 g + t gets its own 4 x 4 sums, and reads its numbers of a at once.
  __device__ void multiply_on_tensor_cores(const Slice& slice) {
    const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    const Four a0 = slice.a[t][g], a4 = slice.a[t + 4][g];
    for (int n = 0; n < 4; n += 2) {
      const int column = g / 2 * 4 + n + g % 2, four = threadIdx.x / 32 * (kUnit / 4) + column / 4;
      const real b[2] = {slice.b[t][four].of[column % 4], slice.b[t + 4][four].of[column % 4]};
      for (int m = 0; m < 4; m += 2) {
        const real a[4] = {a0.of[m], a0.of[m + 1], a4.of[m], a4.of[m + 1]};
        mma_m16n8k8(&sum_[m][n], &sum_[m + 1][n], a, b);
      }
    }
  }

  __device__ real rounded(real x) const { return tf32_ ? to_tf32(x) : x; }

  // The first of the four rows, and the column, that the thread stores: neighbouring threads write
  // neighbouring memory.
  __device__ static int thread() { return threadIdx.y * kThreads.x + threadIdx.x; }
  __device__ static int stored_row() { return thread() / kColumns * 4; }
  __device__ static int stored_column() { return thread() % kColumns; }

  // The sums that the thread stores, over all groups, in a fixed order.
  __device__ void add_groups(real* sum) const {
    __syncthreads();  // all slices have been used
    for (int m = 0; m < 4; ++m) {
      Four& to = shared().sum[threadIdx.y][own_row() + m][own_column() / 4];
      for (int n = 0; n < 4; ++n) to.of[n] = sum_[m][n];
    }
    __syncthreads();
    for (int i = 0; i < 4; ++i) {
      sum[i] = 0;
      for (int group = 0; group < kGroups; ++group)
        sum[i] += shared().sum[group][stored_row() + i][stored_column() / 4].of[stored_column() % 4];
    }
  }

  const bool tf32_;
  real sum_[4][4]{};
};

#endif

/// Calls f with the width of tile, as a std::integral_constant, that suits a matrix of `columns`
/// columns: few of the tiles' columns should lie beyond it, and a wide tile loads a less often. A
/// step of k costs about 4 for each unit of width, and 1 for a.
template <class F>
void with_width(int columns, const F& f) {
  const auto cost = [&](int width) { return tiles(columns, width * kUnit) * (4 * width + 1); };
  if (cost(3) <= cost(2) && cost(3) <= cost(1))
    f(std::integral_constant<int, 3>());
  else if (cost(2) <= cost(1))
    f(std::integral_constant<int, 2>());
  else
    f(std::integral_constant<int, 1>());
}

}  // namespace plainnet::TARGET
