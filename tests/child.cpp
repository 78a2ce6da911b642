#include "tests/child.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "base/files.h"
#include "tests/test.h"
#include "tests/thread_count.h"

namespace plainnet::test {

static std::string output_path() { return scratch_folder() + "/program_output"; }

pid_t start(const std::function<int()>& body) {
  const ThreadCount one_thread(1);  // so that the copy finds no thread missing
  std::fflush(stdout);
  const pid_t child = fork();
  if (child != 0) return child;
  int status = 1;
  try {
    status = body();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
  }
  std::fflush(stdout);
  _exit(status);
}

int status_of(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

pid_t start_program(const std::string& program, const std::vector<std::string>& arguments,
                    const std::function<void()>& prepare) {
  const std::string path = std::filesystem::path(own_path()).parent_path() / program;
  const std::string output = output_path();
  return start([&]() -> int {
    const int file = open(output.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_APPEND | O_CLOEXEC, 0644);
    dup2(file, STDOUT_FILENO);
    dup2(file, STDERR_FILENO);
    prepare();
    std::vector<char*> argv = {const_cast<char*>(program.c_str())};
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    execv(path.c_str(), argv.data());
    throw Failure(path + " cannot be started");
  });
}

Ended run_program(const std::string& program, const std::vector<std::string>& arguments,
                  const std::function<void()>& prepare) {
  const int status = status_of(start_program(program, arguments, prepare));
  return {status, read_file(output_path())};
}

}  // namespace plainnet::test
