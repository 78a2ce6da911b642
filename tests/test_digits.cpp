// Photographs of digits: what is prepared, and how well a network reads it.

#include <algorithm>
#include <filesystem>

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

// The same digits prepared, as those of MNIST are.
Images prepared(Images digits) {
  for (size_t at = 0; at < digits.pixels.size(); at += 784) {
    const auto begin = digits.pixels.begin() + static_cast<long>(at);
    const PreparedDigit digit = prepare_digit({28, 28, {begin, begin + 784}}, 28, 28, "drawn");
    std::copy(digit.pixels.begin(), digit.pixels.end(), begin);
  }
  return digits;
}

TEST("photographs: a network that was trained on built-in digits reads all kinds of them") {
  constexpr int kEach = 10;
  const Dataset digits = draw_digits(6000, 500, 1);
  const std::string data = test::in_scratch("drawn"), run = test::in_scratch("run");
  std::filesystem::create_directory(data);
  test::write_idx(data + "/train", prepared(digits.train));
  test::write_idx(data + "/t10k", prepared(digits.test));
  test::train({"cnn", "--data", data, "--epochs", "2", "--device", "cpu", "--out", run});
  Dataset photographs = prepared_photographs(digits.test, kEach);
  photographs.classes = digits.classes;
  const std::vector<int> right = read_right(run + "/weights.safetensors", "cnn", photographs);
  int all = 0;
  for (int kind = 0; kind < kPhotographs; ++kind) {
    CHECK(right[kind] >= 0.8 * kEach, test::name_of(static_cast<Photograph>(kind)), ": ", right[kind], " of ", kEach);
    all += right[kind];
  }
  CHECK(all >= 0.95 * photographs.test.count, all);
}

}  // namespace
}  // namespace plainnet
