// The documents: what they quote and name stands in the repository, what they say to type works, and what they
// show of ./train and ./predict is what these print.

#include <algorithm>
#include <filesystem>
#include <regex>
#include <sstream>

#include "base/files.h"
#include "images/dataset.h"
#include "run/options.h"
#include "tests/photographs.h"
#include "tests/png.h"
#include "tests/small_run.h"

namespace plainnet {
namespace {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;
using test::contains;

// What the first group of `expression` matches, in order.
Lines matches(const std::string& all, const std::string& expression) {
  Lines found;
  const std::regex regex(expression);
  for (std::sregex_iterator match(all.begin(), all.end(), regex), end; match != end; ++match)
    found.push_back(match->str(1));
  return found;
}

// The files of the repository that documents may name.
Lines files() {
  Lines all = {"README.md", "CONTRIBUTING.md", "Makefile", "settings.sh", "data/README.md", "data/get_mnist.sh"};
  for (const char* folder : {"docs", "kernels", "src", "tests", ".ci"})
    for (const auto& entry : fs::recursive_directory_iterator(folder)) all.push_back(entry.path().string());
  return all;
}

struct Document {
  std::string name, text, prose;
  Lines code;  // all but C++ and Python: the lines of blocks and their last ```, and each `...` of the prose
};

std::vector<Document> documents() {
  std::vector<Document> all;
  for (const std::string& name : files()) {
    if (!name.ends_with(".md")) continue;
    Document document{name, read_file(name), "", {}};
    std::string fence;
    std::istringstream lines(document.text);
    for (std::string line; std::getline(lines, line);) {
      const bool begins = fence.empty() && line.starts_with("```"), ends = !fence.empty() && line == "```";
      if (fence == "```" || (fence.empty() && line.starts_with("    "))) document.code.push_back(line);
      else if (fence.empty() && !begins) document.prose += line + "\n";
      if (begins || ends) fence = begins ? line : "";
    }
    for (std::string& code : matches(document.prose, "`([^`]+)`")) {
      std::replace(code.begin(), code.end(), '\n', ' ');
      document.code.push_back(code);
    }
    all.push_back(document);
  }
  return all;
}

std::string all_sources() {
  std::string all;
  for (const std::string& name : files())
    if (name.ends_with(".h") || name.ends_with(".cpp") || name.ends_with(".cu")) all += read_file(name) + "\n";
  return all;
}

TEST("documents: quoted code stands in the repository") {
  const std::string sources = all_sources(), begin = "```cpp\n", end = "```\n";
  int quoted = 0;
  for (const auto& [name, text, prose, code] : documents())
    for (size_t at = 0; (at = text.find(begin, at)) != text.npos; ++quoted) {
      at += begin.size();
      const std::string quote = text.substr(at, text.find(end, at) - at);
      CHECK(contains(sources, quote), name, " quotes what is in no file:\n", quote);
    }
  CHECK(quoted > 10, quoted);
}

// What a run or a build leaves need not be there.
TEST("documents: files, folders and links lead somewhere") {
  std::string there;
  for (const std::string& file : files()) there += "/" + file + "/\n";
  for (const auto& [name, text, prose, code] : documents()) {
    for (const std::string& piece : code)
      for (const std::string& path : matches(
               piece, R"re((?:^|[ ("])((?:[\w.-]+/)+(?=$|[ ,:)])|[\w./-]*\w\.(?:cpp|cu|h|py|sh|md)\b))re"))
        CHECK(path.starts_with("build/") || path.starts_with("runs/") ||
                  contains(there, "/" + path.substr(path.starts_with("./") ? 2 : 0) + (path.back() == '/' ? "" : "/")),
              name, " names ", path, ", which is not there");
    for (const std::string& link : matches(prose, R"(\]\((?!http)([^)]+)\))")) {
      const size_t hash = std::min(link.size(), link.find('#'));
      const fs::path file = hash == 0 ? fs::path(name) : fs::path(name).parent_path() / link.substr(0, hash);
      CHECK(fs::exists(file), name, " links to ", file.string(), ", which is not there");
      std::string anchors;
      for (const std::string& heading : matches(hash < link.size() ? read_file(file.string()) : "", "(?:^|\n)#+ (.*)")) {
        anchors += "#";
        for (const char c : heading)
          if (std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == ' ')
            anchors += c == ' ' ? '-' : static_cast<char>(std::tolower(c));
        anchors += "\n";
      }
      CHECK(hash == link.size() || contains(anchors, link.substr(hash) + "\n"), name, ": no heading for ", link);
    }
  }
}

// The words of each command in a piece of code. Two blanks or three dots end it: then comes an explanation.
std::vector<Lines> commands(const std::string& code) {
  std::vector<Lines> all;
  for (const std::string& command :
       matches(code, R"re((?:^ *|&& )(?:\$ )?(?:gdb --args )?(?:[A-Z_]+=\S+ )?)re"
                     R"re(((?:\./train|\./predict|make|build/[\w/]+|python3|sh)(?![^ ])(?: (?!&&|\||\.\.\.)\S+)*))re"))
    all.push_back(matches(command, R"re(((?:"[^"]*"|[^ "])+)(?: |$))re"));
  return all;
}

// That targets, variables, options and names of tests are there, for all but ./train and ./predict.
void check_names(const Lines& command, const std::string& makefile, const std::string& sources) {
  const std::string targets = matches(makefile, "PHONY:(.*)")[0] + matches(makefile, "PROGRAMS :=(.*)")[0] + " ";
  std::string names;
  for (const test::Test& test : test::tests()) names += test.name + "\n";
  const std::string program = command[0].substr(command[0].rfind('/') + 1);
  if (command[0].starts_with("build/")) CHECK(contains(targets, " " + program + " "), program);
  for (size_t i = 1; i < command.size(); ++i) {
    std::string word = command[i];
    std::erase(word, '"');
    for (const std::string& option : matches(word, "(--[a-z-]+)"))
      CHECK(contains(sources, "\"" + option + "\""), option, " is an option of no program");
    const size_t after = word.find('=') + 1;
    if (program == "make" && after > 0)
      CHECK(contains(makefile, " " + word.substr(0, after)), "the Makefile knows no ", word);
    else if (program == "make")
      CHECK(contains(targets, " " + word.substr(word.rfind('/') + 1) + " "), word, " is no target of the Makefile");
    if (program == "run_tests" || word.starts_with("NAME="))
      CHECK(contains(names, word.substr(after)), "no test has the name ", word.substr(after));
  }
}

// A folder in which the examples work, while it lives: with data, a run and a photograph.
struct Workplace {
  fs::path before = fs::current_path();
  Workplace() {
    const Dataset digits = draw_digits(1000, 100, 1);
    Random random(1, 1);
    fs::current_path(test::scratch_folder());
    fs::create_directories("data/mnist");
    test::write_idx("data/mnist/train", digits.train);
    test::write_idx("data/mnist/t10k", digits.test);
    write_file_atomically("photo.png", test::grey_png(photograph(&digits.test.pixels[784 * 12], test::kEverything, random)));
    test::train({"cnn", "--epochs", "5", "--device", "cpu", "--save", "theirs.safetensors"});
  }
  ~Workplace() { fs::current_path(before); }
};

// A line without what differs from run to run: the processor, numbers, and the bars that show them.
std::string shape_of(const std::string& line) {
  const std::string without = std::regex_replace(line, std::regex("[0-9][0-9,.:]*"), "0");
  return line.starts_with("Device ") ? "Device" : std::regex_replace(without, std::regex("[# ]+"), " ");
}

// Reads the command line of ./train or ./predict; runs it, and returns what it prints, if it is `shown` or names
// what ./predict is to read.
std::string output_of(const Lines& command, bool shown) {
  const std::map<std::string, std::string> examples = {
      {"N", "1"}, {"NAME", "cnn"}, {"MODEL", "cnn"}, {"IMAGE", "photo.png"}};
  Lines words;
  for (const std::string& word : command) words.push_back(examples.count(word) ? examples.at(word) : word);
  std::vector<const char*> argv;
  for (const std::string& word : words) argv.push_back(word.c_str());
  Lines arguments(words.begin() + 1, words.end());
  if (command[0] == "./train" && argv.size() > 1) parse_options(static_cast<int>(argv.size()), argv.data());
  if (command[0] == "./train" && !shown) return "";
  if (command.size() < 3) arguments.push_back("--help");
  const test::Outcome outcome = command[0] == "./train" ? test::train(arguments) : test::predict(arguments);
  CHECK_EQUAL(outcome.status, 0);
  return outcome.output;
}

TEST("documents: what they say to type works, and prints what they show") {
  const std::string makefile = read_file("Makefile"), sources = all_sources();
  const std::vector<Document> all = documents();
  const Workplace workplace;
  int checked = 0, shown = 0;
  for (const auto& [name, text, prose, code] : all) {
    std::string output;  // the shapes of what the command shown last prints, and the document has not shown yet
    for (const std::string& piece : code) try {
        for (const Lines& command : commands(piece)) {
          ++checked;
          if (command[0] != "./train" && command[0] != "./predict")
            check_names(command, makefile, sources);
          else if (const std::string printed = output_of(command, piece[0] == '$'); piece[0] == '$')
            for (const std::string& line : matches(printed, "(.*)\n")) output += "\n" + shape_of(line) + "\n";
        }
        if (piece[0] != '$' && piece != "..." && piece != "```" && !output.empty()) {
          const std::string line = "\n" + shape_of(piece) + "\n";
          CHECK(contains(output, line), "not printed, or not in this order, but this: ", output);
          output.erase(0, output.find(line) + line.size());
          ++shown;
        }
        if (piece == "```") output = "";
      } catch (const std::exception& error) {
        throw test::Failure(plainnet::text(name, ": ", piece, "\n    ", error.what()));
      }
  }
  CHECK(checked > 80 && shown > 20, checked, " ", shown);
}

}  // namespace
}  // namespace plainnet
