// What each operating system and each processor does in its own way.

#include "base/system.h"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/files.h"
#include "tests/child.h"
#include "tests/small_run.h"
#include "tests/test.h"

namespace plainnet {
namespace {

namespace fs = std::filesystem;

// How many processors are granted where these files, and their content, stand under the root.
int granted(const std::vector<std::pair<std::string, std::string>>& files) {
  const fs::path root = test::scratch_folder() + "/root";
  fs::remove_all(root);
  for (const auto& [path, content] : files) {
    const fs::path file = root.string() + path;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << content;
  }
  return granted_processors(root);
}

TEST("system: as many processors as control groups grant") {
  const int all = granted_processors("/no such folder");
  CHECK(all >= 1 && all <= static_cast<int>(std::thread::hardware_concurrency()), all);
  if (all == 1) return;  // nothing can be seen here
  const std::pair<std::string, std::string> in_job = {"/proc/self/cgroup", "0::/jobs/one\n"};
  CHECK_EQUAL(granted({in_job}), all);
  CHECK_EQUAL(granted({in_job, {"/sys/fs/cgroup/jobs/one/cpu.max", "max 100000\n"}}), all);
  CHECK_EQUAL(granted({in_job, {"/sys/fs/cgroup/jobs/one/cpu.max", "100000 100000\n"}}), 1);
  CHECK_EQUAL(granted({in_job, {"/sys/fs/cgroup/jobs/one/cpu.max", "20000 100000\n"}}), 1);
  CHECK_EQUAL(granted({in_job, {"/sys/fs/cgroup/jobs/one/cpu.max", "160000 100000\n"}}), 2);
  CHECK_EQUAL(granted({in_job, {"/sys/fs/cgroup/jobs/one/cpu.max", "99900000 100000\n"}}), all);
  // The group around it has less.
  CHECK_EQUAL(granted({in_job, {"/sys/fs/cgroup/jobs/cpu.max", "100000 100000\n"}}), 1);
  // A container, that sees its name outside.
  CHECK_EQUAL(granted({in_job, {"/sys/fs/cgroup/cpu.max", "50000 50000\n"}}), 1);
  CHECK_EQUAL(granted({{"/proc/self/cgroup", "0::/\n"}, {"/sys/fs/cgroup/cpu.max", "50000 50000\n"}}), 1);
  CHECK_EQUAL(granted({in_job, {"/sys/fs/cgroup/jobs/one/cpu.max", ""}}), all);
  CHECK_EQUAL(granted({{"/proc/self/cgroup", "\n0:\n:::"}}), all);
}

TEST("system: as many processors as control groups of version 1 grant") {
  const int all = granted_processors("/no such folder");
  if (all == 1) return;
  const std::pair<std::string, std::string> in_job = {"/proc/self/cgroup",
                                                      "5:memory:/a\n4:cpu,cpuacct:/jobs/one\n1:name=systemd:/b\n"};
  const std::string folder = "/sys/fs/cgroup/cpu,cpuacct/jobs/one/";
  const auto with_quota = [&](const std::string& quota) {
    return granted({in_job, {folder + "cpu.cfs_quota_us", quota}, {folder + "cpu.cfs_period_us", "100000\n"}});
  };
  CHECK_EQUAL(with_quota("-1\n"), all);
  CHECK_EQUAL(with_quota("100000\n"), 1);
  CHECK_EQUAL(with_quota("149000\n"), 1);
  CHECK_EQUAL(with_quota("151000\n"), 2);
}

TEST("system: an instruction that the processor does not have ends the program with a sentence") {
  const std::string folder = test::scratch_folder() + "/run", output = test::scratch_folder() + "/output";
  const auto to_file = [&] { (void)!std::freopen(output.c_str(), "w", stderr); };
  const pid_t child = test::start_program("train", test::small_run("run", {"--epochs", "1000000"}), to_file);
  for (int i = 0; i < 10000 && !fs::exists(folder + "/log.csv"); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  kill(child, SIGILL);
  CHECK_EQUAL(test::status_of(child), 1);
  CHECK_EQUAL(read_file(output), "This program was built for another processor: type make, and try again.\n");
}

TEST("system: the processor has a name") {
  const std::string name = processor_name();
  CHECK(name.size() > 3 && name.find('\n') == name.npos, name);
}

}  // namespace
}  // namespace plainnet
