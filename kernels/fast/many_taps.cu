// The backward pass of a pooled convolution (pooled_conv2d.cu), for windows of many taps. dz is zero at
// three pixels of each pooling window, and where the ReLU was zero at the fourth, too. So the kernels first
// list the numbers of dz that are not, channel by channel, and then go from one to the next: with (o, p)
// the pixel of a nonzero dz[b][o][p][n],
//
//   dweight[i][j][c][n]                 += x[b][o s - t + i][p s - l + j][c] dz[b][o][p][n]
//   dx[b][o s - t + i][p s - l + j][c]  += weight[i][j][c][n] dz[b][o][p][n]      for all i, j and c.
//
// For a given i, the numbers over j and c lie side by side in x, in dx and, with n as its first index, in
// the weights: each line is a few vectors that are multiplied by one number. Here both dweight and dx
// accumulate.

#include "kernels/fast/pooled_conv2d.h"

namespace plainnet::TARGET {
namespace {

// dz at one pixel of one output channel; `pixel` is its number in the array of first taps.
struct Nonzero {
  int pixel;
  real dz;
};
constexpr int kMaxListed = 512, kListed = 4;  // entries of a list; channels that have theirs made at once

// Lists dz of `count` pooling windows from number k0 on, for some channels. Which are zero cannot be
// foreseen, so there is no branch here: a processor would guess wrong half the time. A zero is written,
// too, and overwritten by the next.
__forceinline__ void list_nonzeros(const PooledGeometry& g, const real* dy, const unsigned char* winner,
                                   int channels, int k0, int count, Nonzero (*list)[kMaxListed],
                                   int* listed) {
  int kept[kListed] = {};
  for (int k = k0; k < k0 + count; ++k)
#pragma GCC unroll 4
    for (int n = 0; n < kListed; ++n) {
      // Where there are fewer channels, the last one again.
      const long at = static_cast<long>(k) * g.z.out + min(n, channels - 1);
      list[n][kept[n]] = {k * kPooled + winner[at], dy[at]};
      kept[n] += winner[at] != kNone;
    }
  std::copy(kept, kept + kListed, listed);
}

// A block sums dweight of a few output channels over a few images; there is a partial result for every few
// images, and one of dbias. The row i of a window is a whole number of vectors, the last one with a rest
// that is not used: segments, and segment[s] says how far the x of one lies from that of its window's first
// tap. kSegments of them are summed at once, in registers.
constexpr int kSegments = 5;

__global__ void many_taps_backward_weight(
    PooledGeometry g, int segments,
    const real* __restrict__ x,                // [batch][padded height][padded width][in]
    const int* __restrict__ segment,           // [segments]
    const FirstTap* __restrict__ first_tap,    // [oh / 2][ow / 2][4]
    const real* __restrict__ dy,               // [batch][oh / 2][ow / 2][out]
    const unsigned char* __restrict__ winner,  // like dy
    real* __restrict__ partial,                // [parts][out][segments][kVectorLanes]
    real* __restrict__ partial_bias,           // [parts][out]
    int batch, int images_per_part) {
  Nonzero list[kListed][kMaxListed];
  int listed[kListed];
  const int n0 = blockIdx.x * kListed, channels = min(g.z.out - n0, kListed);
  const int b0 = blockIdx.y * images_per_part, b1 = min(b0 + images_per_part, batch);
  const long first = static_cast<long>(blockIdx.y) * g.z.out + n0;
  for (int b = b0; b < b1; ++b)
    for (int k0 = 0; k0 < g.y_pixels(); k0 += kMaxListed) {
      const long of_image = b * g.y_size() + n0;
      list_nonzeros(g, dy + of_image, winner + of_image, channels, k0, min(g.y_pixels() - k0, kMaxListed),
                    list, listed);
      const bool begins = b == b0 && k0 == 0;
      for (int n = 0; n < channels; ++n)
        for (int s0 = 0; s0 < segments; s0 += kSegments) {
          real* to = partial + ((first + n) * segments + s0) * kVectorLanes;
          const real* x_segment[kSegments];
          Vector sum[kSegments]{};
#pragma GCC unroll 8
          for (int s = 0; s < kSegments; ++s)
            x_segment[s] = x + g.padded.x_at(b, 0, 0, 0) + segment[min(s0 + s, segments - 1)];
          real total = 0;
          for (int e = 0; e < listed[n]; ++e) {
            const int at = first_tap[list[n][e].pixel].at;
            total += list[n][e].dz;
#pragma GCC unroll 8
            for (int s = 0; s < kSegments; ++s) sum[s] += list[n][e].dz * load(x_segment[s] + at);
          }
#pragma GCC unroll 8
          for (int s = 0; s < kSegments; ++s)
            if (s0 + s < segments) {
              const Vector before = begins ? Vector{} : load(to + s * kVectorLanes);
              store(to + s * kVectorLanes, before + sum[s], kVectorLanes);
            }
          if (s0 == 0) partial_bias[first + n] = begins ? total : partial_bias[first + n] + total;
        }
    }
}

// From the order of the segments to that of the weights. A block does one tap (i, j, c).
__global__ void many_taps_reorder(Geometry g, int segments_per_row,
                                  const real* __restrict__ sum,  // [out][kh][segments per row][kVectorLanes]
                                  real* __restrict__ dweight) {  // [kh][kw][in][out]
  const int row = g.columns.window * g.in, i = blockIdx.x / row, k = blockIdx.x % row;
  for (int n = 0; n < g.out; ++n)
    dweight[blockIdx.x * g.out + n] = sum[(n * g.rows.window + i) * segments_per_row * kVectorLanes + k];
}

class ManyTaps : public PooledConv2d {
 public:
  ManyTaps(const Geometry& z, bool with_relu, int max_batch, const Parameter* parameters)
      : PooledConv2d(z, with_relu, max_batch, parameters) {
    std::vector<int> segment;
    for (int i = 0; i < z.rows.window; ++i)
      for (int k = 0; k < z.columns.window * z.in; k += kVectorLanes)
        segment.push_back(i * g_.padded.columns.input * z.in + k);
    segment_ = Buffer<int>(segment);
    // Blocks for some cores, however many there are: the order of the sums depends on the parts.
    images_per_part_ = static_cast<int>(max(1L, 1L * max_batch * tiles(z.out, kListed) / 128));
    const int parts = tiles(max_batch, images_per_part_);
    sum_ = Buffer<real>(segment.size() * kVectorLanes * z.out);
    partial_ = Buffer<real>(parts * sum_.size());
    partial_bias_ = Buffer<real>(size_t{1} * parts * z.out);
  }

  void backward(const real* x, const real*, real* dy, real* dx, int batch) override {
    const Geometry& z = g_.z;
    const int parts = tiles(batch, images_per_part_);
    const int segments = static_cast<int>(segment_.size()), sums = static_cast<int>(sum_.size());
    launch(many_taps_backward_weight, {tiles(z.out, kListed), parts}, threads(1), g_, segments,
           x_.padded_already(x), segment_.data(), first_tap_.data(), dy, winner_.data(), partial_.data(),
           partial_bias_.data(), batch, images_per_part_);
    sum_rows(partial_bias_.data(), parts, z.out, z.out, bias_.gradient);
    sum_rows(partial_.data(), parts, sums, sums, sum_.data());
    launch(many_taps_reorder, z.window_size(), threads(1), z, segments / z.rows.window, sum_.data(),
           weight_.gradient);
    if (dx) backward_x(dy, dx, batch);
  }

 private:
  int images_per_part_;
  Buffer<int> segment_;        // [segments]
  Buffer<real> partial_;       // [parts][out][segments][kVectorLanes]
  Buffer<real> partial_bias_;  // [parts][out]
  Buffer<real> sum_;           // [out][segments][kVectorLanes]
};

}  // namespace

LayerPointer many_taps(const Geometry& z, bool with_relu, int max_batch, const Parameter* parameters) {
  return std::make_unique<ManyTaps>(z, with_relu, max_batch, parameters);
}

}  // namespace plainnet::TARGET
