// Tests the tests: makes a small wrong change (a mutant) in a copy of the sources, builds it, and runs the
// tests, which must fail; then the next. `make mutants` runs it:
//   build/mutants/mutants                    all of tests/mutants/*.txt
//   build/mutants/mutants conv2d             those whose file or description contains it (or another word)
//   build/mutants/mutants --every 8          the first, the 9th, the 17th, ...
//
// A file of mutants has paragraphs of lines, each a word and the rest of the line:
//   file     the source that the following mutants change
//   tests    a part of the names of the tests that must notice
//   build    further words for make, or nothing; these two, before the first mutant of a file, hold for all
//            that follow, and after a mutant for it alone
//   mutant   what is wrong: begins a mutant
//   replace  the text that is replaced; it must occur exactly once in the file
//   by       what stands in its place; in both, \n is the end of a line
//   equal    why nothing can notice: no test is run, and the mutant is counted apart
//
// For each it prints what the first failing test said. The exit status is 0 only if each was caught.

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <mutex>
#include <set>
#include <sstream>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/files.h"

namespace plainnet {
namespace {

namespace fs = std::filesystem;

struct Mutant {
  std::string file, tests, build, what, replace, by, equal;
};

// With the ends of lines in it.
std::string unescaped(std::string text) {
  for (size_t at = 0; (at = text.find("\\n", at)) != text.npos; ++at) text.replace(at, 2, "\n");
  return text;
}

std::vector<Mutant> read_mutants(const std::string& path) {
  std::vector<Mutant> all;
  Mutant next;             // with what the lines after `file` say
  Mutant* current = nullptr;
  std::istringstream lines(read_file(path));
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) continue;
    const size_t blank = std::min(line.find(' '), line.size());
    const std::string word = line.substr(0, blank), rest = unescaped(line.substr(std::min(blank + 1, line.size())));
    if (word == "file") {
      next = {};
      current = &next;
      next.file = rest;
    } else if (!current) {
      throw Error(path, ": expected file first, found: ", line);
    } else if (word == "mutant") {
      current = &all.emplace_back(next);
      current->what = rest;
    } else {
      std::string* part = word == "tests"     ? &current->tests
                          : word == "build"   ? &current->build
                          : word == "replace" ? &current->replace
                          : word == "by"      ? &current->by
                          : word == "equal"   ? &current->equal
                                              : nullptr;
      if (!part) throw Error(path, ": expected file, tests, build, mutant, replace, by or equal, found: ", line);
      *part = rest;
    }
  }
  return all;
}

// The source with the mutant in it.
std::string mutated(const Mutant& mutant, const std::string& source) {
  const size_t at = source.find(mutant.replace);
  if (mutant.replace.empty() || at == source.npos || source.find(mutant.replace, at + 1) != source.npos)
    throw Error("the text occurs ", at == source.npos ? "nowhere" : "more than once");
  std::string changed = source;
  return changed.replace(at, mutant.replace.size(), mutant.by);
}

// What a command prints, and its exit status.
std::pair<std::string, int> run(const std::string& command) {
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (!pipe) throw Error("cannot run ", command);
  std::string output;
  char part[4096];
  for (size_t n; (n = fread(part, 1, sizeof(part), pipe)) > 0;) output.append(part, n);
  return {output, pclose(pipe)};
}

// Builds all tests; fails if something does not compile.
std::pair<std::string, int> build_tests(const std::string& folder, const std::string& words) {
  return run("env -u MAKEFLAGS make -s -C " + folder + " NVCC= " + words + " test NAME=--list");
}

// A copy of the repository, with what was built of it.
class Tree {
 public:
  explicit Tree(const std::string& folder) : folder_(folder) {}

  // What the first test that fails says; empty if none fails. Throws if the mutant does not build.
  std::string first_failure(const Mutant& mutant) {
    restore_unless(mutant.file);
    const std::string path = folder_ + "/" + mutant.file;
    if (changed_.empty()) original_ = read_file(path);
    write_file_atomically(path, mutated(mutant, original_));
    changed_ = mutant.file;
    const std::string words = "-j1 " + mutant.build;
    if (const auto [output, status] = build_tests(folder_, words); status != 0)
      throw Error("does not build:\n", output);
    const auto [output, status] =
        run("env -u MAKEFLAGS make -s -C " + folder_ + " NVCC= " + words + " test NAME='--stop \"" + mutant.tests + "\"'");
    if (status == 0) return "";
    const size_t failed = output.find("FAILED");
    if (failed == output.npos) throw Error("the tests did not run:\n", output);
    const size_t begin = output.rfind('\n', failed) + 1, second = output.find("\n    ", failed) + 5;
    std::string name = output.substr(begin, failed - begin);
    name.erase(name.find_last_not_of(' ') + 1);
    size_t end = second;  // of the lines that are set in
    do end = output.find('\n', end + 1);
    while (end != output.npos && output.compare(end, 5, "\n    ") == 0);
    return name + ": " + output.substr(second, end - second);
  }

 private:
  void restore_unless(const std::string& file) {
    if (changed_.empty() || changed_ == file) return;
    write_file_atomically(folder_ + "/" + changed_, original_);
    changed_.clear();
  }

  std::string folder_, changed_, original_;  // the file that differs from the repository's, and its text
};

// A folder for each worker, in which everything is built.
std::vector<std::string> make_trees(const std::vector<Mutant>& mutants) {
  std::vector<std::string> trees;
  for (unsigned w = 0; w < std::max(1u, std::thread::hardware_concurrency()); ++w)
    trees.push_back(text("build/mutants/tree", w));
  const auto must = [](const std::pair<std::string, int>& done) {
    if (done.second != 0) throw Error(done.first);
  };
  fs::remove_all("build/mutants/tree0");
  fs::create_directories("build/mutants/tree0");
  must(run("cp -a --parents Makefile settings.sh README.md data/README.md data/get_mnist.sh docs kernels src tests "
           "build/mutants/tree0"));
  std::set<std::string> builds;
  for (const Mutant& mutant : mutants)
    if (mutant.equal.empty()) builds.insert(mutant.build);
  for (const std::string& words : builds) must(build_tests(trees[0], words));
  for (size_t w = 1; w < trees.size(); ++w) {
    fs::remove_all(trees[w]);
    must(run("cp -a " + trees[0] + " " + trees[w]));
  }
  return trees;
}

int test_mutants(const std::vector<Mutant>& mutants) {
  const std::vector<std::string> trees = make_trees(mutants);
  std::atomic<size_t> next = 0;
  std::atomic<int> caught = 0, equal = 0, wrong = 0;
  std::mutex printing;
  const auto work = [&](const std::string& folder) {
    Tree tree(folder);
    for (size_t i; (i = next++) < mutants.size();) {
      const Mutant& mutant = mutants[i];
      std::string line;
      try {
        if (!mutant.equal.empty()) {
          mutated(mutant, read_file(mutant.file));
          line = "equal     " + mutant.equal;
          ++equal;
        } else if (const std::string failure = tree.first_failure(mutant); !failure.empty()) {
          line = "caught    " + failure;
          ++caught;
        } else {
          line = "SURVIVED  " + mutant.tests;
          ++wrong;
        }
      } catch (const Error& error) {
        line = text("WRONG     ", error.what());
        ++wrong;
      }
      const std::lock_guard lock(printing);
      std::cout << mutant.file << ": " << mutant.what << "\n  " << line << std::endl;
    }
  };
  std::vector<std::thread> workers;
  for (const std::string& folder : trees) workers.emplace_back(work, folder);
  for (std::thread& worker : workers) worker.join();
  std::cout << caught << " caught, " << equal << " equal, " << wrong << " survived or could not be tried\n";
  return wrong == 0 && caught > 0 ? 0 : 1;
}

bool is_wanted(const Mutant& mutant, const std::vector<std::string>& parts) {
  const std::string name = mutant.file + ": " + mutant.what;
  return parts.empty() || std::any_of(parts.begin(), parts.end(), [&](const std::string& part) {
    return name.find(part) != std::string::npos;
  });
}

int run_all(int argc, char** argv) {
  std::vector<Mutant> chosen;
  std::vector<std::string> parts;
  size_t every = 1;
  for (int i = 1; i < argc; ++i)
    if (argv[i] == std::string("--every") && i + 1 < argc)
      every = std::max(1, std::atoi(argv[++i]));
    else
      parts.push_back(argv[i]);
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator("tests/mutants"))
    if (entry.path().extension() == ".txt") files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  size_t count = 0;
  for (const std::string& file : files)
    for (const Mutant& mutant : read_mutants(file))
      if (is_wanted(mutant, parts) && count++ % every == 0) chosen.push_back(mutant);
  return test_mutants(chosen);
}

}  // namespace
}  // namespace plainnet

int main(int argc, char** argv) {
  try {
    return plainnet::run_all(argc, argv);
  } catch (const plainnet::Error& error) {
    std::cerr << "mutants: " << error.what() << "\n";
    return 1;
  }
}
