#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iomanip>
#include <regex>
#include <sstream>

#include "base/command_line.h"
#include "base/error.h"
#include "base/numbers.h"
#include "base/threads.h"
#include "files/checkpoint.h"
#include "images/own_digit.h"
#include "network/models.h"
#include "run/report.h"
#include "run/run.h"
#include "training/targets.h"

namespace plainnet {
namespace fs = std::filesystem;
namespace {

struct PredictOptions {
  std::string data = "data/mnist", model, device = "auto", kernels = "fast";
  int index = 0, threads = 0;
  bool evaluate = false, csv = false, help = false;
};

const char* const kUsage =
    "usage: ./predict RUN|WEIGHTS PICTURE...      reads pictures, or folders of them\n"
    "       ./predict RUN|WEIGHTS --index N       one image of a test set\n"
    "       ./predict RUN|WEIGHTS --evaluate      a whole test set\n\n";

std::vector<Option> list(PredictOptions& o) {
  return {{"--index", "N", "of the image, from 0", number(&o.index, 0, 1000000000), "Options"},
          {"--evaluate", "", "loss and accuracy on the test set", on_off(&o.evaluate)},
          {"--csv", "", "a line for each image, for scripts", on_off(&o.csv)},
          {"--data", "DIR", "a folder of IDX files, or digits (as the file says)", path(&o.data)},
          {"--model", "NAME", listed(model_names()) + " (as the file says)", choice(&o.model, model_names())},
          {"--kernels", "K", "plain: slow and simple, or fast (fast)", choice(&o.kernels, {"plain", "fast"})},
          {"--device", "D", "gpu, cpu, emulated or auto: gpu if there is one (auto)",
           choice(&o.device, {"gpu", "cpu", "emulated", "auto"})},
          {"--threads", "N", "of the cpu target (one a processor)", number(&o.threads, 1, 1024)},
          {"--help", "", "print this", on_off(&o.help)}};
}

// A file of weights, and what its metadata say of the network and its images.
struct Weights {
  std::string path;
  TensorFile file;

  // The metadata `key`; `otherwise` where there is none.
  std::string said(const std::string& key, const std::string& otherwise) const {
    const auto found = file.metadata.find(key);
    return found == file.metadata.end() ? otherwise : found->second;
  }
  // As a whole number from `low` to `high`.
  uint64_t number(const std::string& key, uint64_t otherwise, uint64_t low, uint64_t high) const {
    uint64_t number = 0;
    if (!read_number(said(key, text(otherwise)), &number) || number < low || number > high)
      throw Error(path, ": metadata ", key, ": expected a whole number from ", low, " to ", high,
                  ", found ", said(key, ""));
    return number;
  }
  int height(int otherwise) const { return static_cast<int>(number("height", otherwise, 1, 4096)); }
  int width(int otherwise) const { return static_cast<int>(number("width", otherwise, 1, 4096)); }
  Ink ink() const { return {said("ink", "light") == "dark", number("fill", 714, 100, 1000) / 1000.0}; }
};

// The files among `paths`, and the pictures in the folders among them.
std::vector<std::string> pictures_at(const std::vector<std::string>& paths) {
  const std::regex ending("\\.(png|pgm|ppm)$", std::regex::icase);
  std::vector<std::string> pictures;
  for (const std::string& path : paths) {
    std::set<std::string> found;
    if (!fs::is_directory(path)) found = {path};
    else
      for (const auto& entry : fs::directory_iterator(path))
        if (std::regex_search(entry.path().string(), ending)) found.insert(entry.path().string());
    if (found.empty()) throw Error(path, ": expected pictures (.png, .pgm or .ppm), found none");
    pictures.insert(pictures.end(), found.begin(), found.end());
  }
  return pictures;
}

// The name of the model with these weights, for the classes and test images of `data`. Throws Error where it
// has more numbers than the file: nothing is built of a size that the file only claims.
std::string model_of(const Weights& weights, const PredictOptions& options, const Dataset& data) {
  const std::string model = options.model.empty() ? weights.said("model", "") : options.model;
  const int height = data.test.height, width = data.test.width;
  int64_t expected = 0, found = 0;
  for (const Tensor& tensor : weights.file.tensors) found += tensor.size();
  try {
    const Model with = find_model(model, static_cast<int>(data.classes.size()));
    for (const NamedLayer& layer : name_layers(with.layers, {height, width, 1}))
      for (const ParameterDescription& parameter : layer.parameters) expected += parameter.size();
    if (found < expected)
      throw Error(model, ": expected ", expected, " numbers for ", height, "x", width, ", found ", found);
  } catch (const Error& error) {
    throw Error(weights.path, ": ", error.what(), " (--model names another)");
  }
  return model;
}

// The network with these weights, for the test images of `data`.
std::unique_ptr<Trainer> make_trainer(const Weights& weights, const PredictOptions& options,
                                      const Dataset& data) {
  if (options.threads > 0) set_thread_count(options.threads);
  const Kernels kernels = options.kernels == "plain" ? kPlain : kFast;
  const TrainerOptions how{model_of(weights, options, data), std::min(data.test.count, 128), {}, 0, kernels};
  auto trainer = choose_target(options.device).make_trainer(how, data);
  trainer->set_weights(weights.file.tensors, weights.path);
  return trainer;
}

// The data that --data names, if it is `given`, else that which the weights learnt, or nothing.
Dataset data_of(const Weights& weights, PredictOptions& options, bool given) try {
  const uint64_t seed = weights.number("seed", 1, 0, UINT64_MAX);
  const std::string learnt = weights.said("data", "");
  if (!given) options.data = weights.said("source", options.data);
  Dataset data = load_dataset(&options.data, true, seed, given ? "" : learnt);
  if (!learnt.empty() && learnt != fingerprint(data))
    std::fprintf(options.csv ? stderr : stdout, "Not the data that %s learnt:\n",
                 shown(weights.path).c_str());
  const Images& test = data.test;
  if (test.height != weights.height(test.height) || test.width != weights.width(test.width))
    throw Error(options.data, ": expected images of ", weights.height(28), "x", weights.width(28), ", which ",
                weights.path, " was trained on, found ", test.height, "x", test.width);
  return data;
} catch (const Error& error) {
  throw given ? error : Error(weights.path, ": its data: ", error.what(), " (--data names others)");
}

// Two characters a pixel, which is about as wide as high, without the empty lines.
void print_digit(const Images& image) {
  const std::string shades = " .:-=+*#%@";
  for (int y = 0; y < image.height; ++y) {
    std::string line;
    for (int x = 0; x < image.width; ++x)
      line.append(2, shades[image.pixels[y * image.width + x] * 10 / 256]);
    if (line.find_first_not_of(' ') != line.npos) std::printf("%s\n", line.c_str());
  }
}

// "a 4 (62.00%), or a 9 (30.00%)"
std::string in_words(const float* probabilities, const std::vector<std::string>& classes) {
  std::string words;
  const auto add = [&](const char* before, size_t i) {
    const bool vowel = classes[i] == "8" || std::strchr("aeiouAEIOU", classes[i][0]);
    words += text(before, vowel ? "an " : "a ", classes[i], format(" (%.2f%%)", 100 * probabilities[i]));
  };
  const size_t first = std::max_element(probabilities, probabilities + classes.size()) - probabilities;
  add("", first);
  for (size_t i = 0; i < classes.size(); ++i)
    if (i != first && probabilities[i] >= 0.1) add(", or ", i);
  return words;
}

// Of one image; `label` is empty where there is none.
void print_prediction(const std::vector<float>& probabilities, const std::vector<std::string>& classes,
                      const std::string& label) {
  const int name_width = longest_name(classes), width = std::clamp(68 - name_width, 8, 50);
  for (size_t i = 0; i < classes.size(); ++i) {
    const std::string bar(std::lround(width * probabilities[i]), '#');
    std::printf("  %-*s  %-*s %6.2f%%\n", name_width, classes[i].c_str(), width, bar.c_str(),
                100 * probabilities[i]);
  }
  const bool wrong = !label.empty() && label != classes[guesses_of(probabilities, classes.size())[0]];
  std::printf("\nThis is %s%s.\n", in_words(probabilities.data(), classes).c_str(),
              wrong ? (": wrong, the label is " + label).c_str() : "");
}

// In quotes where it needs them (RFC 4180).
std::string csv_field(const std::string& words) {
  std::ostringstream quoted;
  quoted << std::quoted(words, '"', '"');
  return words.find_first_of(",\"\r\n") == words.npos ? words : quoted.str();
}

void print_evaluation(Trainer& trainer, const Dataset& data) {
  const double start = now();
  const Score score = trainer.evaluate();
  std::printf("%s, %s test images: loss %.4f, accuracy %.2f%%, %s wrong, %.3f s\n",
              shown(data.source).c_str(), grouped(data.test.count).c_str(), score.loss, 100 * score.accuracy,
              grouped(std::lround(data.test.count * (1 - score.accuracy))).c_str(), now() - start);
  print_confusion(confusion_of(data, guesses_of(trainer.predict(), data.classes.size())), data.classes);
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
  if (arguments.empty()) throw UsageError("expected a file of weights or a run, found none (see --help)");
  const size_t inputs = (arguments.size() > 1) + given.count("--index") + options.evaluate;
  if (inputs != 1) throw UsageError("expected one of PICTURE..., --index N and --evaluate, found ", inputs);

  const bool is_run = fs::is_directory(arguments[0]);
  const std::string path = is_run ? fs::path(arguments[0]) / "best.safetensors" : fs::path(arguments[0]);
  if (is_run && !fs::exists(path)) throw Error(path, ": expected a run's best weights, found none");
  const Weights weights{path, read_weights(path)};
  if (is_run && !options.csv)
    std::printf("%s.\n\n", shown(text(path, ": ", weights.said("model", "a network"), ", after epoch ",
                                      weights.said("epochs", "?"))).c_str());
  arguments.erase(arguments.begin());
  const std::vector<std::string> pictures = pictures_at(arguments);
  const bool in_lines = pictures.size() > 1 || pictures != arguments;  // or a folder of one
  Dataset data;  // the network is asked about its test images
  Images& test = data.test;
  std::vector<std::string> images, done;  // the names of those that can be read; what was done to the last
  if (pictures.empty()) data = data_of(weights, options, given.count("--data"));
  if (!pictures.empty()) {
    test = {0, weights.height(28), weights.width(28), {}, {}};
    data.classes = read_classes(weights.said("classes", "0\n1\n2\n3\n4\n5\n6\n7\n8\n9"),
                                weights.path + ": metadata classes");
    model_of(weights, options, data);
    const Ink ink = weights.ink();
    for (const std::string& picture : pictures) try {
        PreparedDigit digit = prepare_digit(read_image(picture), test.height, test.width, picture, ink);
        test.pixels.insert(test.pixels.end(), digit.pixels.begin(), digit.pixels.end());
        test.labels.resize(++test.count);
        images.push_back(shown(picture));
        done = digit.done;
      } catch (const Error& error) {
        if (!in_lines) throw;
        std::fprintf(stderr, "predict: %s\n", error.what());
      }
    if (images.empty()) return 1;
  }
  if (given.count("--index")) {
    if (options.index >= test.count)
      throw UsageError("--index: expected a test image, 0 to ", test.count - 1, ", found ", options.index);
    const uint8_t label = test.labels[options.index];
    const auto begin = test.pixels.begin() + size_t{1} * options.index * test.height * test.width;
    test = {1, test.height, test.width, {begin, begin + test.height * test.width}, {label}};
  }
  data.train = {0, test.height, test.width, {}, {}};
  const auto trainer = make_trainer(weights, options, data);
  if (options.evaluate && !options.csv) {
    print_evaluation(*trainer, data);
    return 0;
  }
  const std::vector<float> probabilities = trainer->predict();
  if (!std::all_of(probabilities.begin(), probabilities.end(), [](float p) { return std::isfinite(p); }))
    throw Error("the network's output is no number: was it trained?");
  const std::vector<std::string>& classes = data.classes;
  if (options.csv) {
    std::string lines = "image,label,guess";
    for (const std::string& name : classes) lines += "," + csv_field(name);
    const std::vector<int> guesses = guesses_of(probabilities, classes.size());
    auto probability = probabilities.begin();
    for (int i = 0; i < test.count; ++i) {
      const std::string image = pictures.empty() ? text(options.index + i) : images[i];
      const std::string label = pictures.empty() ? classes[test.labels[i]] : "";
      lines += "\n" + csv_field(image) + "," + csv_field(label) + "," + csv_field(classes[guesses[i]]);
      for (size_t j = 0; j < classes.size(); ++j) lines += "," + exact_text(*probability++);
    }
    std::printf("%s\n", lines.c_str());
  } else if (in_lines) {
    for (size_t i = 0; i < images.size(); ++i)
      std::printf("%-*s  %s\n", longest_name(images), images[i].c_str(),
                  in_words(&probabilities[i * classes.size()], classes).c_str());
  } else {
    const std::string label = pictures.empty() ? classes[test.labels[0]] : "";
    if (pictures.empty())
      std::printf("Test image %d of %s, its label: %s\n\n", options.index, shown(data.source).c_str(),
                  label.c_str());
    print_digit(test);
    for (const std::string& sentence : done) std::printf("  (%s)\n", sentence.c_str());
    std::printf("\n");
    print_prediction(probabilities, classes, label);
  }
  return images.size() < pictures.size();
}

}  // namespace plainnet
