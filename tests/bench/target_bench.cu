// The layers of a network, run to be checked and run to be timed. Compiled once for each target.

#include "network/models.h"
#include "tests/layer_run.h"
#include "tests/bench/ceilings.h"

namespace plainnet::TARGET {
namespace {

constexpr Shape kImage{28, 28, 1};

std::vector<bench::LayerInfo> layers(const std::string& model) {
  const Network network(kImage, 1, model_layers(model));
  std::vector<bench::LayerInfo> all;
  Shape input = kImage;
  for (const Network::Node& node : network.nodes()) {
    std::vector<std::vector<int64_t>> parameters;
    for (const Parameter& parameter : node.layer->parameters) parameters.push_back(parameter.shape);
    all.push_back({node.name, node.layer->type(), input, node.output, parameters, all.empty()});
    input = node.output;
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

std::vector<NamedValues> values(const std::string& model, size_t i, int batch) {
  LayerRun run(std::move(model_layers(model)[i]), layers(model)[i].input, batch, batch);
  Random random(1, i);
  for (size_t p = 0; p < run.parameters().size(); ++p)
    run.set_parameter(p, short_numbers(run.parameters()[p].size(), 0.125, random));
  std::vector<NamedValues> all = {{"y", run.forward(short_numbers(run.x_size(), 1, random))}};
  for (NamedValues& gradient : run.backward(short_numbers(run.y_size(), 1, random), i > 0))
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
std::vector<bench::LayerTimes> times(const std::string& model, const std::string& layer, int batch,
                                     double seconds, bool cold) {
  Network network(kImage, batch, model_layers(model));
  network.initialize(1);
  Random random(1, 1000);
  fill_randomly(network.input(), batch * kImage.size(), random);
  const auto& nodes = network.nodes();
  for (const Network::Node& node : nodes) {  // where not all layers run, others need numbers too
    fill_randomly(node.y.data(), node.y.size(), random);
    fill_randomly(node.dy.data(), node.dy.size(), random);
  }
  std::unique_ptr<Scratch> scratch;
  if (cold) scratch = std::make_unique<Scratch>();

  std::vector<Stopwatch> forward(nodes.size()), backward(nodes.size());
  std::vector<size_t> chosen;
  for (size_t i = 0; i < nodes.size(); ++i)
    if (layer.empty() || layer == nodes[i].name) chosen.push_back(i);
  const auto pass = [&] {
    for (const size_t i : chosen) {
      const real* x = i > 0 ? nodes[i - 1].y.data() : network.input();
      if (cold) scratch->copy();
      forward[i].start();
      nodes[i].layer->forward(x, nodes[i].y.data(), batch);
      forward[i].stop();
    }
    for (size_t n = chosen.size(); n-- > 0;) {
      const size_t i = chosen[n];
      const real* x = i > 0 ? nodes[i - 1].y.data() : network.input();
      real* dx = i > 0 ? nodes[i - 1].dy.data() : nullptr;
      if (cold) scratch->copy();
      backward[i].start();
      nodes[i].layer->backward(x, nodes[i].y.data(), nodes[i].dy.data(), dx, batch);
      backward[i].stop();
    }
  };
  std::vector<bench::LayerTimes> all(nodes.size());
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
  const auto set_tf32 = [](bool on) {
    if (on && !tf32_problem().empty()) throw Error("--tf32: " + tf32_problem());
    use_tf32 = on;
  };
  return {set_tf32, [](double seconds) { return Scratch().measure(seconds); }, layers, values, times};
}

}  // namespace plainnet::TARGET
