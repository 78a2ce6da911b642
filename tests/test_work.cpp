// The work that the benchmark counts, against numbers counted by hand.

#include "tests/bench/bench.h"
#include "tests/test.h"

namespace plainnet::bench {
namespace {

struct Count {
  double products, numbers;  // multiply-adds, and numbers that go in or come out
};

void check_work(const LayerInfo& layer, int batch, Count forward, Count backward) {
  CHECK_EQUAL(forward_work(layer, batch).operations, 2 * forward.products);
  CHECK_EQUAL(forward_work(layer, batch).bytes, 4 * forward.numbers);
  CHECK_EQUAL(backward_work(layer, batch).operations, 2 * backward.products);
  CHECK_EQUAL(backward_work(layer, batch).bytes, 4 * backward.numbers);
}

TEST("bench: the work of each type of layer") {
  // 24 x 24 windows of 25 numbers, for 24 channels, one of four with a gradient; there is no dx.
  check_work({"", "conv2d", {28, 28, 1}, {12, 12, 24}, {{5, 5, 1, 24}, {24}}, true}, 1,
             {345600, 4864}, {86400, 8944});
  // 8 x 8 windows of 600 numbers, for 48 channels, in 2 images, one of four with a gradient.
  check_work({"", "conv2d", {12, 12, 24}, {4, 4, 48}, {{5, 5, 24, 48}, {48}}, false}, 2,
             {3686400, 37296}, {1843200, 74592});
  // Without pooling.
  check_work({"", "conv2d", {4, 4, 2}, {2, 2, 3}, {{3, 3, 2, 3}, {3}}, false}, 1, {216, 101},
             {432, 202});
  // 8 x 8 windows of 25 numbers in each of 24 channels.
  check_work({"", "depthwise_conv2d", {12, 12, 24}, {8, 8, 24}, {{5, 5, 24, 1}, {24}}, false}, 1,
             {38400, 5616}, {76800, 11232});
  check_work({"", "dense", {4, 4, 48}, {1, 1, 512}, {{768, 512}, {512}}, false}, 3,
             {1179648, 397568}, {2359296, 795136});
  // In both directions 28 products of 28 x 512, and 27 of 128 x 512.
  const std::vector<std::vector<int64_t>> lstm = {{28, 512}, {128, 512}, {512},
                                                  {28, 512}, {128, 512}, {512}};
  check_work({"", "bidirectional", {28, 28, 1}, {1, 1, 256}, lstm, true}, 1, {4341760, 161808},
             {7880704, 322832});
  CHECK_ERROR(forward_work({"", "max_pool2d", {2, 2, 1}, {1, 1, 1}, {{1}}, false}, 1), "conv2d",
              "found max_pool2d");
}

}  // namespace
}  // namespace plainnet::bench
