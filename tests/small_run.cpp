#include "tests/small_run.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "base/random.h"
#include "base/files.h"
#include "run/run.h"
#include "tests/big_endian.h"

namespace plainnet::test {

static void write_part(const std::string& prefix, int count, Random& random) {
  std::string images = big_endian_text(0x00000803), labels = big_endian_text(0x00000801);
  for (const int extent : {count, kSmallSize, kSmallSize}) images += big_endian_text(extent);
  labels += big_endian_text(count);
  for (int i = 0; i < count; ++i) {
    labels += static_cast<char>(i % 10);
    // The row of the label is white, so that there is something to learn.
    for (int p = 0; p < kSmallSize * kSmallSize; ++p)
      images += static_cast<char>(p / kSmallSize == 4 + i % 10 ? 255 : random.below(100));
  }
  write_file_atomically(prefix + "-images-idx3-ubyte", images);
  write_file_atomically(prefix + "-labels-idx1-ubyte", labels);
}

size_t files_in(const std::string& folder) {
  const std::filesystem::directory_iterator files(folder);
  return static_cast<size_t>(std::distance(begin(files), end(files)));
}

std::string small_data() {
  const std::string folder = scratch_folder() + "/data";
  if (std::filesystem::create_directory(folder)) {
    Random random(1, 0);
    write_part(folder + "/train", kSmallTrain, random);
    write_part(folder + "/t10k", kSmallTest, random);
  }
  return folder;
}

static Outcome run(const std::vector<std::string>& arguments,
                   const std::function<int(int, const char* const*)>& program) {
  std::vector<const char*> argv = {"program"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
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
    outcome.status = program(static_cast<int>(argv.size()), argv.data());
  } catch (...) {
    restore();
    throw;
  }
  restore();
  outcome.output = read_file(path);
  return outcome;
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

}  // namespace plainnet::test
