// What ./train leaves behind and goes on from.

#if __has_include(<pty.h>)
#include <pty.h>
#else
#include <util.h>
#endif
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "files/checkpoint.h"
#include "base/files.h"
#include "base/numbers.h"
#include "run/options.h"
#include "training/targets.h"
#include "run/run.h"
#include "tests/small_run.h"
#include "tests/thread_count.h"
#include "tests/trainers.h"

namespace plainnet {
namespace {

namespace fs = std::filesystem;
using test::check_same;
using test::check_same_run;
using test::contains;
using test::in_scratch;
using test::Outcome;
using test::scratch_folder;
using test::small_run;

using Strings = std::vector<std::string>;

TEST("run: a checkpoint holds all that was written") {
  const Checkpoint written{{{"model", "cnn"}, {"--batch", "128"}, {"data", "some \"data\"\n"}},
                           {{1, 0.1, 0.2, 1e-300, 0.4, 0.5}, {2, 3.5e38, 0, 1, 1, 2}},
                           1e9,
                           {{"dense_1.bias", {2}, {0.1f, -0.0f}}},
                           {{"momentum.dense_1.bias", {2}, {1e-40f, 2}}}};
  const std::string path = in_scratch("checkpoint.safetensors");
  write_checkpoint(path, written);
  const Checkpoint read = read_checkpoint(path);
  for (const auto& [key, value] : written.metadata) CHECK_EQUAL(read.metadata.at(key), value);
  CHECK_EQUAL(read.epochs.size(), size_t{2});
  CHECK_EQUAL(log_text(read.epochs), log_text(written.epochs));
  CHECK_EQUAL(read.epochs[0].test_loss, 1e-300);
  CHECK_EQUAL(read.total_seconds, 1e9);
  check_same(read.weights, written.weights);
  check_same(read.state, written.state);

  write_safetensors(path, {written.weights, {}});
  CHECK_ERROR(read_checkpoint(path), path, "expected a checkpoint");
  for (const std::string line : {"1,2,3", "1,-1,0,0,0,0", "1,0,0,1e101,0,0", "1,0,0,0,0,0,",
                                 "1,,0,0,0,0", "1,0,0,-1e-300,0,0", "1,0,1.1,0,0,0", "1,0,0,0,-0.1,0",
                                 "1,0,nan,0,0,0", "1,0,0,0,0,-1", "1,0,0,0,0,nan", "1,0,0,0,0,1e13",
                                 "2147483648,0,0,0,0,0", "2,0,0,0,0,0"})
    CHECK_ERROR(parse_log(text(kLogHeader, "\n", line, "\n"), "a log"), "a log: expected six numbers as epoch 1 has", line);
  for (const std::string seconds : {"nan", "-1", "inf", "1e13", "x"}) {
    TensorFile odd{{}, {{"log", log_text({})}, {"total_seconds", seconds}}};
    write_safetensors(path, odd);
    CHECK_ERROR(read_checkpoint(path), path, "no total_seconds from 0 to 1e12");
  }
}

TEST("run: every optimizer goes on in another trainer to the same bits") {
  const Dataset dataset = read_idx_directory(test::small_data());
  const int images = dataset.train.count, steps = (images + 15) / 16;
  for (const auto kind :
       {UpdateRule::kSgd, UpdateRule::kRmsprop, UpdateRule::kAdam, UpdateRule::kAdamW}) {
    const TrainerOptions options{"cnn", 16, {.kind = kind, .weight_decay = 0.1}, 3};
    const auto make = [&] { return choose_target("cpu").make_trainer(options, dataset); };
    const auto epoch = [&](Trainer& trainer, int number) {
      return test::train(trainer, epoch_order(images, true, 3, number), 16, 0.01);
    };
    const auto whole = make();
    for (int number = 1; number <= 2; ++number) epoch(*whole, number);
    const auto after = make();
    after->set_weights(whole->weights(), "weights");
    after->set_state(whole->state(), 2 * steps, "state");
    const std::vector<StepScore> expected = epoch(*whole, 3), scores = epoch(*after, 3);
    for (int i = 0; i < steps; ++i) CHECK_EQUAL(scores.at(i).loss, expected.at(i).loss);
    check_same(after->weights(), whole->weights());
    check_same(after->state(), whole->state());
    CHECK_EQUAL(after->evaluate().loss, whole->evaluate().loss);
    CHECK_ERROR(whole->set_state({}, 1, "nothing"), "nothing", "conv2d_1.kernel", "found none");
  }
}

TEST("run: the folder holds files that parse") {
  const Outcome outcome =
      test::train(small_run("run", {"--epochs", "2", "--save", in_scratch("saved")}));
  CHECK_EQUAL(outcome.status, 0);
  for (const char* part : {"conv2d_1", "Total", "100 training and 40 test images", "2/2", "Best"})
    CHECK(contains(outcome.output, part), outcome.output);
  CHECK(!contains(outcome.output, "\r") && !contains(outcome.output, "\x1b"), "progress in a file");

  const std::string folder = in_scratch("run/");
  CHECK(read_file(in_scratch("saved")) == read_file(folder + "weights.safetensors"));
  const std::vector<EpochRecord> log = parse_log(read_file(folder + "log.csv"), "log.csv");
  CHECK_EQUAL(log.size(), size_t{2});
  const TensorFile weights = read_safetensors(folder + "weights.safetensors");
  CHECK_EQUAL(weights.metadata.at("model"), "cnn");
  CHECK_EQUAL(weights.metadata.at("height"), text(test::kSmallSize));
  CHECK_EQUAL(weights.tensors.at(0).name, "conv2d_1.kernel");
  for (const char* name : {"curves.svg", "confusion.svg", "mistakes.svg", "filters.svg"}) {
    const std::string svg = read_file(folder + name);
    CHECK(svg.starts_with("<svg") && svg.ends_with("</svg>\n"), name);
  }
  CHECK_EQUAL(test::files_in(folder), size_t{8});  // and no temporary one
}

TEST("run: resumed for more epochs, it ends with the same bits") {
  for (const Strings& more : {Strings{}, Strings{"--optimizer", "adam", "--schedule", "step",
                                                 "--step-epochs", "1", "--warm-up", "0.7"}}) {
    Strings whole = small_run("whole", more), part = small_run("part", more);
    whole.insert(whole.end(), {"--epochs", "3"});
    part.insert(part.end(), {"--epochs", "1", "--log", in_scratch("first.csv")});
    test::train(whole);
    test::train(part);
    const Outcome resumed = test::train({"--resume", in_scratch("part"), "--epochs", "3", "--log",
                                         in_scratch("log.csv")});
    CHECK_EQUAL(resumed.status, 0);
    check_same_run("part", "whole");
    CHECK_EQUAL(read_file(in_scratch("log.csv")), read_file(in_scratch("part/log.csv")));
    fs::remove_all(in_scratch("whole"));
    fs::remove_all(in_scratch("part"));
  }
}

// What became of ./train in a process of its own, to which `signal` was sent once it had written a file.
struct Stopped {
  int status = 0;  // as waitpid() gives it
  std::string output;
};

Stopped stop(const Strings& arguments, int signal, const std::string& after_file) {
  const test::ThreadCount one_thread(1);  // a child has only the thread that made it
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    try {
      _exit(test::train(arguments).status);
    } catch (...) {
      _exit(1);
    }
  }
  Stopped stopped;
  while (!fs::exists(after_file) && waitpid(child, &stopped.status, WNOHANG) == 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  kill(child, signal);
  waitpid(child, &stopped.status, 0);
  stopped.output = read_file(in_scratch("output"));
  return stopped;
}

TEST("run: stopped by a signal at any moment, it goes on to the same bits") {
  std::signal(SIGHUP, SIG_DFL);  // nohup make test
  const std::string folder = in_scratch("part"), checkpoint = folder + "/checkpoint.safetensors";
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGKILL})
    for (const std::string& after : {checkpoint, folder + "/log.csv"}) {
      const Stopped stopped = stop(small_run("part", {"--epochs", "100000"}), signal, after);
      if (signal == SIGKILL)
        CHECK(WIFSIGNALED(stopped.status), stopped.status);
      else
        CHECK(WIFEXITED(stopped.status) && WEXITSTATUS(stopped.status) == 130, stopped.status);
      if (signal != SIGKILL)
        CHECK(contains(stopped.output, "To go on: ./train --resume " + folder + "\n"), stopped.output);
      const std::string epochs = text(read_checkpoint(checkpoint).epochs.size() + 1);
      test::train({"--resume", folder, "--epochs", epochs});
      test::train(small_run("whole", {"--epochs", epochs}));
      check_same_run("part", "whole");
      fs::remove_all(folder);
      fs::remove_all(in_scratch("whole"));
    }
}

// With a rate of 0 all epochs are alike, and of these the first is the best.
TEST("run: the best weights are those of the best epoch") {
  test::train(small_run("run", {"--epochs", "3", "--learning-rate", "0"}));
  CHECK_EQUAL(read_safetensors(in_scratch("run/best.safetensors")).metadata.at("epochs"), "1");
  CHECK_EQUAL(read_safetensors(in_scratch("run/weights.safetensors")).metadata.at("epochs"), "3");
}

TEST("run: a terminal that closes does not stop it under nohup") {
  std::signal(SIGHUP, SIG_IGN);
  const Stopped stopped =
      stop(small_run("run", {"--epochs", "3"}), SIGHUP, in_scratch("run/checkpoint.safetensors"));
  std::signal(SIGHUP, SIG_DFL);
  CHECK(WIFEXITED(stopped.status) && WEXITSTATUS(stopped.status) == 0, stopped.status);
}

TEST("run: more images than there are are refused") {
  CHECK_ERROR(test::train(small_run("run", {"--limit", "101"})), "--limit: expected at most the 100 images of ",
              "found 101");
  CHECK_ERROR(test::train(small_run("run", {"--test-limit", "41"})), "--test-limit: expected at most the 40 images of ",
              "found 41");
}

TEST("run: options that contradict the checkpoint are refused by name") {
  test::train(small_run("run", {"--epochs", "2", "--schedule", "cosine"}));
  const std::string folder = in_scratch("run");
  const auto refused = [&](const std::string& name, const std::string& value) {
    Strings arguments = {"--resume", folder, name, value};
    if (name == "model") arguments = {"--resume", folder, value};
    try {
      test::train(arguments);
    } catch (const UsageError& error) {
      return contains(error.what(), name) && contains(error.what(), value);
    }
    return false;
  };
  CHECK(refused("--batch", "32"));
  CHECK(refused("--seed", "7"));
  CHECK(refused("--learning-rate", "0.1"));
  CHECK(refused("--optimizer", "adam"));
  CHECK(refused("--epochs", "3"), "the cosine ends with epoch 2");
  CHECK(refused("--limit", "50"));
  CHECK(refused("model", "bilstm"));
  CHECK(refused("--out", "elsewhere"));
  CHECK_ERROR(test::train({"--resume", folder, "--init", "x"}), "--init");
  CHECK_ERROR(test::train({"--resume", in_scratch("none")}), in_scratch("none"));
  CHECK_EQUAL(test::train({"--resume", folder, "--batch", "16"}).status, 0);

  const std::string labels = test::small_data() + "/train-labels-idx1-ubyte";
  std::string bytes = read_file(labels);
  bytes.back() = static_cast<char>(9 - bytes.back());
  write_file_atomically(labels, bytes);
  CHECK_ERROR(test::train({"--resume", folder}), test::small_data() + ": expected the data that was learnt, ");

  const std::string checkpoint = folder + "/checkpoint.safetensors";
  bytes = read_file(checkpoint);
  std::ofstream(checkpoint, std::ios::binary) << bytes.substr(0, bytes.size() / 2);
  CHECK_ERROR(test::train({"--resume", folder}), checkpoint, "cut short");
}

TEST("run: what is odd in a checkpoint is refused with its folder") {
  test::train(small_run("run", {"--epochs", "1"}));
  const std::string folder = in_scratch("run"), path = folder + "/checkpoint.safetensors";
  const TensorFile good = read_safetensors(path);
  const auto resume = [&](const std::string& key, const std::string& value, const Strings& more = {}) {
    TensorFile file = good;
    file.metadata[key] = value;
    if (value.empty()) file.metadata.erase(key);
    write_safetensors(path, file);
    Strings arguments = {"--resume", folder};
    arguments.insert(arguments.end(), more.begin(), more.end());
    test::train(arguments);
  };
  CHECK_ERROR(resume("--batch", "0x"), folder + ": --batch: expected a whole number", "found 0x");
  CHECK_ERROR(resume("model", "rnn\n"), folder + ": model: expected", "found rnn\\x0a");
  CHECK_ERROR(resume("--data", std::string("a\0b", 3)), folder, "--data: expected a path", "found a\\x00b");
  CHECK_ERROR(resume("--schedule", "", {"--epochs", "2"}), folder, "expected --schedule in its checkpoint");
  CHECK_ERROR(resume("device", "tpu"), folder + ": device: expected gpu, cpu or emulated", "tpu");
  CHECK_ERROR(resume("device", ""), folder, "expected gpu, cpu or emulated");
  CHECK_ERROR(test::train({"--resume", path}), "--resume: expected the folder of a run, found the file " + path);
}

TEST("run: goes on in its --step-log, on the device that it was on") {
  const std::string steps = in_scratch("steps.csv");
  test::train(small_run("run", {"--epochs", "1", "--step-log", steps}));
  std::ofstream(steps, std::ios::app) << "8,1.5\n9,1.5\n";  // an epoch that was killed at its end
  test::train({"--resume", in_scratch("run"), "--epochs", "2", "--step-log", steps});
  const std::string log = read_file(steps);
  CHECK(log.starts_with("step,loss\n1,") && contains(log, "\n14,") && !contains(log, ",1.5\n"), log);
  CHECK_EQUAL(std::count(log.begin(), log.end(), '\n'), 1 + 14);
  CHECK_EQUAL(read_checkpoint(in_scratch("run/checkpoint.safetensors")).metadata.at("device"), "cpu");
  const std::string bad = in_scratch("none/weights");
  CHECK_ERROR(test::train(small_run("other", {"--epochs", "1", "--save", bad})), "--save", bad);
}

TEST("run: fewer epochs than are done are refused") {
  test::train(small_run("run", {"--epochs", "2"}));
  CHECK_ERROR(test::train({"--resume", in_scratch("run"), "--epochs", "1"}), "--epochs", "2");
}

TEST("run: an earlier run in the folder is moved, not lost") {
  const std::string init = in_scratch("run/weights.safetensors");
  test::train(small_run("run", {"--epochs", "1"}));
  const std::string first = read_file(init);
  const Outcome again = test::train(small_run("run/", {"--epochs", "1", "--init", init}));
  CHECK(contains(again.output, in_scratch("run.1")), again.output);
  test::train(small_run("run", {"--epochs", "1"}));
  CHECK(read_file(in_scratch("run.1/weights.safetensors")) == first);
  CHECK(fs::exists(in_scratch("run.2/weights.safetensors")));
  CHECK(read_file(init) == first);

  std::ofstream(in_scratch("file")) << "not a folder";
  CHECK_ERROR(test::train(small_run("file", {"--epochs", "1"})), "--out", in_scratch("file"));
}

TEST("run: options that have no meaning together are refused") {
  CHECK_ERROR(test::train(small_run("run", {"--optimizer", "adam", "--momentum", "0.5"})),
              "--momentum", "--optimizer sgd");
  CHECK_ERROR(test::train(small_run("run", {"--step-epochs", "3"})), "--step-epochs", "step");
  CHECK_ERROR(test::train(small_run("run", {"--schedule", "cosine", "--warm-up", "30"})),
              "--warm-up", "30");
}

TEST("run: schedules") {
  const auto rate = [](const Schedule& schedule, int epoch, int step) {
    return learning_rates(schedule, epoch, 4)[step];
  };
  CHECK_EQUAL(rate({"constant", 0.5, 9, 10, 0}, 9, 3), 0.5);
  const Schedule warm{"constant", 0.8, 9, 10, 1.5};  // 6 updates
  CHECK_NEAR(rate(warm, 1, 0), 0.8 / 6, 1e-15);
  CHECK_NEAR(rate(warm, 2, 1), 0.8, 1e-15);
  CHECK_NEAR(rate(warm, 2, 2), 0.8, 1e-15);
  const Schedule step{"step", 0.5, 9, 2, 0};
  CHECK_EQUAL(rate(step, 2, 3), 0.5);
  CHECK_NEAR(rate(step, 3, 0), 0.05, 1e-15);
  CHECK_NEAR(rate(step, 5, 0), 0.005, 1e-15);
  const Schedule cosine{"cosine", 0.5, 3, 10, 1};  // 4 updates of warm-up, 8 of the cosine
  CHECK_NEAR(rate(cosine, 2, 0), 0.5, 1e-15);
  CHECK_NEAR(rate(cosine, 3, 0), 0.25, 1e-15);
  CHECK_NEAR(rate(cosine, 3, 3), 0.25 * (1 + std::cos(M_PI * 7 / 8)), 1e-15);
}

TEST("run: on a terminal, a line tells of the epoch that is running") {
  const test::ThreadCount one_thread(1);  // a child has only the thread that made it
  Strings arguments = small_run("run", {"--epochs", "1"});
  *std::find(arguments.begin(), arguments.end(), "16") = "2";  // 50 batches
  int terminal = -1;
  std::fflush(stdout);
  const pid_t child = forkpty(&terminal, nullptr, nullptr, nullptr);
  if (child == 0) {
    try {
      std::vector<const char*> argv = {"train"};
      for (const std::string& argument : arguments) argv.push_back(argument.c_str());
      run_training(static_cast<int>(argv.size()), argv.data());
      std::fflush(stdout);
    } catch (...) {
    }
    _exit(0);
  }
  std::string output;
  char part[4096];
  for (ssize_t count; (count = read(terminal, part, sizeof part)) > 0;) output.append(part, count);
  close(terminal);
  waitpid(child, nullptr, 0);
  for (const char* wanted : {"1/1  32 of 50 batches, 0:00 left, loss ", "\x1b[K\r\x1b[K\r1/1  "})
    CHECK(contains(output, wanted), wanted, " in ", output);
}

TEST("run: times and large numbers") {
  CHECK_EQUAL(clock_text(75.3), "1:15");
  CHECK_EQUAL(clock_text(4000), "1:06:40");
  CHECK_EQUAL(grouped(1234567), "1,234,567");
}

TEST("run: --help fits a screen") {
  const std::string help = help_text();
  CHECK(std::count(help.begin(), help.end(), '\n') <= 40);
  size_t begin = 0;
  for (size_t end; (end = help.find('\n', begin)) != std::string::npos; begin = end + 1)
    CHECK(end - begin <= 80, help.substr(begin, end - begin));
}

}  // namespace
}  // namespace plainnet
