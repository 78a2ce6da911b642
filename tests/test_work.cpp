// The work that the benchmark counts, against numbers counted by hand.

#include "tests/bench/bench.h"
#include "tests/test.h"

namespace plainnet::bench {
namespace {

struct Count {
  double products, numbers;  // multiply-adds, and numbers that go in or come out
};

void check_work(const Piece& piece, int batch, Count forward, Count backward) {
  CHECK_EQUAL(forward_work(piece, batch).operations, 2 * forward.products);
  CHECK_EQUAL(forward_work(piece, batch).bytes, 4 * forward.numbers);
  CHECK_EQUAL(backward_work(piece, batch).operations, 2 * backward.products);
  CHECK_EQUAL(backward_work(piece, batch).bytes, 4 * backward.numbers);
}

TEST("bench: the work of each type of layer") {
  const MaxPool2d pool{.window = 2, .stride = 2};
  // 24 x 24 windows of 25 numbers, for 24 channels, one of four with a gradient; there is no dx.
  check_work({"", {Conv2d{.filters = 24, .window = 5}, pool}, {28, 28, 1}, true}, 1, {345600, 4864}, {86400, 8944});
  // 8 x 8 windows of 600 numbers, for 48 channels, in 2 images, one of four with a gradient.
  check_work({"", {Conv2d{.filters = 48, .window = 5}, pool}, {12, 12, 24}, false}, 2, {3686400, 37296},
             {1843200, 74592});
  // Without pooling, and a pooling alone.
  check_work({"", {Conv2d{.filters = 3, .window = 3}}, {4, 4, 2}, false}, 1, {216, 101}, {432, 202});
  check_work({"", {pool}, {4, 4, 2}, false}, 1, {0, 40}, {0, 80});
  // 8 x 8 windows of 25 numbers in each of 24 channels.
  check_work({"", {DepthwiseConv2d{.window = 5}}, {12, 12, 24}, false}, 1, {38400, 5616}, {76800, 11232});
  check_work({"", {Dense{.units = 512}}, {4, 4, 48}, false}, 3, {1179648, 397568}, {2359296, 795136});
  // In both directions 28 products of 28 x 512, and 27 of 128 x 512.
  check_work({"", {Bidirectional{Lstm{.units = 128}}}, {28, 28, 1}, true}, 1, {4341760, 161808}, {7880704, 322832});
}

}  // namespace
}  // namespace plainnet::bench
