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
#include <iterator>
#include <map>
#include <regex>
#include <sstream>
#include <thread>

#include "files/checkpoint.h"
#include "base/files.h"
#include "base/numbers.h"
#include "base/system.h"
#include "base/threads.h"
#include "run/options.h"
#include "run/report.h"
#include "training/trainer.h"
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
                                 "1,nan,0,0,0,0", "1,inf,0,0,0,0", "1,0,0,nan,0,0", "1,0,0,-inf,0,0",
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
  for (const char* part : {"conv2d_1", "Total", "100 training and 40 test images", "\n    2  ", "Best"})
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
  CHECK_EQUAL(test::files_in(folder), size_t{9});  // and no temporary one
}

// Reads what run.json has of JSON (RFC 8259): no empty lists, nothing escaped but quotes and backslashes. Each
// text or number goes into `values` under the keys that lead to it: "epochs/0/1".
void read_json(std::istream& json, const std::string& path, std::map<std::string, std::string>* values) {
  const auto next = [&] { return static_cast<char>((json >> std::ws).get()); };
  const auto string = [&] {
    std::string word;
    for (char c; (c = static_cast<char>(json.get())) != '"';) {
      CHECK(json && static_cast<unsigned char>(c) >= ' ', path, ": a bare control character, or the end");
      if (c == '\\') {
        c = static_cast<char>(json.get());
        CHECK(c == '"' || c == '\\', path, ": \\", c);
      }
      word += c;
    }
    return word;
  };
  char c = next();
  if (c == '"') {
    (*values)[path] = string();
  } else if (c == '{' || c == '[') {
    const char end = c == '{' ? '}' : ']';
    for (int i = 0; c != end; ++i) {
      std::string key = text(i);
      if (end == '}') {
        CHECK_EQUAL(next(), '"');
        key = string();
        CHECK_EQUAL(next(), ':');
      }
      read_json(json, path.empty() ? key : path + "/" + key, values);
      c = next();
      CHECK(c == ',' || c == end, path, ": ", c);
    }
  } else {
    std::string word(1, c);
    while (std::string("+-.eE0123456789").find(static_cast<char>(json.peek())) != std::string::npos)
      word += static_cast<char>(json.get());
    CHECK(std::regex_match(word, std::regex("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?")), path, ": ", word);
    (*values)[path] = "number " + word;
  }
}

std::map<std::string, std::string> json_of(const std::string& json) {
  std::istringstream stream(json);
  std::map<std::string, std::string> values;
  read_json(stream, "", &values);
  CHECK_EQUAL((stream >> std::ws).get(), EOF);
  return values;
}

TEST("run: run.json says what was run, on what, and what it came to") {
  const std::string folder = in_scratch("run/"), data = in_scratch("my \"data\", \\new");
  fs::copy(test::small_data(), data);
  test::train(small_run("run", {"--epochs", "2", "--data", data, "--threads", "1", "--seed",
                                "18446744073709551615", "--nesterov", "off", "--limit", "99"}));
  for (const int epochs : {2, 3}) {
    const auto json = json_of(read_file(folder + "run.json"));
    const auto said = [&](const std::string& key) { return json.count(key) ? json.at(key) : "nothing"; };
    const Checkpoint checkpoint = read_checkpoint(folder + "checkpoint.safetensors");
    for (const auto& [key, value] : json)
      CHECK(contains(read_file("docs/files.md"), "`" + key.substr(0, key.find('/')) + "`"), key);
    CHECK_EQUAL(said("options/model"), "cnn");
    CHECK_EQUAL(said("options/--epochs"), text("number ", epochs));
    CHECK_EQUAL(said("options/--seed"), "number 18446744073709551615");
    CHECK_EQUAL(said("options/--learning-rate"), "number 0.05");
    CHECK_EQUAL(said("options/--nesterov"), "off");
    CHECK_EQUAL(said("options/--limit"), "number 99");
    CHECK_EQUAL(said("options/--data"), data);
    CHECK_EQUAL(said("data"), checkpoint.metadata.at("data"));
    CHECK_EQUAL(said("device"), "cpu");
    CHECK(contains(said("device_name"), processor_name()), said("device_name"));
    CHECK_EQUAL(said("threads"), text("number ", thread_count()));
    CHECK_EQUAL(said("processor"), processor_name());
    CHECK_EQUAL(said("compiler"), __VERSION__);
    CHECK_EQUAL(said("columns"), kLogHeader);
    std::string log = text(kLogHeader, "\n");
    for (int i = 0; i < epochs; ++i)
      for (int column = 0; column < 6; ++column)
        log += said(text("epochs/", i, "/", column)).substr(7) + (column < 5 ? "," : "\n");
    CHECK_EQUAL(log, read_file(folder + "log.csv"));
    CHECK_EQUAL(said(text("epochs/", epochs, "/0")), "nothing");
    CHECK_EQUAL(said("best_epoch"), text("number ", best_epoch(checkpoint.epochs).epoch));
    CHECK_EQUAL(said("total_seconds"), "number " + exact_text(checkpoint.total_seconds));
    double training = 0;
    for (const EpochRecord& record : checkpoint.epochs) training += record.seconds;
    CHECK(checkpoint.total_seconds > training, checkpoint.total_seconds, " s, ", training);
    test::train({"--resume", in_scratch("run"), "--epochs", "3"});
  }

  // What looks like a number is none in a path; what is no text in UTF-8 is shown as on the terminal.
  Options options;
  options.data = "007";
  const Checkpoint checkpoint{{{"data", "a\nb"}, {"device", "cpu\xff"}}, {{1, 1e100, 0, 1e-300, 1, 1}}, 1e-9, {}, {}};
  const auto json = json_of(run_json(options, checkpoint, "x"));
  CHECK_EQUAL(json.at("options/--data"), "007");
  CHECK_EQUAL(json.at("data") + json.at("device"), "a\\x0abcpu\\xff");
  CHECK_EQUAL(json.at("epochs/0/1"), "number 1e+100");
}

// The lines of the table of epochs that ./train printed.
Strings table_of(const std::string& output) {
  std::istringstream lines(output.substr(output.find(text(kEpochHeading, "\n"))));
  Strings rows;
  std::string line;
  for (std::getline(lines, line); std::getline(lines, line) && !line.empty();) rows.push_back(line);
  return rows;
}

TEST("run: the table has the rate of the last step, and a mark where an epoch is the best so far") {
  const Outcome outcome = test::train(small_run(
      "run", {"--epochs", "5", "--optimizer", "adam", "--schedule", "cosine", "--learning-rate", "0.5"}));
  const Strings rows = table_of(outcome.output);
  const std::vector<EpochRecord> log = parse_log(read_file(in_scratch("run/log.csv")), "log");
  CHECK_EQUAL(rows.size(), size_t{5});
  std::vector<EpochRecord> so_far;
  for (int i = 0; i < 5; ++i) {
    so_far.push_back(log[i]);
    const double rate = learning_rates({"cosine", 0.5, 5, 10, 0}, i + 1, 7).back();
    CHECK(rows[i].starts_with(format("%5d%10.3g", i + 1, rate)), rows[i]);
    CHECK_EQUAL(contains(rows[i], "%*"), best_epoch(so_far).epoch == i + 1);
  }
  CHECK(rows[4].ends_with(" 0:00"), rows[4]);
}

TEST("run: the table fits 80 columns") {
  CHECK(std::string(kEpochHeading).size() <= 80);
  const auto printed = [](const EpochRecord& record, double rate, double left) {
    return test::outcome_of([&] {
      print_epoch(record, true, rate, left);
      return 0;
    }).output;
  };
  const std::string usual = printed({7, 0.0123, 0.996, 0.03, 0.991, 3.52}, 0.05, 4000);
  CHECK_EQUAL(usual, "    7      0.05      0.0123    99.60%     0.0300    99.10%*     3.52   1:06:40\n");
  const std::string heading = text(kEpochHeading, "\n");
  CHECK_EQUAL(usual.size(), heading.size());
  for (const std::string name : {"epoch ", "rate ", "train loss ", "accuracy ", "test loss ", "seconds ", "left\n"}) {
    const size_t end = heading.find(name) + name.size() - 1;  // a number ends where its name does
    CHECK(usual[end - 1] != ' ' && (usual[end] == heading[end]), name);
  }
  for (const double loss : {0.0, 9998.99999, 9999.0, 3.4e38, 1e100}) {
    const std::string row = printed({1000000, loss, 1, loss, 1, 99999.99}, 1.234e-10, 3.59e6);
    CHECK_EQUAL(row.size(), size_t{81});  // with the end of the line
    std::istringstream words(row);
    CHECK_EQUAL(std::distance(std::istream_iterator<std::string>(words), {}), 8);
  }
}

TEST("run: the first screen fits 80 columns") {
  Dataset dataset{"built-in digits, drawn with seed 1", {60000, 28, 28, {}, {}}, {10000, 28, 28, {}, {}}};
  dataset.classes = Strings(26, "x");
  for (const std::string model : {"cnn", "separable", "bilstm", "mlp"}) {
    const char* const words[] = {"train", model.c_str(), "--optimizer", "rmsprop", "--epochs", "1000000", "--batch",
                                 "65536", "--seed", "18446744073709551615", "--schedule", "constant"};
    const std::string output = test::outcome_of([&] {
      print_summary(parse_options(std::size(words), words), dataset,
                    "11th Gen Intel(R) Core(TM) i7-11850H @ 2.50GHz, 16 threads");
      return 0;
    }).output;
    std::istringstream lines(output);
    int count = 1;
    for (std::string line; std::getline(lines, line); ++count) CHECK(line.size() <= 80, line);
    CHECK(count <= 24, count, " with the heading of the table");
  }
}

TEST("run: at the end it says why a training accuracy is below the test's, where it is") {
  const auto closing = [](double train_accuracy) {
    Checkpoint checkpoint{{}, {{1, 0.5, train_accuracy, 0.2, 0.9, 4}, {2, 0.1, 1, 0.2, 0.8, 4}}, 9, {}, {}};
    return test::outcome_of([&] {
      Options options;
      options.out = "runs/separable";
      options.limit = 60000;
      print_closing(options, checkpoint);
      return 0;
    }).output;
  };
  const std::string why = "\nTraining accuracy, a mean while the network learns, can be below the test's.\n";
  CHECK(contains(closing(0.899), why) && !contains(closing(0.9), "Training accuracy"));
  CHECK(contains(closing(1), "Best epoch (*): 1, with 90.00% on the test set and a loss of 0.2000 there.\n"));
  CHECK(contains(closing(1), "Total time: 0:09, of which 0:08 training, 15,000 images a second.\n"));
  std::istringstream lines(closing(0));
  for (std::string line; std::getline(lines, line);) CHECK(line.size() <= 80, line);
}

const std::string kHint = "The loss has been above its start for 100 steps: try a smaller --learning-rate.\n";

TEST("run: a learning rate that cannot work gets one hint") {
  Strings arguments = small_run("run", {"--epochs", "43", "--learning-rate", "20"});  // 301 steps
  arguments[0] = "mlp";
  const std::string output = test::train(arguments).output;
  CHECK(contains(output, kHint), output);
  CHECK_EQUAL(output.find(kHint), output.rfind(kHint));
  *std::find(arguments.begin(), arguments.end(), "43") = "14";  // 98 steps
  CHECK(!contains(test::train(arguments).output, kHint));
}

TEST("run: a loss that falls, or stays, gets no hint") {
  const std::string data = in_scratch("digits");
  const Dataset digits = draw_digits(12800, 100, 1);  // 100 steps
  fs::create_directory(data);
  test::write_idx(data + "/train", digits.train);
  test::write_idx(data + "/t10k", digits.test);
  const auto check = [&](Strings arguments) {
    arguments.insert(arguments.end(), {"--data", data});
    const std::string output = test::train(arguments).output;
    CHECK(!contains(output, kHint), output);
  };
  for (const std::string model : {"cnn", "separable", "bilstm", "mlp"})
    check({model, "--epochs", "1", "--out", in_scratch(model)});
  // At a rate of 0 the first batch's loss may be below the mean by chance, as it may of weights that begin trained.
  for (const int batch : {1, 8, 64})
    for (const std::string seed : {"1", "2", "3"})
      check({"mlp", "--limit", text(200 * batch), "--batch", text(batch), "--seed", seed, "--learning-rate", "0",
             "--epochs", "1", "--out", in_scratch("still")});
  check({"cnn", "--batch", "8", "--limit", "800", "--learning-rate", "0", "--epochs", "2", "--init",
         in_scratch("cnn/weights.safetensors"), "--out", in_scratch("trained")});
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

// That a file of weights has those of the epoch that it names, which it returns: a run of so many epochs comes
// to them.
size_t epoch_of(const std::string& file) {
  const TensorFile weights = read_safetensors(in_scratch(file));
  test::train(small_run("labelled", {"--epochs", weights.metadata.at("epochs")}));
  check_same(weights.tensors, read_safetensors(in_scratch("labelled/weights.safetensors")).tensors);
  fs::remove_all(in_scratch("labelled"));
  return std::stoul(weights.metadata.at("epochs"));
}

TEST("run: weights say of which epoch they are, after a resume, too") {
  test::train(small_run("run", {"--epochs", "2"}));
  CHECK_EQUAL(epoch_of("run/weights.safetensors"), size_t{2});
  for (const size_t epochs : {2, 4, 4}) {  // with nothing to do, and twice to the same
    test::train({"--resume", in_scratch("run"), "--epochs", text(epochs)});
    CHECK_EQUAL(epoch_of("run/weights.safetensors"), epochs);
    const std::vector<EpochRecord> log = read_checkpoint(in_scratch("run/checkpoint.safetensors")).epochs;
    CHECK_EQUAL(log.size(), epochs);
    CHECK_EQUAL(epoch_of("run/best.safetensors"), static_cast<size_t>(best_epoch(log).epoch));
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
      if (fs::exists(folder + "/best.safetensors")) epoch_of("part/best.safetensors");
      const std::string epochs = text(read_checkpoint(checkpoint).epochs.size() + 1);
      test::train({"--resume", folder, "--epochs", epochs});
      test::train(small_run("whole", {"--epochs", epochs}));
      check_same_run("part", "whole");
      CHECK_EQUAL(read_safetensors(folder + "/weights.safetensors").metadata.at("epochs"), epochs);
      CHECK_EQUAL(read_safetensors(folder + "/best.safetensors").metadata.at("epochs"),
                  read_safetensors(in_scratch("whole/best.safetensors")).metadata.at("epochs"));
      fs::remove_all(folder);
      fs::remove_all(in_scratch("whole"));
    }
}

// With a rate of 0 all epochs are alike, and of these the first is the best.
TEST("run: the best weights are those of the best epoch") {
  const std::string output = test::train(small_run("run", {"--epochs", "3", "--learning-rate", "0"})).output;
  const Strings rows = table_of(output);
  CHECK(contains(rows.at(0), "%*") && !contains(rows.at(1) + rows.at(2), "*"), output);
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

  fs::create_directory(in_scratch("mine"));
  std::ofstream(in_scratch("mine/letter")) << "of somebody";
  CHECK_ERROR(test::train(small_run("mine", {"--epochs", "1"})), in_scratch("mine"), "found other files");
  CHECK_EQUAL(read_file(in_scratch("mine/letter")), "of somebody");
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

// What `program` writes to a terminal of so many columns; TERM is `kind`, or not set.
std::string on_terminal(unsigned short columns, const char* kind, const std::function<void()>& program) {
  winsize size{40, columns, 0, 0};
  int terminal = -1;
  std::fflush(stdout);
  const pid_t child = forkpty(&terminal, nullptr, nullptr, &size);
  if (child == 0) {
    if (kind)
      setenv("TERM", kind, 1);
    else
      unsetenv("TERM");
    try {
      program();
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
  return output;
}

// The same of ./train, for 50 batches.
std::string train_on_terminal(unsigned short columns, const char* kind) {
  const test::ThreadCount one_thread(1);  // a child has only the thread that made it
  Strings arguments = small_run("run", {"--epochs", "1"});
  *std::find(arguments.begin(), arguments.end(), "16") = "2";
  const std::string output = on_terminal(columns, kind, [&] {
    std::vector<const char*> argv = {"train"};
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    run_training(static_cast<int>(argv.size()), argv.data());
  });
  CHECK(contains(output, "Best epoch"), output);
  return output;
}

TEST("run: on a terminal, a line tells of the epoch that is running") {
  for (const unsigned short columns : {0, 80, 200}) {  // 0: it does not know
    const std::string output = train_on_terminal(columns, "xterm");
    for (const char* wanted : {"\nepoch 1/1: 32 of 50 batches, 0:00 left, loss ", "%\x1b[K\r\x1b[K\r    1  "})
      CHECK(contains(output, wanted), wanted, " in ", output);
  }
}

TEST("run: that line is cut to the terminal's width") {
  CHECK(contains(train_on_terminal(20, "xterm"), "\nepoch 1/1: 32 of 50\x1b[K\r\x1b[K\r"));
  CHECK(contains(train_on_terminal(1, "xterm"), "\n\x1b[K\r\x1b[K\r"));
}

TEST("run: that line is cut to 80 columns where the terminal does not know its width") {
  const std::string output = on_terminal(0, "xterm", [] {
    Options options;
    options.epochs = 1000000;
    options.batch = 1;
    options.limit = 1000000000;
    print_progress(options, 1000000, std::vector<StepScore>(32, {2.5f, 0}), 1);
  });
  CHECK(output.starts_with("epoch 1000000/1000000: 32 of 1000000000 batches, 8680:33:19 left, loss 2.5") &&
            output.ends_with("\x1b[K\r"), output);
  CHECK_EQUAL(output.size(), size_t{79 + 4});
}

TEST("run: a terminal that is dumb, or that nothing is known of, gets plain lines") {
  for (const char* kind : {"dumb", "", static_cast<const char*>(nullptr)})
    CHECK(!contains(train_on_terminal(80, kind), "\x1b"), kind ? kind : "not set");
}

TEST("run: times and large numbers") {
  CHECK_EQUAL(clock_text(75.3), "1:15");
  CHECK_EQUAL(clock_text(4000), "1:06:40");
  CHECK_EQUAL(grouped(1234567), "1,234,567");
}

TEST("run: --help fits a screen") {
  const std::string help = test::train({"--help"}).output;
  CHECK(help.starts_with("usage: ./train MODEL") && help.ends_with("print this\n"), help);
  CHECK(std::count(help.begin(), help.end(), '\n') <= 34);
  size_t begin = 0;
  for (size_t end; (end = help.find('\n', begin)) != std::string::npos; begin = end + 1)
    CHECK(end - begin <= 80, help.substr(begin, end - begin));
}

}  // namespace
}  // namespace plainnet
