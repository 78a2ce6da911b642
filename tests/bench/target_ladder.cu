// The rungs of the ladder, run to be checked and run to be timed, and the product of kernels/fast beside
// them. Compiled once for each target.

#include "tests/bench/ladder.h"

#include "kernels/fast/product.h"
#include "tests/bench/ceilings.h"
#include "tests/check_rung.h"

namespace plainnet::TARGET::ladder {
namespace {

void launch_tile(const real* a, const real* b, real* c, int rows, int depth, int columns) {
  product({a, depth, 1, rows}, b, columns, depth, c, columns, columns);
}

std::vector<Rung> rungs_and_tile() {
  std::vector<Rung> all = rungs();
#if defined TARGET_CPU
  all.push_back({"kernels/fast/product.cu kernels/fast/tile.h kernels/fast/tile_cpu.h", launch_tile});
#else
  all.push_back({"kernels/fast/product.cu kernels/fast/tile.h kernels/fast/tile_gpu.h", launch_tile});
#endif
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
