#include "run/report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

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

void write_pictures(const Options& options, const Dataset& dataset, Trainer& trainer) {
  const Images& test = dataset.test;
  const std::vector<float> probabilities = trainer.predict();
  std::vector<int> guesses;
  const std::vector<std::string>& names = dataset.classes;
  Confusion confusion(names.size(), std::vector<int64_t>(names.size()));
  for (int i = 0; i < test.count; ++i) {
    const auto row = probabilities.begin() + i * names.size();
    guesses.push_back(static_cast<int>(std::max_element(row, row + names.size()) - row));
    ++confusion[test.labels[i]][guesses[i]];
  }
  write_file_atomically(options.out + "/confusion.svg", confusion_svg(options.model, confusion, names));
  write_file_atomically(options.out + "/mistakes.svg", mistakes_svg(test, guesses, names));
  if (std::holds_alternative<Conv2d>(find_model(options.model).layers[0]))
    write_file_atomically(options.out + "/filters.svg", filters_svg(trainer.weights()[0]));
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
  std::printf("\nNext: ./predict %s/weights.safetensors IMAGE reads a picture of yours,\n"
              "      ./train --resume %s --epochs N goes on.\n", typed.c_str(), typed.c_str());
}

}  // namespace plainnet
