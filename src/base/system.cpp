#include "base/system.h"

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <fstream>
#include <thread>

namespace plainnet {

// Runs before anything else. The program is compiled for the processor that compiles it; another may lack
// some of its instructions.
[[gnu::constructor(101)]] static void explain_unknown_instructions() {
  std::signal(SIGILL, [](int) {
    static const char message[] = "This program was built for another processor: type make, and try again.\n";
    _exit(write(STDERR_FILENO, message, sizeof message - 1) < 0 ? 2 : 1);
  });
}

#ifdef __linux__

// How many processors' time control groups grant, 1.5, say: the least of this process's group and those
// around it. /proc/self/cgroup names the group, as "0::/path" or in version 1 as "4:cpu,cpuacct:/path"; in a
// container that may be its name outside, while inside it is the root.
static double granted_time(const std::string& root) {
  double least = INFINITY;
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == line.npos) continue;
    const std::string folder = root + "/sys/fs/cgroup/" + line.substr(first + 1, second - first - 1);
    for (std::string path = line.substr(second + 1);; path.erase(path.rfind('/'))) {
      double quota = 0, period = 1;  // microseconds; "max", or -1, is no limit
      if (!(std::ifstream(folder + path + "/cpu.max") >> quota >> period)) {
        std::ifstream(folder + path + "/cpu.cfs_quota_us") >> quota;
        std::ifstream(folder + path + "/cpu.cfs_period_us") >> period;
      }
      if (quota > 0 && period > 0) least = std::min(least, quota / period);
      if (path.find('/') == path.npos) break;
    }
  }
  return least;
}

int granted_processors(const std::string& root) {
  cpu_set_t set;
  double all = std::thread::hardware_concurrency();
  if (sched_getaffinity(0, sizeof set, &set) == 0) all = CPU_COUNT(&set);
  return std::max(1, static_cast<int>(std::lround(std::min(all, granted_time(root)))));
}

void use_large_pages(void* memory, size_t bytes) { madvise(memory, bytes, MADV_HUGEPAGE); }

#else

int granted_processors(const std::string&) { return std::max(1u, std::thread::hardware_concurrency()); }
void use_large_pages(void*, size_t) {}

#endif

std::string processor_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  return "CPU";  // without such a file, or as on ARM without such a line
}

void flush_denormals() {
#if defined __x86_64__
  constexpr unsigned kFlushToZero = 0x8000, kDenormalsAreZero = 0x40;
  __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | kFlushToZero | kDenormalsAreZero);
#elif defined __aarch64__
  uint64_t control;
  asm volatile("mrs %0, fpcr" : "=r"(control));
  asm volatile("msr fpcr, %0" : : "r"(control | uint64_t{1} << 24));
#endif
}

}  // namespace plainnet
