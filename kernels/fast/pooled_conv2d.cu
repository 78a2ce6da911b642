// The backward pass of a convolution whose output is max-pooled, for conv2d.cu, which has the
// formulas. dz is zero at three pixels of each pooling window, and at the fourth, too, where the
// ReLU was zero: seven numbers of eight. So nothing is multiplied by zero here: the kernels go from
// one number that is not zero to the next, and
//
//   dkernel[i][j][c][n]         += x[b][o s - t + i][p s - l + j][c] dz[b][o][p][n]
//   dx[b][o s - t + i][p s - l + j][c] += kernel[i][j][c][n] dz[b][o][p][n]
//
// for each nonzero dz[b][o][p][n]. For a given i, the numbers over j and c lie side by side in x,
// dx and, with n as its first index, in the kernel.

#include "kernels/fast/common.h"
#include "kernels/fast/pooled_conv2d.h"
#include "kernels/fast/vector.h"

namespace plainnet::TARGET {
namespace {

// dz at one pixel of one output channel.
struct Nonzero {
  int pixel;  // its number in the array of windows, or -1 where dz is zero
  real dz;
};
constexpr int kMaxListed = 512;
constexpr int kChannels = 4;  // have their lists made at once

// Lists dz of `count` pooling windows from number k0 on, for some channels. A thread that is alone
// in its block leaves out the zeros; many threads leave them in, and skip them together. Which
// windows are zero cannot be foreseen, so there is no branch here: a processor would guess wrong
// half the time.
__device__ __forceinline__ void list_nonzeros(Geometry g, const real* dy,
                                              const unsigned char* winner, int channels, int k0,
                                              int count, Nonzero (*list)[kMaxListed], int* listed) {
  const int thread = threadIdx.y * blockDim.x + threadIdx.x, all = blockDim.y * blockDim.x;
  int kept[kChannels] = {};
  __syncthreads();  // the lists before these have been used
  for (int k = thread; k < count; k += all)
#pragma GCC unroll 4
    for (int n = 0; n < kChannels; ++n) {
      // Where there are fewer channels, the last one again.
      const long at = static_cast<long>(k0 + k) * g.out + min(n, channels - 1);
      const int none = winner[at] == kNone;  // 1 or 0; what is | -1 becomes -1, what is | 0 stays
      list[n][all == 1 ? kept[n] : k] = {((k0 + k) * kPixels + winner[at]) | -none, dy[at]};
      kept[n] += 1 - none;
    }
  if (thread == 0)
    for (int n = 0; n < kChannels; ++n) listed[n] = all == 1 ? kept[n] : count;
  __syncthreads();
}

// A block sums dkernel of a few output channels over a few images; there is a partial result for
// every few images, and one of dbias. The row i of a kernel for one output channel, [kw][in], lies
// side by side in x, too: a Vector of it is a segment, and segment[s] says how far its x lies from its
// pixel's. A thread keeps the sums of several segments in registers. A segment may reach beyond its
// row: these sums are not used.
constexpr int kSegments = 5;
constexpr Dim3 kKernelThreads = threads(128);
constexpr int kBlocks = kVectorLanes == 1 ? 1024 : 128;  // at most about so many

__global__ void backward_weights_kernel(
    Geometry g, int segments,
    const real* __restrict__ x,                // [batch][padded height][padded width][in]
    const int* __restrict__ segment,           // [segments]
    const FirstTap* __restrict__ first_tap,    // [oh / 2][ow / 2][2][2]
    const real* __restrict__ dy,               // [batch][oh / 2][ow / 2][out]
    const unsigned char* __restrict__ winner,  // like dy
    real* __restrict__ partial,                // [splits][out][segments][kVectorLanes]
    real* __restrict__ partial_bias,           // [splits][out]
    int batch, int images_per_split) {
  __shared__ Nonzero list[kChannels][kMaxListed];
  __shared__ int listed[kChannels];
  const int n0 = blockIdx.x * kChannels, channels = min(g.out - n0, kChannels);
  const int b0 = blockIdx.y * images_per_split, b1 = min(b0 + images_per_split, batch);
  const int all = blockDim.x;
  const long first = static_cast<long>(blockIdx.y) * g.out + n0;
  for (int b = b0; b < b1; ++b)
    for (int k0 = 0; k0 < g.y_pixels(); k0 += kMaxListed) {
      list_nonzeros(g, dy + b * g.y_size() + n0, winner + b * g.y_size() + n0, channels, k0,
                    min(g.y_pixels() - k0, kMaxListed), list, listed);
      const bool begins = b == b0 && k0 == 0;
      for (int n = 0; n < channels; ++n)
        for (int s0 = threadIdx.x; s0 < segments; s0 += kSegments * all) {
          real* out = partial + ((first + n) * segments + s0) * kVectorLanes;
          const real* x_segment[kSegments];
          Vector sum[kSegments];
#pragma GCC unroll 8
          for (int q = 0; q < kSegments; ++q) {
            x_segment[q] = x + b * g.x_size() + segment[min(s0 + q * all, segments - 1)];
            sum[q] = Vector{};
          }
          real total = 0;
          for (int e = 0; e < listed[n]; ++e) {
            if (list[n][e].pixel < 0) continue;
            const int at = first_tap[list[n][e].pixel].at;
            total += list[n][e].dz;
#pragma GCC unroll 8
            for (int q = 0; q < kSegments; ++q) sum[q] += list[n][e].dz * load(x_segment[q] + at);
          }
#pragma GCC unroll 8
          for (int q = 0; q < kSegments; ++q)
            if (s0 + q * all < segments) {
              real* to = out + q * all * kVectorLanes;
              store(to, begins ? sum[q] : load(to) + sum[q], kVectorLanes);
            }
          if (s0 == 0) partial_bias[first + n] = begins ? total : partial_bias[first + n] + total;
        }
    }
}

// From the order of the segments to that of the kernel.
__global__ void reorder_kernel(Geometry g, int segments_per_row,
                               const real* __restrict__ sum,  // [out][kh][segments per row][lanes]
                               real* __restrict__ dkernel) {  // [kh][kw][in][out]
  const int row = g.columns.kernel * g.in, i = blockIdx.x / row, k = blockIdx.x % row;
  const int padded_row = segments_per_row * kVectorLanes;
  for (int n = threadIdx.x; n < g.out; n += blockDim.x)
    dkernel[blockIdx.x * g.out + n] = sum[(n * g.rows.kernel + i) * padded_row + k];
}

#if defined TARGET_CPU  // see kPooledGradientMakesX

// A block computes dx of one image: it adds the kernel times dz to the window of x that dz's pixel
// has read.
__global__ void backward_x_kernel(Geometry g,
                                  const FirstTap* __restrict__ first_tap,  // [oh / 2][ow / 2][2][2]
                                  const real* __restrict__ dy,  // [batch][oh / 2][ow / 2][out]
                                  const unsigned char* __restrict__ winner,  // like dy
                                  const real* __restrict__ kernel_t,         // [out][kh][kw][in]
                                  real* __restrict__ dx) {  // [batch][height][width][in]
  Nonzero list[kChannels][kMaxListed];
  int listed[kChannels];
  const int x_row = g.columns.input * g.in, kernel_row = g.columns.kernel * g.in;
  real* dx_image = dx + blockIdx.x * g.x_size();
  std::fill(dx_image, dx_image + g.x_size(), real(0));

  const long first = blockIdx.x * g.y_size();
  for (int n0 = 0; n0 < g.out; n0 += kChannels)
    for (int k0 = 0; k0 < g.y_pixels(); k0 += kMaxListed) {
      const int channels = min(g.out - n0, kChannels);
      list_nonzeros(g, dy + first + n0, winner + first + n0, channels, k0,
                    min(g.y_pixels() - k0, kMaxListed), list, listed);
      for (int n = 0; n < channels; ++n)
        for (int e = 0; e < listed[n]; ++e) {
          const real dz = list[n][e].dz;
          const int h0 = first_tap[list[n][e].pixel].h, w0 = first_tap[list[n][e].pixel].w;
          const int h1 = min(h0 + g.rows.kernel, g.rows.input);
          const int begin = max(w0, 0) * g.in,
                    end = min(w0 + g.columns.kernel, g.columns.input) * g.in;
          for (int h = max(h0, 0); h < h1; ++h) {
            real* to = dx_image + h * x_row;
            const real* from =
                kernel_t + ((n0 + n) * g.rows.kernel + h - h0) * kernel_row - w0 * g.in;
            int k = begin;
            for (; k <= end - kVectorLanes; k += kVectorLanes)
              store(to + k, load(to + k) + dz * load(from + k), kVectorLanes);
            if (k < end) store(to + k, load(to + k) + dz * load(from + k), end - k);
          }
        }
    }
}

#endif

}  // namespace

PooledGradient::PooledGradient(const Geometry& geometry, const Geometry& padded, int max_batch)
    : g_(geometry), padded_(padded) {
  std::vector<int> segment;
  for (int i = 0; i < g_.rows.kernel; ++i)
    for (int k = 0; k < g_.columns.kernel * g_.in; k += kVectorLanes)
      segment.push_back(i * padded_.columns.input * g_.in + k);
  segment_ = Buffer<int>(segment);
  // Enough blocks, however many multiprocessors or cores there are: the order of the sums depends on
  // the split.
  images_per_split_ = max(1, max_batch * tiles(g_.out, kChannels) / kBlocks);
  const int splits = tiles(max_batch, images_per_split_);
  kernel_sum_ = Buffer<real>(segment.size() * kVectorLanes * g_.out);
  partial_ = Buffer<real>(splits * kernel_sum_.size());
  partial_bias_ = Buffer<real>(static_cast<size_t>(splits) * g_.out);
  if (kPooledGradientMakesX) kernel_t_ = Buffer<real>(static_cast<size_t>(g_.taps()) * g_.out);
}

void PooledGradient::run(const real* padded_x, const real* dy, const unsigned char* winner,
                         const FirstTap* first_tap, [[maybe_unused]] const real* kernel, int batch,
                         real* dkernel, real* dbias, [[maybe_unused]] real* dx) {
  const int splits = tiles(batch, images_per_split_);
  const int segments = static_cast<int>(segment_.size());
  const int sums = static_cast<int>(kernel_sum_.size());
  launch(backward_weights_kernel, {tiles(g_.out, kChannels), splits}, kKernelThreads, padded_,
         segments, padded_x, segment_.data(), first_tap, dy, winner, partial_.data(),
         partial_bias_.data(), batch, images_per_split_);
  sum_rows(partial_bias_.data(), splits, g_.out, g_.out, dbias);
  sum_rows(partial_.data(), splits, sums, sums, kernel_sum_.data());
  launch(reorder_kernel, g_.taps(), kKernelThreads, g_, segments / g_.rows.kernel,
         kernel_sum_.data(), dkernel);
#if defined TARGET_CPU
  if (!dx) return;
  transpose(kernel, 1, g_.taps(), g_.out, kernel_t_.data());
  launch(backward_x_kernel, batch, threads(1), g_, first_tap, dy, winner, kernel_t_.data(), dx);
#endif
}

}  // namespace plainnet::TARGET
