#include "common.h"

#include "vector.h"

namespace plainnet::TARGET {
namespace {

constexpr int kColumnsPerBlock = 256;

__global__ void sum_rows_kernel(const real* __restrict__ matrix,  // [rows][columns]
                                int rows, int columns, long stride,
                                real* __restrict__ out) {  // [columns]
  const int begin = blockIdx.x * kColumnsPerBlock, end = min(begin + kColumnsPerBlock, columns);
  for (int c = begin + threadIdx.x * kVectorLanes; c < end; c += blockDim.x * kVectorLanes) {
    Vector sum{};
    for (int r = 0; r < rows; ++r) sum += load(matrix + r * stride + c);
    store(out + c, sum, end - c);
  }
}

// A block transposes a square of 32 x 32 through shared memory, so that it reads and writes whole
// rows. The 33rd column keeps the numbers of a column in different memory banks.
constexpr int kSquare = 32;

__global__ void transpose_kernel(const real* __restrict__ in,  // [count][rows][columns]
                                 int rows, int columns,
                                 real* __restrict__ out) {  // [count][columns][rows]
  __shared__ real square[kSquare][kSquare + 1];
  const int r0 = blockIdx.y * kSquare, c0 = blockIdx.x * kSquare;
  const int height = rows - r0 < kSquare ? rows - r0 : kSquare;
  const int width = columns - c0 < kSquare ? columns - c0 : kSquare;
  const long size = static_cast<long>(rows) * columns;
  const real* from = in + blockIdx.z * size;
  real* to = out + (gridDim.z - 1 - blockIdx.z) * size;

  for (int r = threadIdx.y; r < height; r += blockDim.y)
    for (int c = threadIdx.x; c < width; c += blockDim.x)
      square[r][c] = from[static_cast<long>(r0 + r) * columns + c0 + c];
  __syncthreads();
  for (int c = threadIdx.y; c < width; c += blockDim.y)
    for (int r = threadIdx.x; r < height; r += blockDim.x)
      to[static_cast<long>(c0 + c) * rows + r0 + r] = square[r][c];
}

// A block writes one row (b, h) of the padded image.
__global__ void pad_kernel(const real* __restrict__ x, Axis rows, Axis columns, int channels,
                           int padded_width, real* __restrict__ out) {
  const int h = blockIdx.x - rows.before;
  const long x_row = (static_cast<long>(blockIdx.y) * rows.input + h) * columns.input * channels;
  const long out_row =
      (static_cast<long>(blockIdx.y) * gridDim.x + blockIdx.x) * padded_width * channels;
  for (int w = threadIdx.y; w < padded_width; w += blockDim.y) {
    const int x_w = w - columns.before;
    const bool inside = h >= 0 && h < rows.input && x_w >= 0 && x_w < columns.input;
    for (int c = threadIdx.x; c < channels; c += blockDim.x)
      out[out_row + w * channels + c] = inside ? x[x_row + x_w * channels + c] : real(0);
  }
}

// A block sums 256 rows of up to 128 columns: each row of its threads sums every eighth row.
constexpr int kRowsPerSum = 256;
constexpr int kColumnsPerSum = 128;
constexpr Dim3 kSumThreads = threads(32, 8);

template <bool kRelu>
__global__ void bias_gradient_kernel(const real* __restrict__ y,  // [rows][columns]
                                     real* __restrict__ dy,       // [rows][columns]
                                     long rows, int columns,
                                     real* __restrict__ partial) {  // [tiles of rows][columns]
  __shared__ real sum[kSumThreads.y][kColumnsPerSum];
  const long begin = static_cast<long>(blockIdx.x) * kRowsPerSum;
  const long end = begin + kRowsPerSum < rows ? begin + kRowsPerSum : rows;
  const int c0 = blockIdx.y * kColumnsPerSum;
  const int width = columns - c0 < kColumnsPerSum ? columns - c0 : kColumnsPerSum;

  for (int c = threadIdx.x * kVectorLanes; c < width; c += blockDim.x * kVectorLanes) {
    Vector total{};
    for (long r = begin + threadIdx.y; r < end; r += blockDim.y) {
      const long at = r * columns + c0 + c;
      Vector dz = load(dy + at);
      if (kRelu) {
        dz = load(y + at) <= 0 ? Vector{} : dz;
        store(dy + at, dz, width - c);
      }
      total += dz;
    }
    store(sum[threadIdx.y] + c, total, width - c);
  }
  __syncthreads();
  if (threadIdx.y == 0)
    for (int c = threadIdx.x; c < width; c += blockDim.x) {
      real total = 0;
      for (int i = 0; i < kSumThreads.y; ++i) total += sum[i][c];
      partial[static_cast<long>(blockIdx.x) * columns + c0 + c] = total;
    }
}

}  // namespace

void sum_rows(const real* matrix, int rows, int columns, long stride, real* out) {
  launch(sum_rows_kernel, tiles(columns, kColumnsPerBlock), threads(kColumnsPerBlock), matrix, rows,
         columns, stride, out);
}

void transpose(const real* in, int count, int rows, int columns, real* out) {
  launch(transpose_kernel, {tiles(columns, kSquare), tiles(rows, kSquare), count}, threads(32, 8),
         in, rows, columns, out);
}

void pad(const real* x, Axis rows, Axis columns, int channels, int batch, real* out) {
  launch(pad_kernel, {padded(rows).input, batch}, threads(32, 4), x, rows, columns, channels,
         padded(columns).input, out);
}

BiasGradient::BiasGradient(long max_rows, int columns)
    : columns_(columns), partial_(static_cast<size_t>(tiles(max_rows, kRowsPerSum)) * columns) {}

void BiasGradient::run(const real* y, real* dy, long rows, real* dbias) {
  const Grid grid(tiles(rows, kRowsPerSum), tiles(columns_, kColumnsPerSum));
  if (y)
    launch(bias_gradient_kernel<true>, grid, kSumThreads, y, dy, rows, columns_, partial_.data());
  else
    launch(bias_gradient_kernel<false>, grid, kSumThreads, y, dy, rows, columns_, partial_.data());
  sum_rows(partial_.data(), grid.size.x, columns_, columns_, dbias);
}

}  // namespace plainnet::TARGET
