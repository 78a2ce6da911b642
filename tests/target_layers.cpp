// What layers do at the edges: shapes that do not fit, ties, numbers that are not numbers.

#include "kernels/softmax_cross_entropy.h"
#include "network/network.h"
#include "tests/layer_run.h"

namespace plainnet::TARGET {
namespace {

constexpr Kernels kBoth[] = {kPlain, kFast};

// Layers with random parameters, for one image.
LayerRun random_run(const std::vector<LayerDescription>& layers, Shape input, Kernels kernels) {
  LayerRun run(layers, input, 1, 1, kernels);
  Random random(1, 0);
  for (size_t i = 0; i < run.parameters().size(); ++i)
    run.set_parameter(i, test::random_values(run.parameters()[i].size(), random));
  return run;
}

TARGET_TEST("network: names of layers, pieces of code, and parameters") {
  const std::vector<LayerDescription> layers = {Conv2d{.filters = 2, .window = 3}, MaxPool2d{.window = 2, .stride = 2},
                                                Conv2d{.filters = 3, .window = 1}, Dense{.units = 4}};
  const auto pieces = [&](Kernels kernels) {
    Network network(layers, {5, 6, 1}, 1, kernels, 1);
    std::string names;
    for (const Network::Node& node : network.nodes) names += node.name + "; ";
    return names;
  };
  CHECK_EQUAL(pieces(kPlain), "conv2d_1; max_pool2d_1; conv2d_2; dense_1; ");
  CHECK_EQUAL(pieces(kFast), kTargetName.starts_with("cpu")
                                 ? "conv2d_1 + max_pool2d_1; conv2d_2; dense_1; "
                                 : "conv2d_1; max_pool2d_1; conv2d_2; dense_1; ");
  for (const Kernels kernels : kBoth) {
    const Network network(layers, {5, 6, 1}, 1, kernels, 1);
    std::string names;
    for (const Network::Slot& slot : network.slots) names += slot.parameter.name + " ";
    CHECK_EQUAL(names,
                "conv2d_1.kernel conv2d_1.bias conv2d_2.kernel conv2d_2.bias dense_1.kernel dense_1.bias ");
  }
}

TARGET_TEST("max_pool2d: the first of equal numbers gets the gradient") {
  LayerRun run = random_run({MaxPool2d{.window = 2, .stride = 2}}, {2, 4, 1}, kPlain);
  CHECK(run.forward({1, 3, -5, -5,  //
                     3, 3, -6, -5}) == Values({3, -5}));
  CHECK(run.backward({10, 20}).at(0).values == Values({0, 10, 20, 0, 0, 0, 0, 0}));
}

TARGET_TEST("conv2d + max_pool2d: the first of equal numbers gets the gradient") {
  for (const Kernels kernels : kBoth) {
    LayerRun run({Conv2d{.filters = 1, .window = 1}, MaxPool2d{.window = 2, .stride = 2}}, {2, 4, 1}, 1, 1, kernels);
    run.set_parameter(0, {1});
    run.set_parameter(1, {0});
    CHECK(run.forward({1, 3, -5, -5,  //
                       3, 3, -6, -5}) == Values({3, -5}));
    const std::vector<NamedValues> gradients = run.backward({10, 20});
    CHECK(gradients.at(0).values == Values({0, 10, 20, 0, 0, 0, 0, 0}));
    CHECK(gradients.at(1).values == Values({3 * 10 - 5 * 20}));
    CHECK(gradients.at(2).values == Values({10 + 20}));
  }
}

TARGET_TEST("conv2d + max_pool2d: a ReLU at zero lets no gradient through") {
  for (const Kernels kernels : kBoth) {
    LayerRun run({Conv2d{.filters = 1, .window = 1, .relu = true}, MaxPool2d{.window = 2, .stride = 2}}, {2, 4, 1}, 1,
                 1, kernels);
    run.set_parameter(0, {1});
    run.set_parameter(1, {0});
    CHECK(run.forward({0, -1, -5, -6,  //
                       -2, -3, 7, -5}) == Values({0, 7}));
    const std::vector<NamedValues> gradients = run.backward({10, 20});
    CHECK(gradients.at(0).values == Values({0, 0, 0, 0, 0, 0, 20, 0}));
    CHECK(gradients.at(1).values == Values({7 * 20}));
    CHECK(gradients.at(2).values == Values({20}));
  }
}

TARGET_TEST("max_pool2d: overlapping windows add their gradients") {
  LayerRun run = random_run({MaxPool2d{.window = {1, 3}, .stride = 1}}, {1, 5, 1}, kPlain);
  CHECK(run.forward({0, 1, 9, 2, 3}) == Values({9, 9, 9}));
  CHECK(run.backward({1, 2, 4}).at(0).values == Values({0, 0, 7, 0, 0}));
}

TARGET_TEST("relu: zero lets no gradient through") {
  for (const Kernels kernels : kBoth) {
    LayerRun run({Dense{.units = 3, .relu = true}}, {1, 1, 1}, 1, 1, kernels);
    run.set_parameter(0, {0, 1, -1});
    run.set_parameter(1, {0, 0, 0});
    CHECK(run.forward({2}) == Values({0, 2, 0}));
    const std::vector<NamedValues> gradients = run.backward({5, 7, 11});
    CHECK(gradients.at(0).values == Values({7}));
    CHECK(gradients.at(1).values == Values({0, 14, 0}));
    CHECK(gradients.at(2).values == Values({0, 7, 0}));
  }
}

// e^1000 is infinite in double precision, e^-1000 zero: only differences from the largest logit may be raised to
// a power, wherever it stands.
TARGET_TEST("softmax_cross_entropy: logits that differ by a thousand") {
  for (const int largest : {0, 1, 2}) {
    Values logits(3, -500), expected(3, 0);
    logits[largest] = 500;
    expected[largest] = 1;
    GuardedBuffer z(3), p(3), dz(3);
    z.set(logits);
    softmax(z.data(), 1, 3, p.data());
    CHECK(p.get(3, "p") == expected, "the largest is number ", largest);
    for (uint8_t label = 0; label < 3; ++label) {
      const Buffer<uint8_t> labels(std::vector<uint8_t>{label});
      const Buffer<int> step(std::vector<int>{0});
      const Buffer<BatchScore> scores(1);
      softmax_cross_entropy(z.data(), labels.data(), 1, 3, dz.data(), step.data(), scores.data());
      const BatchScore score = scores.download().at(0);
      Values slope = expected;
      slope[label] -= 1;
      CHECK_EQUAL(score.loss, label == largest ? 0 : 1000);
      CHECK_EQUAL(score.correct, label == largest);
      CHECK(dz.get(3, "dlogits") == slope, "the largest is number ", largest, ", the label ", int{label});
    }
  }
}

// A network that has diverged must show it: no ReLU and no maximum may turn NaN into a number.
TARGET_TEST("layers: NaN stays NaN") {
  const Shape input{3, 3, 2};
  const auto count_nan = [&](const std::vector<LayerDescription>& layers, Kernels kernels) {
    LayerRun run = random_run(layers, input, kernels);
    Random random(1, 0);
    Values x = test::random_values(input.size(), random);
    x[x.size() / 2] = NAN;
    int count = 0;
    for (const double y : run.forward(x)) count += std::isnan(y);
    return count;
  };
  for (const Kernels kernels : kBoth) {
    const auto count = [&](const LayerDescription& layer) { return count_nan({layer}, kernels); };
    const Conv2d conv2d{.filters = 3, .window = 1, .relu = true};
    CHECK_EQUAL(count(Conv2d{.filters = 3, .window = 2, .relu = true}), 4 * 3);
    CHECK_EQUAL(count(conv2d), 3);
    CHECK_EQUAL(count_nan({conv2d, MaxPool2d{.window = 2, .stride = 2}}, kernels), 3);
    CHECK_EQUAL(count(DepthwiseConv2d{.window = 2, .relu = true}), 4);
    if (kernels == kPlain) CHECK_EQUAL(count(MaxPool2d{.window = 2, .stride = 1}), 4);
    CHECK_EQUAL(count(Dense{.units = 7, .relu = true}), 7);
    CHECK_EQUAL(count(Lstm{.units = 2}), 2);
  }
}

}  // namespace
}  // namespace plainnet::TARGET
