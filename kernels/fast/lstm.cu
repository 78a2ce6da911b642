// The LSTM, fast, in one direction or both: kernels/lstm.cu has the formulas. What is sequential in them
// stays in one kernel: a block takes some images through all steps, z_t, gates, c_t and h_t, and waits for
// no other block, as no image meets another. Whatever is not sequential is a product over all steps at once
// (product.h):
//
//   dW = Σ_t x_t^T dz_t      dU = Σ_t h_{t-1}^T dz_t      dx_t = dz_t W^T
//
// For that, all rows of a direction lie as those of x do, image by image and time by time. A row of h_before
// and c_before is h and c as a step finds them, those of the step before, so that the rows of h_before and dz
// fit. Those of the first step are zero, and nothing else is ever written there. x_t W is summed in the
// recurrence, beside h_{t-1} U, rather than for all steps beforehand: that would write z to memory and read
// it again, which takes longer than the product.

#include "kernels/fast/activation.h"
#include "kernels/fast/common.h"
#include "kernels/fast/layers.h"
#include "kernels/fast/product.h"
#include "kernels/fast/strip.h"

namespace plainnet::TARGET {
namespace {

struct Sizes {
  int images;  // those of the largest batch, and a blank one
  int batch, steps, features, units, directions;
  bool whole_sequence;     // whether y has all steps
  bool first_backwards;    // whether direction 0 begins at the end; direction 1 begins at the other end
  int z_stride, h_stride;  // from row to row of z [..][4u], and of h and c [..][u]; see FastLstm

  // The time of step s of direction d.
  __host__ __device__ int time(int d, int s) const {
    return (d == 1) == first_backwards ? s : steps - 1 - s;
  }
  // The row of image b of direction d in arrays [directions][images][...].
  __host__ __device__ long image(int d, int b) const { return static_cast<long>(d) * images + b; }
  // The row of its time t in arrays [directions][images][steps][...].
  __host__ __device__ long row(int d, int b, int t) const { return image(d, b) * steps + t; }
  // Where direction d of image b and time t lies in y.
  __host__ __device__ long in_y(int d, int b, int t) const {
    return ((whole_sequence ? static_cast<long>(b) * steps + t : b) * directions + d) * units;
  }
};

// The parameters of one direction.
struct Direction {
  Parameter W, U, bias;  // [features][4u], [u][4u], [4u]
};

// The first rows of a picture are blank, and as long as x_t is zero all images have the same state. So one
// more image, the blank one, goes through these steps for all. The others are sorted by the step with which
// they begin, so that those of a strip that have begun are its first rows.
//
// Before it begins, an image's rows of z, h_before and c_before hold old numbers, which nobody uses: dU
// leaves these rows out; dW multiplies them by an x_t of zero, which product() leaves out; and where dx is
// wanted, all begin at once. Arrays are [directions][images]:
struct Order {
  int* begin;    // the step with which each image begins: the first whose x_t is not zero, or the last
  int* image;    // the images in their order; the blank one, which begins at once, comes last
  int* du_row;   // [directions][images steps]: the rows of h_before and dz that dU is summed over, without
                 // those of step 0, whose h is zero
  int* du_rows;  // [directions]: how many these are
};

// A block fills in the Order of one direction. all_at_once: every image begins with step 0. (So it is on a
// GPU, where nonzero_columns() looks for no zeros.)
__global__ void lstm_find_order(Sizes sizes, bool all_at_once, Order order,
                                const real* __restrict__ x) {  // [batch][steps][features]
  const int d = blockIdx.x, batch = sizes.batch, steps = sizes.steps, features = sizes.features;
  int *begin = order.begin + sizes.image(d, 0), *row = order.du_row + sizes.row(d, 0, 0);
  for (int b = threadIdx.x; b <= batch; b += blockDim.x) {
    const real* x_b = x + static_cast<long>(b) * steps * features;
    int s = 0;
    while (b < batch && !all_at_once && s + 1 < steps &&
           nonzero_columns({x_b + sizes.time(d, s) * features, features, 1, 1}, features).end == 0)
      ++s;
    begin[b] = s;
  }
  __syncthreads();
  for (int b = threadIdx.x; b <= batch; b += blockDim.x) {
    int place = 0, rows = 0, last = 0;
    for (int other = 0; other < batch; ++other) {
      place += b == batch || begin[other] * batch + other < begin[b] * batch + b;
      rows += other < b ? steps - max(begin[other], 1) : 0;
      last = max(last, begin[other]);
    }
    order.image[sizes.image(d, place)] = b;
    const int end = b < batch ? steps : last;
    for (int s = max(begin[b], 1); s < end; ++s) row[rows++] = b * steps + sizes.time(d, s);
    if (b == batch) order.du_rows[d] = rows;
  }
}

// All steps of some images in one direction: those in the order that come after `from`. The blank image is
// computed first, until the last of the others begins, and for one step at least. A strip sums z of all four
// gates of some units; the gates are computed from it, and z is never stored. No barrier is needed between
// h_t and its use in the next step: that is a product, which begins with one. The same holds for dz below.
// The last vector of a row may reach beyond it: those numbers are read and not stored (vector.h).
__global__ void __launch_bounds__(FourStrips::kMaxThreads, 1)
    lstm_recurrence(Sizes sizes, Order order, int from, Direction first, Direction second,
                    const real* __restrict__ x,   // [batch][steps][features]
                    real* __restrict__ gates,     // [directions][images][steps][4u]
                    real* __restrict__ h_before,  // [directions][images][steps][u]
                    real* __restrict__ c_before,  // the same
                    real* __restrict__ y) {       // [batch][directions u], or ..[steps][..]
  using S = FourStrips;
  const int d = blockIdx.y, i0 = from + blockIdx.x * S::kRows, u = sizes.units, steps = sizes.steps;
  const bool blank = from == sizes.batch;
  const int *image = order.image + sizes.image(d, i0), *begin = order.begin + sizes.image(d, 0);
  const int count = blank ? 1 : min(sizes.batch - i0, S::kRows);
  const int end = blank ? max(begin[image[-1]], 1) : steps;
  const Direction parameters = d == 0 ? first : second;
  int images = 0;  // that have begun
  for (int s = begin[image[0]]; s < end; ++s) {
    const int t = sizes.time(d, s);
    const long on = sizes.time(d, s + 1) - t;  // to the row of the next step
    // Those that begin take the state of the blank image over.
    for (; images < count && begin[image[images]] <= s; ++images)
      for (int k = threadIdx.x * kVectorLanes; k < u; k += blockDim.x * kVectorLanes)
        for (real* before : {h_before, c_before}) {
          const Vector state = load(before + sizes.row(d, sizes.batch, t) * sizes.h_stride + k);
          store(before + sizes.row(d, image[images], t) * sizes.h_stride + k, state, u - k);
        }
    Strided x_t{x + t * sizes.features, 1L * steps * sizes.features, 1, images, false, image};
    const Span seen = blank ? Span{0, 0} : nonzero_columns(x_t, sizes.features);
    x_t.first += seen.begin;
    const real* W = parameters.W.value + 4L * u * seen.begin;
    const Strided h_t_before{h_before + sizes.row(d, 0, t) * sizes.h_stride, steps * sizes.h_stride, 1,
                             images, false, image};
    for (int k0 = 0; k0 < u; k0 += S::columns_at_once()) {
      S strip;
      strip.add_product(x_t, W + k0, 4 * u, u - k0, seen.end - seen.begin, u);
      if (s > 0) strip.add_product(h_t_before, parameters.U.value + k0, 4 * u, u - k0, u, u);
      // tanh c_t waits for c_t; in between, other rows' gates can be computed. The rows of the next step are
      // asked for, as they lie in no cache yet; beyond the last, asking does no harm.
      Vector c_t[S::kRows], o[S::kRows];
      strip.store_rows(images, u - k0, [&](int m, int n, const Vector* z, int count) {
        const int k = k0 + n;
        const long at = sizes.row(d, image[m], t);
        const real* bias = parameters.bias.value + k;
        const Vector i = sigmoid(z[0] + load(bias)), f = sigmoid(z[1] + load(bias + u));
        const Vector g = hyperbolic_tangent(z[2] + load(bias + 2 * u));
        o[m] = sigmoid(z[3] + load(bias + 3 * u));
        c_t[m] = f * load(c_before + at * sizes.h_stride + k) + i * g;
        const Vector gates_t[4] = {i, f, g, o[m]};
        real* gate = gates + at * sizes.z_stride + k;
        for (int q = 0; q < 4; ++q) store(gate + q * u, gates_t[q], count);
        for (int q = 0; q < 4; ++q) prefetch_to_write(gate + on * sizes.z_stride + q * u);
        prefetch_to_write(h_before + (at + 2 * on) * sizes.h_stride + k);
        prefetch_to_write(c_before + (at + 2 * on) * sizes.h_stride + k);
      });
      strip.store_rows(images, u - k0, [&](int m, int n, const Vector*, int count) {
        const long after = (sizes.row(d, image[m], t) + on) * sizes.h_stride + k0 + n;
        const Vector h_t = o[m] * hyperbolic_tangent(c_t[m]);
        if (s + 1 < steps) {
          store(h_before + after, h_t, count);
          store(c_before + after, c_t[m], count);
        }
        real* to = y + sizes.in_y(d, image[m], t) + k0 + n;
        if (!blank && (s + 1 == steps || sizes.whole_sequence)) store(to, h_t, count);
      });
    }
  }
}

// The same from the last step to the first. It turns the gates into dz, sums dz for dbias, and hands dh and
// dc on to the step before. The blank image comes last: at the step before an image begins, it adds dh and dc
// that this image hands on.
template <class S>  // a Strip
__global__ void __launch_bounds__(S::kMaxThreads, 1)
    lstm_backward_recurrence(Sizes sizes, Order order, int from,
                             const real* __restrict__ u_t,  // [directions][4u][u]: U transposed
                             const real* __restrict__ dy,   // like y
                             real* __restrict__ z,  // [directions][images][steps][4u]: gates, then dz
                             const real* __restrict__ c_before,  // [directions][images][steps][u]
                             real* __restrict__ dh,              // [directions][images][u]: dz_{t+1} U^T
                             real* __restrict__ dc,              // the same: dc_{t+1} f_{t+1}
                             real* __restrict__ dz_sum) {        // [directions][images][4u]: Σ_t dz_t
  const int d = blockIdx.y, i0 = from + blockIdx.x * S::kRows, u = sizes.units, steps = sizes.steps;
  const bool blank = from == sizes.batch;
  const int *image = order.image + sizes.image(d, i0), *begin = order.begin + sizes.image(d, 0);
  const int count = blank ? 1 : min(sizes.batch - i0, S::kRows);
  const int end = blank ? max(begin[image[-1]], 1) : steps;
  int images = count, heirs = 0;  // those that have begun; of the blank one, those that begin after step s
  for (int s = end - 1; s >= begin[image[0]]; --s) {
    const int t = sizes.time(d, s), later_heirs = heirs;
    const bool last = s == end - 1;
    while (begin[image[images - 1]] > s) --images;
    while (blank && heirs < sizes.batch && begin[image[-1 - heirs]] > s) ++heirs;
    for (int m = 0; m < images; ++m) {
      const int b = image[m];
      real* gate = z + sizes.row(d, b, t) * sizes.z_stride;
      real *dh_row = dh + sizes.image(d, b) * u, *dc_row = dc + sizes.image(d, b) * u;
      real* dz_sum_row = dz_sum + sizes.image(d, b) * 4 * u;
      // To the row that comes next, which lies in no cache yet. Beyond the last, asking does no harm.
      const long on = sizes.time(d, s - 1) - t;
      for (int k = threadIdx.x * kVectorLanes; k < u; k += blockDim.x * kVectorLanes) {
        for (int n = 0; n < 4; ++n) prefetch(gate + on * sizes.z_stride + n * u + k);
        prefetch(c_before + (sizes.row(d, b, t) + on) * sizes.h_stride + k);
        const Vector i = load(gate + k), f = load(gate + u + k);
        const Vector g = load(gate + 2 * u + k), o = load(gate + 3 * u + k);
        const Vector c_t_before = load(c_before + sizes.row(d, b, t) * sizes.h_stride + k);
        const Vector c_tanh = hyperbolic_tangent(f * c_t_before + i * g);
        Vector dh_t{}, dc_t{};
        if (!blank && (last || sizes.whole_sequence)) dh_t += load(dy + sizes.in_y(d, b, t) + k);
        if (!last) dh_t += load(dh_row + k);  // which this thread has stored
        if (!last) dc_t += load(dc_row + k);
        for (int n = later_heirs; n < heirs; ++n) {
          const long heir = sizes.image(d, image[-1 - n]);
          dh_t += load(dh + heir * u + k);
          dc_t += load(dc + heir * u + k);
        }
        dc_t += dh_t * o * (1 - c_tanh * c_tanh);
        store(dc_row + k, dc_t * f, u - k);
        const Vector dz[4] = {dc_t * g * i * (1 - i), dc_t * c_t_before * f * (1 - f), dc_t * i * (1 - g * g),
                              dh_t * c_tanh * o * (1 - o)};
        for (int n = 0; n < 4; ++n) {
          real* sum = dz_sum_row + n * u + k;
          store(gate + n * u + k, dz[n], u - k);
          store(sum, last ? dz[n] : load(sum) + dz[n], u - k);
        }
      }
    }
    const Strided dz_t{z + sizes.row(d, 0, t) * sizes.z_stride, steps * sizes.z_stride, 1, images, false,
                       image};
    for (int k0 = 0; k0 < u && s > 0; k0 += S::columns_at_once()) {
      const int columns = min(u - k0, S::columns_at_once());
      S strip;
      strip.add_product(dz_t, u_t + 4L * u * u * d + k0, u, columns, 4 * u);
      strip.store(images, columns, [&](int m, int k, Vector sum, int count) {
        store(dh + sizes.image(d, image[m]) * u + k0 + k, sum, count);
      });
    }
  }
}

// A tile of dU = Σ_t h_{t-1}^T dz_t. It is summed over a quarter of the rows, so that a strip of dz stays in
// the cache for the next tile.
using TileOfDu = Tile<3, kInColumn>;

__global__ void lstm_sum_du(Sizes sizes, Order order, int quarter,
                            const real* __restrict__ h_before,  // [directions][images][steps][u]
                            const real* __restrict__ dz,        // [directions][images][steps][4u]
                            real* __restrict__ first, real* __restrict__ second) {  // dU of both: [u][4u]
  const int m0 = blockIdx.x * TileOfDu::kRows, n0 = blockIdx.y * TileOfDu::kColumns, d = blockIdx.z;
  const int u = sizes.units;
  const int begin = order.du_rows[d] * quarter / 4, end = order.du_rows[d] * (quarter + 1) / 4;
  const int* row = order.du_row + sizes.row(d, 0, begin);
  h_before += sizes.row(d, 0, 0) * sizes.h_stride + m0;
  dz += sizes.row(d, 0, 0) * sizes.z_stride + n0;
  TileOfDu tile;
  tile.add_scattered([&](int m) { return h_before + min(m, u - m0 - 1); },
                     [&](int i) { return static_cast<long>(row[i]) * sizes.h_stride; },
                     [&](int i) { return dz + static_cast<long>(row[i]) * sizes.z_stride; }, 4 * u - n0,
                     end - begin);
  real* dU = (d == 0 ? first : second) + m0 * 4L * u + n0;
  tile.store(u - m0, 4 * u - n0, [&](int m, int n, Vector sum, int count) {
    real* at = dU + m * 4L * u + n;
    store(at, quarter > 0 ? load(at) + sum : sum, count);
  });
}

class FastLstm : public Layer {
 public:
  FastLstm(const Lstm& lstm, int directions, Shape x, int max_batch, const Parameter* parameters)
      : parameters_(parameters, parameters + 3 * directions) {
    const int u = lstm.units, features = lstm.features(x);
    // Rows a power of two apart would share a few lines of the CPU's first cache.
    sizes_ = {max_batch + 1, max_batch, x.height, features, u, directions, lstm.return_sequences,
              lstm.go_backwards, 4 * u + kColumnStep, u + kColumnStep};
    const size_t images = size_t{1} * directions * sizes_.images, rows = images * x.height;
    z_ = Buffer<real>(rows * sizes_.z_stride);
    const std::vector<real> zeros(rows * sizes_.h_stride);
    for (Buffer<real>* buffer : {&h_before_, &c_before_}) *buffer = Buffer<real>(zeros);
    for (Buffer<real>* buffer : {&dh_, &dc_}) *buffer = Buffer<real>(images * u);
    dz_sum_ = Buffer<real>(images * 4 * u);
    for (Buffer<int>* buffer : {&begin_, &image_}) *buffer = Buffer<int>(images);
    row_ = Buffer<int>(rows);
    rows_ = Buffer<int>(directions);
    u_t_ = Buffer<real>(size_t{1} * directions * 4 * u * u);
    w_t_ = Buffer<real>(size_t{1} * 4 * u * features);
  }

  void forward(const real* x, real* y, int batch) override {
    sizes_.batch = batch;
    launch(lstm_find_order, sizes_.directions, threads(128), sizes_, sizes_.whole_sequence || dx_wanted_,
           order(), x);
    for (const int from : {batch, 0})  // the blank image, then the others
      launch(lstm_recurrence, {from == batch ? 1 : tiles(batch, FourStrips::kRows), sizes_.directions},
             FourStrips::block(sizes_.units), sizes_, order(), from, direction(0),
             direction(sizes_.directions - 1), x, z_.data(), h_before_.data(), c_before_.data(), y);
  }

  void backward(const real* x, const real*, real* dy, real* dx, int batch) override {
    // For dx every image needs its own dz at all steps. So forward runs again, this once; from then on all
    // images begin at once. (y goes to dh_, which is free yet.)
    if (dx && !dx_wanted_ && !sizes_.whole_sequence) {
      dx_wanted_ = true;
      forward(x, dh_.data(), batch);
    }
    const int u = sizes_.units, features = sizes_.features, rows = batch * sizes_.steps;
    const int z_stride = sizes_.z_stride;
    for (int d = 0; d < sizes_.directions; ++d)
      transpose(direction(d).U.value, 1, u, 4 * u, u_t_.data() + 4L * u * u * d);
    with_width(u, [&](auto width) {
      using S = Strip<width()>;
      for (const int from : {0, batch})
        launch(lstm_backward_recurrence<S>, {from == batch ? 1 : tiles(batch, S::kRows), sizes_.directions},
               S::block(u), sizes_, order(), from, u_t_.data(), dy, z_.data(), c_before_.data(), dh_.data(),
               dc_.data(), dz_sum_.data());
    });
    // Of these products, too, the slowest index counts directions: the core that wrote z and h reads them.
    const Direction first = direction(0), second = direction(sizes_.directions - 1);
    const long apart = sizes_.row(1, 0, 0) * z_stride;
    for (int quarter = 0; quarter < 4; ++quarter) {
      const int some = tiles(rows, 4), r = quarter * some;
      product({x + 1L * r * features, 1, features, features, /*mostly_zero=*/true},
              z_.data() + 1L * r * z_stride, z_stride, min(some, rows - r), first.W.gradient, 4 * u, 4 * u,
              /*add=*/quarter > 0, {sizes_.directions, apart, second.W.gradient - first.W.gradient});
      const Grid grid(tiles(u, TileOfDu::kRows), tiles(4 * u, TileOfDu::kColumns), sizes_.directions);
      launch(lstm_sum_du, grid, TileOfDu::kThreads, sizes_, order(), quarter, h_before_.data(), z_.data(),
             first.U.gradient, second.U.gradient);
    }
    for (int d = 0; d < sizes_.directions; ++d) {
      const real* dz_sum = dz_sum_.data() + sizes_.image(d, 0) * 4 * u;
      sum_rows(dz_sum, batch + 1, 4 * u, direction(d).bias.gradient);
      if (!dx) continue;
      const real* dz = z_.data() + d * apart;
      transpose(direction(d).W.value, 1, features, 4 * u, w_t_.data());
      product({dz, z_stride, 1, rows}, w_t_.data(), features, 4 * u, dx, features, features,
              /*add=*/d > 0);
    }
  }

 private:
  Direction direction(int d) const {
    return {parameters_[3 * d], parameters_[3 * d + 1], parameters_[3 * d + 2]};
  }

  Order order() const { return {begin_.data(), image_.data(), row_.data(), rows_.data()}; }

  Sizes sizes_{};
  bool dx_wanted_ = false;  // whether backward() was ever asked for dx: in a network's first layer, never
  std::vector<Parameter> parameters_;  // of each direction W, U and the bias
  Buffer<real> z_;                     // [directions][images][steps][4u]: the gates, then dz
  Buffer<real> h_before_, c_before_;   // [directions][images][steps][u]
  Buffer<real> dh_, dc_;               // [directions][images][u]: what step t gets from step t+1
  Buffer<real> dz_sum_;                // [directions][images][4u]
  Buffer<int> begin_, image_, row_, rows_;  // see Order
  Buffer<real> u_t_;                   // [directions][4u][u]
  Buffer<real> w_t_;                   // [4u][features]
};

}  // namespace

LayerPointer fast_layer(const Lstm& lstm, Shape x, int max_batch, const Parameter* parameters) {
  return std::make_unique<FastLstm>(lstm, 1, x, max_batch, parameters);
}

LayerPointer fast_layer(const Bidirectional& both, Shape x, int max_batch, const Parameter* parameters) {
  return std::make_unique<FastLstm>(both.onward, 2, x, max_batch, parameters);
}

}  // namespace plainnet::TARGET
