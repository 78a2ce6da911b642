// What kernels ask of a GPU's memory, by count: the same on every machine.

#include "kernels/ladder/ladder.h"
#include "tests/target_test.h"
#include "tests/watch/watch.h"

#if defined TARGET_EMULATED

namespace plainnet::TARGET {
namespace {

constexpr int kN = 64;
constexpr int kSquare = 32;

__global__ void transpose_plain(const float* x, float* y) {
  const int i = blockIdx.x;
  for (int j = threadIdx.x; j < kN; j += blockDim.x) y[j * kN + i] = x[i * kN + j];
}

template <int kWidth>
__global__ void transpose_by_square(const float* x, float* y) {
  __shared__ float square[kSquare][kWidth];
  const int i0 = blockIdx.y * kSquare, j0 = blockIdx.x * kSquare, j = threadIdx.x;
  for (int i = threadIdx.y; i < kSquare; i += blockDim.y) square[i][j] = x[(i0 + i) * kN + j0 + j];
  __syncthreads();
  for (int i = threadIdx.y; i < kSquare; i += blockDim.y) y[(j0 + i) * kN + i0 + j] = square[j][i];
}

// 32 lanes that read neighbours ask for 128 bytes, 4 sectors; those that write a column ask for 32.
TARGET_TEST("watch: counts, a matrix transposed") {
  const Buffer<float> x(std::vector<float>(kN * kN)), y(kN * kN);
  watch::Counts counts = watch::count([&] { launch(transpose_plain, kN, threads(32), x.data(), y.data()); });
  CHECK_EQUAL(counts.global.reads, kN * kN);
  CHECK_EQUAL(counts.global.writes, kN * kN);
  CHECK_EQUAL(counts.global.requests, 2 * kN * kN / 32);
  CHECK_EQUAL(counts.global.parts_per_request(), (4 + 32) / 2.0);
  CHECK_EQUAL(counts.shared.requests, 0);

  // The numbers of a column lie in the same bank if the square is 32 wide, and in 32 banks if it is 33 wide.
  const Grid grid(kN / kSquare, kN / kSquare);
  for (const bool wider : {false, true}) {
    const auto kernel = wider ? transpose_by_square<33> : transpose_by_square<32>;
    counts = watch::count([&] { launch(kernel, grid, threads(32, 8), x.data(), y.data()); });
    CHECK_EQUAL(counts.global.reads, kN * kN);
    CHECK_EQUAL(counts.global.parts_per_request(), 4.0);
    CHECK_EQUAL(counts.shared.reads, kN * kN);
    CHECK_EQUAL(counts.shared.parts_per_request(), wider ? 1.0 : (1 + 32) / 2.0);
  }
}

TARGET_TEST("watch: counts, a matrix product") {
  const Buffer<real> a(std::vector<real>(kN * kN)), b(std::vector<real>(kN * kN)), c(kN * kN);
  const auto count = [&](ladder::Product* product) {
    return watch::count([&] { product(a.data(), b.data(), c.data(), kN, kN, kN); });
  };
  const int sectors = 32 * sizeof(real) / 32;  // of 32 neighbours

  // A warp computes 32 sums. Of each product of theirs it reads one number of a, and 32 neighbours of b.
  const watch::Traffic plain = count(ladder::launch_plain).global;
  CHECK_EQUAL(plain.reads, 2 * kN * kN * kN);
  CHECK_EQUAL(plain.writes, kN * kN);
  CHECK_EQUAL(plain.requests, kN * kN / 32 * (2 * kN + 1));
  CHECK_EQUAL(plain.parts, kN * kN / 32 * (kN * (1 + sectors) + sectors));

  // Through squares of 16 x 16 it reads a sixteenth of that.
  const watch::Counts shared = count(ladder::launch_shared);
  CHECK_EQUAL(shared.global.reads, 2 * kN * kN * kN / 16);
  CHECK_EQUAL(shared.global.parts_per_request(), 1.0 * sectors);
  if (sizeof(real) == sizeof(float)) CHECK_EQUAL(shared.shared.parts_per_request(), 1.0);
}

}  // namespace
}  // namespace plainnet::TARGET

#endif
