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
// In two dimensions first the columns are transformed, then the rows. A square of 4 x 4 outputs takes 8 x 8
// products, in place of 16 x 25. The sum over the channels comes between * and A^T, so that each of the 64
// products is a matrix product: several squares by the input channels, times these by the output channels.

#include "kernels/fast/pooled_conv2d.h"
#include "kernels/fast/tile.h"

namespace plainnet::TARGET {
namespace {

constexpr int m = 4, r = 5, n = m + r - 1;

// Small numbers and their inverses keep rounding errors small: they are about six times those of the plain
// sum. The last point is the highest coefficient.
constexpr double kPoint[n] = {0, 1, -1, 2, -2, 0.5, -0.5};

struct Matrices {
  real a_t[m][n]{}, g[n][r]{}, b_t[n][n]{};

  constexpr Matrices() {
    for (int j = 0; j < n; ++j) {
      double coefficients[n + 1] = {0, 1};  // of M_j, behind a zero
      double divisor = 1, power = 1;        // M_j(t_j), t_j^k
      for (int l = 0; l < n - 1; ++l) {
        if (l == j) continue;
        for (int k = n; k > 0; --k) coefficients[k] = coefficients[k - 1] - kPoint[l] * coefficients[k];
        divisor *= kPoint[j] - kPoint[l];
      }
      for (int k = 0; k < n; ++k) b_t[j][k] = static_cast<real>(coefficients[k + 1]);
      for (int k = 0; k < r && j < n - 1; ++k, power *= kPoint[j]) {
        g[j][k] = static_cast<real>(power / divisor);
        if (k < m) a_t[k][j] = static_cast<real>(power);
      }
    }
    a_t[m - 1][n - 1] = g[n - 1][r - 1] = 1;
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

// A block does a vector of (in, out).
__global__ void winograd_weight(const real* __restrict__ weight,  // [r][r][in][out]
                                int size,                         // in * out
                                real* __restrict__ weight_g) {    // [n][n][in][out]: G weight G^T
  const int at = blockIdx.x * kVectorLanes;
  transform(
      kMatrices.g, [&](int k, int l) { return load(weight + (k * r + l) * size + at); },
      [&](int i, int j, Vector sum) { store(weight_g + (i * n + j) * size + at, sum, size - at); });
}

// A block does the squares of a tile's rows, numbered image by image, `across` of them side by side, by the
// output channels of its columns. At the right and the lower edge a square may have outputs that are not
// there; of the pixels that only these see, the last one is taken.
template <int V>
__global__ void winograd_forward(PooledGeometry g, int across, int per_image, int squares,
                                 const real* __restrict__ x,  // [batch][padded height][padded width][in]
                                 const real* __restrict__ weight_g,  // [n][n][in][out]
                                 PooledOutput output) {
  // kChannels of x at once.
  constexpr int kRows = Tile<V>::kRows, kColumns = Tile<V>::kColumns, kChannels = 2 * kVectorLanes;
  real x_b[n][n][kRows][kChannels], product[n][n][kRows][kColumns];
  const int first = blockIdx.y * kRows, rows = min(squares - first, kRows);
  const int n0 = blockIdx.x * kColumns, channels = g.z.out - n0, in = g.z.in;
  // Where square s begins: its image, and o and p of its first output.
  const auto image = [&](int s) { return (first + s) / per_image; };
  const auto o_of = [&](int s) { return (first + s) % per_image / across * m; };
  const auto p_of = [&](int s) { return (first + s) % across * m; };

  for (int c0 = 0; c0 < in; c0 += kChannels) {
    const int depth = min(in - c0, kChannels);
    for (int s = 0; s < rows; ++s) {
      long row[n], column[n];
      for (int k = 0; k < n; ++k) {
        row[k] = g.padded.x_at(image(s), min(o_of(s) + k, g.padded.rows.input - 1), 0, c0);
        column[k] = g.padded.x_at(0, 0, min(p_of(s) + k, g.padded.columns.input - 1), 0);
      }
      for (int c = 0; c < depth; c += kVectorLanes)
        transform(
            kMatrices.b_t, [&](int k, int l) { return load(x + row[k] + column[l] + c); },
            [&](int i, int j, Vector sum) { store(&x_b[i][j][s][c], sum, kVectorLanes); });
    }
    for (int i = 0; i < n; ++i)
      for (int j = 0; j < n; ++j) {
        Tile<V> tile;
        tile.add_product(Strided{x_b[i][j][0], kChannels, 1, rows},
                         weight_g + ((i * n + j) * in + c0) * g.z.out + n0, g.z.out, channels, depth);
        tile.store(kRows, channels, [&](int s, int k, Vector sum, int) {
          real* to = &product[i][j][s][k];
          store(to, c0 == 0 ? sum : load(to) + sum, kVectorLanes);
        });
      }
  }

  for (int s = 0; s < rows; ++s)
    for (int k = 0; k < min(channels, kColumns); k += kVectorLanes) {
      Vector z[m][m];
      transform(
          kMatrices.a_t, [&](int i, int j) { return load(&product[i][j][s][k]); },
          [&](int i, int j, Vector sum) { z[i][j] = sum; });
#pragma GCC unroll 8
      for (int i = 0; i < m; i += 2)
#pragma GCC unroll 8
        for (int j = 0; j < m; j += 2) {
          const int o = (o_of(s) + i) / 2, p = (p_of(s) + j) / 2;
          if (o < g.y_height() && p < g.y_width())
            output.store({z[i][j], z[i][j + 1], z[i + 1][j], z[i + 1][j + 1]}, n0 + k,
                         image(s) * g.y_size() + (o * g.y_width() + p) * g.z.out, channels - k);
        }
    }
}

}  // namespace

bool suits_winograd(const Geometry& z) {
  return z.rows.window == r && z.columns.window == r && z.rows.stride == 1 && z.columns.stride == 1 &&
         z.in >= kVectorLanes;  // with fewer channels of x, the transforms take longer than what they save
}

void winograd(const PooledGeometry& g, const real* padded_x, const real* weight, int batch, real* weight_g,
              const PooledOutput& output) {
  const int size = g.z.in * g.z.out, across = tiles(g.y_width() * 2, m);
  const int per_image = across * tiles(g.y_height() * 2, m), squares = batch * per_image;
  launch(winograd_weight, tiles(size, kVectorLanes), threads(1), weight, size, weight_g);
  with_width(g.z.out, [&](auto width) {
    constexpr int V = width();
    launch(winograd_forward<V>, {tiles(g.z.out, Tile<V>::kColumns), tiles(squares, kTileRows)}, threads(1), g,
           across, per_image, squares, padded_x, weight_g, output);
  });
}

}  // namespace plainnet::TARGET
