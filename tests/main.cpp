// Runs every test, or those whose name contains an argument:
//   build/run_tests                 all
//   build/run_tests conv2d          all whose name contains "conv2d"
//   build/run_tests --list          names only
// The last line is "N passed, N failed, N skipped", the lines before it say why; the exit status is 0 only
// if something ran and none failed.

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <string>

#include <unistd.h>

#include "tests/test.h"

namespace plainnet::test {

std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

std::string scratch_folder() {
  static const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / text("plainnet-test-", getpid());
  std::filesystem::create_directories(folder);
  return folder.string();
}

void check_error(const char* file, int line, const std::function<void()>& f,
                 const std::vector<std::string>& parts) {
  try {
    f();
  } catch (const Error& error) {
    const std::string message = error.what();
    for (const std::string& part : parts)
      if (message.find(part) == std::string::npos)
        throw Failure(text(file, ":", line, ": expected an error that says \"", part,
                           "\", got \"", message, "\""));
    return;
  }
  throw Failure(text(file, ":", line, ": expected an error, got none"));
}

static std::vector<std::string> notes;

void note(const std::string& line) { notes.push_back(line); }

static int run(const std::vector<std::string>& wanted) {
  int passed = 0, failed = 0, all_skipped = 0;
  std::map<std::string, int> skipped;  // by the reason
  for (const Test& test : tests()) {
    bool chosen = wanted.empty();
    for (const std::string& part : wanted)
      if (test.name.find(part) != std::string::npos) chosen = true;
    if (!chosen) continue;
    const std::string cannot_run = test.problem ? test.problem() : "";
    if (!cannot_run.empty()) {
      ++skipped[cannot_run];
      ++all_skipped;
      continue;
    }
    std::printf("%-74s ", test.name.c_str());
    std::fflush(stdout);
    const auto start = std::chrono::steady_clock::now();
    std::string problem;
    try {
      test.body();
    } catch (const std::exception& error) {
      problem = error.what();
    }
    std::filesystem::remove_all(scratch_folder());
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    std::printf("%s %6.2f s\n", problem.empty() ? "ok    " : "FAILED", seconds.count());
    if (problem.empty()) {
      ++passed;
    } else {
      ++failed;
      std::printf("    %s\n", problem.c_str());
    }
    for (const std::string& line : notes) std::printf("    %s\n", line.c_str());
    notes.clear();
    std::fflush(stdout);
  }
  for (const auto& [reason, count] : skipped) std::printf("%d skipped: %s\n", count, reason.c_str());
  if (passed + failed + all_skipped == 0) std::printf("No test has such a name; --list lists them.\n");
  std::printf("%d passed, %d failed, %d skipped\n", passed, failed, all_skipped);
  return failed == 0 && passed > 0 ? 0 : 1;
}

}  // namespace plainnet::test

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() == 1 && arguments[0] == "--list") {
    for (const auto& test : plainnet::test::tests())
      std::printf("%s\n", test.name.c_str());
    return 0;
  }
  return plainnet::test::run(arguments);
}
