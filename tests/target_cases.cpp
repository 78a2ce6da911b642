// The shapes at which the layers are tested. On the cpu target a tile is 8 or 4 rows (images, or
// elements of a kernel) by 2 to 48 columns, on the others 32 rows by 16 to 48 columns, and a product
// walks along its sum in slices of 8, four at a time (a recurrence: of 128); sums over rows take 256
// at a time, transpositions 32. So there are sizes of 1, odd and prime ones, and such that need
// several tiles with a rest.

#include <numeric>

#include "kernels/softmax_cross_entropy.h"
#include "tests/computations.h"
#include "tests/layer_cases.h"
#include "tests/layer_run.h"

namespace plainnet::TARGET {
namespace {

enum Cost { kLarge, kSmall };

std::string images(int batch, Shape input) {
  return text(batch, " of ", input.height, "x", input.width, "x", input.channels);
}

std::string window(Size size, int stride, Padding padding) {
  return text(size.height, "x", size.width, padding == kSame ? " same" : " valid",
              stride > 1 ? text(" stride ", stride) : "");
}

// A case without ReLU or pooling.
LayerCase plain_case(const std::string& type, const std::string& name,
                     std::function<LayerPointer()> layer, int batch, Shape input, Cost cost) {
  return {.type = type,
          .name = name,
          .input = input,
          .batch = batch,
          .max_batch = batch + 2,
          .small = cost == kSmall,
          .curved = false,
          .layer = layer,
          .linear = nullptr,
          .relu = false,
          .pool = 1};
}

LayerCase conv2d_case(const Conv2dOptions& options, int batch, Shape input, Cost cost) {
  LayerCase layer_case = plain_case(
      "conv2d",
      text(window(options.kernel, options.stride, options.padding), options.relu ? " relu" : "",
           options.pool > 1 ? text(" pool ", options.pool) : "", ", ", images(batch, input), " to ",
           options.filters),
      [=] { return conv2d(options); }, batch, input, cost);
  Conv2dOptions linear = options;
  linear.relu = false;
  linear.pool = 1;
  layer_case.relu = options.relu;
  layer_case.pool = options.pool;
  if (options.relu || options.pool > 1) layer_case.linear = [=] { return conv2d(linear); };
  return layer_case;
}

LayerCase depthwise_case(const DepthwiseConv2dOptions& options, int batch, Shape input, Cost cost) {
  LayerCase layer_case = plain_case(
      "depthwise_conv2d",
      text(window(options.kernel, options.stride, options.padding), options.relu ? " relu" : "",
           ", ", images(batch, input)),
      [=] { return depthwise_conv2d(options); }, batch, input, cost);
  DepthwiseConv2dOptions linear = options;
  linear.relu = false;
  layer_case.relu = options.relu;
  if (options.relu) layer_case.linear = [=] { return depthwise_conv2d(linear); };
  return layer_case;
}

LayerCase max_pool2d_case(const MaxPool2dOptions& options, int batch, Shape input, Cost cost) {
  return plain_case(
      "max_pool2d", text(window(options.size, options.stride, kValid), ", ", images(batch, input)),
      [=] { return max_pool2d(options); }, batch, input, cost);
}

LayerCase dense_case(const DenseOptions& options, int batch, Shape input, Cost cost) {
  LayerCase layer_case = plain_case(
      "dense", text(options.relu ? "relu, " : "", images(batch, input), " to ", options.units),
      [=] { return dense(options); }, batch, input, cost);
  layer_case.relu = options.relu;
  if (options.relu) layer_case.linear = [n = options.units] { return dense({.units = n}); };
  return layer_case;
}

LayerCase lstm_case(const LstmOptions& options, int batch, int steps, int in, Cost cost) {
  LayerCase layer_case = plain_case(
      "lstm",
      text(options.bidirectional ? "both, " : "one, ",
           options.return_sequence ? "sequence, " : "last, ", batch, " of ", steps, " x ", in,
           " to ", options.units),
      [=] { return lstm(options); }, batch, {steps, 1, in}, cost);
  layer_case.curved = true;
  return layer_case;
}

// The same in a batch that leaves most of the memory unused. How a layer splits the sums of a
// gradient over the images depends on the largest batch.
LayerCase with_max_batch(int max_batch, LayerCase layer_case) {
  layer_case.max_batch = max_batch;
  layer_case.name += text(" (", max_batch, ")");
  return layer_case;
}

// The loss as a computation: loss, number of correct guesses, and the gradient.
std::vector<NamedValues> loss_values(int batch, int classes) {
  Random random(1, 0);
  std::vector<uint8_t> labels(batch);
  for (uint8_t& label : labels) label = static_cast<uint8_t>(random.below(classes));
  const Values logits = test::random_values(batch * classes, random);
  const Buffer<real> z(std::vector<real>(logits.begin(), logits.end()));
  const Buffer<uint8_t> label(labels);
  const Buffer<int> step(1);
  GuardedBuffer dz(logits.size());
  const Buffer<BatchScore> scores(1);
  softmax_cross_entropy(z.data(), label.data(), batch, classes, dz.data(), step.data(),
                        scores.data());
  const BatchScore score = scores.download().at(0);
  return {{"loss", {score.loss}},
          {"correct", {static_cast<double>(score.correct)}},
          {"dlogits", dz.get(logits.size(), "dlogits")}};
}

}  // namespace

std::vector<LayerCase> layer_cases() {
  std::vector<LayerCase> all = {
      conv2d_case({.filters = 1, .kernel = 1}, 1, {1, 1, 1}, kSmall),
      conv2d_case({.filters = 3, .kernel = {3, 2}, .relu = true}, 2, {4, 5, 7}, kSmall),
      conv2d_case({.filters = 49, .kernel = {2, 3}, .stride = 2, .padding = kSame}, 33, {2, 3, 1},
                  kSmall),
      conv2d_case({.filters = 2, .kernel = 2}, 1, {2, 3, 35}, kSmall),
      conv2d_case({.filters = 5, .kernel = 1, .relu = true}, 3, {3, 5, 17}, kSmall),
      conv2d_case({.filters = 29, .kernel = 5, .relu = true}, 11, {9, 7, 5}, kLarge),
      conv2d_case({.filters = 25, .kernel = 3, .stride = 2, .padding = kSame, .relu = true}, 3,
                  {8, 7, 3}, kLarge),
      conv2d_case({.filters = 3, .kernel = 5, .padding = kSame}, 1, {3, 4, 2}, kSmall),
      conv2d_case({.filters = 3, .kernel = {4, 2}, .stride = 3}, 5, {9, 10, 2}, kLarge),
      conv2d_case({.filters = 71, .kernel = 3}, 2, {4, 5, 3}, kLarge),
      conv2d_case({.filters = 3, .kernel = {2, 3}, .padding = kSame}, 2, {3, 4, 53}, kLarge),
      conv2d_case({.filters = 23, .kernel = 1, .stride = 2}, 9, {5, 6, 19}, kSmall),
      conv2d_case({.filters = 140, .kernel = 1}, 2, {3, 1, 47}, kSmall),
      with_max_batch(
          2051, conv2d_case({.filters = 2, .kernel = 3, .padding = kSame}, 3, {2, 2, 1}, kSmall)),
      conv2d_case({.filters = 5, .kernel = 2, .pool = 2}, 3, {5, 8, 3}, kSmall),
      conv2d_case({.filters = 5, .kernel = 2, .pool = 2}, 3, {5, 8, 1}, kSmall),
      conv2d_case({.filters = 3, .kernel = 1, .relu = true, .pool = 2}, 2, {4, 3, 2}, kSmall),
      conv2d_case({.filters = 5, .kernel = 3, .padding = kSame, .relu = true, .pool = 2}, 2,
                  {5, 4, 3}, kSmall),
      conv2d_case({.filters = 6, .kernel = 2, .relu = true, .pool = 2}, 2, {49, 47, 1}, kLarge),
      conv2d_case({.filters = 33, .kernel = 2, .relu = true, .pool = 2}, 2, {9, 7, 2}, kLarge),
      conv2d_case(
          {.filters = 27, .kernel = 3, .stride = 2, .padding = kSame, .relu = true, .pool = 2}, 11,
          {9, 11, 15}, kLarge),
      conv2d_case(
          {.filters = 27, .kernel = 3, .stride = 2, .padding = kSame, .relu = true, .pool = 2}, 11,
          {9, 11, 3}, kLarge),
      with_max_batch(300, conv2d_case({.filters = 2, .kernel = 5, .relu = true, .pool = 2}, 37,
                                      {6, 7, 6}, kLarge)),

      depthwise_case({.kernel = 1}, 1, {1, 1, 1}, kSmall),
      depthwise_case({.kernel = {3, 2}, .relu = true}, 2, {5, 6, 7}, kSmall),
      depthwise_case({.kernel = 3, .stride = 2, .padding = kSame}, 3, {4, 3, 37}, kSmall),
      depthwise_case({.kernel = 5, .relu = true}, 11, {9, 11, 29}, kLarge),
      depthwise_case({.kernel = {2, 3}, .padding = kSame, .relu = true}, 3, {5, 13, 24}, kSmall),
      depthwise_case({.kernel = 5, .padding = kSame}, 1, {3, 4, 2}, kSmall),
      depthwise_case({.kernel = {4, 2}, .stride = 3}, 5, {9, 10, 3}, kLarge),
      depthwise_case({.kernel = 3, .stride = 2, .padding = kSame}, 2, {8, 9, 131}, kLarge),
      with_max_batch(4099, depthwise_case({.kernel = 2}, 3, {3, 4, 2}, kSmall)),

      max_pool2d_case({.size = 1, .stride = 1}, 1, {1, 1, 1}, kSmall),
      max_pool2d_case({.size = 2, .stride = 2}, 3, {7, 5, 37}, kSmall),
      max_pool2d_case({.size = 3, .stride = 2}, 2, {7, 8, 3}, kSmall),
      max_pool2d_case({.size = 2, .stride = 2}, 11, {6, 14, 24}, kLarge),
      max_pool2d_case({.size = {2, 3}, .stride = 1}, 2, {5, 11, 5}, kSmall),
      max_pool2d_case({.size = 2, .stride = 3}, 2, {9, 10, 3}, kSmall),
      max_pool2d_case({.size = {3, 1}, .stride = 4}, 5, {12, 6, 2}, kLarge),

      dense_case({.units = 1}, 1, {1, 1, 1}, kSmall),
      dense_case({.units = 5, .relu = true}, 37, {1, 1, 13}, kSmall),
      dense_case({.units = 53}, 3, {3, 2, 7}, kSmall),
      dense_case({.units = 71, .relu = true}, 19, {1, 1, 37}, kSmall),
      dense_case({.units = 131}, 7, {1, 1, 23}, kSmall),
      dense_case({.units = 3, .relu = true}, 523, {1, 1, 11}, kLarge),
      dense_case({.units = 7}, 2, {2, 3, 83}, kLarge),

      lstm_case({.units = 3, .bidirectional = true, .return_sequence = true}, 3, 2, 5, kSmall),
      lstm_case({.units = 3}, 5, 3, 1, kSmall),
      lstm_case({.units = 131}, 5, 2, 3, kSmall),
      lstm_case({.units = 1}, 1, 1, 1, kLarge),
      lstm_case({.units = 13, .bidirectional = true}, 11, 7, 17, kLarge),
      lstm_case({.units = 29, .return_sequence = true}, 9, 5, 50, kLarge),
      lstm_case({.units = 31, .bidirectional = true, .return_sequence = true}, 2, 11, 3, kLarge),
  };
  for (int steps : {1, 2, 5})
    for (bool both : {false, true})
      for (bool sequence : {false, true})
        all.push_back(lstm_case({.units = 5, .bidirectional = both, .return_sequence = sequence}, 3,
                                steps, 7, kLarge));
  if (kTargetName.starts_with("emulated"))
    std::erase_if(all, [](const LayerCase& layer_case) { return !layer_case.small; });
  return all;
}

test::Values random_input(const LayerCase& layer_case, Random& random) {
  const size_t count = layer_case.batch * layer_case.input.size();
  if (layer_case.type != "max_pool2d") return test::random_values(count, random);
  // The numbers around 0 that are 1/64 apart, shuffled.
  test::Values values(count);
  for (size_t i = 0; i < count; ++i) values[i] = (static_cast<double>(i) - count / 2) / 64;
  for (size_t i = count - 1; i > 0; --i)
    std::swap(values[i], values[random.below(static_cast<uint32_t>(i + 1))]);
  return values;
}

std::vector<NamedValues> layer_values(const LayerCase& layer_case, bool tf32) {
  const Tf32 setting(tf32);
  LayerRun run(layer_case.layer(), layer_case.input, layer_case.batch, layer_case.max_batch);
  Random random(1, 0);
  const Values x = random_input(layer_case, random);
  for (size_t i = 0; i < run.parameters().size(); ++i)
    run.set_parameter(i, test::random_values(run.parameters()[i].size(), random));
  const Values y = run.forward(x);
  std::vector<NamedValues> values = run.backward(test::random_values(run.y_size(), random));
  values.push_back({"y", y});
  return values;
}

std::vector<Computation> computations() {
  std::vector<Computation> all;
  for (const LayerCase& layer_case : layer_cases()) {
    all.push_back({text(layer_case.type, ", ", layer_case.name),
                   [=] { return layer_values(layer_case, false); },
                   nullptr});
    if (uses_tiles(layer_case) && !layer_case.linear)
      all.back().run_in_tf32 = [=] {
        return tf32_problem().empty() ? layer_values(layer_case, true) : std::vector<NamedValues>{};
      };
  }
  for (const auto& [batch, classes] : {std::pair(5, 10), std::pair(131, 7)})
    all.push_back({text("softmax_cross_entropy, ", batch, " of ", classes),
                   [b = batch, c = classes] { return loss_values(b, c); },
                   nullptr});
  return all;
}

}  // namespace plainnet::TARGET
