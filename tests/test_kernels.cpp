// --kernels: the plain and the fast code train the same networks, and a run keeps its choice.

#include <sstream>

#include "base/files.h"
#include "files/checkpoint.h"
#include "network/models.h"
#include "tests/small_run.h"

namespace plainnet {
namespace {

std::vector<double> losses(const std::string& model, const std::string& kernels) {
  const std::string folder = test::scratch_folder(), log = folder + "/" + kernels + ".csv";
  test::train({model, "--data", "digits", "--limit", "40", "--test-limit", "4", "--batch", "4", "--epochs", "1",
               "--device", "cpu", "--kernels", kernels, "--step-log", log, "--out", folder + "/run"});
  std::istringstream lines(read_file(log));
  std::vector<double> all;
  for (std::string line; std::getline(lines, line);)
    if (line.find("step") == line.npos) all.push_back(std::stod(line.substr(line.find(',') + 1)));
  return all;
}

TEST("kernels: plain and fast have the same first ten losses") {
  for (const std::string& model : model_names()) {
    const std::vector<double> plain = losses(model, "plain"), fast = losses(model, "fast");
    CHECK_EQUAL(plain.size(), 10u);
    CHECK_EQUAL(fast.size(), 10u);
    for (size_t i = 0; i < plain.size(); ++i) CHECK_NEAR(fast[i], plain[i], 1e-5);
    CHECK(plain[0] != plain[9], model, ": nothing was trained");
  }
}

TEST("kernels: a run keeps its choice, and says it") {
  const std::string folder = test::scratch_folder() + "/run";
  const std::vector<std::string> once = test::small_run("run", {"--epochs", "1", "--kernels", "plain"});
  CHECK(test::contains(test::train(once).output, "plain kernels"));
  const test::Outcome resumed = test::train({"--resume", folder, "--epochs", "2"});
  CHECK(test::contains(resumed.output, "plain kernels"));
  CHECK_ERROR(test::train({"--resume", folder, "--epochs", "3", "--kernels", "fast"}), "--kernels", "plain",
              "cannot change");
}

TEST("kernels: ./predict evaluates with either") {
  const std::string folder = test::scratch_folder() + "/run";
  test::train(test::small_run("run", {"--epochs", "1"}));
  const auto accuracy = [&](const char* kernels) {
    const std::string output = test::predict({folder + "/weights.safetensors", "--evaluate", "--data",
                                              test::small_data(), "--device", "cpu", "--kernels", kernels})
                                   .output;
    return output.substr(0, output.find(" wrong, ")) + output.substr(output.find(" s\n"));  // without the seconds
  };
  CHECK_EQUAL(accuracy("plain"), accuracy("fast"));
}

}  // namespace
}  // namespace plainnet
