#include "tests/small_run.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "base/command_line.h"
#include "base/files.h"
#include "base/random.h"
#include "files/checkpoint.h"
#include "run/run.h"
#include "tests/big_endian.h"

namespace plainnet::test {

void write_idx(const std::string& prefix, const Images& images) {
  std::string pixels = big_endian_text(0x00000803), labels = big_endian_text(0x00000801);
  for (const int extent : {images.count, images.height, images.width}) pixels += big_endian_text(extent);
  labels += big_endian_text(images.count);
  pixels.append(images.pixels.begin(), images.pixels.end());
  labels.append(images.labels.begin(), images.labels.end());
  write_file_atomically(prefix + "-images-idx3-ubyte", pixels);
  write_file_atomically(prefix + "-labels-idx1-ubyte", labels);
}

static Images small_images(int count, Random& random) {
  Images images{count, kSmallSize, kSmallSize, {}, {}};
  for (int i = 0; i < count; ++i) {
    images.labels.push_back(static_cast<uint8_t>(i % 10));
    // The row of the label is white, so that there is something to learn.
    for (int p = 0; p < kSmallSize * kSmallSize; ++p)
      images.pixels.push_back(p / kSmallSize == 4 + i % 10 ? 255 : static_cast<uint8_t>(random.below(100)));
  }
  return images;
}

size_t files_in(const std::string& folder) {
  const std::filesystem::directory_iterator files(folder);
  return static_cast<size_t>(std::distance(begin(files), end(files)));
}

std::string small_data() {
  const std::string folder = scratch_folder() + "/data";
  if (std::filesystem::create_directory(folder)) {
    Random random(1, 0);
    write_idx(folder + "/train", small_images(kSmallTrain, random));
    write_idx(folder + "/t10k", small_images(kSmallTest, random));
  }
  return folder;
}

Outcome outcome_of(const std::function<int()>& program) {
  const std::string path = scratch_folder() + "/output";
  std::fflush(stdout);
  const int kept = dup(STDOUT_FILENO),
            file = open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0644);
  dup2(file, STDOUT_FILENO);
  const auto restore = [&] {
    std::fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    close(file);
  };
  Outcome outcome;
  try {
    outcome.status = program();
  } catch (...) {
    restore();
    throw;
  }
  restore();
  outcome.output = read_file(path);
  return outcome;
}

static Outcome run(const std::vector<std::string>& arguments, int (*program)(int, const char* const*)) {
  std::vector<const char*> argv = {"program"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  return outcome_of([&] {
    try {
      return program(static_cast<int>(argv.size()), argv.data());
    } catch (const Help& help) {
      return std::fputs(help.what(), stdout) == EOF ? 1 : 0;
    }
  });
}

Outcome train(const std::vector<std::string>& arguments) {
  return run(arguments, run_training);
}

Outcome predict(const std::vector<std::string>& arguments) {
  return run(arguments, run_prediction);
}

std::vector<std::string> small_run(const std::string& name, std::vector<std::string> more) {
  std::vector<std::string> all = {"cnn",     "--data", small_data(),
                                  "--batch", "16",     "--device",
                                  "cpu",     "--out",  scratch_folder() + "/" + name};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

std::string in_scratch(const std::string& name) { return scratch_folder() + "/" + name; }

void check_same(const std::vector<Tensor>& got, const std::vector<Tensor>& expected) {
  CHECK_EQUAL(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    CHECK_EQUAL(got[i].name, expected[i].name);
    CHECK(got[i].shape == expected[i].shape, got[i].name);
    CHECK(got[i].values == expected[i].values, got[i].name);
  }
}

void check_same_run(const std::string& got, const std::string& expected) {
  const Checkpoint a = read_checkpoint(in_scratch(got) + "/checkpoint.safetensors");
  const Checkpoint b = read_checkpoint(in_scratch(expected) + "/checkpoint.safetensors");
  check_same(a.weights, b.weights);
  check_same(a.state, b.state);
  CHECK_EQUAL(a.epochs.size(), b.epochs.size());
  for (size_t i = 0; i < a.epochs.size(); ++i) {
    CHECK_EQUAL(a.epochs[i].train_loss, b.epochs[i].train_loss);
    CHECK_EQUAL(a.epochs[i].train_accuracy, b.epochs[i].train_accuracy);
    CHECK_EQUAL(a.epochs[i].test_loss, b.epochs[i].test_loss);
    CHECK_EQUAL(a.epochs[i].test_accuracy, b.epochs[i].test_accuracy);
  }
  for (const char* file : {"/weights.safetensors", "/best.safetensors"})
    check_same(read_weights(in_scratch(got) + file).tensors,
               read_weights(in_scratch(expected) + file).tensors);
}

}  // namespace plainnet::test
