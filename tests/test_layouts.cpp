// Data as people have it: each layout is trained on, evaluated, asked about and resumed; anything else is refused
// by name, and nothing else is taken in its place.

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "base/numbers.h"
#include "base/random.h"
#include "files/safetensors.h"
#include "images/image.h"
#include "tests/memory_limit.h"
#include "tests/png.h"
#include "tests/small_run.h"
#include "training/record.h"

namespace plainnet {
namespace {

namespace fs = std::filesystem;
using test::contains;
using test::in_scratch;
using test::Outcome;
using test::predict;

using Strings = std::vector<std::string>;

const std::string kFashion =
    "t-shirt\ntrouser\npullover\ndress\ncoat\nsandal\nshirt\nsneaker\nbag\nankle boot\n";

// A folder of noise with labels first, first + 1, ..., last and again, named as MNIST's files are.
std::string make_data(const std::string& name, int height = 6, int width = 5, int first = 0, int last = 9) {
  const std::string folder = in_scratch(name);
  fs::create_directories(folder);
  Random random(std::hash<std::string>()(name), 0);
  for (const char* part : {"train", "t10k"}) {
    Images images{2 * (last + 1 - first), height, width, {}, {}};
    for (int i = 0; i < images.count; ++i) {
      images.labels.push_back(static_cast<uint8_t>(first + i % (last + 1 - first)));
      for (int p = 0; p < height * width; ++p) images.pixels.push_back(static_cast<uint8_t>(random.below(256)));
    }
    test::write_idx(folder + "/" + part, images);
  }
  return folder;
}

// Runs a command in the scratch folder.
void shell(const std::string& command) {
  CHECK_EQUAL(std::system(text("cd '", in_scratch(""), "' && ", command).c_str()), 0);
}

Outcome train_on(const std::string& data, Strings more = {}) {
  Strings all = {"mlp", "--data", data, "--device", "cpu", "--batch", "8", "--epochs", "1", "--out", in_scratch("run")};
  all.insert(all.end(), more.begin(), more.end());
  fs::remove_all(in_scratch("run"));
  return test::train(all);
}

// All that can be done with data; `label` is the name of the test image 1's.
void check_used(const std::string& data, int classes, const std::string& label) {
  const std::string run = in_scratch("run"), weights = run + "/weights.safetensors";
  const Outcome trained = train_on(data);
  CHECK(contains(trained.output, text(", ", classes, " classes\n")), trained.output);
  CHECK(contains(trained.output, data), trained.output);
  const Tensor bias = read_safetensors(weights).tensors.back();
  CHECK(bias.shape == std::vector<int64_t>{classes}, data, bias.shape_text());
  const double loss = parse_log(read_file(run + "/log.csv"), "log").back().test_loss;
  CHECK(contains(predict({weights, "--evaluate"}).output, format("loss %.4f", loss)), data);
  const Outcome indexed = predict({weights, "--index", "1"});
  CHECK(contains(indexed.output, "its label: " + label + "\n"), indexed.output);
  CHECK(contains(indexed.output, "\n  " + label + " "), indexed.output);
  CHECK_EQUAL(test::train({"--resume", run, "--epochs", "2"}).status, 0);
}

TEST("layouts: MNIST's names, packed or not, with dashes or dots") {
  const std::string data = make_data("data");
  check_used(data, 10, "1");
  shell("gzip -k data/*");  // both are there
  check_used(data, 10, "1");
  shell("rm data/*-ubyte");
  check_used(data, 10, "1");
  shell("for f in data/*.gz; do mv $f ${f%.gz}; done");  // packed without the name of it
  check_used(data, 10, "1");
  shell("cd data && for f in *; do mv $f ${f%-idx*}.idx${f#*-idx}; done");
  check_used(data, 10, "1");
  shell("gunzip -c data/train-images.idx3-ubyte >half && mv half data/train-images.idx3-ubyte");
  shell("for f in data/*; do mv $f $f.gz; done");  // one of them unpacked with the name of a packed one
  check_used(data, 10, "1");
  shell("mkdir data/train-images-idx3-ubyte");  // as an archive on Kaggle has it
  check_used(data + "/", 10, "1");
}

TEST("layouts: torchvision's folders") {
  make_data("data/MNIST/raw");
  shell("gzip -k data/MNIST/raw/*");
  check_used(in_scratch("data"), 10, "1");
  check_used(in_scratch("data/MNIST"), 10, "1");
  check_used(in_scratch("data/MNIST/raw"), 10, "1");
}

TEST("layouts: EMNIST's letters, 1 to 26") {
  const std::string data = make_data("emnist", 6, 5, 1, 26);
  shell("cd emnist && for f in train*; do mv $f emnist-letters-$f; done");
  shell("cd emnist && for f in t10k*; do mv $f emnist-letters-test${f#t10k}; done");
  check_used(data, 27, "2");
  std::string names = "none\n";
  for (char c = 'A'; c <= 'Z'; ++c) names += text(c, "\n");
  write_file_atomically(data + "/classes.txt", names);
  shell("gzip emnist/*ubyte");
  check_used(data, 27, "B");
}

TEST("layouts: from 2 classes to 256, of any size") {
  check_used(make_data("two", 3, 9, 0, 1), 2, "1");
  check_used(make_data("three", 20, 12, 0, 2), 3, "1");
  check_used(make_data("all", 2, 2, 0, 255), 256, "1");
}

TEST("layouts: names of classes are in all that is shown") {
  const std::string data = make_data("fashion", 18, 18), run = in_scratch("run");
  write_file_atomically(data + "/classes.txt", kFashion);
  check_used(data, 10, "trouser");
  const std::string confusion = read_file(run + "/confusion.svg"), mistakes = read_file(run + "/mistakes.svg");
  CHECK(contains(confusion, ">ankle boot taken for sneaker: ") && contains(confusion, ">ankle boot<"), confusion);
  CHECK(contains(mistakes, ">ankle boot read as ") || contains(mistakes, ">trouser read as "), mistakes);

  GreyImage bar{18, 18, std::vector<uint8_t>(18 * 18, 0)};
  for (int y = 3; y < 15; ++y) bar.pixels[y * 18 + 9] = 255;
  write_file_atomically(in_scratch("bar.png"), test::grey_png(bar));
  const std::string weights = run + "/weights.safetensors";
  const std::string output = predict({weights, in_scratch("bar.png")}).output;
  CHECK(contains(output, "\n  ankle boot  ") && contains(output, "\n  bag         "), output);

  // Windows ends a line with two characters, and a name may be one that a terminal or a picture must not obey.
  write_file_atomically(data + "/classes.txt", "a\x1b[2J\r\n<b>\r\n" + kFashion.substr(kFashion.find("pullover")));
  train_on(data);
  const Strings classes = read_idx_directory(data).classes;
  CHECK_EQUAL(classes.at(0), "a\\x1b[2J");
  CHECK_EQUAL(classes.at(1), "<b>");
  CHECK(contains(read_file(run + "/confusion.svg"), ">&lt;b&gt; taken for a\\x1b[2J: "));

  TensorFile file = read_safetensors(weights);
  for (const auto& [names, problem] : {std::pair("a\n\nb", "metadata classes: expected another name in line 2, found ''"),
                                       std::pair("a", "expected names of 2 to 256 classes, a line each, found 1"),
                                       std::pair("a\nb\nc", "its tensors are not those of mlp for 3 classes; ")}) {
    file.metadata["classes"] = names;
    write_safetensors(in_scratch("other"), file);
    CHECK_ERROR(predict({in_scratch("other"), in_scratch("bar.png")}), in_scratch("other"), problem);
  }
}

TEST("layouts: what is no data is refused with what is there, and nothing is taken in its place") {
  // As data that was asked for, and as what data/mnist may hold.
  const auto refused = [](const std::string& data, const std::string& expected, const std::string& found) {
    CHECK_ERROR(train_on(data), "expected " + expected, "found " + found);
    std::string given = data;
    CHECK_ERROR(load_dataset(&given, false, 1), "expected " + expected, "found " + found);
    CHECK_EQUAL(given, data);
  };
  const std::string images = "train-images-idx3-ubyte, packed (.gz) or not", folder = in_scratch("other");
  fs::create_directory(folder);
  CHECK_ERROR(train_on(folder), folder + ": expected " + images + ", found nothing");
  CHECK_ERROR(train_on(in_scratch("none")), in_scratch("none") + ": expected " + images + ", found No such file");
  write_file_atomically(folder + "/mnist_train.csv", "label,1x1\n");
  refused(folder, images, "others, such as " + folder + "/mnist_train.csv");
  refused(folder + "/mnist_train.csv", images, "Not a directory");
  fs::rename(folder + "/mnist_train.csv", folder + "/0.png");
  refused(folder, images, "others, such as " + folder + "/0.png");

  const std::string data = make_data("data"), labels = data + "/train-labels-idx1-ubyte";
  fs::rename(labels, labels + ".part");
  refused(data, "train-labels-idx1-ubyte, packed (.gz) or not", "others, such as " + data + "/");
  const std::string good = read_file(labels + ".part");
  write_file_atomically(labels, "<!DOCTYPE html>");
  refused(data, "the magic number 0x00000801", "0x3c21444f, a web page");
  write_file_atomically(labels, good.substr(0, 20));
  refused(data, "28 bytes, as its header says", "20 bytes");
  fs::remove(labels);
  shell("gzip -c data/train-labels-idx1-ubyte.part | head -c 30 >data/train-labels-idx1-ubyte.gz");
  CHECK_ERROR(train_on(data), labels + ".gz: broken compressed data: cut short");
  fs::remove(labels + ".gz");
  write_file_atomically(labels, good);
  write_file_atomically(data + "/emnist-digits-train-labels-idx1-ubyte", good);
  refused(data, "the files of one data set", data + "/emnist-digits-train-labels-idx1-ubyte and " + labels);
  fs::remove(data + "/emnist-digits-train-labels-idx1-ubyte");
  check_used(data, 10, "1");
}

TEST("layouts: classes that do not go with the labels are refused") {
  const std::string data = make_data("data", 6, 5, 0, 4), names = data + "/classes.txt";
  const auto refused = [&](const std::string& lines, const std::string& problem) {
    write_file_atomically(names, lines);
    CHECK_ERROR(train_on(data), names + ": ", problem);
  };
  refused("a\nb\nc\nd\n", "expected 5 names, one a label, found 4");
  refused("a\nb\n \nd\ne\n", "expected another name in line 3, found ''");
  refused("a\nb\nc\nb\ne\n", "expected another name in line 4, found 'b'");
  refused("", "expected names of 2 to 256 classes, a line each, found 0");
  std::string many;
  for (int i = 256; i >= 0; --i) many += text("a name ", i, "\n");
  refused(many, "expected names of 2 to 256 classes, a line each, found 257");
  write_file_atomically(names, many.substr(many.find('\n') + 1));
  check_used(data, 256, "a name 254");
  const std::string one = make_data("one", 6, 5, 7, 7);
  CHECK_ERROR(train_on(one), one + "/train-labels-idx1-ubyte: expected two classes or more, found only label 7");
}

TEST("layouts: weights are asked about the data that they learnt, or that --data names") {
  const std::string data = make_data("data"), other = make_data("other"), few = make_data("few", 6, 5, 0, 2);
  const std::string run = in_scratch("run"), weights = run + "/weights.safetensors";
  train_on(data, {"--limit", "12", "--test-limit", "8"});
  const std::string all = predict({weights, "--evaluate"}).output;
  CHECK(contains(all, data + ", 20 test images: "), all);
  CHECK_EQUAL(test::train({"--resume", run, "--epochs", "2"}).status, 0);
  CHECK_EQUAL(predict({weights, "--evaluate", "--data", data}).output.substr(0, 40), all.substr(0, 40));
  const std::string others = predict({weights, "--index", "3", "--data", other}).output;
  CHECK(others.starts_with("Not the data that " + weights + " learnt.\nTest image 3 of " + other), others);
  CHECK_ERROR(predict({weights, "--evaluate", "--data", few}),
              weights + ": its tensors are not those of mlp for 3 classes; ", "dense_2.bias: expected [3], found [10]");
  train_on(data, {"--save", in_scratch("saved")});
  CHECK_ERROR(train_on(few, {"--init", in_scratch("saved")}),
              in_scratch("saved") + ": its tensors are not those of mlp for 3 classes; ");

  train_on(data);
  fs::rename(data, in_scratch("kept"));
  for (const Strings& how : {Strings{weights, "--evaluate"}, Strings{weights, "--index", "0"}})
    CHECK_ERROR(predict(how), weights + ": its data: " + data + ": expected train-images-idx3-ubyte, packed (.gz) ",
                "found No such file or directory (--data names others)");
  CHECK_ERROR(test::train({"--resume", run, "--epochs", "3"}), data, "found No such file");
  CHECK_EQUAL(test::train({"--resume", run, "--epochs", "3", "--data", in_scratch("kept")}).status, 0);
  CHECK_EQUAL(predict({weights, "--evaluate"}).status, 0);  // it is the last that was learnt from
  fs::rename(other, in_scratch("moved"));
  fs::rename(in_scratch("kept"), data);
  train_on(data);
  fs::remove_all(data);
  fs::rename(in_scratch("moved"), data);
  for (const Strings& how : {Strings{weights, "--evaluate"}, Strings{weights, "--index", "0"}})
    CHECK_ERROR(predict(how), weights + ": its data: " + data + ": expected the data that was learnt, 20 training ",
                ", found 20 training images, hash ");
  CHECK_ERROR(test::train({"--resume", run, "--epochs", "3"}), data + ": expected the data that was learnt, ");
}

TEST("layouts: built-in digits are taken where data/mnist is not there or empty, and the first line says so") {
  const fs::path here = fs::current_path();
  fs::create_directories(in_scratch("data/mnist"));
  fs::current_path(in_scratch(""));
  const Outcome trained = test::train({"mlp", "--limit", "8", "--test-limit", "8", "--epochs", "1", "--out", "run"});
  const Outcome indexed = predict({"run/weights.safetensors", "--index", "9999"});
  fs::current_path(here);
  CHECK(trained.output.starts_with("No data in data/mnist (make mnist fetches it): taking built-in digits.\n"),
        trained.output);
  CHECK(indexed.output.starts_with("Test image 9999 of built-in digits, drawn with seed 1, its label: "),
        indexed.output);
}

// A gzip file with these bytes, stored, after the parts that its header has as the flags say.
std::string packed(const std::string& bytes, int flags = 0, const std::string& parts = "") {
  const std::string zlib = test::stored(bytes), sum = test::chunk("", bytes).substr(4 + bytes.size());
  const auto size = static_cast<uint32_t>(bytes.size());
  std::string file = "\x1f\x8b\x08" + text(static_cast<char>(flags)) + "123456" + parts;
  file += zlib.substr(2, zlib.size() - 6) + std::string(sum.rbegin(), sum.rend());
  for (int shift = 0; shift < 32; shift += 8) file += static_cast<char>(size >> shift);
  return file;
}

TEST("layouts: gzip's header, checksum and end") {
  const std::string data = make_data("data"), path = data + "/train-images-idx3-ubyte", good = read_file(path);
  const auto read = [&](const std::string& bytes) {
    write_file_atomically(path, bytes);
    const Dataset dataset = read_idx_directory(data);
    CHECK_EQUAL(std::string(dataset.train.pixels.begin(), dataset.train.pixels.end()), good.substr(16));
  };
  read(packed(good));
  read(packed(good, 1));
  read(packed(good, 8, std::string("name\0", 5)));
  read(packed(good, 4 + 8 + 16 + 2, std::string("\3\0abc" "name\0" "a comment\0" "hs", 22)));
  const auto refused = [&](const std::string& bytes, const std::string& problem) {
    CHECK_ERROR(read(bytes), path + ": broken compressed data: ", problem);
  };
  refused(packed(good, 32), "expected the header of gzip data");
  refused("\x1f\x8b\x07" + packed(good).substr(3), "expected the header of gzip data");
  for (const size_t from_end : {5, 6, 7, 8}) {
    std::string changed = packed(good);
    changed[changed.size() - from_end] ^= 1;
    refused(changed, "do not match their checksum");
  }
  for (size_t size = 2; size + 4 < packed(good).size(); ++size) CHECK_ERROR(read(packed(good).substr(0, size)), path);
  refused(packed(good + "x"), text("expected ", good.size(), " bytes, found more"));
  refused(packed(good.substr(0, 40)), text("expected ", good.size(), " bytes, found 40"));
  CHECK_ERROR(read(packed(good.substr(0, 16))), path, text("expected ", good.size(), " bytes"));
  refused(packed(good.substr(0, 10)), "expected 16 bytes, found 10");
}

TEST("layouts: what unpacks to a thousand times its size is cut off at the size that its header says") {
  const std::string data = make_data("data"), path = data + "/train-images-idx3-ubyte";
  shell("{ cat data/train-images-idx3-ubyte; head -c 50000000 /dev/zero; } | gzip >bomb");
  fs::rename(in_scratch("bomb"), path);
  shell("head -c 50000000 /dev/zero | gzip >data/zeros");
  const test::MemoryLimit limit(1 << 20);
  CHECK_ERROR(read_idx_directory(data), path + ": broken compressed data: expected 616 bytes, found more");
  fs::rename(data + "/zeros", path);
  CHECK_ERROR(read_idx_directory(data), path + ": expected the magic number 0x00000803, found 0x00000000");
}

}  // namespace
}  // namespace plainnet
