// What layers do at the edges: shapes that do not fit, ties, numbers that are not numbers.

#include "network/network.h"
#include "tests/layer_run.h"

namespace plainnet::TARGET {
namespace {

// A layer with random parameters, for one image.
LayerRun random_run(LayerPointer layer, Shape input) {
  LayerRun run(std::move(layer), input, 1, 1);
  Random random(1, 0);
  for (size_t i = 0; i < run.parameters().size(); ++i)
    run.set_parameter(i, test::random_values(run.parameters()[i].size(), random));
  return run;
}

TARGET_TEST("layers: shapes of the output") {
  const auto shape = [](LayerPointer layer, Shape input) {
    const Shape output = layer->build(input, 1);
    return text(output.height, "x", output.width, "x", output.channels);
  };
  CHECK_EQUAL(shape(conv2d({.filters = 4, .kernel = {5, 3}}), {28, 27, 3}), "24x25x4");
  CHECK_EQUAL(shape(conv2d({.filters = 4, .kernel = 3, .stride = 2}), {8, 7, 1}), "3x3x4");
  CHECK_EQUAL(shape(conv2d({.filters = 4, .kernel = 3, .stride = 2, .padding = kSame}), {8, 7, 1}),
              "4x4x4");
  CHECK_EQUAL(shape(conv2d({.filters = 2, .kernel = 1}), {8, 7, 1}), "8x7x2");
  CHECK_EQUAL(shape(conv2d({.filters = 2, .kernel = 2, .pool = 2}), {8, 7, 1}), "3x3x2");
  CHECK_EQUAL(shape(depthwise_conv2d({.kernel = {2, 5}}), {8, 7, 6}), "7x3x6");
  CHECK_EQUAL(shape(depthwise_conv2d({.kernel = 9, .padding = kSame}), {8, 7, 6}), "8x7x6");
  CHECK_EQUAL(shape(max_pool2d({.size = 2, .stride = 2}), {7, 8, 6}), "3x4x6");
  CHECK_EQUAL(shape(max_pool2d({.size = 3, .stride = 1}), {7, 8, 6}), "5x6x6");
  CHECK_EQUAL(shape(dense({.units = 10}), {7, 8, 6}), "1x1x10");
  CHECK_EQUAL(shape(lstm({.units = 5}), {7, 8, 6}), "1x1x5");
  CHECK_EQUAL(shape(lstm({.units = 5, .bidirectional = true}), {7, 8, 6}), "1x1x10");
  CHECK_EQUAL(shape(lstm({.units = 5, .return_sequence = true}), {7, 8, 6}), "7x1x5");
}

TARGET_TEST("layers: a window that does not fit is refused") {
  const auto build = [](LayerPointer layer, Shape input) { layer->build(input, 1); };
  CHECK_ERROR(build(conv2d({.filters = 1, .kernel = {2, 5}}), {9, 4, 1}), "conv2d", "expected",
              "at least 5", "found 4");
  CHECK_ERROR(build(depthwise_conv2d({.kernel = 5}), {4, 9, 1}), "depthwise_conv2d", "at least 5",
              "found 4");
  CHECK_ERROR(build(max_pool2d({.size = 2, .stride = 2}), {1, 9, 1}), "max_pool2d", "at least 2",
              "found 1");
  CHECK_ERROR(build(conv2d({.filters = 1, .kernel = 0}), {4, 4, 1}), "conv2d", "expected",
              "found 0");
  CHECK_ERROR(build(conv2d({.filters = 1, .kernel = 1, .stride = 0}), {4, 4, 1}), "conv2d",
              "expected", "and 0");
  CHECK_ERROR(build(conv2d({.filters = 1, .kernel = 3, .pool = 2}), {3, 9, 1}), "conv2d",
              "found 2 x 2 of 1 x 7");
  CHECK_ERROR(build(conv2d({.filters = 1, .kernel = 1, .pool = 3}), {20, 20, 1}), "conv2d",
              "1 or 2 x 2", "found 3 x 3");
  CHECK_ERROR(build(conv2d({.filters = 1, .kernel = 3, .pool = 0}), {4, 9, 1}), "conv2d",
              "found 0 x 0");
}

TARGET_TEST("network: layers that do not fit; names of parameters") {
  std::vector<LayerPointer> layers;
  layers.push_back(conv2d({.filters = 2, .kernel = 3}));
  layers.push_back(max_pool2d({.size = 2, .stride = 2}));
  layers.push_back(conv2d({.filters = 3, .kernel = 3}));
  CHECK_ERROR(Network({5, 5, 1}, 1, std::move(layers)), "conv2d", "at least 3", "found 1");

  layers.clear();
  layers.push_back(conv2d({.filters = 2, .kernel = 3}));
  layers.push_back(max_pool2d({.size = 2, .stride = 2}));
  layers.push_back(conv2d({.filters = 3, .kernel = 1}));
  layers.push_back(dense({.units = 4}));
  const Network network({5, 6, 1}, 1, std::move(layers));
  std::string names;
  for (const Network::Slot& slot : network.slots()) names += slot.name + " ";
  CHECK_EQUAL(names,
              "conv2d_1.kernel conv2d_1.bias conv2d_2.kernel conv2d_2.bias dense_1.kernel "
              "dense_1.bias ");
}

TARGET_TEST("max_pool2d: the first of equal numbers gets the gradient") {
  LayerRun run = random_run(max_pool2d({.size = 2, .stride = 2}), {2, 4, 1});
  CHECK(run.forward({1, 3, -5, -5,  //
                     3, 3, -6, -5}) == Values({3, -5}));
  const Values dx = run.backward({10, 20}).at(0).values;
  CHECK(dx == Values({0, 10, 20, 0, 0, 0, 0, 0}));
}

TARGET_TEST("conv2d: pooled, the first of equal numbers gets the gradient") {
  LayerRun run(conv2d({.filters = 1, .kernel = 1, .pool = 2}), {2, 4, 1}, 1, 1);
  run.set_parameter(0, {1});
  run.set_parameter(1, {0});
  CHECK(run.forward({1, 3, -5, -5,  //
                     3, 3, -6, -5}) == Values({3, -5}));
  const std::vector<NamedValues> gradients = run.backward({10, 20});
  CHECK(gradients.at(0).values == Values({0, 10, 20, 0, 0, 0, 0, 0}));
  CHECK(gradients.at(1).values == Values({3 * 10 - 5 * 20}));
  CHECK(gradients.at(2).values == Values({10 + 20}));
}

TARGET_TEST("max_pool2d: overlapping windows add their gradients") {
  LayerRun run = random_run(max_pool2d({.size = {1, 3}, .stride = 1}), {1, 5, 1});
  CHECK(run.forward({0, 1, 9, 2, 3}) == Values({9, 9, 9}));
  CHECK(run.backward({1, 2, 4}).at(0).values == Values({0, 0, 7, 0, 0}));
}

TARGET_TEST("relu: zero lets no gradient through") {
  LayerRun run(dense({.units = 3, .relu = true}), {1, 1, 1}, 1, 1);
  run.set_parameter(0, {0, 1, -1});
  run.set_parameter(1, {0, 0, 0});
  CHECK(run.forward({2}) == Values({0, 2, 0}));
  const std::vector<NamedValues> gradients = run.backward({5, 7, 11});
  CHECK(gradients.at(0).values == Values({7}));
  CHECK(gradients.at(1).values == Values({0, 14, 0}));
  CHECK(gradients.at(2).values == Values({0, 7, 0}));
}

// A network that has diverged must show it: no ReLU and no maximum may turn NaN into a number.
TARGET_TEST("layers: NaN stays NaN") {
  const auto count_nan = [](LayerRun run, Shape input) {
    Random random(1, 0);
    Values x = test::random_values(input.size(), random);
    x[x.size() / 2] = NAN;
    int count = 0;
    for (const double y : run.forward(x)) count += std::isnan(y);
    return count;
  };
  const Shape input{3, 3, 2};
  const auto run = [&](LayerPointer layer) {
    return count_nan(random_run(std::move(layer), input), input);
  };
  CHECK_EQUAL(run(conv2d({.filters = 3, .kernel = 2, .relu = true})), 4 * 3);
  CHECK_EQUAL(run(conv2d({.filters = 3, .kernel = 1, .relu = true})), 3);
  CHECK_EQUAL(run(conv2d({.filters = 3, .kernel = 1, .relu = true, .pool = 2})), 3);
  CHECK_EQUAL(run(depthwise_conv2d({.kernel = 2, .relu = true})), 4);
  CHECK_EQUAL(run(max_pool2d({.size = 2, .stride = 1})), 4);
  CHECK_EQUAL(run(dense({.units = 7, .relu = true})), 7);
  CHECK_EQUAL(run(lstm({.units = 2})), 2);
}

}  // namespace
}  // namespace plainnet::TARGET
