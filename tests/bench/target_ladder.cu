// The rungs of the ladder, run to be checked and run to be timed, and the product of kernels/fast beside
// them. Compiled once for each target.

#include "tests/bench/ladder.h"

#include "kernels/fast/tile.h"
#include "tests/bench/ceilings.h"
#include "tests/check_rung.h"

namespace plainnet::TARGET::ladder {
namespace {

// The product as kernels/fast/dense.cu has it, without bias and ReLU.
template <int V>
__global__ void __launch_bounds__(Tile<V>::kThreadCount, 2) product_tile(
    const real* __restrict__ a,  // [rows][depth]
    const real* __restrict__ b,  // [depth][columns]
    real* __restrict__ c,        // [rows][columns]
    int rows, int depth, int columns) {
  const int m0 = blockIdx.x * Tile<V>::kRows, n0 = blockIdx.y * Tile<V>::kColumns;
  const int height = min(rows - m0, Tile<V>::kRows), width = min(columns - n0, Tile<V>::kColumns);
  Tile<V> tile(false);
  const real* a_rows = a + static_cast<long>(m0) * depth;
  tile.add_product([&](int m) { return a_rows + static_cast<long>(min(m, height - 1)) * depth; },
                   [](int k) { return k; }, b + n0, columns, width, depth);
  real* c_rows = c + static_cast<long>(m0) * columns + n0;
  tile.store(height, width, [&](int m, int n, Vector sum, int count) {
    store(c_rows + static_cast<long>(m) * columns + n, sum, count);
  });
}

void launch_tile(const real* a, const real* b, real* c, int rows, int depth, int columns) {
  with_width(columns, [&](auto width) {
    constexpr int V = width();
    launch(product_tile<V>, {tiles(rows, kTileRows), tiles(columns, Tile<V>::kColumns)},
           Tile<V>::kThreads, a, b, c, rows, depth, columns);
  });
}

std::vector<Rung> rungs_and_tile() {
  std::vector<Rung> all = rungs();
  all.push_back({"kernels/fast/tile.h", launch_tile});
  return all;
}

std::vector<std::string> files() {
  std::vector<std::string> all;
  for (const Rung& rung : rungs_and_tile()) all.push_back(rung.file);
  return all;
}

void check(size_t i, const bench::Sizes& sizes) {
  check_rung(rungs_and_tile()[i], sizes.rows, sizes.depth, sizes.columns);
}

std::vector<double> times(size_t i, const bench::Sizes& sizes) {
  const auto [rows, depth, columns] = sizes;
  const auto random_matrix = [](size_t size) {
    Random random(1, size);
    std::vector<real> numbers(size);
    for (real& number : numbers) number = static_cast<real>(random.uniform(-1, 1));
    return Buffer<real>(numbers);
  };
  const Buffer<real> a = random_matrix(static_cast<size_t>(rows) * depth);
  const Buffer<real> b = random_matrix(static_cast<size_t>(depth) * columns);
  const Buffer<real> c(static_cast<size_t>(rows) * columns);
  const Rung rung = rungs_and_tile()[i];
  Stopwatch watch;
  std::vector<double> all;
  const auto steps = [&, rows = rows, depth = depth, columns = columns] {
    watch.start();
    rung.launch(a.data(), b.data(), c.data(), rows, depth, columns);
    watch.stop();
  };
  repeat(0.2, steps, [&] { all.push_back(watch.seconds()); });
  return all;
}

double ceiling() { return Scratch().measure(0.1).operations; }

}  // namespace
}  // namespace plainnet::TARGET::ladder

plainnet::bench::Ladder plainnet::TARGET::ladder_probe() {
  return {device_problem, device_name, ladder::files, ladder::check, ladder::times, ladder::ceiling};
}
