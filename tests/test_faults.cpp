// What a run leaves behind when something fails around it. KILLS=50 build/run_tests "random moments" kills at
// 50 moments instead of 10.

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "base/numbers.h"
#include "base/random.h"
#include "files/checkpoint.h"
#include "tests/child.h"
#include "tests/small_run.h"
#include "tests/system_calls.h"
#include "tests/thread_count.h"

namespace plainnet {
namespace {

namespace fs = std::filesystem;
using test::check_same_run;
using test::contains;
using test::Ended;
using test::in_scratch;
using test::small_run;
using test::SystemCalls;

using Strings = std::vector<std::string>;

const std::string kCheckpoint = "/checkpoint.safetensors";

// Batches of 16 images gain nothing from a second thread.
test::Outcome train(const Strings& arguments) {
  const test::ThreadCount one_thread(1);
  return test::train(arguments);
}

// A run of two epochs, and what it comes to undisturbed.
Strings two_epochs(const std::string& name, Strings more = {}) {
  more.insert(more.end(), {"--epochs", "2"});
  return small_run(name, more);
}
void train_whole() { train(two_epochs("whole")); }

// Goes on with a run that was disturbed, or starts it, where it had not begun; it must come to what "whole"
// came to, and leave nothing else.
void check_goes_on(const std::string& name) {
  const bool begun = fs::exists(in_scratch(name) + kCheckpoint);
  train(begun ? Strings{"--resume", in_scratch(name)} : two_epochs(name));
  check_same_run(name, "whole");
  CHECK_EQUAL(test::files_in(in_scratch(name)), test::files_in(in_scratch("whole")));
  fs::remove_all(in_scratch(name));
}

TEST("faults: killed at random moments, a run goes on to the same bits") {
  const char* const wanted = std::getenv("KILLS");
  const int kills = wanted ? std::stoi(wanted) : 10;
  const double start = now();
  CHECK_EQUAL(test::run_program("train", two_epochs("whole", {"--threads", "1"})).status, 0);
  const double seconds = now() - start;
  Random random(static_cast<uint64_t>(now()), 0);
  for (int i = 0; i < kills; ++i) {
    const pid_t child = test::start_program("train", two_epochs("part", {"--threads", "1"}));
    usleep(static_cast<useconds_t>(1e6 * random.uniform(0, seconds)));
    kill(child, SIGKILL);
    test::status_of(child);
    check_goes_on("part");
  }
}

// Each file is synced and renamed: at any of these calls a run is killed, or the disk is full from then on.
TEST("faults: killed, or on a full disk, at any file that it writes") {
  train_whole();
  for (const std::string call : {"fsync", "rename"})
    for (const bool killed : {false, true}) {
      int good = 0;  // calls before
      for (bool ended = false; !ended; good += 5) {
        const pid_t child = test::start([&] {
          int calls = 0;
          const SystemCalls decide([&](const std::string& name) {
            if (name != call || calls++ < good) return 0;
            if (killed) kill(getpid(), SIGKILL);
            return ENOSPC;
          });
          try {
            return train(two_epochs("part")).status;
          } catch (const Error& error) {
            return contains(error.what(), "cannot be written: No space left on device") ? 1 : 2;
          }
        });
        const int status = test::status_of(child);
        ended = status == 0;
        if (!ended) CHECK_EQUAL(status, killed ? 128 + SIGKILL : 1);
        check_goes_on("part");
      }
      CHECK(good >= 17, call, ": ", good);  // a run writes 17 files
    }
}

TEST("faults: what a killed run left unfinished is removed, and nothing else") {
  train_whole();
  const std::string folder = in_scratch("whole"), left = folder + kCheckpoint + ".123.unfinished";
  for (const std::string& path : {left, folder + "/notes.123", folder + "/.unfinished"})
    std::ofstream(path) << "half";
  train({"--resume", folder});
  CHECK(!fs::exists(left) && fs::exists(folder + "/notes.123") && fs::exists(folder + "/.unfinished"));
}

TEST("faults: a limit on the size of files is an error, not the end by a signal") {
  train_whole();
  train(small_run("part", {"--epochs", "1"}));
  const Checkpoint before = read_checkpoint(in_scratch("part") + kCheckpoint);
  const Ended ended = test::run_program("train", {"--resume", in_scratch("part"), "--epochs", "2"}, [] {
    const rlimit limit{300000, 300000};  // the weights fit, the checkpoint does not
    setrlimit(RLIMIT_FSIZE, &limit);
  });
  CHECK_EQUAL(ended.status, 1);
  CHECK(contains(ended.output, in_scratch("part") + kCheckpoint + ": cannot be written: File too large"),
        ended.output);
  test::check_same(read_checkpoint(in_scratch("part") + kCheckpoint).weights, before.weights);
  train({"--resume", in_scratch("part"), "--epochs", "2"});
  check_same_run("part", "whole");
}

TEST("faults: a file system without sync, locks, links and modes") {
  train_whole();
  for (const int problem : {EINVAL, ENOTSUP, EPERM, ENOSYS}) {
    const SystemCalls decide([&](const std::string& name) { return name == "rename" ? 0 : problem; });
    train(small_run("part", {"--epochs", "1"}));
    train({"--resume", in_scratch("part"), "--epochs", "2"});
    check_same_run("part", "whole");
    fs::remove_all(in_scratch("part"));
  }
}

TEST("faults: a folder that may not be written") {
  train_whole();
  const std::string folder = in_scratch("whole"), closed = in_scratch("closed");
  const std::string before = read_file(folder + kCheckpoint);
  fs::create_directory(closed);
  chmod(folder.c_str(), 0555);
  chmod(closed.c_str(), 0555);
  // To root nothing is closed: another user tries.
  const auto refused = [&](const Strings& arguments, const std::string& expected) {
    const pid_t child = test::start([&] {
      if (geteuid() == 0 && setuid(65534) != 0) return 3;
      try {
        train(arguments);
      } catch (const Error& error) {
        if (contains(error.what(), expected)) return 0;
        std::fprintf(stderr, "expected %s, got %s\n", expected.c_str(), error.what());
        return 1;
      }
      return 2;
    });
    CHECK_EQUAL(test::status_of(child), 0);
  };
  std::ofstream(in_scratch("output"));  // so that this user has an output
  fs::permissions(in_scratch("output"), fs::perms::all);
  const std::string denied = ": cannot be written: Permission denied", file = closed + "/file";
  refused({"--resume", folder, "--epochs", "3"}, folder + "/run.json" + denied);
  refused(small_run("closed"), closed + kCheckpoint + denied);
  refused(small_run("closed/run"), "--out " + closed + "/run: cannot be made: Permission denied");
  for (const std::string option : {"--save", "--log", "--step-log"})
    refused(small_run("whole", {option, file}),
            option + " " + file + ": expected a folder that can be written");
  chmod(folder.c_str(), 0755);
  chmod(closed.c_str(), 0755);
  CHECK(read_file(folder + kCheckpoint) == before);
  CHECK_EQUAL(test::files_in(closed), size_t{0});
}

TEST("faults: standard streams that are closed, or on a full disk") {
  train_whole();
  const std::string log = in_scratch("log.csv");
  for (const bool all : {false, true}) {
    const Ended ended = test::run_program("train", two_epochs("part", {"--log", log}), [&] {
      if (all) close(STDIN_FILENO);
      close(STDOUT_FILENO);
      if (all) close(STDERR_FILENO);
    });
    CHECK_EQUAL(ended.status, 0);
    CHECK_EQUAL(ended.output, "");
    CHECK_EQUAL(read_file(log), read_file(in_scratch("part/log.csv")));
    check_goes_on("part");
  }
  const auto full = [] { dup2(open("/dev/full", O_WRONLY), STDOUT_FILENO); };
  const Ended again = test::run_program("train", two_epochs("whole"), full);
  CHECK_EQUAL(again.status, 1);
  CHECK_EQUAL(again.output, "train: standard output cannot be written\n");
  CHECK(!fs::exists(in_scratch("whole.1")), "moved for nothing");
  const std::string weights = in_scratch("whole/weights.safetensors");
  const Strings evaluate = {weights, "--evaluate", "--data", test::small_data()};
  CHECK_EQUAL(test::run_program("predict", evaluate, full).status, 1);
  CHECK_EQUAL(test::run_program("predict", evaluate, [] { close(STDOUT_FILENO); }).status, 0);
}

TEST("faults: a folder that another run is writing is left alone") {
  train_whole();
  const std::string before = read_file(in_scratch("whole") + kCheckpoint);
  const FolderLock other(in_scratch("whole"));
  CHECK_ERROR(train(two_epochs("whole")), in_scratch("whole"), "no other run is writing");
  CHECK_ERROR(train({"--resume", in_scratch("whole")}), in_scratch("whole"), "no other run is writing");
  CHECK(read_file(in_scratch("whole") + kCheckpoint) == before);
  CHECK(!fs::exists(in_scratch("whole.1")));
}

TEST("faults: a clock that is set back") {
  train_whole();
  const test::ClockGoesBack clock;
  train(small_run("part", {"--epochs", "1"}));
  train({"--resume", in_scratch("part"), "--epochs", "2"});
  check_same_run("part", "whole");
  const Checkpoint run = read_checkpoint(in_scratch("part") + kCheckpoint);
  for (const EpochRecord& epoch : run.epochs) CHECK(epoch.seconds > 0 && epoch.seconds < 60, epoch.seconds);
  CHECK(run.total_seconds > 0 && run.total_seconds < 60, run.total_seconds);
}

TEST("faults: options that would overwrite files are refused before all else") {
  train_whole();
  train(small_run("other", {"--epochs", "1"}));
  const std::string before = read_file(in_scratch("whole") + kCheckpoint);
  fs::create_directory(in_scratch("empty"));
  fs::create_directory(in_scratch("whole/folder"));
  const std::string file = in_scratch("file");
  const auto refused = [&](const Strings& options, const std::string& expected) {
    const std::string problem = options[0] + " " + options[1] + ": expected " + expected;
    CHECK_ERROR(train(two_epochs("whole", options)), problem);
    Strings resumed = {"--resume", in_scratch("whole")};
    resumed.insert(resumed.end(), options.begin(), options.end());
    CHECK_ERROR(train(resumed), problem);
  };
  fs::create_directory_symlink(in_scratch("whole"), in_scratch("link"));
  for (const std::string name : {"--save", "--log", "--step-log"}) {
    refused({name, in_scratch("whole") + kCheckpoint}, "a path outside of the run's folder");
    refused({name, in_scratch("whole/folder/file")}, "a path outside of the run's folder");
    refused({name, in_scratch("link") + kCheckpoint}, "a path outside of the run's folder");
    refused({name, in_scratch("other/weights.safetensors")}, "a path outside of another run's folder");
    refused({name, in_scratch("empty")}, "a plain file");
    refused({name, "/dev/null"}, "a plain file");
    refused({name, in_scratch("none/file")}, "a path in a folder that there is");
  }
  refused({"--log", file, "--save", file}, "a file that no other option names");
  refused({"--step-log", file, "--log", in_scratch("empty/../file")}, "a file that no other option names");
  CHECK_ERROR(train(two_epochs("empty", {"--save", in_scratch("empty/weights.safetensors")})),
              "a path outside of the run's folder");
  CHECK(read_file(in_scratch("whole") + kCheckpoint) == before);
  CHECK(!fs::exists(in_scratch("whole.1")) && !fs::exists(file));
}

TEST("faults: commands to type next name paths as a shell takes them") {
  const test::Outcome outcome = train(small_run("it's (a) run", {"--epochs", "1"}));
  const std::string folder = in_scratch("it\\'s\\ \\(a\\)\\ run");
  CHECK(contains(outcome.output, "./predict " + folder + " PICTURE..."), outcome.output);
  CHECK(contains(outcome.output, "./train --resume " + folder + " --epochs N"), outcome.output);
  CHECK(contains(outcome.output, "Training  1 epoch, "), outcome.output);
}

}  // namespace
}  // namespace plainnet
