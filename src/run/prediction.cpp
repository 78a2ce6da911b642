#include <algorithm>
#include <cmath>
#include <cstdio>
#include <regex>

#include "base/error.h"
#include "base/files.h"
#include "base/numbers.h"
#include "images/own_digit.h"
#include "network/models.h"
#include "run/report.h"
#include "run/run.h"

namespace plainnet {
namespace {

struct PredictOptions : TrainerOptions {
  std::string data = "data/mnist", device = "auto";
  int index = 0, threads = 0;
  bool evaluate = false, csv = false;
  std::set<std::string> given;  // the names of the options on the command line
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
          {"--kernels", "K", "plain: slow and simple, or fast (fast)",
           choice_of(&o.kernels, {"plain", "fast"})},
          {"--device", "D", "gpu, cpu, emulated or auto: gpu if there is one (auto)",
           choice(&o.device, {"gpu", "cpu", "emulated", "auto"})},
          {"--threads", "N", "of the cpu target (one a processor)", number(&o.threads, 1, 1024)}};
}

// A file of weights, and what its metadata say of the network and its images.
struct Weights {
  std::string path;
  TensorFile file;

  // The metadata `key`; `otherwise` where there is none.
  std::string said(const std::string& key, const std::string& otherwise) const {
    return file.metadata.count(key) ? file.metadata.at(key) : otherwise;
  }
  // As a whole number from `low` to `high`.
  uint64_t number(const std::string& key, uint64_t otherwise, uint64_t low, uint64_t high) const {
    uint64_t number = 0;
    if (!read_number(said(key, text(otherwise)), &number) || number < low || number > high)
      throw Error(path, ": metadata ", key, ": expected a whole number from ", low, " to ", high,
                  ", found ", said(key, ""));
    return number;
  }
  // The "height" or "width" of an image.
  int side(const char* key, int otherwise) const { return static_cast<int>(number(key, otherwise, 1, 4096)); }
  Ink ink() const { return {said("ink", "light") == "dark", number("fill", 714, 100, 1000) / 1000.0}; }
};

// The weights in a file or, where `path` is the folder of a run, its best.
Weights weights_at(fs::path path, bool csv) {
  if (!fs::is_directory(path)) return {path, read_weights(path)};
  path /= "best.safetensors";
  if (!fs::exists(path)) throw Error(path.string(), ": expected what a run's first epoch leaves, found none");
  const Weights best{path, read_weights(path)};
  const std::string model = best.said("model", "a network"), epoch = best.said("epochs", "?");
  if (!csv) std::printf("%s.\n\n", shown(text(best.path, ": ", model, ", after epoch ", epoch)).c_str());
  return best;
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

// The data that --data names, else that which the weights learnt, or nothing; without the training images.
Dataset data_of(const Weights& weights, PredictOptions& options) try {
  const bool given = options.given.count("--data");
  if (!given) options.data = weights.said("source", options.data);
  const std::string learnt = weights.said("data", "");
  const uint64_t seed = weights.number("seed", 1, 0, UINT64_MAX);
  Dataset data = load_dataset(&options.data, true, seed, given ? "" : learnt);
  if (!learnt.empty() && learnt != fingerprint(data))
    std::fprintf(options.csv ? stderr : stdout, "Not the data that %s learnt.\n",
                 shown(weights.path).c_str());
  const Images& test = data.test;
  const int height = weights.side("height", test.height), width = weights.side("width", test.width);
  if (test.height != height || test.width != width)
    throw Error(options.data, ": expected images of ", height, "x", width, ", which ", weights.path,
                " was trained on, found ", test.height, "x", test.width);
  data.train = {0, height, width, {}, {}};
  return data;
} catch (const Error& error) {
  if (options.given.count("--data")) throw;
  throw Error(weights.path, ": its data: ", error.what(), " (--data names others)");
}

// No images, but the size of those that the weights learnt, and their classes.
Dataset frame_of(const Weights& weights) {
  const Images none = {0, weights.side("height", 28), weights.side("width", 28), {}, {}};
  const std::string classes = weights.said("classes", "0\n1\n2\n3\n4\n5\n6\n7\n8\n9");
  return {"", none, none, read_classes(classes, weights.path + ": metadata classes")};
}

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

void print_score(Trainer& trainer, const Dataset& data) {
  const double start = now();
  const Score score = trainer.evaluate();
  std::printf("%s, %s test images: loss %.4f, accuracy %.2f%%, %s wrong, %.3f s\n",
              shown(data.source).c_str(), grouped(data.test.count).c_str(), score.loss, 100 * score.accuracy,
              grouped(std::lround(data.test.count * (1 - score.accuracy))).c_str(), now() - start);
}

// In quotes where it needs them (RFC 4180).
std::string csv_field(const std::string& words) {
  if (words.find_first_of(",\"\r\n") == words.npos) return words;
  return "\"" + std::regex_replace(words, std::regex("\""), "\"\"") + "\"";
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

// The test images of `data`, and what a network reads in them.
struct Reading {
  Dataset data;
  std::vector<std::string> images = {};   // their names
  std::vector<std::string> done = {};     // to the last picture
  std::vector<float> probabilities = {};  // [images][classes]
  std::vector<int> guesses = {};          // [images]

  // All images of the test set, or the one that --index names.
  void take_images(const PredictOptions& options) {
    Images& test = data.test;
    if (options.index >= test.count)
      throw UsageError("--index: expected a test image, 0 to ", test.count - 1, ", found ", options.index);
    const auto pixels = test.pixels.begin() + options.index * test.size();
    if (!options.evaluate)
      test = {1, test.height, test.width, {pixels, pixels + test.size()}, {test.labels[options.index]}};
    for (int i = 0; i < test.count; ++i) images.push_back(text(options.index + i));
  }

  // The pictures, prepared. Of `several`, one that cannot be read is named and left out.
  void take_pictures(const std::vector<std::string>& pictures, bool several, Ink ink) {
    Images& test = data.test;
    for (const std::string& picture : pictures) try {
        const PreparedDigit digit = prepare_digit(read_image(picture), test.height, test.width, picture, ink);
        test.pixels.insert(test.pixels.end(), digit.pixels.begin(), digit.pixels.end());
        test.labels.resize(++test.count);
        images.push_back(shown(picture));
        done = digit.done;
      } catch (const Error& error) {
        if (!several) throw;
        std::fprintf(stderr, "predict: %s\n", error.what());
      }
  }

  // What is right for image i; empty for a picture.
  std::string label(size_t i) const { return data.source.empty() ? "" : data.classes[data.test.labels[i]]; }

  void print_csv() const {
    std::string lines = "image,label,guess";
    for (const std::string& name : data.classes) lines += "," + csv_field(name);
    auto probability = probabilities.begin();
    for (size_t i = 0; i < images.size(); ++i) {
      lines += "\n" + csv_field(images[i]);
      lines += "," + csv_field(label(i)) + "," + csv_field(data.classes[guesses[i]]);
      for (size_t j = 0; j < data.classes.size(); ++j) lines += "," + exact_text(*probability++);
    }
    std::printf("%s\n", lines.c_str());
  }

  // "a 4 (62.00%), or a 9 (30.00%)": what image i is read as.
  std::string in_words(size_t i) const {
    std::string words;
    for (int which = 0; which < std::ssize(data.classes); ++which) {
      const std::string& name = data.classes[which];
      const float probability = probabilities[i * data.classes.size() + which];
      const bool vowel = std::regex_search(name, std::regex("^([aeiou]|8$)", std::regex::icase));
      const std::string one = text(vowel ? "an " : "a ", name, format(" (%.2f%%)", 100 * probability));
      if (which == guesses[i]) words = one + words;
      else if (probability >= 0.1) words += ", or " + one;
    }
    return words;
  }

  void print_lines() const {
    for (size_t i = 0; i < images.size(); ++i)
      std::printf("%-*s  %s\n", longest_name(images), images[i].c_str(), in_words(i).c_str());
  }

  // The only image, and a bar for each class.
  void print_one() const {
    const std::string right = label(0);
    if (!right.empty())
      std::printf("Test image %s of %s, its label: %s\n\n", images[0].c_str(), shown(data.source).c_str(),
                  right.c_str());
    print_digit(data.test);
    std::printf("\n");
    for (const std::string& sentence : done) std::printf("  (%s)\n", sentence.c_str());
    if (!done.empty()) std::printf("\n");
    const int name_width = longest_name(data.classes), width = std::clamp(68 - name_width, 8, 50);
    for (size_t i = 0; i < data.classes.size(); ++i) {
      const std::string bar(std::lround(width * probabilities[i]), '#');
      std::printf("  %-*s  %-*s %6.2f%%\n", name_width, data.classes[i].c_str(), width, bar.c_str(),
                  100 * probabilities[i]);
    }
    const bool fits = right.empty() || right == data.classes[guesses[0]];
    std::printf("\nThis is %s.\n", (in_words(0) + (fits ? "" : ": wrong, the label is " + right)).c_str());
  }
};

}  // namespace

int run_prediction(int argc, const char* const* argv) {
  PredictOptions options;
  std::vector<std::string> paths;  // of the weights, then of pictures
  options.given = parse_command_line(argc, argv, kUsage, list(options), &paths);
  if (paths.empty()) throw UsageError("expected a file of weights or a run, found none (see --help)");
  const size_t inputs = (paths.size() > 1) + options.given.count("--index") + options.evaluate;
  if (paths.size() > 1 && options.given.count("--data")) throw UsageError("--data: pictures need no data");
  if (inputs != 1) throw UsageError("expected one of PICTURE..., --index N and --evaluate, found ", inputs);
  const Weights weights = weights_at(paths[0], options.csv);
  paths.erase(paths.begin());
  const std::vector<std::string> pictures = pictures_at(paths);
  const bool several = pictures.size() > 1 || pictures != paths;  // or a folder of one

  Reading reading{pictures.empty() ? data_of(weights, options) : frame_of(weights)};
  options.model = model_of(weights, options, reading.data);
  if (pictures.empty()) reading.take_images(options);
  else reading.take_pictures(pictures, several, weights.ink());
  if (reading.images.empty()) return 1;
  options.batch = std::min(options.batch, reading.data.test.count);
  const auto trainer = choose_target(options.device, options.threads).make_trainer(options, reading.data);
  trainer->set_weights(weights.file.tensors, weights.path);
  if (options.evaluate && !options.csv) print_score(*trainer, reading.data);
  reading.probabilities = trainer->predict();
  for (const float probability : reading.probabilities)
    if (!std::isfinite(probability)) throw Error("the network's output is no number: was it trained?");
  reading.guesses = guesses_of(reading.probabilities, reading.data.classes.size());
  if (options.csv) reading.print_csv();
  else if (options.evaluate)
    print_confusion(confusion_of(reading.data, reading.guesses), reading.data.classes);
  else if (several) reading.print_lines();
  else reading.print_one();
  return reading.images.size() < pictures.size();
}

}  // namespace plainnet
