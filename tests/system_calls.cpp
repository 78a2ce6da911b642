// What a program defines itself takes the place of the C library's function of that name, also for the
// libraries that it calls.

#include "tests/system_calls.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <ctime>

namespace plainnet::test {

static std::function<int(const std::string&)> decide_all;
static std::atomic<long> hours_back = -1;  // -1: the clock is right

SystemCalls::SystemCalls(const std::function<int(const std::string&)>& decide) { decide_all = decide; }
SystemCalls::~SystemCalls() { decide_all = nullptr; }

ClockGoesBack::ClockGoesBack() { hours_back = 0; }
ClockGoesBack::~ClockGoesBack() { hours_back = -1; }

template <class... Arguments>
static int call(const char* name, long number, Arguments... arguments) {
  const int problem = decide_all ? decide_all(name) : 0;
  if (problem == 0) return static_cast<int>(syscall(number, arguments...));
  errno = problem;
  return -1;
}

}  // namespace plainnet::test

using plainnet::test::call;

extern "C" {

int fsync(int file) { return call("fsync", SYS_fsync, file); }
int flock(int file, int operation) noexcept { return call("flock", SYS_flock, file, operation); }
int rename(const char* from, const char* to) noexcept {
  return call("rename", SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}
int chmod(const char* path, mode_t mode) noexcept { return call("chmod", SYS_fchmodat, AT_FDCWD, path, mode); }
int fchmod(int file, mode_t mode) noexcept { return call("fchmod", SYS_fchmod, file, mode); }
int link(const char* from, const char* to) noexcept {
  return call("link", SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}
int symlink(const char* to, const char* from) noexcept {
  return call("symlink", SYS_symlinkat, to, AT_FDCWD, from);
}

int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const int result = static_cast<int>(syscall(SYS_clock_gettime, clock, time));
  if (clock == CLOCK_REALTIME && plainnet::test::hours_back >= 0)
    time->tv_sec -= 3600 * plainnet::test::hours_back++;
  return result;
}
time_t time(time_t* result) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return result ? *result = now.tv_sec : now.tv_sec;
}

}  // extern "C"
