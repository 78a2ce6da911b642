#include "training.h"

#include <chrono>
#include <cstdio>
#include <fstream>
#include <numeric>

#include "../kernels/random.h"
#include "../kernels/threads.h"
#include "error.h"
#include "record.h"
#include "targets.h"

namespace plainnet {
namespace {

// The streams of random numbers: the initial weights take 0, 1, 2, ..., one for each tensor.
constexpr uint64_t kShuffleStream = uint64_t{1} << 40;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// A CSV file that is written line by line; nothing if its path is empty. Throws Error if a line
// cannot be written.
class CsvFile {
 public:
  CsvFile(const std::string& path, const std::string& header) : path_(path) {
    if (path_.empty()) return;
    file_.open(path_);
    line(header);
  }
  void line(const std::string& line) {
    if (path_.empty()) return;
    file_ << line << std::endl;
    if (!file_) throw Error(path_ + ": cannot be written");
  }

 private:
  std::string path_;
  std::ofstream file_;
};

}  // namespace

Dataset load_dataset(const Options& options) {
  constexpr int kTrain = 60000, kTest = 10000;
  Dataset dataset;
  if (options.data_given || has_idx_files(options.data)) {
    dataset = read_idx_directory(options.data);
  } else {
    std::printf("No data in %s (make mnist fetches it): training on built-in digits.\n",
                options.data.c_str());
    dataset = draw_digits(kTrain, kTest, options.seed);
  }
  Images& train = dataset.train;
  if (options.limit > train.count)
    throw Error(text("--limit: expected at most the ", train.count, " training images of ",
                     dataset.source, ", found ", options.limit));
  if (options.limit > 0) {
    train.count = options.limit;
    train.pixels.resize(static_cast<size_t>(train.count) * train.height * train.width);
    train.labels.resize(train.count);
  }
  return dataset;
}

std::vector<int> epoch_order(int count, bool shuffle, uint64_t seed, int epoch) {
  std::vector<int> order(count);
  std::iota(order.begin(), order.end(), 0);
  if (!shuffle) return order;
  Random random(seed, kShuffleStream + epoch);
  for (int i = count - 1; i > 0; --i) std::swap(order[i], order[random.below(i + 1)]);
  return order;
}

int run_training(const Options& options) {
  const ChosenTarget target = choose_target(options.device);
  if (options.threads > 0) set_thread_count(options.threads);
  if (!target.note.empty()) std::printf("%s\n", target.note.c_str());
  const Dataset dataset = load_dataset(options);
  const auto trainer =
      target.make_trainer({.model = options.model,
                           .batch = options.batch,
                           .momentum = static_cast<float>(options.momentum),
                           .nesterov = options.nesterov,
                           .weight_decay = static_cast<float>(options.weight_decay),
                           .seed = options.seed},
                          dataset);
  if (!options.init.empty())
    trainer->set_weights(read_safetensors(options.init).tensors, options.init);

  CsvFile log(options.log, "epoch,train_loss,train_accuracy,test_loss,test_accuracy,seconds");
  CsvFile step_log(options.step_log, "step,loss");
  const int images = dataset.train.count;
  const int steps = (images + options.batch - 1) / options.batch;
  for (int epoch = 1; epoch <= options.epochs; ++epoch) {
    const auto start = std::chrono::steady_clock::now();
    const std::vector<StepScore> scores =
        trainer->train(epoch_order(images, options.shuffle, options.seed, epoch),
                       std::vector<float>(steps, static_cast<float>(options.learning_rate)), 0,
                       [](const std::vector<StepScore>&, int) { return true; });
    const double seconds = seconds_since(start);
    const Score train = mean_score(scores, options.batch, images);
    const Score test = trainer->evaluate();
    std::printf("epoch %d/%d: train loss %.6f, accuracy %.2f%%; test loss %.4f, accuracy %.2f%%; "
                "%.2f s\n", epoch, options.epochs, train.loss, 100 * train.accuracy, test.loss,
                100 * test.accuracy, seconds);
    std::fflush(stdout);
    log.line(text(epoch, ",", train.loss, ",", train.accuracy, ",", test.loss, ",", test.accuracy,
                  ",", seconds));
    for (size_t i = 0; i < scores.size(); ++i)
      step_log.line(text((epoch - 1) * steps + i + 1, ",", scores[i].loss));
  }
  if (!options.save.empty())
    write_safetensors(options.save, {trainer->weights(), {{"model", options.model}}});
  return 0;
}

}  // namespace plainnet
