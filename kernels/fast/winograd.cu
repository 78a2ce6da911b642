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
// has n coefficients, so it follows from its values at n - 1 points t_j and from its highest coefficient
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
// Rounding errors are about six times those of the plain sum. Numbers of z that are equal, and so which of
// them is the largest, are so but for rounding; and what is not finite in x spreads over its square.

#include "kernels/fast/pooled_conv2d.h"
#include "kernels/fast/tile.h"

namespace plainnet::TARGET {
namespace {

// m, r and n above.
constexpr int kM = 4, kR = 5, kN = kM + kR - 1;

// t_j. Small numbers and their inverses keep rounding errors small.
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

// Calls to(i, j, Σ_kl matrix[i][k] matrix[j][l] from(k, l)) for all i and j. The matrix is a constant: where
// it has a zero, nothing is multiplied.
template <int kTo, int kFrom, class From, class To>
__forceinline__ void transform(const real (&matrix)[kTo][kFrom], const From& from, const To& to) {
  Vector half[kTo][kFrom];
  const auto row_times = [&](int i, const auto& vector) {
    Vector sum{};
#pragma GCC unroll 8
    for (int k = 0; k < kFrom; ++k)
      if (matrix[i][k] != 0) sum += matrix[i][k] * vector[k];
    return sum;
  };
#pragma GCC unroll 8
  for (int l = 0; l < kFrom; ++l) {
    Vector column[kFrom];
#pragma GCC unroll 8
    for (int k = 0; k < kFrom; ++k) column[k] = from(k, l);
#pragma GCC unroll 8
    for (int i = 0; i < kTo; ++i) half[i][l] = row_times(i, column);
  }
#pragma GCC unroll 8
  for (int i = 0; i < kTo; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < kTo; ++j) to(i, j, row_times(j, half[i]));
}

// G w G^T. A block does it for a vector of pairs of an input and an output channel.
__global__ void winograd_weight(const real* __restrict__ weight,       // [5][5][in][out]
                                int size,                              // in * out
                                real* __restrict__ weight_points) {    // [8][8][in][out]
  const int at = blockIdx.x * kVectorLanes;
  transform(
      kMatrices.G, [&](int k, int l) { return load(weight + (k * kR + l) * size + at); },
      [&](int i, int j, Vector sum) { store(weight_points + (i * kN + j) * size + at, sum, size - at); });
}

// A block does some squares, a tile's rows, by some output channels, its columns. Squares are numbered image
// by image, `across` of them side by side. One may reach beyond the image: there the last row or column is
// read again, for outputs that are not stored.
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
  // The first output of square s.
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
        transform(
            kMatrices.B_t, [&](int k, int l) { return load(x + row[k] + column[l] + c); },
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
      transform(
          kMatrices.A_t, [&](int i, int j) { return load(&y_points[i][j][s][k]); },
          [&](int i, int j, Vector sum) { z[i][j] = sum; });
#pragma GCC unroll 8
      for (int i = 0; i < kM; i += 2)
#pragma GCC unroll 8
        for (int j = 0; j < kM; j += 2) {
          const int o = (o_of(s) + i) / 2, p = (p_of(s) + j) / 2;
          const long y_at = (first + s) / per_image * g.y_size() + (o * g.y_width() + p) * g.z.out;
          if (o < g.y_height() && p < g.y_width())
            output.store({z[i][j], z[i][j + 1], z[i + 1][j], z[i + 1][j + 1]}, n0 + k, y_at, channels - k);
        }
    }
}

}  // namespace

bool suits_winograd(const Geometry& z) {
  return z.rows.window == kR && z.columns.window == kR && z.rows.stride == 1 && z.columns.stride == 1 &&
         z.in >= kVectorLanes;  // with fewer channels of x, the transforms take longer than what they save
}

void winograd(const PooledGeometry& g, const real* padded_x, const real* weight, int batch,
              real* weight_points, const PooledOutput& output) {
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
