#pragma once

#include <csignal>

namespace plainnet {

/// While it lives, the first Ctrl-C (SIGINT) only sets interrupted(); a second one ends the
/// program.
class InterruptGuard {
 public:
  InterruptGuard() {
    flag() = 0;
    struct sigaction action = {};
    action.sa_handler = [](int) { flag() = 1; };
    action.sa_flags = SA_RESETHAND | SA_RESTART;
    sigaction(SIGINT, &action, &before_);
  }
  ~InterruptGuard() { sigaction(SIGINT, &before_, nullptr); }
  InterruptGuard(const InterruptGuard&) = delete;

  bool interrupted() const { return flag(); }

 private:
  static volatile std::sig_atomic_t& flag() {
    static constinit volatile std::sig_atomic_t set = 0;
    return set;
  }

  struct sigaction before_ = {};
};

}  // namespace plainnet
