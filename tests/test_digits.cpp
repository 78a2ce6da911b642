// Photographs of digits: what is prepared, and how well a network reads it.

#include <algorithm>
#include <filesystem>

#include "base/files.h"
#include "base/numbers.h"
#include "files/checkpoint.h"
#include "images/dataset.h"
#include "images/own_digit.h"
#include "tests/photographs.h"
#include "tests/small_run.h"
#include "training/trainer.h"

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

// The same digits prepared, as those of MNIST are, or with other ink.
Images prepared(Images digits, const Ink& like = {}) {
  for (size_t at = 0; at < digits.pixels.size(); at += 784) {
    const auto begin = digits.pixels.begin() + static_cast<long>(at);
    const PreparedDigit digit = prepare_digit({28, 28, {begin, begin + 784}}, 28, 28, "drawn", like);
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

TEST("photographs: the ink of a data set is measured as it is prepared") {
  const Images digits = draw_digits(300, 0, 1).train;
  const Ink drawn = ink_of(digits);
  CHECK(!drawn.is_dark);
  CHECK_NEAR(drawn.fill, 20.0 / 28, 0.02);
  for (const bool is_dark : {false, true})
    for (const double fill : {0.3, 0.5, 20.0 / 28, 0.9, 1.0}) {
      const Ink ink = ink_of(prepared(digits, {is_dark, fill}));
      CHECK_EQUAL(ink.is_dark, is_dark);
      CHECK_NEAR(ink.fill, fill, 0.02);
    }
  CHECK_NEAR(ink_of({2, 5, 3, std::vector<uint8_t>(30), {0, 1}}).fill, 0.1, 0);  // nothing stands out
}

// The same digits dark on light, as large as the frame, in its middle.
Images filling(Images digits) {
  for (size_t at = 0; at < digits.pixels.size(); at += 784) {
    const std::vector<uint8_t> before(&digits.pixels[at], &digits.pixels[at] + 784);
    int top = 28, left = 28, bottom = 0, right = 0;
    for (int i = 0; i < 784; ++i)
      if (before[i] > 100) {
        top = std::min(top, i / 28), bottom = std::max(bottom, i / 28 + 1);
        left = std::min(left, i % 28), right = std::max(right, i % 28 + 1);
      }
    const double step = std::max(bottom - top, right - left) / 28.0;
    for (int y = 0; y < 28; ++y)
      for (int x = 0; x < 28; ++x) {
        const double v = (top + bottom) / 2.0 + (y - 13.5) * step, u = (left + right) / 2.0 + (x - 13.5) * step;
        const bool inside = v >= 0 && u >= 0 && v < 28 && u < 28;
        const uint8_t ink = inside ? before[28 * static_cast<int>(v) + static_cast<int>(u)] : 0;
        digits.pixels[at + 28 * y + x] = static_cast<uint8_t>(255 - ink);
      }
  }
  return digits;
}

TEST("photographs: what a network learnt says how its own images are read as pictures") {
  const Dataset digits = draw_digits(4000, 200, 1);
  const std::string data = test::in_scratch("dark"), run = test::in_scratch("run");
  const Images test = filling(prepared(digits.test));
  std::filesystem::create_directory(data);
  test::write_idx(data + "/train", filling(prepared(digits.train)));
  test::write_idx(data + "/t10k", test);
  test::train({"cnn", "--data", data, "--epochs", "4", "--optimizer", "adam", "--device", "cpu", "--out", run});
  TensorFile file = read_weights(run + "/weights.safetensors");
  CHECK_EQUAL(file.metadata.at("ink"), "dark");
  CHECK(std::stoi(file.metadata.at("fill")) >= 950, file.metadata.at("fill"));

  std::vector<std::string> pictures;
  for (int i = 0; i < test.count; ++i) {
    pictures.push_back(test::in_scratch(format("%03d.pgm", i)));
    const auto begin = test.pixels.begin() + 784 * i;
    write_file_atomically(pictures.back(), "P5 28 28 255\n" + std::string(begin, begin + 784));
  }
  const auto right = [&] {
    write_safetensors(test::in_scratch("weights"), file);
    std::vector<std::string> arguments = {test::in_scratch("weights")};
    arguments.insert(arguments.end(), pictures.begin(), pictures.end());
    const std::string output = test::predict(arguments).output;
    int count = 0;
    for (int i = 0; i < test.count; ++i) {
      const std::string a = test.labels[i] == 8 ? "  an 8 (" : text("  a ", int{test.labels[i]}, " (");
      count += test::contains(output, pictures[i] + a);
    }
    return count;
  };
  const double accuracy = parse_log(read_file(run + "/log.csv"), "log").back().test_accuracy;
  const int aware = right();
  CHECK(accuracy > 0.9 && aware >= (accuracy - 0.03) * test.count, aware, " of ", test.count, ", by index ", accuracy);
  file.metadata.erase("fill");
  const int without_fill = right();
  CHECK(without_fill < aware - 20, without_fill);
  file.metadata.erase("ink");
  const int unaware = right();
  CHECK(unaware < test.count / 2, unaware);
}

}  // namespace
}  // namespace plainnet
