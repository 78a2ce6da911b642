// What fast layers need beside products: sums over rows, transposed and padded copies. Each of these moves
// numbers and computes next to nothing, so all that counts is that neighbouring threads touch neighbouring
// memory.

#include "kernels/fast/common.h"

#include "kernels/fast/vector.h"

namespace plainnet::TARGET {
namespace {

// A block transposes a square of 32 x 32 through shared memory, so that it reads and writes whole
// rows. The 33rd column keeps the numbers of a column in different memory banks.
constexpr int kSquare = 32;

__global__ void transpose_by_squares(const real* __restrict__ in,  // [count][rows][columns]
                                     int rows, int columns,
                                     real* __restrict__ out) {  // [count][columns][rows]
  __shared__ real square[kSquare][kSquare + 1];
  const int r0 = blockIdx.y * kSquare, c0 = blockIdx.x * kSquare;
  const int height = min(rows - r0, kSquare), width = min(columns - c0, kSquare);
  const long size = static_cast<long>(rows) * columns;
  const real* from = in + blockIdx.z * size;
  real* to = out + blockIdx.z * size;

  // A CPU asks for the next square early: its rows begin where no other ended.
  for (int r = threadIdx.y; r < height; r += blockDim.y) {
    const real* row = from + static_cast<long>(r0 + r) * columns + c0;
    for (int n = 0; n < kSquare; n += kVectorLanes) prefetch(row + kSquare + n);
    for (int c = threadIdx.x; c < width; c += blockDim.x) square[r][c] = row[c];
  }
  __syncthreads();
  for (int c = threadIdx.y; c < width; c += blockDim.y) {
    real* row = to + static_cast<long>(c0 + c) * rows + r0;
    for (int n = 0; n < kSquare; n += kVectorLanes) prefetch_to_write(row + kSquare * rows + n);
    for (int r = threadIdx.x; r < height; r += blockDim.x) row[r] = square[r][c];
  }
}

// A block writes one row of the padded image.
__global__ void pad_rows(Geometry g,
                         const real* __restrict__ x,  // [batch][height][width][channels]
                         Geometry padded,
                         real* __restrict__ out) {  // [batch][padded height][padded width][channels]
  const int b = blockIdx.x, h = blockIdx.y - g.rows.before;
  for (int padded_w = threadIdx.y; padded_w < padded.columns.input; padded_w += blockDim.y) {
    const int w = padded_w - g.columns.before;
    const bool inside = g.has(h, w);
    for (int c = threadIdx.x; c < g.in; c += blockDim.x)
      out[padded.x_at(b, blockIdx.y, padded_w, c)] = inside ? x[g.x_at(b, h, w, c)] : real(0);
  }
}

// A block sums some rows of up to 128 columns, to one row of `out`. Where there is a y, the rows are those of
// dy, and become those of dz.
constexpr int kColumnsPerSum = 128;

__global__ void sum_rows_in_order(const real* y,       // [rows][columns], or null
                                  real* dz,            // like y: the same memory as `matrix`; or null
                                  const real* matrix,  // [rows][columns]
                                  long rows, int columns, long rows_per_block,
                                  real* out) {  // [tiles of rows][columns]
  const long begin = blockIdx.x * rows_per_block, end = min(begin + rows_per_block, rows);
  const int c0 = blockIdx.y * kColumnsPerSum, width = min(columns - c0, kColumnsPerSum);
  for (int c = threadIdx.x * kVectorLanes; c < width; c += blockDim.x * kVectorLanes) {
    Vector sum{};
    for (long r = begin; r < end; ++r) {
      const long place = r * columns + c0 + c;
      Vector v = load(matrix + place);
      if (y) {
        v = load(y + place) > 0 ? v : Vector{};
        store(dz + place, v, width - c);
      }
      sum += v;
    }
    store(out + static_cast<long>(blockIdx.x) * columns + c0 + c, sum, width - c);
  }
}

}  // namespace

void sum_rows(const real* matrix, int rows, int columns, real* out) {
  launch(sum_rows_in_order, {1, tiles(columns, kColumnsPerSum)}, threads(kColumnsPerSum), nullptr, nullptr,
         matrix, rows, columns, rows, out);
}

void transpose(const real* in, int count, int rows, int columns, real* out) {
  launch(transpose_by_squares, {tiles(columns, kSquare), tiles(rows, kSquare), count}, threads(32, 8),
         in, rows, columns, out);
}

// The axis of a copy, in which the zeros are written down; or the same axis, if it has none. (x may have more
// pixels than any window sees.)
static Axis with_zeros(Axis axis) {
  const int seen = (axis.output - 1) * axis.stride + axis.window;
  return {max(axis.input, seen), axis.output, axis.window, axis.stride, 0};
}

PaddedImages::PaddedImages(const Geometry& g, int max_batch)
    : g_(g), padded_{with_zeros(g.rows), with_zeros(g.columns), g.in, g.out} {
  if (padded_.rows.input > g.rows.input || padded_.columns.input > g.columns.input)
    copy_ = Buffer<real>(padded_.x_at(max_batch, 0, 0, 0));
}

const real* PaddedImages::pad(const real* x, int batch) {
  if (copy_.size() > 0)
    launch(pad_rows, {batch, padded_.rows.input}, threads(32, 4), g_, x, padded_, copy_.data());
  return padded_already(x);
}

std::vector<int> tap_offsets(const Geometry& padded) {
  std::vector<int> offsets;
  for (int i = 0; i < padded.rows.window; ++i)
    for (int k = 0; k < padded.columns.window * padded.in; ++k)
      offsets.push_back(i * padded.columns.input * padded.in + k);
  return offsets;
}

constexpr int kRowsPerSum = 256;

BiasGradient::BiasGradient(long max_rows, int columns)
    : columns_(columns), partial_(static_cast<size_t>(tiles(max_rows, kRowsPerSum)) * columns) {}

const real* BiasGradient::run(const real* y, real* dy, long rows, real* dbias) {
  const Grid grid(tiles(rows, kRowsPerSum), tiles(columns_, kColumnsPerSum));
  launch(sum_rows_in_order, grid, threads(kColumnsPerSum), y, dy, dy, rows, columns_, kRowsPerSum,
         partial_.data());
  sum_rows(partial_.data(), grid.size.x, columns_, dbias);
  return dy;
}

}  // namespace plainnet::TARGET
