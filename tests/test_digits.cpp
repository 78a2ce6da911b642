// Photographs of digits: what is prepared, and how well a network reads it.

#include <algorithm>

#include "files/checkpoint.h"
#include "images/dataset.h"
#include "images/own_digit.h"
#include "tests/photographs.h"
#include "tests/small_run.h"
#include "training/targets.h"

namespace plainnet {
namespace {

using test::kPhotographs;
using test::Photograph;

// `count` photographs of each kind, prepared; the kinds one after the other.
Dataset prepared_photographs(const Images& digits, int count) {
  Dataset dataset;
  dataset.train.height = dataset.train.width = 28;
  dataset.test = {count * kPhotographs, 28, 28, {}, {}};
  for (int kind = 0; kind < kPhotographs; ++kind)
    for (int i = 0; i < count; ++i) {
      Random random(1, static_cast<uint64_t>(1000 * kind + i));
      const size_t which = random.below(static_cast<uint32_t>(digits.count));
      const GreyImage photo = photograph(&digits.pixels[784 * which], static_cast<Photograph>(kind), random);
      const std::vector<uint8_t> pixels = prepare_digit(photo, 28, 28, "photograph").pixels;
      dataset.test.pixels.insert(dataset.test.pixels.end(), pixels.begin(), pixels.end());
      dataset.test.labels.push_back(digits.labels[which]);
    }
  return dataset;
}

// How many of each kind are read right.
std::vector<int> read_right(const std::string& weights, const std::string& model, const Dataset& photographs) {
  const auto trainer = choose_target("cpu").make_trainer({model, 20, UpdateRule{}, 0, kFast}, photographs);
  trainer->set_weights(read_weights(weights).tensors, weights);
  const std::vector<float> probabilities = trainer->predict();
  std::vector<int> right(kPhotographs);
  const int count = photographs.test.count;
  for (int i = 0; i < count; ++i) {
    const auto of_image = probabilities.begin() + 10 * i;
    const auto guess = std::max_element(of_image, of_image + 10) - of_image;
    right[i / (count / kPhotographs)] += guess == photographs.test.labels[i];
  }
  return right;
}

TEST("photographs: of built-in digits, every kind is read by a network that has seen built-in digits") {
  constexpr int kEach = 12;
  test::train({"cnn", "--data", "digits", "--limit", "6000", "--test-limit", "500", "--epochs", "2", "--device", "cpu",
               "--out", test::in_scratch("run")});
  const Dataset digits = draw_digits(0, 1000, 2);
  const std::vector<int> right =
      read_right(test::in_scratch("run") + "/weights.safetensors", "cnn", prepared_photographs(digits.test, kEach));
  int all = 0;
  for (int kind = 0; kind < kPhotographs; ++kind) {
    test::note(text(test::name_of(static_cast<Photograph>(kind)), " ", right[kind]));
    all += right[kind];
  }
  CHECK(all == 0, all);
}

}  // namespace
}  // namespace plainnet
