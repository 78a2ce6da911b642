// The same seed gives the same bits: in any process, on any number of threads, and after a resume.
// tests/determinism.sh compares programs of several compilers, too.

#include <filesystem>

#include "base/files.h"
#include "images/dataset.h"
#include "tests/child.h"
#include "tests/small_run.h"

namespace plainnet {
namespace {

namespace fs = std::filesystem;
using test::in_scratch;

using Strings = std::vector<std::string>;

// ./train in a process of its own. Returns all bytes of the weights that it leaves in `folder`.
std::string weights_of(const Strings& arguments, const std::string& folder) {
  const test::Ended ended = test::run_program("train", arguments);
  CHECK(ended.status == 0, ended.output);
  return read_file(folder + "/weights.safetensors");
}

// That runs of two epochs on several numbers of threads, and one that is resumed, end with the same weights,
// which are not those after one epoch.
void check_repeats(const Strings& options, const Strings& threads) {
  const std::string folder = in_scratch("run");
  const auto train = [&](Strings more) {
    fs::remove_all(folder);
    more.insert(more.end(), options.begin(), options.end());
    more.insert(more.end(), {"--test-limit", "1", "--out", folder});
    return weights_of(more, folder);
  };
  const std::string expected = train({"--epochs", "2", "--threads", threads[0]}), what = options[0];
  for (size_t i = 1; i < threads.size(); ++i)
    CHECK(train({"--epochs", "2", "--threads", threads[i]}) == expected,
          what, " on ", threads[i], " threads");
  CHECK(train({"--epochs", "1", "--threads", "3"}) != expected, what, ": the same after one epoch");
  CHECK(weights_of({"--resume", folder, "--epochs", "2", "--threads", "2"}, folder) == expected,
        what, " resumed");
}

TEST("determinism: on the cpu target, with any number of threads, in any process, resumed") {
  const std::string data = in_scratch("digits");
  const Dataset digits = draw_digits(49, 1, 1);
  fs::create_directory(data);
  test::write_idx(data + "/train", digits.train);
  test::write_idx(data + "/t10k", digits.test);
  for (const std::string model : {"cnn", "separable", "bilstm"}) {
    // 50 steps, and with plain kernels, which are slow, 12; the last of an epoch is smaller.
    check_repeats({model, "--device", "cpu", "--data", data, "--batch", "2"}, {"1", "2", "3"});
    check_repeats({model, "--device", "cpu", "--data", data, "--batch", "2", "--limit", "11",
                   "--kernels", "plain"},
                  {"1", "2", "3"});
  }
}

// Two steps of one small image. tests/determinism.sh has the fast kernels of the others, which are slow.
TEST("determinism: on the emulated target") {
  for (const std::string model : {"cnn", "separable", "bilstm", "mlp"})
    check_repeats({model, "--device", "emulated", "--data", test::small_data(), "--batch", "1",
                   "--limit", "1", "--kernels", model == "mlp" ? "fast" : "plain"},
                  {"1"});
}

}  // namespace
}  // namespace plainnet
