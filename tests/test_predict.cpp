// What ./predict prints.

#include <algorithm>
#include <filesystem>

#include "base/command_line.h"
#include "base/files.h"
#include "base/numbers.h"
#include "images/image.h"
#include "training/record.h"
#include "files/safetensors.h"
#include "network/models.h"
#include "tests/child.h"
#include "tests/memory_limit.h"
#include "tests/png.h"
#include "tests/small_run.h"

namespace plainnet {
namespace {

namespace fs = std::filesystem;
using Strings = std::vector<std::string>;

using test::contains;
using test::in_scratch;
using test::predict;
using test::scratch_folder;
using test::small_run;

// A black bar on white paper of another size than the network's images.
GreyImage bar() {
  GreyImage image{30, 40, std::vector<uint8_t>(30 * 40, 250)};
  for (int y = 5; y < 35; ++y) image.pixels[y * 30 + 14] = image.pixels[y * 30 + 15] = 10;
  return image;
}

std::string pgm_of(const GreyImage& image) {
  return text("P5 ", image.width, " ", image.height, " 255\n") + std::string(image.pixels.begin(), image.pixels.end());
}

TEST("predict: --evaluate finds what training logged") {
  const std::string run = scratch_folder() + "/run/";
  test::train(small_run("run", {"--epochs", "4", "--optimizer", "adam"}));
  const EpochRecord last = parse_log(read_file(run + "log.csv"), "log").back();
  const std::string expected =
      format("loss %.4f, accuracy %.2f%%", last.test_loss, 100 * last.test_accuracy);
  for (const char* file : {"weights.safetensors", "checkpoint.safetensors"}) {
    const auto outcome = predict(
        {run + file, "--evaluate", "--data", test::small_data(), "--device", "cpu"});
    CHECK(contains(outcome.output, expected), "expected ", expected, ", got ", outcome.output);
  }
}

TEST("predict: --evaluate says of each class what training said at its end") {
  const auto trained = test::train(small_run("run", {"--epochs", "3", "--optimizer", "adam"}));
  const size_t begin = trained.output.find("\nRight, by class:");
  const std::string said = trained.output.substr(begin, trained.output.find("\nBest epoch", begin) - begin);
  CHECK(contains(said, "%   9 ") && contains(said, "Most often confused:"), said);
  const auto outcome = predict({scratch_folder() + "/run/weights.safetensors", "--evaluate"});
  CHECK(outcome.output.ends_with(said), outcome.output, " ends not with ", said);
}

TEST("predict: images, by index and from files") {
  const std::string weights = scratch_folder() + "/run/weights.safetensors";
  const std::string data = test::small_data();
  test::train(small_run("run", {"--epochs", "1"}));
  const auto by_index = predict({weights, "--data", data, "--index", "13"});
  CHECK(contains(by_index.output, "label: 3"), by_index.output);
  double sum = 0;
  for (int digit = 0; digit < 10; ++digit) {
    const size_t row = by_index.output.find(text("\n  ", digit, "  "));
    CHECK(row != std::string::npos, by_index.output);
    const size_t end = by_index.output.find('%', row);
    sum += std::stod(by_index.output.substr(end - 6, 6));
  }
  CHECK_NEAR(sum, 100, 0.06);
  CHECK(contains(by_index.output, "This is a "));

  const std::string png = scratch_folder() + "/one.png", pgm = scratch_folder() + "/one.pgm";
  write_file_atomically(png, test::grey_png(bar()));
  write_file_atomically(pgm, pgm_of(bar()));
  const auto from_png = predict({weights, png}), from_pgm = predict({weights, pgm});
  CHECK_EQUAL(from_png.status, 0);
  CHECK_EQUAL(from_png.output, from_pgm.output);
  for (const char* part : {"inverted", "scaled", "centred in 18x18", "@@"})
    CHECK(contains(from_png.output, part), from_png.output);
}

// A network whose last layer has weights of 0 says the same of every image: what its biases say.
TEST("predict: a second digit is named where the first is not sure") {
  test::train(small_run("run", {"--epochs", "1"}));
  TensorFile file = read_safetensors(scratch_folder() + "/run/weights.safetensors");
  const auto says = [&](const std::vector<float>& probabilities) {
    for (Tensor& tensor : file.tensors) {
      if (tensor.name == "dense_2.kernel") std::fill(tensor.values.begin(), tensor.values.end(), 0.0f);
      if (tensor.name == "dense_2.bias")
        for (int i = 0; i < 10; ++i) tensor.values[i] = std::log(probabilities[i]);
    }
    write_safetensors(scratch_folder() + "/says.safetensors", file);
    const auto outcome = predict({scratch_folder() + "/says.safetensors", "--data", test::small_data(), "--index", "0"});
    return outcome.output.substr(outcome.output.find("This is"));
  };
  const float rest = 0.01f;
  CHECK_EQUAL(says({rest, rest, rest, rest, 0.62f, rest, rest, rest, rest, 0.30f}),
              "This is a 4 (62.00%), or a 9 (30.00%): wrong, the label is 0.\n");
  CHECK_EQUAL(says({rest, rest, rest, rest, rest, rest, rest, rest, 0.91f, rest}), "This is an 8 (91.00%): wrong, the label is 0.\n");
  CHECK_EQUAL(says({rest, rest, rest, 0.46f, rest, rest, rest, rest, 0.46f, rest}),
              "This is a 3 (46.00%), or an 8 (46.00%): wrong, the label is 0.\n");
  CHECK_EQUAL(says({0.91f, rest, rest, rest, rest, rest, rest, rest, rest, rest}), "This is a 0 (91.00%).\n");
}

TEST("predict: a run's folder stands for its best weights, and says of which epoch") {
  const std::string run = in_scratch("run"), best = run + "/best.safetensors", data = test::small_data();
  test::train(small_run("run", {"--epochs", "3", "--optimizer", "adam"}));
  const std::string epoch = read_safetensors(best).metadata.at("epochs");
  write_file_atomically(in_scratch("bar.png"), test::grey_png(bar()));
  fs::remove(run + "/weights.safetensors");  // as after Ctrl-C
  for (const std::string& folder : {run, run + "/"})
    for (const Strings& what : {Strings{in_scratch("bar.png")}, Strings{"--index", "3"}}) {
      Strings of_run = {folder}, of_file = {best};
      of_run.insert(of_run.end(), what.begin(), what.end());
      of_file.insert(of_file.end(), what.begin(), what.end());
      CHECK_EQUAL(predict(of_run).output, best + ": cnn, after epoch " + epoch + ".\n\n" + predict(of_file).output);
    }
  const std::string evaluated = predict({run, "--evaluate"}).output;
  CHECK(contains(evaluated, "epoch " + epoch + ".\n\n" + data + ", 40 test images: "), evaluated);

  fs::remove(best);  // as after Ctrl-C in the first epoch
  CHECK_ERROR(predict({run, "--evaluate"}), best + ": expected what a run's first epoch leaves, found none");
  CHECK_ERROR(predict({data, "--evaluate"}), data + "/best.safetensors: expected what a run's first epoch leaves, found none");
}

TEST("predict: many pictures, a line each, and those that cannot be read do not stop the others") {
  const std::string run = in_scratch("run"), black = in_scratch("black.png"), white = in_scratch("a white.pgm");
  test::train(small_run("run", {"--epochs", "1"}));
  GreyImage light = bar();
  for (uint8_t& pixel : light.pixels) pixel = static_cast<uint8_t>(255 - pixel);
  write_file_atomically(black, test::grey_png(bar()));
  write_file_atomically(white, pgm_of(light));
  const std::string alone = predict({run, black}).output;
  const size_t begin = alone.find("This is ") + 8;
  const std::string words = alone.substr(begin, alone.rfind('.') - begin);
  const std::string heading = alone.substr(0, alone.find("\n\n") + 2);
  const std::string blanks(white.size() - black.size(), ' ');
  const std::string of_black = black + blanks + "  " + words + "\n", of_white = white + "  " + words + "\n";
  CHECK_EQUAL(predict({run, black, white, black}).output, heading + of_black + of_white + of_black);

  const auto ended = test::run_program("predict", {run, in_scratch("none.png"), black, run + "/log.csv", white});
  CHECK_EQUAL(ended.status, 1);
  CHECK(contains(ended.output, "predict: " + in_scratch("none.png") + ": cannot be opened"), ended.output);
  CHECK(contains(ended.output, "predict: " + run + "/log.csv: expected a PNG"), ended.output);
  CHECK(ended.output.ends_with(of_black + of_white), ended.output);
  CHECK_EQUAL(test::run_program("predict", {run, run + "/log.csv", run + "/curves.svg"}).status, 1);
  CHECK_ERROR(predict({run, in_scratch("none.png")}), in_scratch("none.png") + ": cannot be opened");

  const std::string folder = in_scratch("a folder"), alone_in = folder + "/one.PGM";
  fs::create_directory(folder);
  for (const char* other : {"/notes.txt", "/png", "/b.png.txt"}) write_file_atomically(folder + other, "no picture");
  CHECK_ERROR(predict({run, folder}), folder + ": expected pictures (.png, .pgm or .ppm), found none");
  write_file_atomically(alone_in, pgm_of(light));
  CHECK_EQUAL(predict({run, folder}).output, heading + alone_in + "  " + words + "\n");
  for (const char* name : {"/two.pgm", "/Two.pGm", "/a.a.pgm"}) write_file_atomically(folder + name, pgm_of(light));
  const std::string in_folder = folder + "/Two.pGm  " + words + "\n" + folder + "/a.a.pgm  " + words + "\n" + alone_in +
                                "  " + words + "\n" + folder + "/two.pgm  " + words + "\n";
  CHECK_EQUAL(predict({run, folder}).output, heading + in_folder);
  CHECK(predict({run, white, folder}).output.starts_with(heading + white), "in the order of the command line");
}

// Reads what RFC 4180 says, of which all lines end with a line feed alone.
std::vector<Strings> parse_csv(const std::string& csv) {
  std::vector<Strings> lines(1, {""});
  bool quoted = false;
  for (size_t i = 0; i < csv.size(); ++i) {
    if (csv[i] == '"' && quoted && csv[i + 1] == '"') lines.back().back() += csv[i++];
    else if (csv[i] == '"') quoted = !quoted;
    else if (csv[i] == ',' && !quoted) lines.back().push_back("");
    else if (csv[i] == '\n' && !quoted) lines.push_back({""});
    else lines.back().back() += csv[i];
  }
  CHECK(!quoted && lines.back() == Strings{""}, csv);
  lines.pop_back();
  return lines;
}

TEST("predict: --csv is for scripts") {
  const std::string data = test::small_data(), run = in_scratch("run"), picture = in_scratch("a, \"b\".pgm");
  const Strings classes = {"zero, or O", "the \"one\"", "2", "3", "4", "5", "6", "7", "8", "9"};
  std::string names;
  for (const std::string& name : classes) names += name + "\n";
  write_file_atomically(data + "/classes.txt", names);
  test::train(small_run("run", {"--epochs", "3", "--optimizer", "adam"}));
  write_file_atomically(picture, pgm_of(bar()));
  Strings header = {"image", "label", "guess"};
  header.insert(header.end(), classes.begin(), classes.end());
  const auto check_rows = [&](const std::string& csv, size_t rows) {
    const std::vector<Strings> lines = parse_csv(csv);
    CHECK(lines.size() == rows + 1 && lines[0] == header, csv);
    for (size_t i = 1; i < lines.size(); ++i) {
      CHECK_EQUAL(lines[i].size(), header.size());
      double sum = 0, most = 0;
      for (size_t j = 3; j < header.size(); ++j) sum += std::stod(lines[i][j]), most = std::max(most, std::stod(lines[i][j]));
      CHECK_NEAR(sum, 1, 1e-5);
      const size_t guess = static_cast<size_t>(std::find(classes.begin(), classes.end(), lines[i][2]) - classes.begin());
      CHECK(guess < 10 && std::stod(lines[i][3 + guess]) == most, lines[i][2]);
    }
    return lines;
  };
  const std::vector<Strings> all = check_rows(predict({run, "--evaluate", "--csv"}).output, test::kSmallTest);
  int right = 0;
  for (size_t i = 1; i < all.size(); ++i) {
    CHECK_EQUAL(all[i][0], text(i - 1));
    CHECK_EQUAL(all[i][1], classes[(i - 1) % 10]);
    right += all[i][1] == all[i][2];
  }
  CHECK(contains(predict({run, "--evaluate"}).output, text(", ", test::kSmallTest - right, " wrong, ")), right);
  const std::vector<Strings> one = check_rows(predict({run, "--index", "13", "--csv"}).output, 1);
  CHECK(one[1] == all[14], one[1][0]);
  const std::vector<Strings> two = check_rows(predict({run, picture, picture, "--csv"}).output, 2);
  CHECK(two[1] == two[2] && two[1][0] == picture && two[1][1] == "", two[1][0]);
  CHECK(check_rows(predict({run, picture, "--csv"}).output, 1)[1] == two[1], "alone");

  const std::string other = in_scratch("other");  // what is no line of CSV goes to standard error
  fs::copy(data, other);
  write_file_atomically(other + "/t10k-labels-idx1-ubyte", read_file(data + "/t10k-labels-idx1-ubyte").substr(0, 47) + '\1');
  check_rows(predict({run, "--evaluate", "--csv", "--data", other}).output, test::kSmallTest);
}

// Finite weights whose outputs are not.
TEST("predict: a loss or an output that is not finite is an error") {
  const std::string weights = in_scratch("run/weights.safetensors");
  test::train(small_run("run", {"--epochs", "1"}));
  TensorFile file = read_safetensors(weights);
  for (Tensor& tensor : file.tensors)
    if (tensor.name == "dense_1.kernel" || tensor.name == "dense_2.kernel")
      std::fill(tensor.values.begin(), tensor.values.end(), 1e38f);
  write_safetensors(weights, file);
  const auto evaluated = test::run_program("predict", {weights, "--evaluate"});
  CHECK_EQUAL(evaluated.status, 1);
  CHECK(contains(evaluated.output, "predict: test batch 1, whose loss is nan: the output of dense_"), evaluated.output);
  write_file_atomically(in_scratch("bar.png"), test::grey_png(bar()));
  for (const Strings& what : {Strings{weights, "--index", "0"}, Strings{weights, in_scratch("bar.png")}})
    CHECK_ERROR(predict(what), "the network's output is no number: was it trained?");
}

TEST("predict: --help fits 24 rows of 80 columns") {
  const std::string help = predict({"--help"}).output;
  CHECK(std::count(help.begin(), help.end(), '\n') <= 24, help);
  for (size_t begin = 0, end; (end = help.find('\n', begin)) != help.npos; begin = end + 1)
    CHECK(end - begin <= 80, help.substr(begin, end - begin));
}

TEST("predict: what is wrong is said") {
  const std::string weights = scratch_folder() + "/run/weights.safetensors";
  const std::string data = test::small_data();
  test::train(small_run("run", {"--epochs", "1"}));
  CHECK_ERROR(predict({}), "expected a file of weights or a run");
  CHECK_ERROR(predict({weights}), "PICTURE", "found 0");
  CHECK_ERROR(predict({weights, "a.png", "--evaluate"}), "PICTURE", "found 2");
  CHECK_ERROR(predict({weights, "a.png", "--data", data}), "--data: pictures need no data");
  CHECK_ERROR(predict({weights, "a.png", "b.png", "--index", "0"}), "PICTURE", "found 2");
  CHECK_ERROR(predict({weights, "--index", "40", "--data", data}), "--index", "0 to 39", "40");
  CHECK_ERROR(predict({weights, "--evalute"}), "--evalute", "--evaluate");
  CHECK_ERROR(predict({weights, weights}), weights, "expected a PNG");
  CHECK_ERROR(predict({weights, "--model", "bilstm", "--evaluate", "--data", data}), weights + ": bilstm: expected ",
              "(--model names another)");
  CHECK_ERROR(predict({weights, "--model", "mlp", "--evaluate", "--data", data}), weights, "mlp for 10 classes; dense_1.kernel",
              "conv2d_1.kernel: expected none");
  TensorFile nameless = read_safetensors(weights);
  nameless.metadata.clear();
  const std::string other = scratch_folder() + "/other.safetensors";
  write_safetensors(other, nameless);
  CHECK_ERROR(predict({other, "--evaluate", "--data", data}), other, "--model");
  CHECK_EQUAL(predict({other, "--evaluate", "--data", data, "--model", "cnn"}).status, 0);
  nameless.metadata = {{"model", "cnn"}, {"height", "0"}};
  write_safetensors(other, nameless);
  CHECK_ERROR(predict({other, "a.png"}), other, "height");
  nameless.metadata["height"] = "28abc";
  write_safetensors(other, nameless);
  CHECK_ERROR(predict({other, "a.png"}), other, "height", "28abc");
  nameless.metadata = {{"model", "cnn"}, {"height", "18"}, {"width", "18"}, {"fill", "0.7"}};
  write_safetensors(other, nameless);
  CHECK_ERROR(predict({other, "a.png"}), other, "metadata fill: expected a whole number from 100 to 1000, found 0.7");
  nameless.metadata = {{"model", "cnn"}, {"seed", "-1"}};
  write_safetensors(other, nameless);
  CHECK_ERROR(predict({other, "--index", "0", "--data", "digits"}), other, "metadata seed: expected a whole number",
              "found -1");
  nameless.metadata = {{"model", "c\x1b[2J"}};
  write_safetensors(other, nameless);
  CHECK_ERROR(predict({other, "a.png"}), other + ": model: expected cnn, ", "found \"c\\x1b[2J\" (--model names another)");
  nameless.metadata = {{"model", "cnn"}, {"height", "20"}, {"width", "18"}};
  write_safetensors(other, nameless);
  CHECK_ERROR(predict({other, "--evaluate", "--data", data}), data, "expected images of 20x18, which " + other,
              "found 18x18");
}

TEST("predict: nothing is built of a size that a file of weights claims and does not have") {
  const std::string path = scratch_folder() + "/claims.safetensors";
  for (const std::string& model : model_names())
    for (const std::string size : {"400", "4096"}) {
      write_safetensors(path, {{}, {{"model", model}, {"height", size}, {"width", size}}});
      const test::MemoryLimit limit(1 << 20);
      CHECK_ERROR(predict({path, "none.png"}), path + ": " + model + ": expected ",
                  text(" numbers for ", size, "x", size, ", found 0 (--model names another)"));
    }
}

TEST("predict: exit statuses") {
  const auto status_of = [](const std::function<int()>& body) {
    std::fflush(stderr);
    return run_program("test", body);
  };
  CHECK_EQUAL(status_of([] { return 130; }), 130);
  CHECK_EQUAL(status_of([]() -> int { throw Error("an error, as the test wants"); }), 1);
  CHECK_EQUAL(status_of([]() -> int { throw UsageError("a wrong usage, as the test wants"); }), 2);
}

}  // namespace
}  // namespace plainnet
