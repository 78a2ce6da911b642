#include "run/report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <tuple>

#include "base/command_line.h"
#include "base/error.h"
#include "base/files.h"
#include "base/numbers.h"
#include "files/pictures.h"
#include "network/models.h"

namespace plainnet {

void print_summary(const Options& options, const Dataset& dataset, const std::string& device) {
  const Images &train = dataset.train, &test = dataset.test;
  const std::string rule(72, '-');
  std::printf("Model: %s\n%s\n%-24s%-20s%-16s%12s\n%s\n", options.model.c_str(), rule.c_str(), "Layer",
              "Type", "Output shape", "Parameters", rule.c_str());
  long total = 0;
  const Model model = find_model(options.model, static_cast<int>(dataset.classes.size()));
  for (const NamedLayer& layer : name_layers(model.layers, {train.height, train.width, 1})) {
    const Shape s = layer.output;
    const std::string shape = s.height * s.width == 1
                                  ? text("[", s.channels, "]")
                                  : text("[", s.height, "][", s.width, "][", s.channels, "]");
    long parameters = 0;
    for (const ParameterDescription& parameter : layer.parameters) parameters += parameter.size();
    std::printf("%-24s%-20s%-16s%12s\n", layer.name.c_str(), layer.type.c_str(), shape.c_str(),
                grouped(parameters).c_str());
    total += parameters;
  }
  std::printf("%s\n%-60s%12s\n\n", rule.c_str(), "Total", grouped(total).c_str());

  std::printf("Data      %s\n          %s training and %s test images of %dx%d, %zu classes\n",
              shown(dataset.source).c_str(), grouped(train.count).c_str(), grouped(test.count).c_str(),
              train.height, train.width, dataset.classes.size());
  std::printf("Device    %s, %s kernels\n", device.c_str(), options.kernels.c_str());
  std::printf("Training  %d epoch%s, batches of %d, seed %llu, %s\n", options.epochs,
              options.epochs == 1 ? "" : "s", options.batch,
              static_cast<unsigned long long>(options.seed), options.optimizer.c_str());
  std::printf("          learning rate %g, schedule %s\n", options.learning_rate,
              options.schedule.c_str());
  std::printf("Output    %s\n\n", shown(options.out).c_str());
}

// " 3/30"
static std::string epoch_label(int epoch, int epochs) {
  return format("%*d/%d", static_cast<int>(text(epochs).size()), epoch, epochs);
}

void print_epoch_heading() {
  std::printf("%-9s%11s%10s%12s%10s%11s%12s\n", "epoch", "train loss", "accuracy", "test loss",
              "accuracy", "seconds", "images/s");
}

void print_epoch(const EpochRecord& record, int epochs, int images) {
  std::printf("%-9s%11.4f%9.2f%%%12.4f%9.2f%%%11.2f%12s\n",
              epoch_label(record.epoch, epochs).c_str(), record.train_loss,
              100 * record.train_accuracy, record.test_loss, 100 * record.test_accuracy,
              record.seconds, grouped(std::lround(images / record.seconds)).c_str());
}

void print_progress(const Options& options, int epoch, const std::vector<StepScore>& scores, int images,
                    double seconds) {
  const int done = static_cast<int>(scores.size()), steps = (images + options.batch - 1) / options.batch;
  const Score score = mean_score(scores, options.batch, images);
  const std::string line =
      format("%s  %d of %d batches, %s left, loss %.4f, accuracy %.2f%%",
             epoch_label(epoch, options.epochs).c_str(), done, steps,
             clock_text(seconds / done * (steps - done)).c_str(), score.loss, 100 * score.accuracy);
  std::printf("%s\x1b[K\r", done < steps ? line.c_str() : "");
  std::fflush(stdout);
}

// `words` in so many columns, one for each letter of UTF-8: cut off, or filled with blanks.
static std::string in_columns(std::string words, long columns) {
  const auto begins = [](char byte) { return (byte & 0xc0) != 0x80; };
  const auto letters = [&] { return std::count_if(words.begin(), words.end(), begins); };
  while (letters() > columns) words.pop_back();
  return words + std::string(columns - letters(), ' ');
}

std::vector<int> guesses_of(const std::vector<float>& probabilities, size_t classes) {
  std::vector<int> guesses;
  for (auto row = probabilities.begin(); row != probabilities.end(); row += classes)
    guesses.push_back(static_cast<int>(std::max_element(row, row + classes) - row));
  return guesses;
}

Confusion confusion_of(const Dataset& dataset, const std::vector<int>& guesses) {
  Confusion confusion(dataset.classes.size(), std::vector<int64_t>(dataset.classes.size()));
  for (int i = 0; i < dataset.test.count; ++i) ++confusion[dataset.test.labels[i]][guesses[i]];
  return confusion;
}

void print_confusion(const Confusion& confusion, const std::vector<std::string>& names) {
  const int width = std::min(longest_name(names), 19), in_row = 61 / (width + 11);
  std::vector<std::tuple<long, size_t, size_t>> mistaken;  // how often, negative; label; guess
  for (size_t label = 0; label < names.size(); ++label) {
    const std::vector<int64_t>& row = confusion[label];
    const int64_t images = std::accumulate(row.begin(), row.end(), int64_t{0});
    const std::string share = images == 0 ? "none" : format("%.2f%%", 100.0 * row[label] / images);
    if (label % in_row == 0) std::printf("\n%-19s", label == 0 ? "Right, by class:" : "");
    std::printf("   %s%8s", in_columns(names[label], width).c_str(), share.c_str());
    for (size_t guess = 0; guess < names.size(); ++guess)
      if (guess != label && row[guess] > 0) mistaken.emplace_back(-row[guess], label, guess);
  }
  std::sort(mistaken.begin(), mistaken.end());
  for (size_t i = 0; i < std::min<size_t>(mistaken.size(), 3); ++i) {
    const auto& [count, label, guess] = mistaken[i];
    std::printf("\n%-22s%s taken for %s%7ld", i == 0 ? "Most often confused:" : "",
                in_columns(names[label], width).c_str(), in_columns(names[guess], width).c_str(), -count);
  }
  std::printf("\n");
}

void write_pictures(const Options& options, const Dataset& dataset, Trainer& trainer) {
  const std::vector<std::string>& names = dataset.classes;
  const std::vector<int> guesses = guesses_of(trainer.predict(), names.size());
  const Confusion confusion = confusion_of(dataset, guesses);
  write_file_atomically(options.out + "/confusion.svg", confusion_svg(options.model, confusion, names));
  write_file_atomically(options.out + "/mistakes.svg", mistakes_svg(dataset.test, guesses, names));
  if (std::holds_alternative<Conv2d>(find_model(options.model).layers[0]))
    write_file_atomically(options.out + "/filters.svg", filters_svg(trainer.weights()[0]));
  print_confusion(confusion, names);
}

void print_closing(const Options& options, const Checkpoint& checkpoint) {
  const EpochRecord& best = best_epoch(checkpoint.epochs);
  double training = 0;
  for (const EpochRecord& record : checkpoint.epochs) training += record.seconds;
  std::printf("\nBest epoch: %d, with %.2f%% on the test set and a loss of %.4f there.\n"
              "Total time: %s, of which %s training.\n\n"
              "In %s: weights.safetensors, after epoch %zu; best.safetensors, after epoch %d; log.csv, and\n"
              "pictures to look at. docs/files.md says what each file is.\n",
              best.epoch, 100 * best.test_accuracy, best.test_loss,
              clock_text(checkpoint.total_seconds).c_str(), clock_text(training).c_str(),
              shown(options.out).c_str(), checkpoint.epochs.size(), best.epoch);
  const std::string typed = shown(shell_word(options.out));
  std::printf("\nNext: ./predict %s IMAGE reads a picture of yours,\n"
              "      ./train --resume %s --epochs N goes on.\n", typed.c_str(), typed.c_str());
}

}  // namespace plainnet
