#include "run/run.h"

#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstdio>
#include <numeric>

#include "base/error.h"
#include "base/files.h"
#include "base/numbers.h"
#include "base/random.h"
#include "files/pictures.h"
#include "images/own_digit.h"
#include "run/report.h"

namespace plainnet {

namespace {

// The streams of random numbers: the initial weights take 0, 1, 2, ..., one for each tensor.
constexpr uint64_t kShuffleStream = uint64_t{1} << 40;

const char* const kCheckpoint = "/checkpoint.safetensors";  // in the run folder

// Keeps the first `limit` images, as `option` says. 0 means all, and becomes what that came to, so that
// whoever resumes the run expects as many.
void keep_first(Images& images, int& limit, const char* option, const std::string& source) {
  if (limit > images.count)
    throw Error(option, ": expected at most the ", images.count, " images of ", source, ", found ", limit);
  if (limit == 0) limit = images.count;
  images.count = limit;
  images.labels.resize(limit);
  images.pixels.resize(limit * images.size());
}

// Makes the folder of a new run. A run that is there is moved away, never overwritten.
void prepare_folder(const std::string& folder) {
  const fs::path path = fs::path(folder + "/").parent_path();  // without slashes at its end
  try {
    if (fs::exists(path.string() + kCheckpoint)) {
      const FolderLock lock(folder);
      std::string other;
      for (int i = 1; other.empty() || fs::exists(other); ++i) other = text(path.string(), ".", i);
      fs::rename(path, other);
      std::printf("%s holds an earlier run, now in %s.\n\n", shown(folder).c_str(), shown(other).c_str());
    }
    fs::create_directories(path);
  } catch (const fs::filesystem_error& error) {
    throw Error("--out ", folder, ": cannot be made: ", error.code().message());
  }
}

// Throws Error unless the files that options name can be written, and are neither each other nor a run's.
void check_paths(const Options& o) {
  const std::string run = fs::weakly_canonical(fs::absolute(o.out + "/file")).parent_path() / "";
  std::set<fs::path> taken;
  for (const auto& [name, path] :
       {std::pair("--save", o.save), std::pair("--log", o.log), std::pair("--step-log", o.step_log)}) {
    if (path.empty()) continue;
    const fs::path file = fs::weakly_canonical(fs::absolute(path)), folder = file.parent_path();
    const char* const expected =
        !fs::is_directory(folder)                        ? "a path in a folder that there is"
        : file.string().starts_with(run)                 ? "a path outside of the run's folder"
        : fs::exists(folder.string() + kCheckpoint)      ? "a path outside of another run's folder"
        : fs::exists(file) && !fs::is_regular_file(file) ? "a plain file"
        : !taken.insert(file).second                     ? "a file that no other option names"
        : access(folder.c_str(), W_OK) != 0              ? "a folder that can be written"
                                                         : nullptr;
    if (expected) throw Error(name, " ", path, ": expected ", expected);
  }
}

// What a stopped run says. It is never destroyed, as a signal may come while the program ends.
std::string& stop_message = *new std::string;

// Lets Ctrl-C (SIGINT), and what `kill` and a terminal that closes send, end the program at once: the
// files of the last epoch are whole at every moment.
void stop_on_signals(const std::string& folder) {
  stop_message = text("\nStopped. To go on: ./train --resume ", shown(shell_word(folder)), "\n");
  const auto stop = [](int) {
    [[maybe_unused]] const auto written = write(STDOUT_FILENO, stop_message.data(), stop_message.size());
    _exit(130);
  };
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error like a full disk
  std::signal(SIGINT, stop);
  std::signal(SIGTERM, stop);
  if (std::signal(SIGHUP, stop) == SIG_IGN) std::signal(SIGHUP, SIG_IGN);  // nohup means it
}

// The log of the first `steps` steps, as far as the file has it: a run that was killed may have written
// more.
std::string step_log_of(const std::string& path, long steps) {
  if (steps == 0 || !fs::is_regular_file(path)) return "step,loss\n";
  const std::string log = read_file(path);
  size_t end = 0;
  for (long line = 0; line <= steps && log.find('\n', end) != log.npos; ++line) end = log.find('\n', end) + 1;
  return log.substr(0, end);
}

class Run {
 public:
  explicit Run(const Options& options) : options_(options) {
    const bool resumed = !options_.resume.empty();
    if (resumed) {
      if (fs::is_regular_file(options_.resume))
        throw UsageError("--resume: expected the folder of a run, found the file ", options_.resume);
      run_ = read_checkpoint(options_.resume + kCheckpoint);
      take_over(options_, run_.metadata);
      // It goes on on its own device, if there is no say in it.
      const std::string device = run_.metadata["device"];
      if (device != "gpu" && device != "cpu" && device != "emulated")
        throw Error(options_.resume, ": device: expected gpu, cpu or emulated, found ", device);
      if (!options_.given.count("--device") && device != "gpu") options_.device = device;
    }
    check_paths(options_);
    if (options_.epochs < done())
      throw UsageError("--epochs: expected at least ", done(), ", which are done, found ", options_.epochs);
    target_ = choose_target(options_.device, options_.threads);
    dataset_ = load_dataset(&options_.data, resumed || options_.given.count("--data"), options_.seed,
                            run_.metadata["data"]);
    if (!target_.note.empty()) std::printf("%s\n", target_.note.c_str());
    const Ink ink = ink_of(dataset_.train);
    notes_ = {{"model", options_.model},
              {"source", options_.data},
              {"data", fingerprint(dataset_)},  // all of it, of which the options may take less
              {"device", target_.name},
              {"seed", text(options_.seed)},
              {"height", text(dataset_.train.height)}, {"width", text(dataset_.train.width)},
              {"ink", ink.is_dark ? "dark" : "light"}, {"fill", text(std::lround(1000 * ink.fill))}};
    for (const std::string& name : dataset_.classes) notes_["classes"] += name + "\n";
    keep_first(dataset_.train, options_.limit, "--limit", dataset_.source);
    keep_first(dataset_.test, options_.test_limit, "--test-limit", dataset_.source);
    trainer_ = target_.make_trainer(options_, dataset_);
    dataset_.train.pixels = std::vector<uint8_t>();  // the device has them
    if (resumed) {
      if (run_.metadata["device"] != target_.name)
        std::printf("The run was on the %s: on the %s it goes on, but not to the same bits.\n",
                    run_.metadata["device"].c_str(), target_.name.c_str());
      trainer_->set_weights(run_.weights, options_.resume + kCheckpoint);
      trainer_->set_state(run_.state, 1L * done() * options_.steps(), options_.resume + kCheckpoint);
    }
    if (!options_.init.empty()) trainer_->set_weights(read_weights(options_.init).tensors, options_.init);
    run_.metadata = shaping_options(options_);
    run_.metadata.insert(notes_.begin(), notes_.end());
  }

  void train() {
    print_summary(options_, dataset_, target_.device());
    check_output();
    if (options_.resume.empty()) prepare_folder(options_.out);
    else std::printf("Going on after epoch %d of %d.\n\n", done(), options_.epochs);
    const FolderLock lock(options_.out);  // which also removes what a killed run left
    if (options_.resume.empty() && !fs::is_empty(options_.out))
      throw Error("--out ", options_.out, ": expected a new folder, or a run, found other files");
    step_log_ = step_log_of(options_.step_log, 1L * done() * options_.steps());
    stop_on_signals(options_.out);
    save_checkpoint();  // a folder that cannot be written is known before the work

    if (done() < options_.epochs) std::puts(kEpochHeading);
    try {
      while (done() < options_.epochs) train_epoch();
      save_weights(options_.out + "/weights.safetensors");
      write_pictures(options_, dataset_, *trainer_);
      save_checkpoint();
    } catch (const Error& error) {
      throw Error(error.what(), "; ", options_.out, kCheckpoint, " holds the last whole epoch");
    }
    print_closing(options_, run_);
    if (!options_.save.empty()) save_weights(options_.save);
  }

 private:
  // Trains one epoch, evaluates, and writes the files that follow it, the checkpoint last: where it is, the
  // others are.
  void train_epoch() {
    const int epoch = done() + 1, images = dataset_.train.count;
    const double start = now();
    const std::vector<double> rates = learning_rates(options_, epoch, options_.steps());
    const std::vector<int> order = epoch_order(images, options_.shuffle, options_.seed, epoch);
    const auto report = [&](auto& scores) { print_progress(options_, epoch, scores, now() - start); };
    const std::vector<StepScore> scores = trainer_->train(order, rates, report);
    const double seconds = now() - start;
    for (size_t i = 0; i < scores.size(); ++i)
      step_log_ += text(1L * (epoch - 1) * options_.steps() + i + 1, ",", exact_text(scores[i].loss), "\n");
    const Score train = mean_score(scores, options_.batch, images), test = trainer_->evaluate();
    run_.epochs.push_back({epoch, train.loss, train.accuracy, test.loss, test.accuracy, seconds});
    const bool is_best = best_epoch(run_.epochs).epoch == epoch;
    print_epoch(run_.epochs.back(), is_best, rates.back(), (now() - start) * (options_.epochs - epoch));
    for (const StepScore& score : scores) check_rate(score.loss);
    const std::string folder = options_.out + "/", title = shown(options_.out) + ": " + options_.model;
    write_file_atomically(folder + "log.csv", log_text(run_.epochs));
    write_file_atomically(folder + "curves.svg", curves_svg(title, run_.epochs));
    if (is_best) save_weights(folder + "best.safetensors");
    save_checkpoint();
    check_output();
  }

  // Gives a hint, once, where the mean loss of 100 steps is above the first step's, by more than that one
  // may be off by chance: at first, the losses of images differ by about 0.5. Weights that begin trained, of
  // which any batch may be the luckiest, begin at the loss of a guess among the classes.
  void check_rate(double loss) {
    losses_.push_back(loss);
    if (hinted_ || losses_.size() % 100 != 0) return;
    const double start = std::max(losses_[0], std::log(dataset_.classes.size()));
    const double mean = std::accumulate(losses_.end() - 100, losses_.end(), 0.0) / 100;
    hinted_ = mean > start + 0.5 / std::sqrt(options_.batch);
    if (hinted_) std::puts("The loss has been above its start for 100 steps: try a smaller --learning-rate.");
  }

  void save_checkpoint() {
    run_.weights = trainer_->weights();
    run_.state = trainer_->state();
    run_.total_seconds += now() - counted_;
    counted_ = now();
    if (!options_.log.empty()) write_file_atomically(options_.log, log_text(run_.epochs));
    if (!options_.step_log.empty()) write_file_atomically(options_.step_log, step_log_);
    if (done() > 0)
      write_file_atomically(options_.out + "/run.json", run_json(options_, run_, target_.device()));
    write_checkpoint(options_.out + kCheckpoint, run_);
  }

  void save_weights(const std::string& path) {
    notes_["epochs"] = text(done());
    write_safetensors(path, {trainer_->weights(), notes_});
  }

  int done() const { return static_cast<int>(run_.epochs.size()); }

  double counted_ = now();  // up to then run_.total_seconds counts
  Checkpoint run_;          // so far, but for weights and state
  Options options_;
  ChosenTarget target_;
  Dataset dataset_;
  std::unique_ptr<Trainer> trainer_;
  std::map<std::string, std::string> notes_;  // what the metadata of weights say
  std::string step_log_;
  std::vector<double> losses_;  // of the steps that check_rate() saw
  bool hinted_ = false;         // whether it gave its hint
};

}  // namespace

std::vector<int> epoch_order(int count, bool shuffle, uint64_t seed, int epoch) {
  std::vector<int> order(count);
  std::iota(order.begin(), order.end(), 0);
  if (!shuffle) return order;
  Random random(seed, kShuffleStream + epoch);
  for (int i = count - 1; i > 0; --i) std::swap(order[i], order[random.below(i + 1)]);
  return order;
}

int run_training(int argc, const char* const* argv) {
  Run(parse_options(argc, argv)).train();
  return 0;
}

}  // namespace plainnet
