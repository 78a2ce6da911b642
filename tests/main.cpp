// Runs every test, or those whose name contains an argument:
//   build/run_tests                 all
//   build/run_tests conv2d          all whose name contains "conv2d"
//   build/run_tests --list          names only
//   build/run_tests --stop conv2d   ends after the first that fails
// The last line is "N passed, N failed, N skipped", the lines before it say why; the exit status is 0 only
// if something ran and none failed. A test that ends the program (a broken heap, an endless loop) is named.

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
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

void check_error(const char* file, int line, const char* expression, const std::function<void()>& f,
                 const std::vector<std::string>& parts) {
  try {
    f();
  } catch (const Error& error) {
    const std::string message = error.what();
    for (const std::string& part : parts)
      if (message.find(part) == std::string::npos)
        throw Failure(text(file, ":", line, ": ", expression, ": expected an error that says \"", part,
                           "\", got \"", message, "\""));
    return;
  }
  std::string all;
  for (const std::string& part : parts) all += (all.empty() ? "\"" : "\", \"") + part;
  throw Failure(text(file, ":", line, ": ", expression, ": expected an error that says ", all, "\", got none"));
}

std::string& own_path() {
  static std::string path;
  return path;
}

static std::vector<std::string> notes;

void note(const std::string& line) { notes.push_back(line); }

// What was counted so far. The handler of signals reads it.
static int passed = 0, failed = 0, skipped = 0;
constexpr int kSeconds = 300;  // for a test
static int output;  // standard output, wherever a test lets its own go

// The running test ends the program: says by what. Nothing here may use the heap.
static void end_by_signal(int signal) {
  char lines[300];
  const int length = std::snprintf(lines, sizeof(lines),
                                   "FAILED\n    the test ended the program, or did not end within %d s: %s\n"
                                   "%d passed, %d failed, %d skipped\n",
                                   kSeconds, strsignal(signal), passed, failed + 1, skipped);
  _exit(write(output, lines, length) == length ? 1 : 2);
}

static void handle_signals() {
  output = dup(STDOUT_FILENO);
  static char stack[64 * 1024];  // the test's own may be what overflowed
  stack_t other = {};
  other.ss_sp = stack;
  other.ss_size = sizeof(stack);
  sigaltstack(&other, nullptr);
  struct sigaction action = {}, before = {};
  action.sa_handler = end_by_signal;
  action.sa_flags = SA_ONSTACK;
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM, SIGTERM}) {
    sigaction(signal, nullptr, &before);
    // A sanitizer has its own, and the product one for instructions that this processor does not have.
    if (before.sa_handler == SIG_DFL || signal == SIGILL) sigaction(signal, &action, nullptr);
  }
}

static int run(const std::vector<std::string>& wanted, bool stop) {
  std::error_code problem;
  const auto folder = std::filesystem::temp_directory_path(problem);
  if (problem) {
    std::printf("TMPDIR: expected a folder for the files of tests, found none: %s\n"
                "0 passed, 1 failed, 0 skipped\n", problem.message().c_str());
    return 1;
  }
  std::map<std::string, int> reasons;  // why tests were skipped, and how many
  for (const Test& test : tests()) {
    bool chosen = wanted.empty();
    for (const std::string& part : wanted)
      if (test.name.find(part) != std::string::npos) chosen = true;
    if (!chosen) continue;
    const std::string cannot_run = test.problem ? test.problem() : "";
    if (!cannot_run.empty()) {
      ++reasons[cannot_run];
      ++skipped;
      continue;
    }
    std::printf("%-74s ", test.name.c_str());
    std::fflush(stdout);
    const auto start = std::chrono::steady_clock::now();
    std::string problem;
    alarm(kSeconds);
    try {
      test.body();
    } catch (const std::exception& error) {
      problem = error.what();
    }
    alarm(0);
    std::filesystem::remove_all(scratch_folder());
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    std::printf("%s %6.2f s\n", problem.empty() ? "ok    " : "FAILED", seconds.count());
    ++(problem.empty() ? passed : failed);
    if (!problem.empty()) std::printf("    %s\n", problem.c_str());
    for (const std::string& line : notes) std::printf("    %s\n", line.c_str());
    notes.clear();
    std::fflush(stdout);
    if (stop && failed > 0) break;
  }
  for (const auto& [reason, count] : reasons) std::printf("%d skipped: %s\n", count, reason.c_str());
  if (passed + failed + skipped == 0) std::printf("No test has such a name; --list lists them.\n");
  std::printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
  return failed == 0 && passed > 0 ? 0 : 1;
}

}  // namespace plainnet::test

int main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() == 1 && arguments[0] == "--list") {
    for (const auto& test : plainnet::test::tests())
      std::printf("%s\n", test.name.c_str());
    return 0;
  }
  const bool stop = !arguments.empty() && arguments[0] == "--stop";
  if (stop) arguments.erase(arguments.begin());
  plainnet::test::own_path() = argv[0];
  plainnet::test::handle_signals();
  return plainnet::test::run(arguments, stop);
}
