// make ladder: from the plain matrix product to a fast one (kernels/ladder), and what each step gains.
//
// Nothing is timed that was not checked: first all rungs must be right on all targets, in single and in
// double precision. The times are those of dense_1 of cnn, forward, for a batch of 128: medians, as in make
// bench. On the emulated target a time says nothing.

#include "tests/bench/ladder.h"

#include <cstdio>
#include <sstream>

#include "base/command_line.h"
#include "base/error.h"
#include "base/files.h"
#include "tests/bench/median.h"
#include "tests/test.h"

namespace plainnet::bench {
namespace {

constexpr Sizes kTimed{128, 768, 512};

struct NamedLadder {
  std::string target, type;
  Ladder ladder;
};

const std::vector<NamedLadder> kLadders = {{"cpu", "float", cpu_float::ladder_probe()},
                                           {"cpu", "double", cpu_double::ladder_probe()},
                                           {"emulated", "float", emulated_float::ladder_probe()},
                                           {"emulated", "double", emulated_double::ladder_probe()},
#ifdef WITH_GPU
                                           {"gpu", "float", gpu_float::ladder_probe()},
#endif
};

// The name of the first of some files, without its folders.
std::string name(const std::string& files) {
  const std::string first = files.substr(0, files.find(' '));
  return first.substr(first.rfind('/') + 1);
}

// The lines of code of some files, as tests/count.sh counts them: neither blank nor a comment only.
int lines_of_code(const std::string& files) {
  std::istringstream paths(files);
  int count = 0;
  for (std::string path; paths >> path;) {
    std::istringstream lines(read_file(path));
    for (std::string line; std::getline(lines, line);) {
      const size_t begin = line.find_first_not_of(" \t");
      if (begin != std::string::npos && line.compare(begin, 2, "//") != 0) ++count;
    }
  }
  return count;
}

// Prints which of a target's rungs are wrong. Whether none is.
bool check(const NamedLadder& named) {
  const Ladder& ladder = named.ladder;
  std::vector<Sizes> all = {{1, 1, 1}, {37, 53, 70}, {33, 64, 100}, {31, 300, 48}};
  if (named.target != "emulated")  // where a large product takes minutes
    all.insert(all.end(), {kTimed, {128, 512, 10}, {96, 768, 512}, {1000, 1001, 101}});
  const std::vector<std::string> files = ladder.files();
  size_t right = 0;
  for (size_t i = 0; i < files.size(); ++i) try {
      for (const Sizes& sizes : all) ladder.check(i, sizes);
      ++right;
    } catch (const test::Failure& failure) {
      std::printf("%s\n", failure.what());
    }
  std::printf("%s, %s: %zu of %zu are right, at %zu sizes\n", named.target.c_str(), named.type.c_str(),
              right, files.size(), all.size());
  return right == files.size();
}

// The ceiling is measured again before each rung, and the best counts: others may use the machine, too.
void time(const NamedLadder& named) {
  const Ladder& ladder = named.ladder;
  const std::vector<std::string> files = ladder.files();
  double ceiling = 0;
  std::vector<double> seconds;
  for (size_t i = 0; i < files.size(); ++i) {
    ceiling = std::max(ceiling, ladder.ceiling());
    seconds.push_back(median(ladder.times(i, kTimed)));
  }
  std::printf("\n%s: %s, at best %.0f GFLOP/s\n%-19s %9s %9s %9s %9s\n", named.target.c_str(),
              ladder.device().c_str(), ceiling / 1e9, "", "lines", "us", "GFLOP/s", "percent");
  for (size_t i = 0; i < files.size(); ++i) {
    const double rate = 2.0 * kTimed.rows * kTimed.depth * kTimed.columns / seconds[i];
    std::printf("%-19s %9d %9.1f %9.2f %9.1f\n", name(files[i]).c_str(), lines_of_code(files[i]),
                seconds[i] * 1e6, rate / 1e9, rate / ceiling * 100);
  }
}

int run(int argc, char** argv) {
  if (argc > 1) throw UsageError("expected no arguments, found ", argv[1]);
  bool right = true;
  std::vector<NamedLadder> timed;
  for (const NamedLadder& named : kLadders) {
    const std::string problem = named.ladder.problem();
    if (!problem.empty()) {
      std::printf("%s, %s: %s\n", named.target.c_str(), named.type.c_str(), problem.c_str());
      continue;
    }
    right = check(named) && right;
    if (named.target != "emulated" && named.type == "float") timed.push_back(named);
  }
  if (!right) return 1;
  std::printf("\nc [%d][%d] = a [%d][%d] b [%d][%d]\n", kTimed.rows, kTimed.columns, kTimed.rows,
              kTimed.depth, kTimed.depth, kTimed.columns);
  for (const NamedLadder& named : timed) time(named);
  return 0;
}

}  // namespace
}  // namespace plainnet::bench

int main(int argc, char** argv) {
  return plainnet::run_program("ladder", [&] { return plainnet::bench::run(argc, argv); });
}
