// make bench: how fast each layer is, and a training step and an epoch, against what the machine
// can do at best.
//
// Nothing is timed that was not checked: a wrong kernel is often a fast one. Each piece of code's output
// and gradients, at the batch size that will be timed, must be those that the cpu target computes
// in double precision from the same numbers. That is the same source, but another number type and
// mostly another target, so it finds what a target, a type or a size spoils: a race, a tile too
// short, sums that lose digits. That the source itself is right is what `make test` finds, by
// central differences and PyTorch's values, at the double precision that is the yardstick here.
//
// A time is the median of repetitions: the mean would count every interrupt of the operating
// system, the minimum is a lucky run that training never sees.

#include "tests/bench/bench.h"
#include "tests/bench/median.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>

#include "base/threads.h"
#include "base/command_line.h"
#include "base/error.h"
#include "base/files.h"
#include "base/numbers.h"
#include "network/models.h"
#include "training/trainer.h"
#include "run/run.h"

namespace plainnet::bench {
namespace {

struct Options {
  bool cold = true;
  std::string model = "all", layer, device = "auto", kernels = "fast", csv;
  int batch = 128, threads = 0, images = 60000;
  double seconds = 1;
};

std::vector<Option> list(Options& o) {
  std::vector<std::string> all = model_names(), layers;
  all.push_back("all");
  for (const Model& model : models())
    for (const NamedLayer& layer : name_layers(model.layers, {28, 28, 1}))
      if (std::find(layers.begin(), layers.end(), layer.name) == layers.end()) layers.push_back(layer.name);
  return {{"--model", "NAME", listed(all) + " (all)", choice(&o.model, all), "What to measure"},
          {"--layer", "NAME", "only the layer of that name: conv2d_1", choice(&o.layer, layers)},
          {"--batch", "N", "images per step (128)", number(&o.batch, 1, 65536)},
          {"--images", "N", "of an epoch; 0 skips it, and the step (60000)", number(&o.images, 0, 1000000)},
          {"--cold", "on|off", "also time layers with empty caches (on)", on_off(&o.cold)},
          {"--seconds", "X", "how long to repeat a measurement at least (1)", number(&o.seconds, 0, 1000)},
          {"--device", "D", "gpu, cpu, emulated or auto: gpu if there is one (auto)",
           choice(&o.device, {"gpu", "cpu", "emulated", "auto"}), "Machine"},
          {"--threads", "N", "of the cpu target (one a processor)", number(&o.threads, 1, 1024)},
          {"--kernels", "K", "plain or fast (fast)", choice(&o.kernels, {"plain", "fast"})},
          {"--csv", "FILE", "also write the table there, as CSV", path(&o.csv), "Output"}};
}

Probe probe(const std::string& device) {
#ifdef WITH_GPU
  if (device == "gpu") return gpu_float::probe();
#endif
  return device == "cpu" ? cpu_float::probe() : emulated_float::probe();
}

// Cells of the table; of what was not measured, empty ones.
std::string cell(double value, int decimals = 1) {
  return std::isnan(value) ? "" : format("%.*f", decimals, value);
}
std::string microseconds(double seconds) { return cell(seconds * 1e6); }
std::string rate(double per_second) { return cell(per_second / 1e9, 2); }
std::string percent(double share) { return cell(share * 100); }

void append(std::vector<PieceTimes>& to, const std::vector<PieceTimes>& from) {
  for (size_t i = 0; i < to.size(); ++i) {
    to[i].forward.insert(to[i].forward.end(), from[i].forward.begin(), from[i].forward.end());
    to[i].backward.insert(to[i].backward.end(), from[i].backward.begin(), from[i].backward.end());
  }
}

double sum_of_medians(const std::vector<PieceTimes>& layers) {
  double sum = 0;
  for (const PieceTimes& times : layers)
    if (!times.forward.empty()) sum += median(times.forward) + median(times.backward);
  return sum;
}

// An epoch as ./train runs it, in the parts after which the trainer tells of its progress.
class Epoch {
 public:
  Epoch(const Target& target, const TrainerOptions& options, const Dataset& digits)
      : trainer_(target.make_trainer(options, digits)),
        order_(epoch_order(digits.train.count, true, 1, 1)),
        learning_rates_((order_.size() + options.batch - 1) / options.batch, 0.01) {
    train([] {});  // warms up
  }

  /// Trains, and calls `between` after each part; its time does not count.
  void train(const std::function<void()>& between) {
    seconds_ = 0;
    step_seconds_.clear();
    int done = 0;
    double start = now();
    trainer_->train(order_, learning_rates_, [&](const std::vector<StepScore>& scores) {
      const double seconds = now() - start;
      seconds_ += seconds;
      step_seconds_.push_back(seconds / (static_cast<int>(scores.size()) - done));
      done = static_cast<int>(scores.size());
      between();
      start = now();
    });
  }

  int steps() const { return static_cast<int>(learning_rates_.size()); }
  double seconds() const { return seconds_; }
  /// Of the parts that are done, the mean over the steps of each.
  const std::vector<double>& step_seconds() const { return step_seconds_; }

 private:
  std::unique_ptr<Trainer> trainer_;
  std::vector<int> order_;
  std::vector<double> learning_rates_;  // one for each step
  double seconds_ = 0;
  std::vector<double> step_seconds_;
};

class Bench {
 public:
  explicit Bench(const Options& options) : o_(options), target_(choose_target(options.device)) {
    if (o_.images > 0 && o_.images < o_.batch)
      throw UsageError(
          text("--images: expected at least --batch ", o_.batch, ", found ", o_.images));
    if (o_.threads > 0) set_thread_count(o_.threads);
    if (target_.name == "emulated") o_.cold = false;  // its caches are not a GPU's
    probe_ = probe(target_.name);
    if (o_.kernels == "plain") kernels_ = kPlain;
    for (const std::string& model : model_names())
      if ((o_.model == "all" || o_.model == model) && chosen(model).size() > 0)
        models_.push_back(model);
    if (models_.empty())
      throw UsageError("--layer: expected a layer of ", o_.model, ", found ", o_.layer);
    write_csv();  // a file that cannot be written is known before the work
  }

  void run() {
    if (!target_.note.empty()) std::printf("%s\n", target_.note.c_str());
    std::printf("%s: %s\n", target_.name.c_str(), target_.device().c_str());
    if (o_.layer.empty() && o_.images > 0) digits_ = draw_digits(o_.images, 1, 1);
    ceilings_ = probe_.ceilings(o_.seconds);
    line("", {"", "", "us", "us cold", "GFLOP/s", "GB/s", "percent", "of"}, false);
    line("", {"multiply-add", "at best", "", "", rate(ceilings_.operations), "", "", ""});
    line("", {"read memory", "at best", "", "", "", rate(ceilings_.read), "", ""});
    line("", {"copy memory", "at best", "", "", "", rate(ceilings_.copy), "", ""});
    for (const std::string& model : models_) {
      check(model);
      std::printf("\n%s, batches of %d\n", model.c_str(), o_.batch);
      measure(model);
      std::fflush(stdout);
    }
  }

 private:
  std::vector<size_t> chosen(const std::string& model) const {
    const std::vector<Piece> pieces = probe_.pieces(model, kernels_);
    std::vector<size_t> all;
    for (size_t i = 0; i < pieces.size(); ++i)
      if (o_.layer.empty() || has_layer(pieces[i].name, o_.layer)) all.push_back(i);
    return all;
  }

  // Single precision is exact for the sums of products that target_bench.cu chooses. An LSTM's sigmoids are
  // not: each of 28 steps hands its errors, of 6e-8 each, on to the next. Nor are the sums of winograd.cu; and
  // where the two largest numbers of a pooling window are equal, as in some of these, rounding says which of
  // them gets the gradient. So gradients through a pooling are compared as a whole, by their distance: 0.05 of
  // the length are about one window of 800.
  void check(const std::string& model) const {
    const std::vector<Piece> pieces = probe_.pieces(model, kernels_);
    for (const size_t i : chosen(model)) {
      const auto got = probe_.values(pieces[i], kernels_, o_.batch);
      const auto expected = cpu_double::probe().values(pieces[i], kFast, o_.batch);
      for (size_t t = 0; t < got.size(); ++t) {
        const std::string what = text(model, ", ", pieces[i].name, ": ", got[t].name);
        if (got[t].name == "y" || pieces[i].name.find("max_pool2d") == std::string::npos)
          test::check_close(what, got[t].values, expected[t].values, 1e-5);
        else
          CHECK(distance(got[t].values, expected[t].values) < 0.05, what, ": not that of double precision");
      }
    }
  }

  // |got - expected| / |expected|
  static double distance(const test::Values& got, const test::Values& expected) {
    double difference = 0, length = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
      difference += (got.at(i) - expected[i]) * (got.at(i) - expected[i]);
      length += expected[i] * expected[i];
    }
    return std::sqrt(difference / length);
  }

  // The layers and the training of an epoch take turns, and what a step takes beside its layers is
  // the difference within a turn: a machine that others use too changes its speed from second to
  // second.
  void measure(const std::string& model) {
    const std::vector<Piece> pieces = probe_.pieces(model, kernels_);
    std::unique_ptr<Epoch> epoch;
    if (digits_.train.count > 0) {
      TrainerOptions options;
      options.model = model;
      options.batch = o_.batch;
      options.kernels = kernels_;
      epoch = std::make_unique<Epoch>(target_, options, digits_);
    }
    std::vector<PieceTimes> warm(pieces.size()), cold(pieces.size());
    std::vector<double> beside;  // of each turn, as a share of the step
    const auto time_layers = [&](double seconds) {
      const auto times = probe_.times(model, kernels_, o_.layer, o_.batch, seconds, false);
      append(warm, times);
      return sum_of_medians(times);
    };
    if (epoch)
      epoch->train([&] {
        beside.push_back(1 - time_layers(o_.seconds / 10) / epoch->step_seconds().back());
      });
    else
      time_layers(o_.seconds);
    if (o_.cold) append(cold, probe_.times(model, kernels_, o_.layer, o_.batch, o_.seconds, true));
    for (const size_t i : chosen(model)) {
      report(model, pieces[i].name, "forward", forward_work(pieces[i], o_.batch), warm[i].forward, cold[i].forward);
      report(model, pieces[i].name, "backward", backward_work(pieces[i], o_.batch), warm[i].backward,
             cold[i].backward);
    }
    if (o_.layer.empty())
      line(model, {"all layers", "", microseconds(sum_of_medians(warm)), "", "", "", "", ""});
    if (epoch) report(model, median(beside), *epoch);
  }

  // The ceiling is whichever takes longer at its best, the operations or the bytes, and the
  // percentage is that time's of the measured one. Where it is memory, the cold time counts, for
  // what lies in a cache owes nothing to memory.
  void report(const std::string& model, const std::string& layer, const char* pass,
              const Work& work, const std::vector<double>& warm_times,
              const std::vector<double>& cold_times) {
    const double warm = median(warm_times), cold = o_.cold ? median(cold_times) : NAN;
    const double arithmetic = work.operations / ceilings_.operations;
    const double memory = work.bytes / std::max(ceilings_.read, ceilings_.copy);
    const bool by_memory = memory > arithmetic;
    line(model, {layer, pass, microseconds(warm), microseconds(cold), rate(work.operations / warm),
                 rate(work.bytes / cold), percent(by_memory ? memory / cold : arithmetic / warm),
                 by_memory ? "memory" : "arithmetic"});
  }

  void report(const std::string& model, double beside, const Epoch& epoch) {
    const double step = median(epoch.step_seconds()), all = epoch.seconds();
    line(model, {"beside the layers", "", "", "", "", "", percent(beside), "step"});
    line(model, {"training step", "", microseconds(step), "", "", "", "", ""});
    line(model, {"epoch", "", microseconds(all), "", "", "", "", ""});
    std::printf("An epoch: %s images in %d steps, %.2f s, %s images/s\n",
                grouped(digits_.train.count).c_str(), epoch.steps(), all,
                grouped(std::lround(digits_.train.count / all)).c_str());
  }

  // A line of the table, and of the CSV file.
  void line(const std::string& model, const std::array<std::string, 8>& cells, bool to_csv = true) {
    std::string row = format("%-23s %-8s", cells[0].c_str(), cells[1].c_str());
    for (size_t i = 2; i < 7; ++i) row += format(" %9s", cells[i].c_str());
    row += "  " + cells[7];
    std::printf("%s\n", row.substr(0, row.find_last_not_of(' ') + 1).c_str());
    std::string all = text(target_.name, ",", model, ",", o_.batch);
    for (const std::string& cell : cells) all += "," + cell;
    if (to_csv) csv_ += all + "\n";
    write_csv();
  }

  void write_csv() {
    if (!o_.csv.empty()) write_file_atomically(o_.csv, csv_);
  }

  Options o_;
  ChosenTarget target_;
  Probe probe_{};
  Kernels kernels_ = kFast;
  Ceilings ceilings_{};
  std::vector<std::string> models_;
  Dataset digits_;
  std::string csv_ = "device,model,batch,layer,pass,us,us_cold,gflop_per_s,gb_per_s,percent,of\n";
};

int run(int argc, char** argv) {
  Options options;
  std::vector<std::string> arguments;
  parse_command_line(argc, argv, "usage: make bench BENCH=\"[options]\"\n\n", list(options), &arguments);
  if (!arguments.empty())
    throw UsageError("expected options only, found ", arguments[0], " (--help lists them)");
  Bench(options).run();
  return 0;
}

}  // namespace
}  // namespace plainnet::bench

int main(int argc, char** argv) {
  return plainnet::run_program("bench", [&] { return plainnet::bench::run(argc, argv); });
}
