// A convolution and the max pooling of 2 x 2 after it, as one, on the cpu target. Forward, a tile of the
// product (see conv2d.cu) has the four pixels of a pooling window side by side in its rows, so that their
// maximum is taken in registers, and z, four times as large as y, is never written to memory:
//
//   y[b][o][p][n] = relu(bias[n] + max of Σ_k a[b, 2o + q / 2, 2p + q % 2][k] weight[k][n] over q = 0 ... 3)
//
// For 5 x 5 windows of pictures and of many channels winograd.cu does the same with fewer multiplications.
//
// Bias and ReLU do not change which pixel is the largest. Backward, dz is dy at the winner of each pooling
// window (with a ReLU: where y > 0), and 0 elsewhere. One number of four, with the ReLU about one of eight,
// is not zero: the kernels list these (but for small windows), and go from one to the next. Here (o, p) is
// the pixel of z, not of y, that one belongs to, s the stride, and t rows and l columns of zeros above and
// left of x,
//
//   dweight[i][j][c][n]                 += x[b][o s - t + i][p s - l + j][c] dz[b][o][p][n]
//   dx[b][o s - t + i][p s - l + j][c]  += weight[i][j][c][n] dz[b][o][p][n]      for all i, j and c.
//
// For a given i, the numbers over j and c lie side by side in x, in dx and, with n as its first index, in
// the weights: a row of a window is a few vectors that are multiplied by one number.

#include "kernels/fast/layers.h"
#include "kernels/fast/nonzero.h"
#include "kernels/fast/pooled_conv2d.h"
#include "kernels/fast/tile.h"

namespace plainnet::TARGET {
namespace {

// Where the windows of the convolution lie, by the pixel of z that they make. The pixels of a pooling window
// follow each other.
struct FirstTap {
  int at;    // how far a window's first tap lies from the first number of its image x, with its zeros
  int h, w;  // the same as a pixel of x without its zeros; may be negative
};

// What the backward kernels know of the pixels of y.
struct Pixels {
  const FirstTap* first_tap;           // [oh / 2][ow / 2][4]
  const unsigned char *winner, *seen;  // see PooledOutput
};

// A block computes an image, by tiles of some pixels of y by some channels.
template <int V>
__global__ void pooled_conv2d_forward(PooledGeometry g,
                                      const real* __restrict__ x,  // [batch][padded height][padded width][in]
                                      const FirstTap* __restrict__ first_tap,  // [oh / 2][ow / 2][4]
                                      const int* __restrict__ tap_at,          // [kh][kw][in]
                                      const real* __restrict__ weight,         // [kh][kw][in][out]
                                      PooledOutput output) {
  constexpr int kPixels = Tile<V>::kRows / kPooled;
  const real* image = x + g.padded.x_at(blockIdx.x, 0, 0, 0);
  for (int n0 = 0; n0 < g.z.out; n0 += Tile<V>::kColumns)
    for (int k0 = 0; k0 < g.y_pixels(); k0 += kPixels) {
      const FirstTap* first = first_tap + k0 * kPooled;
      const int pixels = g.y_pixels() - k0;
      Tile<V> tile;
      tile.add_scattered([&](int m) { return image + first[min(m, pixels * kPooled - 1)].at; },
                         [&](int k) { return tap_at[k]; },
                         [&](int k) { return weight + k * g.z.out + n0; }, g.z.out - n0, g.z.window_size());
      const long y_at = blockIdx.x * g.y_size() + k0 * g.z.out;
      tile.store_fours(pixels, g.z.out - n0, [&](int m, int n, const auto& z, int channels) {
        output.store(z, n0 + n, y_at + m * g.z.out, channels);
      });
    }
}

// How many vectors of a window's row are summed at once, in registers: of a short row, and of any other.
constexpr int kShortRow = 32 / kVectorLanes, kLongRow = 8;
// Output channels that are done together. Their numbers of dy lie side by side; and where they are summed in
// turn, none waits for its own sum.
constexpr int kTogether = 4;

// A block sums dweight and dbias of kTogether output channels over some images; there is a partial result for
// every few images.
__global__ void pooled_conv2d_backward_weight(
    PooledGeometry g,
    const real* __restrict__ x,  // [batch][padded height][padded width][in]
    Pixels pixels,
    real* __restrict__ dy,  // [batch][oh / 2][ow / 2][out]
    int batch, int images_per_part,
    real* __restrict__ partial) {  // [parts][out][kh kw in + 1]: dweight, and behind it dbias
  constexpr int kPools = 512;      // whose dz are listed at once
  Nonzero list[kTogether][kPools];
  const int n0 = blockIdx.x * kTogether, channels = min(g.z.out - n0, kTogether);
  const int b0 = blockIdx.y * images_per_part, b1 = min(b0 + images_per_part, batch);
  const int rows = g.z.rows.window, row = g.z.columns.window * g.z.in;
  for (int b = b0; b < b1; ++b)
    for (int k0 = 0; k0 < g.y_pixels(); k0 += kPools) {
      // Where there are fewer channels, the last one is listed again. The entry of a kNone is not used.
      int listed[kTogether] = {};
      for (int k = k0; k < min(k0 + kPools, g.y_pixels()); ++k)
        for (int n = 0; n < kTogether; ++n) {
          const long at = b * g.y_size() + static_cast<long>(k) * g.z.out + n0 + min(n, channels - 1);
          const Nonzero dz{pixels.first_tap[k * kPooled + pixels.winner[at]].at, dy[at]};
          add_to_list(list[n], listed[n], dz, pixels.winner[at] == kNone);
        }

      const bool begins = b == b0 && k0 == 0;  // else adds to what is there
      for (int n = 0; n < channels; ++n) {
        real* dweight = partial + (static_cast<long>(blockIdx.y) * g.z.out + n0 + n) * (rows * row + 1);
        real total = begins ? 0 : dweight[rows * row];
        for (int e = 0; e < listed[n]; ++e) total += list[n][e].value;
        dweight[rows * row] = total;
        for (int i = 0; i < rows; ++i)
          sum_list<kLongRow>(list[n], listed[n], x + g.padded.x_at(b, i, 0, 0), row, dweight + i * row,
                             /*add=*/!begins);
      }
    }
}

// The same for windows of few numbers, such as 5 x 5 of one channel. A block does all output channels of
// some images. A number of dz is multiplied by few vectors only, so that a list would take longer than what
// it saves. Instead each pooling window gets five patches: the windows of its four pixels, each in one
// piece with a 1 behind it (times dz, that sums to dbias), and one of zeros. So patch[winner] is right for
// kNone, too, without a branch. Pooling windows that see zeros only all have the same winners: their dy are
// added to that of the first of them, and only that one is done.
constexpr int kPatch = 32, kPatchVectors = kPatch / kVectorLanes;

// How many numbers are copied of a row, which has fewer (kPatch for windows of one row only): the next row
// overwrites what is too much, and behind
// the last one the 1. What then follows is summed and not used.
int copied(const Geometry& z) { return z.columns.window * z.in < 8 ? 8 : kPatch; }
bool is_small(const Geometry& z) {
  return z.window_size() < kPatch && (z.rows.window - 1) * z.columns.window * z.in + copied(z) <= kPatch;
}

template <int kCopied>
__global__ void pooled_conv2d_backward_small_weight(
    PooledGeometry g,
    const real* __restrict__ x,  // [batch][padded height][padded width][in]
    Pixels pixels,
    real* __restrict__ dy,  // [batch][oh / 2][ow / 2][out]
    int batch, int images_per_part,
    real* __restrict__ partial) {  // [parts][out][kPatch]
  constexpr int kPools = 36;       // whose patches the first cache holds
  alignas(kVectorBytes) real patch[kPools + 1][kPooled + 1][kPatch] = {};
  const int b0 = blockIdx.y * images_per_part, b1 = min(b0 + images_per_part, batch), out = g.z.out;
  const int row = g.z.columns.window * g.z.in, x_row = g.padded.columns.input * g.z.in;
  bool begins = true;  // else adds to what is there
  for (int b = b0; b < b1; ++b) {
    const long image = b * g.y_size();
    int order[kPools + 1], pools = 0, blank = -1;  // those in `patch`, their number, and the first blank one
    for (int k = 0; k < g.y_pixels(); ++k) {
      if (pixels.seen[b * g.y_pixels() + k])
        order[pools++] = k;
      else if (blank < 0)
        blank = k;
      else
        for (int n = 0; n < out; ++n) dy[image + blank * out + n] += dy[image + k * out + n];
      const bool last = k == g.y_pixels() - 1;
      if (last && blank >= 0) order[pools++] = blank;
      if (pools < kPools && !last) continue;

      for (int m = 0; m < pools * kPooled; ++m) {
        const FirstTap first = pixels.first_tap[order[m / kPooled] * kPooled + m % kPooled];
        const real* from = x + g.padded.x_at(b, 0, 0, 0) + first.at;
        real* to = patch[m / kPooled][m % kPooled];
        for (int i = 0; i < g.z.rows.window; ++i) std::copy_n(from + i * x_row, kCopied, to + i * row);
        to[g.z.window_size()] = 1;
      }
      for (int n0 = 0; n0 < out; n0 += kTogether) {
        Vector sum[kTogether][kPatchVectors]{};
        for (int e = 0; e < pools; ++e)
          for (int n = 0; n < kTogether; ++n) {
            const long at = image + order[e] * out + min(n0 + n, out - 1);
            for (int v = 0; v < kPatchVectors; ++v)
              sum[n][v] += dy[at] * load(patch[e][pixels.winner[at]] + v * kVectorLanes);
          }
        real* to = partial + (static_cast<long>(blockIdx.y) * out + n0) * kPatch;
        for (int n = 0; n < kTogether; ++n)
          for (int v = 0; v < kPatchVectors; ++v) {
            const int i = n * kPatch + v * kVectorLanes;
            if (n0 + n < out) store(to + i, begins ? sum[n][v] : load(to + i) + sum[n][v], kVectorLanes);
          }
      }
      begins = false;
      pools = 0;
    }
  }
}

// A block computes dx of an image. For each pixel it lists the channels whose dz is not zero; kNone has a
// list, too, which nobody reads: that spares a branch. To row i of each pixel's window it then adds row i of
// the listed channels' weights, kVectors vectors at once. All pixels have their turn before the next i, so
// that these rows of weights stay in the first-level cache.
template <int kVectors>
__global__ void pooled_conv2d_backward_x(PooledGeometry g, Pixels pixels,
                                         const real* __restrict__ dy,        // [batch][oh / 2][ow / 2][out]
                                         const real* __restrict__ weight_t,  // [out][kh][kw][in]
                                         real* __restrict__ dx) {            // [batch][height][width][in]
  constexpr int kPools = 16, kListed = 64;  // pooling windows and channels
  Nonzero list[kPools][kPooled + 1][kListed];
  const Geometry& z = g.z;
  const int x_row = z.columns.input * z.in, row = z.columns.window * z.in;
  real* dx_image = dx + z.x_at(blockIdx.x, 0, 0, 0);
  std::fill(dx_image, dx_image + z.rows.input * x_row, real(0));
  for (int n0 = 0; n0 < z.out; n0 += kListed)
    for (int k0 = 0; k0 < g.y_pixels(); k0 += kPools) {
      const int pools = min(g.y_pixels() - k0, kPools);
      int listed[kPools][kPooled + 1] = {};
      // Window after window, so that none waits for the length that the entry before has stored.
      for (int n = n0; n < min(n0 + kListed, z.out); ++n)
        for (int k = 0; k < pools; ++k) {
          const long at = blockIdx.x * g.y_size() + static_cast<long>(k0 + k) * z.out + n;
          const int winner = pixels.winner[at];
          list[k][winner][listed[k][winner]++] = {n * z.window_size(), dy[at]};
        }

      for (int i = 0; i < z.rows.window; ++i)
        for (int pixel = 0; pixel < pools * kPooled; ++pixel) {
          const FirstTap first = pixels.first_tap[k0 * kPooled + pixel];
          if (first.h + i < 0 || first.h + i >= z.rows.input) continue;
          const int begin = max(-first.w, 0) * z.in, end = min(row, (z.columns.input - first.w) * z.in);
          sum_list<kVectors>(list[pixel / kPooled][pixel % kPooled], listed[pixel / kPooled][pixel % kPooled],
                             weight_t + i * row + begin, end - begin,
                             dx_image + (first.h + i) * x_row + first.w * z.in + begin, /*add=*/true);
        }
    }
}

class PooledConv2d : public Layer {
 public:
  PooledConv2d(const Geometry& z, bool with_relu, int max_batch, const Parameter* parameters)
      : weight_(parameters[0]),
        bias_(parameters[1]),
        with_relu_(with_relu),
        x_(z, max_batch),
        g_{z, x_.padded()},
        tap_at_(tap_offsets(g_.padded)),
        winner_(max_batch * g_.y_size()),
        seen_(std::vector<unsigned char>(size_t{1} * max_batch * g_.y_pixels(), 1)),
        per_channel_(is_small(z) ? kPatch : z.window_size() + 1),
        weight_points_(winograd_numbers(g_)),
        weight_t_(size_t{1} * z.window_size() * z.out) {
    std::vector<FirstTap> first_tap;
    for (int k = 0; k < g_.y_pixels(); ++k)
      for (int q = 0; q < kPooled; ++q) {
        const int h = (k / g_.y_width() * 2 + q / 2) * z.rows.stride;  // with the zeros
        const int w = (k % g_.y_width() * 2 + q % 2) * z.columns.stride;
        const int at = (h * g_.padded.columns.input + w) * z.in;
        first_tap.push_back({at, h - z.rows.before, w - z.columns.before});
      }
    first_tap_ = Buffer<FirstTap>(first_tap);
    // About 128 blocks, fewer for small windows. The cores are not counted, for the order of the sums
    // depends on the parts.
    images_per_part_ = static_cast<int>(max(1L, 1L * max_batch * tiles(z.out, kTogether) / 128));
    partial_ = Buffer<real>(size_t{1} * tiles(max_batch, images_per_part_) * z.out * per_channel_);
    for (Buffer<real>* sum : {&sum_, &sum_t_}) *sum = Buffer<real>(size_t{1} * z.out * per_channel_);
  }

  void forward(const real* x, real* y, int batch) override {
    const real* padded_x = x_.pad(x, batch);
    const PooledOutput output{bias_.value, with_relu_, y, winner_.data(), seen_.data()};
    if (weight_points_.size() > 0)
      return winograd(g_, padded_x, weight_.value, batch, weight_points_.data(), output);
    with_width(g_.z.out, [&](auto width) {
      launch(pooled_conv2d_forward<width()>, batch, threads(1), g_, padded_x, first_tap_.data(),
             tap_at_.data(), weight_.value, output);
    });
  }

  void backward(const real* x, const real*, real* dy, real* dx, int batch) override {
    const Geometry& z = g_.z;
    if (dx) {  // first: for dweight, dy of the blank pixels is added to that of one of them
      transpose(weight_.value, 1, z.window_size(), z.out, weight_t_.data());
      const bool is_short = z.columns.window * z.in <= kShortRow * kVectorLanes;
      launch(is_short ? pooled_conv2d_backward_x<kShortRow> : pooled_conv2d_backward_x<kLongRow>, batch,
             threads(1), g_, pixels(), dy, weight_t_.data(), dx);
    }
    const int parts = tiles(batch, images_per_part_), size = z.window_size() * z.out;
    auto kernel = pooled_conv2d_backward_weight;
    if (is_small(z))
      kernel = copied(z) == 8 ? pooled_conv2d_backward_small_weight<8>
                              : pooled_conv2d_backward_small_weight<kPatch>;
    launch(kernel, {is_small(z) ? 1 : tiles(z.out, kTogether), parts}, threads(1), g_, x_.padded_already(x),
           pixels(), dy, batch, images_per_part_, partial_.data());
    sum_rows(partial_.data(), parts, z.out * per_channel_, sum_.data());
    transpose(sum_.data(), 1, z.out, per_channel_, sum_t_.data());
    sum_rows(sum_t_.data(), 1, size, weight_.gradient);  // of one row: a copy
    sum_rows(sum_t_.data() + size, 1, z.out, bias_.gradient);
  }

 private:
  Pixels pixels() const { return {first_tap_.data(), winner_.data(), seen_.data()}; }

  Parameter weight_, bias_;
  bool with_relu_;
  PaddedImages x_;
  PooledGeometry g_;
  Buffer<int> tap_at_;            // [kh][kw][in]: see conv2d.cu
  Buffer<FirstTap> first_tap_;    // [oh / 2][ow / 2][4]
  Buffer<unsigned char> winner_;  // [max_batch][oh / 2][ow / 2][out]
  Buffer<unsigned char> seen_;    // [max_batch][oh / 2][ow / 2]
  int per_channel_;               // numbers in a part: dweight [kh][kw][in], dbias, and the rest of a patch
  Buffer<real> weight_points_;    // see winograd()
  Buffer<real> weight_t_;         // [out][kh][kw][in]
  int images_per_part_;
  Buffer<real> partial_;      // [parts][out][per_channel_]
  Buffer<real> sum_, sum_t_;  // one part, and the same transposed
};

}  // namespace

LayerPointer pooled_conv2d(const Conv2d& conv2d, Shape input, int max_batch, const Parameter* parameters) {
  const Geometry z{conv2d.rows(input), conv2d.columns(input), input.channels, conv2d.filters};
  return std::make_unique<PooledConv2d>(z, conv2d.relu, max_batch, parameters);
}

}  // namespace plainnet::TARGET
