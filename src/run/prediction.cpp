#include "run/prediction.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "base/threads.h"
#include "files/checkpoint.h"
#include "base/command_line.h"
#include "images/own_digit.h"
#include "network/models.h"
#include "base/error.h"
#include "base/numbers.h"
#include "training/targets.h"

namespace plainnet {
namespace {

struct PredictOptions {
  std::string data = "data/mnist", model, device = "auto", kernels = "fast";
  int index = 0, threads = 0;
  bool evaluate = false, help = false;
};

const char* const kUsage =
    "usage: ./predict WEIGHTS IMAGE           reads the digit in a PNG, PGM or PPM file\n"
    "       ./predict WEIGHTS --index N       one image of a test set\n"
    "       ./predict WEIGHTS --evaluate      a whole test set\n\n"
    "WEIGHTS is a safetensors file that ./train wrote. An image of another size is scaled and\n"
    "centred as MNIST was made; dark on light is inverted.\n\n";

std::vector<OptionGroup> groups(PredictOptions& o) {
  return {{"Options",
           {{"--data", "DIR", "four IDX files, or digits: built-in ones (data/mnist)",
             path(&o.data)},
            {"--index", "N", "of the image, from 0", whole_number(&o.index, 0, 1000000000)},
            {"--evaluate", "", "loss and accuracy on the test set", on_off(&o.evaluate)},
            {"--model", "NAME", listed(model_names()) + " (as the file says)",
             choice(&o.model, model_names())},
            {"--kernels", "K", "plain, which is slow and simple, or fast (fast)",
             choice(&o.kernels, {"plain", "fast"})},
            {"--device", "D", "gpu, cpu, emulated or auto: gpu if there is one (auto)",
             choice(&o.device, {"gpu", "cpu", "emulated", "auto"})},
            {"--threads", "N", "of the cpu target (one a processor)",
             whole_number(&o.threads, 1, 1024)},
            {"--help", "", "print this", on_off(&o.help)}}}};
}

// A network with the weights of a file.
class Predictor {
 public:
  Predictor(const std::string& path, const PredictOptions& options)
      : path_(path),
        file_(read_weights(path)),
        model_(options.model),
        kernels_(options.kernels == "plain" ? kPlain : kFast) {
    if (model_.empty()) model_ = metadata("model");
    if (model_.empty())
      throw Error(text(path, ": expected metadata that names its model, found none: add --model"));
    target_ = choose_target(options.device);
    if (options.threads > 0) set_thread_count(options.threads);
  }

  std::string metadata(const std::string& key) const {
    const auto found = file_.metadata.find(key);
    return found == file_.metadata.end() ? "" : found->second;
  }
  uint64_t number(const std::string& key, uint64_t otherwise, uint64_t low, uint64_t high) const {
    const std::string value = metadata(key);
    if (value.empty()) return otherwise;
    uint64_t number = 0;
    if (!read_number(value, &number) || number < low || number > high)
      throw Error(text(path_, ": metadata ", key, ": expected a whole number from ", low, " to ",
                       high, ", found ", value));
    return number;
  }

  // The "height" or the "width" of the images that it was trained on.
  int extent(const std::string& key, int otherwise) const {
    return static_cast<int>(number(key, otherwise, 1, 4096));
  }

  // With the weights in it, for the test images.
  std::unique_ptr<Trainer> trainer(const Images& test) const {
    Dataset dataset;
    dataset.train.height = test.height;
    dataset.train.width = test.width;
    dataset.test = test;
    auto trainer = target_.make_trainer(
        {.model = model_, .batch = std::min(test.count, 128), .rule = {}, .seed = 0, .kernels = kernels_},
        dataset);
    trainer->set_weights(file_.tensors, path_);
    return trainer;
  }

 private:
  std::string path_;
  TensorFile file_;
  std::string model_;
  Kernels kernels_;
  ChosenTarget target_;
};

// Two characters a pixel, which is about as wide as high, without the empty border.
void print_digit(const std::vector<uint8_t>& pixels, int height, int width) {
  const std::string shades = " .:-=+*#%@";
  const auto shade = [&](int y, int x) { return shades[pixels[y * width + x] * 10 / 256]; };
  int top = height, bottom = -1, left = width, right = -1;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      if (shade(y, x) != ' ') {
        top = std::min(top, y), bottom = y;
        left = std::min(left, x), right = std::max(right, x);
      }
  for (int y = top; y <= bottom; ++y) {
    std::string line;
    for (int x = left; x <= right; ++x) line += std::string(2, shade(y, x));
    line.erase(line.find_last_not_of(' ') + 1);
    std::printf("  %s\n", line.c_str());
  }
}

void print_probabilities(const std::vector<float>& probabilities) {
  constexpr int kWidth = 50;
  for (int digit = 0; digit < 10; ++digit) {
    const std::string bar(std::lround(kWidth * probabilities[digit]), '#');
    std::printf("  %d  %-*s %6.2f%%\n", digit, kWidth, bar.c_str(), 100 * probabilities[digit]);
  }
}

void predict_image(const Predictor& predictor, const PreparedDigit& digit, int height, int width) {
  const Images one{1, height, width, digit.pixels, {0}};
  const std::vector<float> probabilities = predictor.trainer(one)->predict();
  const auto best = std::max_element(probabilities.begin(), probabilities.end());
  if (!std::isfinite(*best)) throw Error("the network's output is no number: was it trained?");
  print_digit(digit.pixels, height, width);
  std::printf("\n");
  for (const std::string& sentence : digit.done) std::printf("  (%s)\n", sentence.c_str());
  if (!digit.done.empty()) std::printf("\n");
  print_probabilities(probabilities);
  std::printf("\nThis is a %d (%.2f%%).\n", static_cast<int>(best - probabilities.begin()),
              100 * *best);
}

void evaluate(const Predictor& predictor, const Dataset& dataset) {
  const auto trainer = predictor.trainer(dataset.test);
  const auto start = std::chrono::steady_clock::now();
  const Score score = trainer->evaluate();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  const int count = dataset.test.count;
  std::printf("%s (%s), %s test images: loss %.4f, accuracy %.2f%%, %s wrong, %.2f s\n",
              dataset.name.c_str(), dataset.source.c_str(), grouped(count).c_str(), score.loss,
              100 * score.accuracy, grouped(std::lround(count * (1 - score.accuracy))).c_str(),
              seconds.count());
}

}  // namespace

int run_prediction(int argc, const char* const* argv) {
  PredictOptions options;
  std::vector<std::string> arguments;
  const std::set<std::string> given = parse_command_line(argc, argv, groups(options), &arguments);
  if (options.help) {
    std::printf("%s%s", kUsage, describe(groups(options)).c_str());
    return 0;
  }
  const bool by_index = given.count("--index");
  if (arguments.empty())
    throw UsageError(
        "expected a file of weights, found none: ./predict runs/cnn/"
        "weights.safetensors IMAGE (--help says more)");
  if (arguments.size() - 1 + by_index + options.evaluate != 1)
    throw UsageError(text("expected one of IMAGE, --index N and --evaluate beside ", arguments[0],
                          ", found ", arguments.size() - 1 + by_index + options.evaluate));

  const Predictor predictor(arguments[0], options);
  const int height = predictor.extent("height", 28), width = predictor.extent("width", 28);
  if (arguments.size() == 2) {
    const std::string& image = arguments[1];
    predict_image(predictor, prepare_digit(read_image(image), height, width, image), height, width);
    return 0;
  }
  const Dataset dataset = load_dataset(&options.data, given.count("--data"), 0, kDrawnTest,
                                       predictor.number("seed", 1, 0, UINT64_MAX));
  const Images& test = dataset.test;
  if (test.height != predictor.extent("height", test.height) ||
      test.width != predictor.extent("width", test.width))
    throw Error(text(options.data, ": expected images of ", height, "x", width, ", which ",
                     arguments[0], " was trained on, found ", test.height, "x", test.width));
  if (options.evaluate) {
    evaluate(predictor, dataset);
    return 0;
  }
  if (options.index >= test.count)
    throw UsageError(text("--index: expected a whole number from 0 to ", test.count - 1,
                          ", the test images of ", dataset.source, ", found ", options.index));
  const auto begin = test.pixels.begin() + size_t{1} * options.index * test.height * test.width;
  std::printf("Test image %d of %s (%s), its label: %d\n\n", options.index, dataset.name.c_str(),
              dataset.source.c_str(), test.labels[options.index]);
  predict_image(predictor, {{begin, begin + test.height * test.width}, {}}, test.height,
                test.width);
  return 0;
}

}  // namespace plainnet
