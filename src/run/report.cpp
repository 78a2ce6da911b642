#include "run/report.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <tuple>

#include "base/files.h"
#include "base/numbers.h"
#include "base/system.h"
#include "base/threads.h"
#include "files/pictures.h"
#include "network/models.h"

namespace plainnet {

void print_summary(const Options& options, const Dataset& dataset, const std::string& device) {
  const Images &train = dataset.train, &test = dataset.test;
  const std::map<std::string, std::string> shaping = shaping_options(options);
  const std::string rule(72, '-');
  std::printf("Model: %s\n%s\n%-24s%-20s%-16s%12s\n%s\n", options.model.c_str(), rule.c_str(), "Layer",
              "Type", "Output shape", "Parameters", rule.c_str());
  long total = 0;
  const Model model = find_model(options.model, static_cast<int>(dataset.classes.size()));
  for (const NamedLayer& layer : name_layers(model.layers, {train.height, train.width, 1})) {
    const Shape s = layer.output;
    const std::string extents = s.size() == s.channels ? "" : text("[", s.height, "][", s.width, "]");
    long parameters = 0;
    for (const ParameterDescription& parameter : layer.parameters) parameters += parameter.size();
    std::printf("%-24s%-20s%-16s%12s\n", layer.name.c_str(), layer.type.c_str(),
                text(extents, "[", s.channels, "]").c_str(), grouped(parameters).c_str());
    total += parameters;
  }
  std::printf("%s\n%-60s%12s\n\n", rule.c_str(), "Total", grouped(total).c_str());

  std::fputs(text("Data      ", shown(dataset.source), "\n          ", grouped(train.count),
                  " training and ", grouped(test.count), " test images of ", train.height, "x", train.width,
                  ", ", dataset.classes.size(), " classes\nDevice    ", device, "\nTraining  ",
                  options.epochs, options.epochs == 1 ? " epoch" : " epochs", ", batches of ", options.batch,
                  ", seed ", options.seed, ", ", shaping.at("--optimizer"), "\n          learning rate ",
                  options.learning_rate, ", schedule ", options.schedule, ", ", shaping.at("--kernels"),
                  " kernels\nOutput    ", shown(options.out), "\n\n").c_str(), stdout);
}

// At most nine characters.
static std::string loss_text(double loss) { return format(loss < 9999 ? "%.4f" : "%.3g", loss); }

void print_epoch(const EpochRecord& record, bool is_best_so_far, double rate, double left) {
  std::printf("%5d%10.3g%12s%9.2f%%%11s%9.2f%%%-1s%9.2f%10s\n", record.epoch, rate,
              loss_text(record.train_loss).c_str(), 100 * record.train_accuracy,
              loss_text(record.test_loss).c_str(), 100 * record.test_accuracy, is_best_so_far ? "*" : "",
              record.seconds, clock_text(left).c_str());
}

void print_progress(const Options& options, int epoch, const std::vector<StepScore>& scores, double seconds) {
  const char* const terminal = std::getenv("TERM");
  if (!isatty(STDOUT_FILENO) || !terminal || !*terminal || text(terminal) == "dumb") return;
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) size.ws_col = 80;
  const int steps = options.steps(), done = static_cast<int>(scores.size());
  const Score score = mean_score(scores, options.batch, options.limit);
  const std::string line =
      format("epoch %d/%d: %d of %d batches, %s left, loss %s, accuracy %.2f%%", epoch, options.epochs, done,
             steps, clock_text(seconds / done * (steps - done)).c_str(), loss_text(score.loss).c_str(),
             100 * score.accuracy);
  // The last column stays free: a terminal may wrap when it is written.
  std::printf("%s\x1b[K\r", done < steps ? line.substr(0, size.ws_col - 1).c_str() : "");
  std::fflush(stdout);
}

std::string run_json(const Options& options, const Checkpoint& checkpoint, const std::string& device) {
  const auto json = [](const std::string& words) { return quoted(shown(words)); };
  std::string shaping, epochs;
  double number = 0;
  for (const auto& [name, value] : shaping_options(options))
    shaping += text(shaping.empty() ? "" : ",", "\n  ", json(name), ": ",
                    name != "--data" && read_number(value, &number) ? value : json(value));
  for (const EpochRecord& record : checkpoint.epochs)
    epochs += text(epochs.empty() ? "" : ",", "\n  [", log_line(record), "]");
  return text("{\"options\": {", shaping, "},\n \"data\": ", json(checkpoint.metadata.at("data")),
              ",\n \"device\": ", json(checkpoint.metadata.at("device")), ",\n \"device_name\": ",
              json(device), ",\n \"threads\": ", thread_count(), ",\n \"processor\": ",
              json(processor_name()), ",\n \"compiler\": ", json(__VERSION__), ",\n \"columns\": ",
              json(kLogHeader), ",\n \"epochs\": [", epochs, "],\n \"best_epoch\": ",
              best_epoch(checkpoint.epochs).epoch, ",\n \"total_seconds\": ",
              exact_text(checkpoint.total_seconds), "}\n");
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
  const std::vector<float> probabilities = trainer.predict();
  const std::vector<int> guesses = guesses_of(probabilities, names.size());
  const Confusion confusion = confusion_of(dataset, guesses);
  write_file_atomically(options.out + "/confusion.svg", confusion_svg(options.model, confusion, names));
  write_file_atomically(options.out + "/mistakes.svg",
                        mistakes_svg(dataset.test, guesses, probabilities, names));
  if (std::holds_alternative<Conv2d>(find_model(options.model).layers[0]))
    write_file_atomically(options.out + "/filters.svg", filters_svg(trainer.weights()[0]));
  print_confusion(confusion, names);
}

void print_closing(const Options& options, const Checkpoint& checkpoint) {
  const EpochRecord& best = best_epoch(checkpoint.epochs);
  double training = 1e-9;  // not 0
  for (const EpochRecord& record : checkpoint.epochs) training += record.seconds;
  const std::string folder = shown(options.out), typed = shown(shell_word(options.out));
  std::printf("\nBest epoch (*): %d, with %.2f%% on the test set and a loss of %s there.\n", best.epoch,
              100 * best.test_accuracy, loss_text(best.test_loss).c_str());
  if (const EpochRecord& first = checkpoint.epochs[0]; first.train_accuracy < first.test_accuracy)
    std::printf("Training accuracy, a mean while the network learns, can be below the test's.\n");
  const long speed = std::lround(options.limit * checkpoint.epochs.size() / training);
  std::fputs(text("Total time: ", clock_text(checkpoint.total_seconds), ", of which ", clock_text(training),
                  " training, ", grouped(speed), " images a second.\n\nIn ", folder,
                  ": weights.safetensors, after epoch ", checkpoint.epochs.size(),
                  ";\nbest.safetensors, after epoch ", best.epoch,
                  "; log.csv, run.json, and pictures to look at.\ndocs/files.md says what each file is.\n\n"
                  "Next: ./predict ", typed, " PICTURE... reads pictures of yours,\n"
                  "      ./train --resume ", typed, " --epochs N goes on.\n").c_str(), stdout);
}

}  // namespace plainnet
