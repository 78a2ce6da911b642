// The forward pass of a pooled convolution (pooled_conv2d.h) of 5 x 5 windows with fewer multiplications:
// Winograd's, from "Arithmetic complexity of computations" (1980), as Lavin and Gray use it in "Fast
// algorithms for convolutional neural networks" (2016).
//
// First one row of one channel. A window of r weights makes m neighbouring outputs,
//
//   y[o] = Σ_i x[o + i] w[i]      for o = 0 ... m - 1
//
// One after the other they take m r products. Together they see n = m + r - 1 numbers x, and n products
// suffice:
//
//   y = A^T ((G w) * (B^T x))      where * multiplies number by number
//
// To see it, choose any numbers u[o], and take u and w for polynomials, u(t) = Σ_o u[o] t^o. Their product
// has n coefficients, so it follows from its values at n - 1 different points t_j and its highest coefficient
// (Lagrange's interpolation). With M(t) = Π_j (t - t_j) and M_j(t) = M(t) / (t - t_j):
//
//   u(t) w(t) = Σ_j u(t_j) w(t_j) M_j(t) / M_j(t_j)  +  u[m - 1] w[r - 1] M(t)
//
// Write x[k] in place of each t^k. The left side becomes Σ_o u[o] y[o], and as that holds for any u, y[o] is
// what u[o] is multiplied by on the right side. So row j of A has the powers of t_j, row j of G the same
// divided by M_j(t_j), row j of B^T the coefficients of M_j. The last row of A and of G is 0 ... 0 1, that of
// B^T has the coefficients of M.
//
// In two dimensions, with squares of x, w and y,
//
//   y = A^T ((G w G^T) * (B^T x B)) A
//
// and 4 x 4 outputs of a 5 x 5 window take 8 x 8 products, in place of 16 x 25. The other factors cost
// multiplications, too, but few: G w G^T is made once for all squares, B^T x B serves all output channels,
// and the sum over the input channels comes before A^T ... A. So each of the 64 products is a matrix product:
// several squares by the input channels, times these by the output channels.
//
// A picture has one channel, and of a square A^T ... A would cost three times what the products do. There
// each row i of a window is transformed by itself, as in one dimension, and the sum over the rows comes
// before A^T:
//
//   y = A^T (Σ_i (G w[i]) * (B^T x[i]))
//
// so that 4 outputs side by side take 5 x 8 products, in place of 4 x 25.
//
// Rounding errors are about six times those of the plain sum (by rows, three times). Numbers of z that are
// equal, and so which of them is the largest, are so but for rounding; and what is not finite in x spreads
// over its square, windows that see zeros only included.

#include "kernels/fast/pooled_conv2d.h"
#include "kernels/fast/tile.h"

namespace plainnet::TARGET {
namespace {

// m, r and n above.
constexpr int kM = 4, kR = 5, kN = kM + kR - 1;

// The widest picture, with its zeros, that is done by rows.
constexpr int kPicture = 64;

// t_j: 0, then pairs t and -t, as points_to_y expects. Small numbers and their inverses keep rounding errors
// small.
constexpr double kPoint[kN - 1] = {0, 1, -1, 2, -2, 0.5, -0.5};

struct Matrices {
  real A_t[kM][kN]{}, G[kN][kR]{}, B_t[kN][kN]{};

  constexpr Matrices() {
    A_t[kM - 1][kN - 1] = G[kN - 1][kR - 1] = 1;
    for (int j = 0; j < kN; ++j) {
      // coefficients[k + 1] is that of t^k in M_j, or in M for the last j, where no factor is left out.
      double coefficients[kN + 1] = {0, 1}, divisor = 1, power = 1;
      for (int l = 0; l < kN - 1; ++l) {
        if (l == j) continue;
        for (int k = kN; k > 0; --k) coefficients[k] = coefficients[k - 1] - kPoint[l] * coefficients[k];
        if (j < kN - 1) divisor *= kPoint[j] - kPoint[l];
      }
      for (int k = 0; k < kN; ++k) B_t[j][k] = static_cast<real>(coefficients[k + 1]);
      for (int k = 0; k < kR && j < kN - 1; ++k, power *= kPoint[j]) {
        G[j][k] = static_cast<real>(power / divisor);
        if (k < kM) A_t[k][j] = static_cast<real>(power);
      }
    }
  }
};
constexpr Matrices kMatrices;

// result[i] = Σ_k matrix[i][k] v[k]. The matrix is constant: where it has a zero, nothing is multiplied.
template <int kTo, int kFrom>
__forceinline__ void multiply(const real (&matrix)[kTo][kFrom], const Vector (&v)[kFrom],
                              Vector (&result)[kTo]) {
#pragma GCC unroll 8
  for (int i = 0; i < kTo; ++i) {
    result[i] = Vector{};
    for (int k = 0; k < kFrom; ++k)
      if (matrix[i][k] != 0) result[i] += matrix[i][k] * v[k];
  }
}

// In one dimension: G w, B^T x and A^T v.
constexpr auto weight_to_points = [](const auto& w, auto& points) { multiply(kMatrices.G, w, points); };
constexpr auto x_to_points = [](const auto& x, auto& points) { multiply(kMatrices.B_t, x, points); };
// Row 0 of A (t = 0) is 1 0 ... 0, the last 0 ... 0 1. Between them are pairs t and -t, whose powers differ
// by their signs only, so that half of the products do.
constexpr auto points_to_y = [](const Vector (&v)[kN], Vector (&y)[kM]) {
  for (int i = 0; i < kM; ++i) {
    y[i] = i == 0 ? v[0] : i == kM - 1 ? v[kN - 1] : Vector{};
    for (int j = 1; j < kN - 1; j += 2)
      y[i] += kMatrices.A_t[i][j] * (i % 2 == 0 ? v[j] + v[j + 1] : v[j] - v[j + 1]);
  }
};

// In two: `transform` goes over the columns of what from(k, l) returns, then over the rows of the results.
// What comes out is passed to to(i, j, ...).
template <int kTo, int kFrom, class Transform, class From, class To>
__forceinline__ void in_two_dimensions(const Transform& transform, const From& from, const To& to) {
  Vector half[kTo][kFrom], result[kTo];
#pragma GCC unroll 8
  for (int l = 0; l < kFrom; ++l) {
    Vector column[kFrom];
    for (int k = 0; k < kFrom; ++k) column[k] = from(k, l);
    transform(column, result);
    for (int i = 0; i < kTo; ++i) half[i][l] = result[i];
  }
#pragma GCC unroll 8
  for (int i = 0; i < kTo; ++i) {
    transform(half[i], result);
#pragma GCC unroll 8
    for (int j = 0; j < kTo; ++j) to(i, j, result[j]);
  }
}

// G w G^T. A block does it for a vector of pairs of an input and an output channel.
__global__ void winograd_weight(const real* __restrict__ weight,       // [5][5][in][out]
                                int size,                              // in * out
                                real* __restrict__ weight_points) {    // [8][8][in][out]
  const int at = blockIdx.x * kVectorLanes;
  in_two_dimensions<kN, kR>(
      weight_to_points, [&](int k, int l) { return load(weight + (k * kR + l) * size + at); },
      [&](int i, int j, Vector sum) { store(weight_points + (i * kN + j) * size + at, sum, size - at); });
}

// A block does kRows squares by kColumns output channels, the rows and columns of its 64 tiles. Squares are
// numbered image by image, `across` of them side by side. One may reach beyond the image: there the last
// row or column is read again, for outputs that are not stored.
//
//   1. x_points = B^T x B      2. y_points = x_points weight_points, 64 times      3. z = A^T y_points A
template <int V>
__global__ void winograd_forward(PooledGeometry g, int across, int per_image, int squares,
                                 const real* __restrict__ x,  // [batch][padded height][padded width][in]
                                 const real* __restrict__ weight_points,  // [8][8][in][out]
                                 PooledOutput output) {
  // kChannels of x at once: what is on the stack then fits into the second-level cache.
  constexpr int kRows = Tile<V>::kRows, kColumns = Tile<V>::kColumns, kChannels = 2 * kVectorLanes;
  real x_points[kN][kN][kRows][kChannels], y_points[kN][kN][kRows][kColumns];
  const int first = blockIdx.x * kRows, rows = min(squares - first, kRows);
  const int n0 = blockIdx.y * kColumns, channels = g.z.out - n0, in = g.z.in;
  // The first row and column of z in square s.
  const auto o_of = [&](int s) { return (first + s) % per_image / across * kM; };
  const auto p_of = [&](int s) { return (first + s) % across * kM; };

  for (int c0 = 0; c0 < in; c0 += kChannels) {
    const int depth = min(in - c0, kChannels);
    for (int s = 0; s < rows; ++s) {
      long row[kN], column[kN];
      for (int k = 0; k < kN; ++k) {
        row[k] = g.padded.x_at((first + s) / per_image, min(o_of(s) + k, g.padded.rows.input - 1), 0, c0);
        column[k] = g.padded.x_at(0, 0, min(p_of(s) + k, g.padded.columns.input - 1), 0);
      }
      for (int c = 0; c < depth; c += kVectorLanes)
        in_two_dimensions<kN, kN>(
            x_to_points, [&](int k, int l) { return load(x + row[k] + column[l] + c); },
            [&](int i, int j, Vector sum) { store(&x_points[i][j][s][c], sum, kVectorLanes); });
    }
    for (int i = 0; i < kN; ++i)
      for (int j = 0; j < kN; ++j) {
        Tile<V> tile;
        tile.add_product(Strided{x_points[i][j][0], kChannels, 1, rows},
                         weight_points + ((i * kN + j) * in + c0) * g.z.out + n0, g.z.out, channels, depth);
        tile.store(kRows, channels, [&](int s, int k, Vector sum, int) {
          real* to = &y_points[i][j][s][k];
          store(to, c0 == 0 ? sum : load(to) + sum, kVectorLanes);
        });
      }
  }

  for (int s = 0; s < rows; ++s)
    for (int k = 0; k < min(channels, kColumns); k += kVectorLanes) {
      Vector z[kM][kM];
      in_two_dimensions<kM, kN>(
          points_to_y, [&](int i, int j) { return load(&y_points[i][j][s][k]); },
          [&](int i, int j, Vector sum) { z[i][j] = sum; });
#pragma GCC unroll 8
      for (int q = 0; q < kM * kM / kPooled; ++q) {  // the pooling windows
        const int i = q / 2 * 2, j = q % 2 * 2, o = (o_of(s) + i) / 2, p = (p_of(s) + j) / 2;
        const long y_at = (first + s) / per_image * g.y_size() + (o * g.y_width() + p) * g.z.out;
        if (o < g.y_height() && p < g.y_width())
          output.store({z[i][j], z[i][j + 1], z[i + 1][j], z[i + 1][j + 1]}, n0 + k, y_at, channels - k);
      }
    }
}

// G w[i] for the rows i of windows on one channel. A block does it for a vector of output channels and one i.
__global__ void winograd_weight_by_rows(
    const real* __restrict__ weight,  // [5][5][out]
    int out,
    real* __restrict__ weight_points) {  // [vectors of out][5][8][lanes]
  const int n = blockIdx.x * kVectorLanes, i = blockIdx.y;
  Vector w[kR], points[kN];
  for (int k = 0; k < kR; ++k) w[k] = load(weight + (i * kR + k) * out + n);
  weight_to_points(w, points);
  for (int j = 0; j < kN; ++j)
    store(weight_points + (n * kR + i * kVectorLanes) * kN + j * kVectorLanes, points[j], kVectorLanes);
}

// A block does a picture: of the two rows of z that make a row of y, four columns at once. A window that
// sees zeros only makes exactly 0: with a bias of 0, as at first, a rounding error would decide whether the
// ReLU lets a gradient through; and the backward pass takes all such windows for one. (Squares do not: of
// 24 channels, few windows see zeros only.)
__global__ void winograd_forward_by_rows(
    PooledGeometry g,
    const real* __restrict__ x,              // [batch][padded height][padded width]
    const real* __restrict__ weight_points,  // [vectors of out][5][8][lanes]
    PooledOutput output) {
  // The six rows of x that a row of y sees, in a ring: row h lies in slot h % kRows, and again kRows slots
  // further on, so that six slots from any of the first on are neighbours. For each column w: the points of
  // the 8 numbers from there on, and 1 if any of the first 5 is not zero, else 0.
  constexpr int kRows = kR + 1;
  real x_points[2 * kRows][kN][kPicture], not_blank[2 * kRows][kPicture];
  real z_not_blank[2][kPicture];  // 1 where a window sees more than zeros
  const int x_row = g.padded.columns.input, width = 2 * g.y_width();
  const real* image = x + g.padded.x_at(blockIdx.x, 0, 0, 0);

  for (int o = 0, h = 0; o < g.y_height(); ++o) {
    for (; h < 2 * o + kRows; ++h)
      for (int w = 0; w < x_row; w += kVectorLanes) {
        Vector v[kN], points[kN], any{};
        for (int k = 0; k < kN; ++k) v[k] = load(image + h * x_row + w + k);
        for (int k = 0; k < kR; ++k) any = v[k] != 0 ? broadcast(1) : any;
        x_to_points(v, points);
        for (int k = h % kRows; k < 2 * kRows; k += kRows) {
          store(&not_blank[k][w], any, kVectorLanes);
          for (int j = 0; j < kN; ++j) store(&x_points[k][j][w], points[j], kVectorLanes);
        }
      }
    const int slot = 2 * o % kRows;
    for (int r = 0; r < 2; ++r)
      for (int w = 0; w < x_row; w += kVectorLanes) {
        Vector any{};
        for (int i = 0; i < kR; ++i) any = load(not_blank[slot + r + i] + w) > 0 ? broadcast(1) : any;
        store(z_not_blank[r] + w, any, kVectorLanes);
      }

    for (int q = 0; q < tiles(width, kM); ++q) {
      const int p = min(q * kM, width - kM), pixel = (blockIdx.x * g.y_height() + o) * g.y_width() + p / 2;
      for (int k = 0; k < 2; ++k) {
        const real *top = z_not_blank[0] + p + 2 * k, *bottom = z_not_blank[1] + p + 2 * k;
        output.seen[pixel + k] = top[0] + top[1] + bottom[0] + bottom[1] > 0;
      }
      for (int n = 0; n < g.z.out; n += kVectorLanes) {
        Vector z[2][kM]{};
        if (output.seen[pixel] || output.seen[pixel + 1]) {
          Vector z_points[2][kN]{};
          const real* weight_at = weight_points + n * kR * kN;
#pragma GCC unroll 8
          for (int i = 0; i < kR; ++i)
            for (int j = 0; j < kN; ++j) {
              const Vector w = load(weight_at + (i * kN + j) * kVectorLanes);
              z_points[0][j] += x_points[slot + i][j][p] * w;
              z_points[1][j] += x_points[slot + i + 1][j][p] * w;
            }
          for (int r = 0; r < 2; ++r) {
            points_to_y(z_points[r], z[r]);
            for (int k = 0; k < kM; ++k) z[r][k] *= z_not_blank[r][p + k];
          }
        }
#pragma GCC unroll 8
        for (int k = 0; k < 2; ++k)
          output.store({z[0][2 * k], z[0][2 * k + 1], z[1][2 * k], z[1][2 * k + 1]}, n,
                       static_cast<long>(pixel + k) * g.z.out, g.z.out - n);
      }
    }
  }
}

}  // namespace

static bool by_rows(const PooledGeometry& g) {
  return g.z.in == 1 && g.padded.columns.input <= kPicture && g.y_width() * 2 >= kM;
}

size_t winograd_numbers(const PooledGeometry& g) {
  if (g.z.rows.window != kR || g.z.columns.window != kR || g.z.rows.stride * g.z.columns.stride > 1) return 0;
  if (by_rows(g)) return size_t{kR} * kN * kVectorLanes * tiles(g.z.out, kVectorLanes);
  // With few channels of x the transforms take longer than what they save.
  return g.z.in >= kVectorLanes ? size_t{kN} * kN * g.z.in * g.z.out : 0;
}

void winograd(const PooledGeometry& g, const real* padded_x, const real* weight, int batch,
              real* weight_points, const PooledOutput& output) {
  if (by_rows(g)) {
    launch(winograd_weight_by_rows, {tiles(g.z.out, kVectorLanes), kR}, threads(1), weight, g.z.out,
           weight_points);
    return launch(winograd_forward_by_rows, batch, threads(1), g, padded_x, weight_points, output);
  }
  const int size = g.z.in * g.z.out, across = tiles(g.y_width() * 2, kM);
  const int per_image = across * tiles(g.y_height() * 2, kM), squares = batch * per_image;
  launch(winograd_weight, tiles(size, kVectorLanes), threads(1), weight, size, weight_points);
  with_width(g.z.out, [&](auto width) {
    constexpr int V = width();
    launch(winograd_forward<V>, {tiles(squares, kTileRows), tiles(g.z.out, Tile<V>::kColumns)}, threads(1), g,
           across, per_image, squares, padded_x, weight_points, output);
  });
}

}  // namespace plainnet::TARGET
