#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/command_line.h"
#include "base/error.h"
#include "base/numbers.h"
#include "base/threads.h"
#include "files/checkpoint.h"
#include "images/own_digit.h"
#include "network/models.h"
#include "run/run.h"
#include "training/targets.h"

namespace plainnet {
namespace {

struct PredictOptions {
  std::string data = "data/mnist", model, device = "auto", kernels = "fast";
  int index = 0, threads = 0;
  bool evaluate = false, help = false;
};

const char* const kUsage =
    "usage: ./predict WEIGHTS IMAGE           reads the digit in a PNG, or a binary PGM or PPM\n"
    "       ./predict WEIGHTS --index N       one image of a test set\n"
    "       ./predict WEIGHTS --evaluate      a whole test set\n\n"
    "WEIGHTS is a safetensors file that ./train wrote. An IMAGE may be a photograph: docs/digits.md.\n\n";

std::vector<Option> list(PredictOptions& o) {
  return {{"--index", "N", "of the image, from 0", number(&o.index, 0, 1000000000), "Options"},
          {"--evaluate", "", "loss and accuracy on the test set", on_off(&o.evaluate)},
          {"--data", "DIR", "four IDX files, or digits: built-in ones (data/mnist)", path(&o.data)},
          {"--model", "NAME", listed(model_names()) + " (as the file says)", choice(&o.model, model_names())},
          {"--kernels", "K", "plain, which is slow and simple, or fast (fast)",
           choice(&o.kernels, {"plain", "fast"})},
          {"--device", "D", "gpu, cpu, emulated or auto: gpu if there is one (auto)",
           choice(&o.device, {"gpu", "cpu", "emulated", "auto"})},
          {"--threads", "N", "of the cpu target (one a processor)", number(&o.threads, 1, 1024)},
          {"--help", "", "print this", on_off(&o.help)}};
}

// A file of weights, and what its metadata say of the network and its images.
struct Weights {
  std::string path;
  TensorFile file;

  // The metadata `key`, a whole number from `low` to `high`; `otherwise` where there is none.
  uint64_t number(const std::string& key, uint64_t otherwise, uint64_t low, uint64_t high) const {
    const auto found = file.metadata.find(key);
    uint64_t number = otherwise;
    if (found != file.metadata.end() &&
        (!read_number(found->second, &number) || number < low || number > high))
      throw Error(path, ": metadata ", key, ": expected a whole number from ", low, " to ", high,
                  ", found ", found->second);
    return number;
  }
  int height(int otherwise) const { return static_cast<int>(number("height", otherwise, 1, 4096)); }
  int width(int otherwise) const { return static_cast<int>(number("width", otherwise, 1, 4096)); }
};

// The name of the model with these weights, for images of this size. Throws Error where it has more numbers
// than the file: nothing is built of a size that the file only claims.
std::string model_of(const Weights& weights, const PredictOptions& options, int height, int width) {
  const auto said = weights.file.metadata.find("model");
  const bool as_said = options.model.empty() && said != weights.file.metadata.end();
  const std::string model = as_said ? said->second : options.model;
  int64_t expected = 0, found = 0;
  for (const Tensor& tensor : weights.file.tensors) found += tensor.size();
  try {
    for (const NamedLayer& layer : name_layers(find_model(model).layers, {height, width, 1}))
      for (const ParameterDescription& parameter : layer.parameters) expected += parameter.size();
    if (found < expected)
      throw Error(model, ": expected ", expected, " numbers for ", height, "x", width, ", found ", found);
  } catch (const Error& error) {
    throw Error(weights.path, ": ", error.what(), " (--model names another)");
  }
  return model;
}

// The network with these weights, for these images.
std::unique_ptr<Trainer> make_trainer(const Weights& weights, const PredictOptions& options,
                                      const Images& images) {
  const std::string name = model_of(weights, options, images.height, images.width);
  const ChosenTarget target = choose_target(options.device);
  if (options.threads > 0) set_thread_count(options.threads);
  Dataset dataset;
  dataset.train.height = images.height;
  dataset.train.width = images.width;
  dataset.test = images;
  const Kernels kernels = options.kernels == "plain" ? kPlain : kFast;
  auto trainer = target.make_trainer({name, std::min(images.count, 128), UpdateRule{}, 0, kernels}, dataset);
  trainer->set_weights(weights.file.tensors, weights.path);
  return trainer;
}

// Two characters a pixel, which is about as wide as high, without the empty lines around.
void print_digit(const Images& image) {
  const std::string shades = " .:-=+*#%@";
  std::string lines;
  for (int y = 0; y < image.height; ++y) {
    std::string line;
    for (int x = 0; x < image.width; ++x)
      line += std::string(2, shades[image.pixels[y * image.width + x] * 10 / 256]);
    lines += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  lines.erase(lines.find_last_not_of('\n') + 1);
  std::printf("%s\n\n", lines.substr(std::min(lines.size(), lines.find_first_not_of('\n'))).c_str());
}

void print_prediction(Trainer& trainer) {
  const std::vector<float> probabilities = trainer.predict();
  const auto best = std::max_element(probabilities.begin(), probabilities.end());
  if (!std::isfinite(*best)) throw Error("the network's output is no number: was it trained?");
  constexpr int kWidth = 50;
  for (int digit = 0; digit < 10; ++digit) {
    const std::string bar(std::lround(kWidth * probabilities[digit]), '#');
    std::printf("  %d  %-*s %6.2f%%\n", digit, kWidth, bar.c_str(), 100 * probabilities[digit]);
  }
  const auto print = [&](const char* before, int digit) {
    std::printf("%s %s %d (%.2f%%)", before, digit == 8 ? "an" : "a", digit, 100 * probabilities[digit]);
  };
  const int first = static_cast<int>(best - probabilities.begin());
  print("\nThis is", first);
  for (int digit = 0; digit < 10; ++digit)
    if (digit != first && probabilities[digit] >= 0.1) print(", or", digit);
  std::printf(".\n");
}

void print_evaluation(Trainer& trainer, const Dataset& dataset) {
  const double start = now();
  const Score score = trainer.evaluate();
  const int count = dataset.test.count;
  std::printf("%s (%s), %s test images: loss %.4f, accuracy %.2f%%, %s wrong, %.2f s\n",
              shown(dataset.name).c_str(), shown(dataset.source).c_str(), grouped(count).c_str(), score.loss,
              100 * score.accuracy, grouped(std::lround(count * (1 - score.accuracy))).c_str(),
              now() - start);
}

}  // namespace

int run_prediction(int argc, const char* const* argv) {
  PredictOptions options;
  std::vector<std::string> arguments;
  const std::set<std::string> given = parse_command_line(argc, argv, list(options), &arguments);
  if (options.help) {
    std::printf("%s%s", kUsage, describe(list(options)).c_str());
    return 0;
  }
  if (arguments.empty())
    throw UsageError("expected a file of weights, found none: ./predict "
                     "runs/cnn/weights.safetensors IMAGE (--help says more)");
  const size_t inputs = arguments.size() - 1 + given.count("--index") + options.evaluate;
  if (inputs != 1)
    throw UsageError("expected one of IMAGE, --index N and --evaluate beside ", arguments[0], ", found ",
                     inputs);

  const Weights weights{arguments[0], read_weights(arguments[0])};
  Images one{1, weights.height(28), weights.width(28), {}, {0}};
  const uint64_t seed = weights.number("seed", 1, 0, UINT64_MAX);
  std::vector<std::string> done;  // to the image
  if (arguments.size() == 2) {
    const std::string& image = arguments[1];
    model_of(weights, options, one.height, one.width);
    PreparedDigit digit = prepare_digit(read_image(image), one.height, one.width, image);
    one.pixels = digit.pixels;
    done = digit.done;
  } else {
    const Dataset dataset = load_dataset(&options.data, given.count("--data"), 0, kDrawnTest, seed);
    const Images& test = dataset.test;
    if (test.height != weights.height(test.height) || test.width != weights.width(test.width))
      throw Error(options.data, ": expected images of ", one.height, "x", one.width, ", which ",
                  arguments[0], " was trained on, found ", test.height, "x", test.width);
    if (options.evaluate) {
      print_evaluation(*make_trainer(weights, options, test), dataset);
      return 0;
    }
    if (options.index >= test.count)
      throw UsageError("--index: expected a whole number from 0 to ", test.count - 1,
                       ", the test images of ", dataset.source, ", found ", options.index);
    std::printf("Test image %d of %s (%s), its label: %d\n\n", options.index, shown(dataset.name).c_str(),
                shown(dataset.source).c_str(), test.labels[options.index]);
    one.height = test.height;
    one.width = test.width;
    const auto begin = test.pixels.begin() + size_t{1} * options.index * test.height * test.width;
    one.pixels.assign(begin, begin + test.height * test.width);
  }
  const auto trainer = make_trainer(weights, options, one);
  print_digit(one);
  for (const std::string& sentence : done) std::printf("  (%s)\n", sentence.c_str());
  if (!done.empty()) std::printf("\n");
  print_prediction(*trainer);
  return 0;
}

}  // namespace plainnet
