// Feeds what reads files and command lines with input that is almost right:
//   build/fuzz/fuzzer                      every target for 10 seconds
//   build/fuzz/fuzzer png 600              one target for 600 seconds
//   build/fuzz/fuzzer png 600 --seed 2     with other changes
//   build/fuzz/fuzzer png FILE...          files as they are: to look again at a finding
// A finding is a crash, a sanitizer's report, an exception that is no Error, an input that takes more than 10
// seconds, or more memory than such a file can need. Its input is kept in build/fuzz/TARGET.found, and the
// exit status is 1.

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cctype>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <new>
#include <set>

#include "base/error.h"
#include "base/files.h"
#include "base/numbers.h"
#include "base/random.h"
#include "base/threads.h"
#include "tests/fuzz/targets.h"
#include "tests/test.h"

namespace plainnet::test {

namespace {

// In memory, where the system has such a place: a disk is slower than all that is read from it here.
std::filesystem::path folder_of(pid_t process) {
  const std::filesystem::path memory = "/dev/shm";
  return (is_directory(memory) ? memory : std::filesystem::temp_directory_path()) /
         text("plainnet-fuzz-", process);
}

}  // namespace

std::string scratch_folder() {
  const std::filesystem::path folder = folder_of(getpid());
  create_directories(folder);
  return folder.string();
}

namespace {

constexpr size_t kLargest = 1 << 18;  // bytes of an input
constexpr int kPatience = 10;         // seconds for one

// What the process that reads leaves to the one that waits for it, even when it crashes.
struct Desk {
  long inputs, answers;
  size_t size;
  char input[kLargest];
};

const uint64_t kNumbers[] = {0,          1,          2,          127,        128,          255,
                             256,        32767,      65535,      65536,      1 << 24,      (1 << 24) + 1,
                             0x7fffffff, 0x80000000, 0xffffffff, 1ull << 32, (1ull << 53) - 1, 1ull << 53,
                             1ull << 62, INT64_MAX,  UINT64_MAX};
const char* const kWords[] = {"-1", "1e400", "nan", "-inf", "0x10", "1e-320", "99999999999999999999", "\\u0000",
                              "\xff", "[[[[", "\"\"", "--", "="};

// Changes `input` in one place; `other` is another input to take from.
void mutate(std::string& input, const std::string& other, Random& random) {
  const auto below = [&](size_t n) -> size_t { return random.below(static_cast<uint32_t>(n)); };
  const size_t at = below(input.size() + 1), length = 1 + below(below(4) ? 8 : 200);
  switch (below(9)) {
    case 0:
      if (at < input.size()) input[at] = static_cast<char>(input[at] ^ 1 << below(8));
      break;
    case 1:
      if (at < input.size()) input[at] = static_cast<char>(random.bits());
      break;
    case 2:
      input.resize(at);
      break;
    case 3:
      input.erase(at, length);
      break;
    case 4:
      input.insert(at, input.substr(at, length));
      break;
    case 5:
      for (size_t i = 0; i < length; ++i) input.insert(at, 1, static_cast<char>(random.bits()));
      break;
    case 6:
      if (!other.empty()) input.insert(at, other.substr(below(other.size()), length));
      break;
    case 7: {  // a number of 1, 2, 4 or 8 bytes, from either end
      const uint64_t number = kNumbers[below(std::size(kNumbers))];
      const size_t bytes = size_t{1} << below(4), from_the_end = below(2);
      for (size_t i = 0; i < bytes && at + i < input.size(); ++i)
        input[at + i] = static_cast<char>(number >> 8 * (from_the_end ? bytes - 1 - i : i));
      break;
    }
    case 8: {  // a number in digits, or another word in its place
      const size_t begin = std::min(input.find_first_of("0123456789", at), input.size());
      const size_t end = std::min(input.find_first_not_of("0123456789.", begin), input.size());
      const uint64_t number = kNumbers[below(std::size(kNumbers))];
      input.replace(begin, end - begin, below(3) ? text(number) : kWords[below(std::size(kWords))]);
      break;
    }
  }
}

// What was expected, without the numbers: an input that gets an answer of its own is one to go on from.
std::string kind_of(const std::string& answer) {
  const size_t begin = std::min(answer.find("expected"), answer.size());
  std::string kind = answer.substr(begin, answer.find(", found", begin) - begin);
  std::erase_if(kind, [](unsigned char c) { return std::isdigit(c); });
  return kind;
}

void read_for(const FuzzTarget& target, double seconds, uint64_t seed, Desk& desk) {
  std::vector<std::string> inputs;
  for (const std::string& file : corpus_files(target)) inputs.push_back(read_file(file));
  Random random(seed, 0);
  std::set<std::string> kinds;
  const size_t corpus = inputs.size();
  for (const double end = now() + seconds; now() < end; ++desk.inputs) {
    const auto any = [&] { return inputs[random.below(static_cast<uint32_t>(inputs.size()))]; };
    std::string input = static_cast<size_t>(desk.inputs) < corpus ? inputs[desk.inputs] : any();
    if (static_cast<size_t>(desk.inputs) >= corpus)
      for (uint32_t changes = 1 + random.below(random.below(2) ? 2 : 8); changes > 0; --changes)
        mutate(input, any(), random);
    input.resize(std::min(input.size(), kLargest));
    desk.size = input.size();
    std::memcpy(desk.input, input.data(), input.size());
    alarm(kPatience);
    const std::string kind = kind_of(answer_to(target, input));
    alarm(0);
    if (kinds.insert(kind).second && inputs.size() < 5000) inputs.push_back(input);
    desk.answers = static_cast<long>(kinds.size());
  }
}

// Runs `read` and returns the exit status: 0, or 1 after a word on the exception that it threw.
int status_of(const std::function<void()>& read) {
  try {
    read();
    return 0;
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "more memory than such a file can need\n");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "an exception that is no Error: %s\n", error.what());
  }
  return 1;
}

// Whether there was no finding.
bool fuzz(const FuzzTarget& target, double seconds, uint64_t seed) {
  void* const memory =
      mmap(nullptr, sizeof(Desk), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw Error("the fuzzer: no memory to share");
  Desk& desk = *static_cast<Desk*>(memory);
  const double start = now();
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) _exit(status_of([&] { read_for(target, seconds, seed, desk); }));
  int status = 0;
  waitpid(child, &status, 0);
  remove_all(folder_of(child));
  const std::string ran = text(target.name, ": ", grouped(desk.inputs), " inputs in ",
                               clock_text(now() - start), " min, seed ", seed, ", ", desk.answers,
                               " kinds of answer: ");
  if (status == 0) {
    std::printf("%sno finding\n", ran.c_str());
  } else {
    const std::string found = text("build/fuzz/", target.name, ".found");
    write_file_atomically(found, {desk.input, desk.size});
    const int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    const std::string what = signal == SIGALRM ? text("more than ", kPatience, " seconds")
                             : signal          ? text("signal ", signal)
                                               : text("exit status ", WEXITSTATUS(status));
    std::printf("%sFOUND: %s; to see it again: build/fuzz/fuzzer %s %s\n", ran.c_str(), what.c_str(),
                target.name.c_str(), found.c_str());
  }
  munmap(memory, sizeof(Desk));
  return status == 0;
}

int run(const std::vector<std::string>& arguments) {
  set_thread_count(1);  // the process that reads has only the thread that made it
  const std::string name = arguments.empty() ? "all" : arguments[0];
  double seconds = 10;
  uint64_t seed = 1;
  std::vector<std::string> files;
  for (size_t i = 1; i < arguments.size(); ++i) {
    if (arguments[i] == "--seed" && i + 1 < arguments.size() && read_number(arguments[i + 1], &seed))
      ++i;
    else if (!read_number(arguments[i], &seconds))
      files.push_back(arguments[i]);
  }
  bool known = false;
  int findings = 0;
  for (const FuzzTarget& target : fuzz_targets()) {
    if (name != "all" && name != target.name) continue;
    known = true;
    if (files.empty()) findings += !fuzz(target, seconds, seed);
    for (const std::string& file : files)
      findings += status_of([&] {
        const std::string answer = answer_to(target, read_file(file));
        std::printf("%s: %s\n", file.c_str(), answer.empty() ? "accepted" : answer.c_str());
      });
  }
  if (!known) throw Error("expected a target of tests/fuzz/targets.cpp, or all, found ", name);
  return findings == 0 ? 0 : 1;
}

}  // namespace
}  // namespace plainnet::test

int main(int argc, char** argv) {
  int status = 1;
  try {
    status = plainnet::test::run({argv + 1, argv + argc});
  } catch (const plainnet::Error& error) {
    std::fprintf(stderr, "fuzz: %s\n", error.what());
  }
  std::filesystem::remove_all(plainnet::test::scratch_folder());
  return status;
}
