#pragma once

// Processes of their own, for what ends a process or cannot be taken back.

#include <functional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace plainnet::test {

/// Starts `body` in a copy of this process, which has only the thread that calls. The copy ends with what it
/// returns, or with 1 and a word on standard error where it throws.
pid_t start(const std::function<int()>& body);

/// How that process ended: its exit status, or 128 and the signal, as a shell counts.
int status_of(pid_t child);

/// What a program did.
struct Ended {
  int status = 0;
  std::string output;  // on standard output and standard error
};

/// Starts ./train, or another program that lies beside this one, with these arguments and its output in a
/// file of the scratch folder; `prepare` is called first in its process.
pid_t start_program(const std::string& program, const std::vector<std::string>& arguments,
                    const std::function<void()>& prepare = [] {});

/// The same, and waits for its end.
Ended run_program(const std::string& program, const std::vector<std::string>& arguments,
                  const std::function<void()>& prepare = [] {});

}  // namespace plainnet::test
