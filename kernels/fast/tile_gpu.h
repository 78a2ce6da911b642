#pragma once

// The tile of a GPU's blocks: see tile.h, which includes it. A block computes 32 rows of up to 48 columns.
// A warp has 16 of the columns, and each of its lanes 4 x 4 sums. V warps are too few: while some wait for
// memory, others should compute. So kGroups groups of warps (threadIdx.y) compute the same tile, each over
// other k: k goes in slices of 8, and a group takes every kGroups-th. It copies its slice of a and of b
// into shared memory, waits, and multiplies; meanwhile the numbers of its next slice are on their way into
// registers. At the end, store() adds up the groups' sums.

namespace plainnet::TARGET {

constexpr int kColumnStep = 16;
constexpr int kTileRows = 32;

// Loaded by one instruction.
struct alignas(4 * sizeof(real)) Four {
  real of[4];
};

template <int V, Neighbours kNeighbours = kInRow>
class Tile {
 public:
  static constexpr int kRows = kTileRows;
  static constexpr int kColumns = V * kColumnStep;
  static constexpr int kGroups = 4;
  static constexpr Dim3 kThreads = threads(V * 32, kGroups);
  static constexpr int kThreadCount = kThreads.x * kThreads.y;  // for __launch_bounds__

  /// sum[m][n] += Σ_{k < depth} a[m][k] b[k * b_stride + n]
  __device__ void add_product(Strided a, const real* b, int b_stride, int columns, int depth) {
    add_product([=](int m) { return a.begin(m); }, [=](int k) { return k * a.column; }, b, b_stride, columns,
                depth);
  }

  /// sum[m][n] += Σ_{k < depth} row(m)[at(k)] b[k * b_stride + n]
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
        if (in_a(i)) slice.a[a_k(i)][a_m(i) / 4].of[a_m(i) % 4] = next_a[i];
      for (int i = 0; i < kBPerThread; ++i) slice.b[b_k(i)][b_n() / 4].of[b_n() % 4] = next_b[i];
      __syncthreads();  // the slice is complete
      k0 += kGroups * kSlice;
      if (done + kGroups * kSlice < depth)
        load_slice(next_a, next_b, k0, row, at, b, b_stride, columns, depth);
      multiply(slice);
    }
  }

  /// Calls f(m, n, sum, 1) for all m < rows, n < columns, on the thread that has sum[m][n].
  template <class F>
  __device__ void store(int rows, int columns, const F& f) const {
    real sum[4];
    add_groups(sum);
    for (int i = 0; i < 4; ++i)
      if (stored_row() + i < rows && stored_column() < columns)
        f(stored_row() + i, stored_column(), sum[i], 1);
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

  // Where in a slice the i-th number lies that the thread copies. Neighbouring threads copy neighbouring
  // memory.
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
  __device__ void load_slice(real* next_a, real* next_b, int k0, Row row, At at, const real* b, int b_stride,
                             int columns, int depth) {
    for (int i = 0; i < kAPerThread; ++i) {
      const int k = k0 + a_k(i);
      next_a[i] = k < depth && in_a(i) ? row(a_m(i))[at(k)] : real(0);
    }
    for (int i = 0; i < kBPerThread; ++i) {
      const int k = k0 + b_k(i);
      next_b[i] = k < depth && b_n() < columns ? b[static_cast<long>(k) * b_stride + b_n()] : real(0);
    }
  }

  __device__ void multiply(const Slice& slice) {
#pragma unroll 4
    for (int k = 0; k < kSlice; ++k) {
      const Four a = slice.a[k][own_row() / 4], b_row = slice.b[k][own_column() / 4];
      for (int m = 0; m < 4; ++m)
        for (int n = 0; n < 4; ++n) sum_[m][n] += a.of[m] * b_row.of[n];
    }
  }

  // The first row and column of the thread's sums: a warp's lanes are 8 x 4.
  __device__ static int own_row() { return threadIdx.x % 32 / 4 * 4; }
  __device__ static int own_column() { return threadIdx.x / 32 * kColumnStep + threadIdx.x % 4 * 4; }

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

  real sum_[4][4]{};
};

}  // namespace plainnet::TARGET
