#pragma once

#include <csignal>

namespace plainnet {

/// While it lives, the first Ctrl-C (SIGINT), or what `kill` or a terminal that closes sends (SIGTERM,
/// SIGHUP), only sets interrupted(); a second one of the kind ends the program.
class InterruptGuard {
 public:
  InterruptGuard() {
    flag() = 0;
    struct sigaction action = {};
    action.sa_handler = [](int) { flag() = 1; };
    action.sa_flags = SA_RESETHAND | SA_RESTART;
    for (int i = 0; i < 3; ++i) sigaction(kSignals[i], &action, &before_[i]);
    struct sigaction& hang_up = before_[2];
    if (hang_up.sa_handler == SIG_IGN) sigaction(SIGHUP, &hang_up, nullptr);  // nohup means it
  }
  ~InterruptGuard() {
    for (int i = 0; i < 3; ++i) sigaction(kSignals[i], &before_[i], nullptr);
  }
  InterruptGuard(const InterruptGuard&) = delete;

  bool interrupted() const { return flag(); }

 private:
  static constexpr int kSignals[3] = {SIGINT, SIGTERM, SIGHUP};

  static volatile std::sig_atomic_t& flag() {
    static constinit volatile std::sig_atomic_t set = 0;
    return set;
  }

  struct sigaction before_[3] = {};
};

}  // namespace plainnet
