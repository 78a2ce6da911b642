// The pieces of a network, run to be checked and run to be timed. Compiled once for each target.

#include "network/network.h"
#include "tests/layer_run.h"
#include "tests/bench/ceilings.h"

namespace plainnet::TARGET {
namespace {

constexpr Shape kImage{28, 28, 1};

std::vector<bench::Piece> pieces(const std::string& model, Kernels kernels) {
  const std::vector<LayerDescription>& layers = find_model(model).layers;
  Network network(layers, kImage, 1, kernels, 1);
  std::vector<bench::Piece> all;
  size_t next = 0;  // layer
  Shape shape = kImage;
  for (const Network::Node& node : network.nodes) {
    all.push_back({node.name, {}, shape, all.empty()});
    const size_t count = 1 + std::count(node.name.begin(), node.name.end(), '+');
    for (size_t i = 0; i < count; ++i, ++next) {
      all.back().layers.push_back(layers[next]);
      shape = network.layers[next].output;
    }
  }
  return all;
}

// Multiples of scale/16 below scale, so short that sums of their products have no rounding error. A
// layer then has the same ties and the same zeros in single and in double precision, and at none of
// them takes another side of a ReLU or a maximum.
Values short_numbers(size_t count, double scale, Random& random) {
  Values values(count);
  for (double& value : values) value = scale * (random.below(31) - 15.0) / 16;
  return values;
}

std::vector<NamedValues> values(const bench::Piece& piece, Kernels kernels, int batch) {
  LayerRun run(piece.layers, piece.input, batch, batch, kernels);
  Random random(1, std::hash<std::string>()(piece.name));
  for (size_t p = 0; p < run.parameters().size(); ++p)
    run.set_parameter(p, short_numbers(run.parameters()[p].size(), 0.125, random));
  std::vector<NamedValues> all = {{"y", run.forward(short_numbers(run.x_size(), 1, random))}};
  for (NamedValues& gradient : run.backward(short_numbers(run.y_size(), 1, random), !piece.is_first))
    all.push_back(std::move(gradient));
  return all;
}

void fill_randomly(real* memory, size_t count, Random& random) {
  std::vector<real> values(count);
  for (real& value : values) value = static_cast<real>(random.uniform());
  copy(memory, values.data(), count * sizeof(real));
}

// The layers run one after the other, forward and then backward, so that each finds in the caches
// what it finds there in training: its x and its dy were written just before by its neighbours, the
// rest of what it needs long ago. A single layer finds what it left there itself.
std::vector<bench::PieceTimes> times(const std::string& model, Kernels kernels, const std::string& layer, int batch,
                                     double seconds, bool cold) {
  Network network(find_model(model).layers, kImage, batch, kernels, 1);
  Random random(1, 1000);
  fill_randomly(network.input.data(), batch * kImage.size(), random);
  const auto& nodes = network.nodes;
  for (const Network::Node& node : nodes) {  // where not all layers run, others need numbers too
    fill_randomly(node.y.data(), node.y.size(), random);
    fill_randomly(node.dy.data(), node.dy.size(), random);
  }
  std::unique_ptr<Scratch> scratch;
  if (cold) scratch = std::make_unique<Scratch>();

  std::vector<Stopwatch> forward(nodes.size()), backward(nodes.size());
  std::vector<size_t> chosen;
  for (size_t i = 0; i < nodes.size(); ++i)
    if (layer.empty() || bench::has_layer(nodes[i].name, layer)) chosen.push_back(i);
  const auto pass = [&] {
    for (const size_t i : chosen) {
      const real* x = i > 0 ? nodes[i - 1].y.data() : network.input.data();
      if (cold) scratch->copy();
      forward[i].start();
      nodes[i].code->forward(x, nodes[i].y.data(), batch);
      forward[i].stop();
    }
    for (size_t n = chosen.size(); n-- > 0;) {
      const size_t i = chosen[n];
      const real* x = i > 0 ? nodes[i - 1].y.data() : network.input.data();
      real* dx = i > 0 ? nodes[i - 1].dy.data() : nullptr;
      if (cold) scratch->copy();
      backward[i].start();
      nodes[i].code->backward(x, nodes[i].y.data(), nodes[i].dy.data(), dx, batch);
      backward[i].stop();
    }
  };
  std::vector<bench::PieceTimes> all(nodes.size());
  repeat(seconds, pass, [&] {
    for (const size_t i : chosen) {
      all[i].forward.push_back(forward[i].seconds());
      all[i].backward.push_back(backward[i].seconds());
    }
  });
  return all;
}

}  // namespace

bench::Probe probe() {
  return {[](double seconds) { return Scratch().measure(seconds); }, pieces, values, times};
}

}  // namespace plainnet::TARGET
