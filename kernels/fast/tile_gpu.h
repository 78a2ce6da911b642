#pragma once

// The tile of a GPU's blocks: see tile.h, which includes it. A block of V warps computes 32 rows of up to 48
// columns: a warp has 16 of the columns, and each of its lanes 4 x 4 sums. k goes in slices of 8: the threads
// copy a slice of a and of b into shared memory, wait, and multiply.

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
  static constexpr Dim3 kThreads = threads(V * 32);

  /// sum[m][n] += Σ_{k < depth} a[m][k] b[k * b_stride + n]
  __device__ void add_product(Strided a, const real* b, int b_stride, int columns, int depth) {
    add_scattered([=](int m) { return a.begin(m); }, [=](int k) { return k * a.column; },
                [=](int k) { return b + static_cast<long>(k) * b_stride; }, columns, depth);
  }

  /// sum[m][n] += Σ_{k < depth} row(m)[at(k)] b(k)[n]
  template <class Row, class At, class B>
  __device__ void add_scattered(Row row, At at, B b, int columns, int depth) {
    constexpr int kSlice = 8;
    __shared__ Four a_slice[kSlice][kRows / 4 + 1];  // 1 more, or its writers meet in a memory bank
    __shared__ Four b_slice[kSlice][kColumns / 4];
    for (int k0 = 0; k0 < depth; k0 += kSlice) {
      __syncthreads();  // the slice before this one has been used
      // Neighbouring threads copy neighbouring memory.
      for (int i = threadIdx.x; i < kSlice * kRows; i += blockDim.x) {
        const int m = kNeighbours == kInRow ? i / kSlice : i % kRows;
        const int k = kNeighbours == kInRow ? i % kSlice : i / kRows;
        a_slice[k][m / 4].of[m % 4] = k0 + k < depth ? row(m)[at(k0 + k)] : real(0);
      }
      for (int i = threadIdx.x; i < kSlice * kColumns; i += blockDim.x) {
        const int k = i / kColumns, n = i % kColumns;
        const bool inside = k0 + k < depth && n < columns;
        b_slice[k][n / 4].of[n % 4] = inside ? b(k0 + k)[n] : real(0);
      }
      __syncthreads();  // the slice is complete
#pragma unroll 4
      for (int k = 0; k < kSlice; ++k) {
        const Four a_k = a_slice[k][first_row() / 4], b_k = b_slice[k][first_column() / 4];
        for (int m = 0; m < 4; ++m)
          for (int n = 0; n < 4; ++n) sum_[m][n] += a_k.of[m] * b_k.of[n];
      }
    }
  }

  /// Calls f(m, n, sum, 1) for all m < rows, n < columns, on the thread that has sum[m][n].
  template <class F>
  __device__ void store(int rows, int columns, const F& f) const {
    for (int m = 0; m < 4; ++m)
      for (int n = 0; n < 4; ++n)
        if (first_row() + m < rows && first_column() + n < columns)
          f(first_row() + m, first_column() + n, sum_[m][n], 1);
  }

 private:
  // Where the thread's sums begin: a warp's lanes are 8 x 4.
  __device__ static int first_row() { return threadIdx.x % 32 / 4 * 4; }
  __device__ static int first_column() { return threadIdx.x / 32 * kColumnStep + threadIdx.x % 4 * 4; }

  real sum_[4][4]{};
};

/// Here all: to look for zeros takes about as long as to multiply by them.
__device__ inline Span nonzero_columns(Strided, int columns) { return {0, columns}; }

}  // namespace plainnet::TARGET
