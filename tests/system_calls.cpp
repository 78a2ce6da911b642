// What a program defines itself takes the place of the C library's function of that name, also for the
// libraries that it calls.

#include "tests/system_calls.h"

#include <dlfcn.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <ctime>

#ifndef __THROW  // as glibc declares functions that throw nothing
#define __THROW
#endif

namespace plainnet::test {

static std::function<int(const std::string&)> decide_all;
static std::atomic<long> hours_back = -1;  // -1: the clock is right

SystemCalls::SystemCalls(const std::function<int(const std::string&)>& decide) { decide_all = decide; }
SystemCalls::~SystemCalls() { decide_all = nullptr; }

ClockGoesBack::ClockGoesBack() { hours_back = 0; }
ClockGoesBack::~ClockGoesBack() { hours_back = -1; }

// `function` of the C library, which comes after the program's own of that name, unless it is to fail.
template <class... Parameters, class... Arguments>
static int call(const char* name, int (*function)(Parameters...), Arguments... arguments) {
  const int problem = decide_all ? decide_all(name) : 0;
  function = reinterpret_cast<int (*)(Parameters...)>(dlsym(RTLD_NEXT, name));
  if (problem == 0) return function(arguments...);
  errno = problem;
  return -1;
}

}  // namespace plainnet::test

using plainnet::test::call;

extern "C" {

int fsync(int file) { return call("fsync", fsync, file); }
int flock(int file, int operation) __THROW { return call("flock", flock, file, operation); }
int rename(const char* from, const char* to) __THROW { return call("rename", rename, from, to); }
int chmod(const char* path, mode_t mode) __THROW { return call("chmod", chmod, path, mode); }
int fchmod(int file, mode_t mode) __THROW { return call("fchmod", fchmod, file, mode); }
int link(const char* from, const char* to) __THROW { return call("link", link, from, to); }
int symlink(const char* to, const char* from) __THROW { return call("symlink", symlink, to, from); }

int clock_gettime(clockid_t clock, timespec* time) __THROW {
  const auto function = reinterpret_cast<int (*)(clockid_t, timespec*)>(dlsym(RTLD_NEXT, "clock_gettime"));
  const int result = function(clock, time);
  if (clock == CLOCK_REALTIME && plainnet::test::hours_back >= 0)
    time->tv_sec -= 3600 * plainnet::test::hours_back++;
  return result;
}
time_t time(time_t* result) __THROW {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return result ? *result = now.tv_sec : now.tv_sec;
}

}  // extern "C"
