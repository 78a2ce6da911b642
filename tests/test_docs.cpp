// The documents: what they quote and name is there, what they say to type works, and what they show is what
// the programs print.

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

// The files and folders that documents may name.
Lines files() {
  Lines all = {"README.md", "CONTRIBUTING.md", "settings.sh", "data/README.md", "data/get_mnist.sh"};
  for (const char* folder : {"docs", "kernels", "src", "tests"})
    for (const auto& entry : fs::recursive_directory_iterator(folder)) all.push_back(entry.path().string());
  return all;
}

struct Document {
  std::string name, text;
  Lines code;  // indented lines, each `...`, and blocks, each with the language before its first line
};

std::vector<Document> documents() {
  std::vector<Document> all;
  for (const std::string& name : files()) {
    if (!name.ends_with(".md")) continue;
    Document document{name, read_file(name), {}};
    document.code = matches(document.text, "\n    (.*)");
    std::istringstream parts(document.text);  // of three ` in a row, the third begins the code
    for (std::string prose, code; std::getline(parts, prose, '`') && std::getline(parts, code, '`');)
      document.code.push_back(prose.empty() ? code : std::regex_replace(code, std::regex("\n"), " "));
    all.push_back(document);
  }
  return all;
}

TEST("documents: quoted code stands in the repository") {
  std::string sources;
  for (const std::string& name : files())
    if (!matches(name, R"((\.h|\.cpp|\.cu)$)").empty()) sources += read_file(name) + "\n";
  int quoted = 0;
  for (const auto& [name, text, code] : documents())
    for (const std::string& piece : code) {
      const bool is_quote = piece.starts_with("cpp\n");
      CHECK(!is_quote || contains(sources, piece.substr(4)), name, " quotes what is in no file:\n", piece);
      quoted += is_quote;
    }
  CHECK(quoted > 10, quoted);
}

// What a build or a run leaves need not be there.
TEST("documents: files, folders and links lead somewhere") {
  const std::string folder = R"((?:[\w.-]+/)+(?=$|[\s,:)]))", file = R"([\w./-]*\w\.(?:cpp|cu|h|py|sh|md)\b)";
  const std::string named = R"((?:^|[\s("])(?!build/|runs/)(?:\./)?()" + folder + "|" + file + ")";
  std::string there;
  for (const std::string& path : files()) there += "/" + path + "/\n";
  for (const auto& [name, text, code] : documents()) {
    for (const std::string& piece : code)
      for (const std::string& path : matches(piece, named))
        CHECK(contains(there, "/" + path + (path.ends_with("/") ? "" : "/")), name, ": no ", path);
    for (const std::string& link : matches(text, R"re((?:\]\(|src=")(?!http)([^)"\s]+)[)"])re")) {
      const size_t hash = std::min(link.find('#'), link.size());
      const fs::path to = hash == 0 ? fs::path(name) : fs::path(name).parent_path() / link.substr(0, hash);
      CHECK(fs::exists(to), name, ": a link to ", link);
      if (hash == link.size()) continue;
      std::string headings = "\n";
      for (const std::string& heading : matches(read_file(to.string()), "\n#+ (.*)"))
        headings += std::regex_replace(heading, std::regex("[^\\w -]"), "") + "\n";
      const std::string words = std::regex_replace(link.substr(hash + 1), std::regex("-"), "[ -]");
      const std::regex anchor("\n" + words + "\n", std::regex::icase);
      CHECK(std::regex_search(headings, anchor), name, ": no heading for ", link);
    }
  }
}

// The words of each command in a line of code; two blanks, three dots or a | end it.
std::vector<Lines> commands(const std::string& code) {
  std::vector<Lines> all;
  const std::string before = R"((?:^ *|&& |^\$ |^gdb --args ))", more = R"((?: (?!&&|[|]|\.\.\.)\S+)*)";
  const std::string regex = before + R"(((?:\./train|\./predict|make))" + more + ")(?: |$)";
  for (const std::string& command : matches(code, regex))
    all.push_back(matches(command, R"re(((?:"[^"]*"|[^ "])+)(?: |$))re"));
  return all;
}

// That the Makefile has these targets and variables.
void check_make(const Lines& command, const std::string& makefile) {
  const std::string targets =
      matches(makefile, "PHONY:(.*)")[0] + matches(makefile, "PROGRAMS :=(.*)")[0] + " make ";
  for (const std::string& word : command) {
    const size_t end = word.find('=');
    const bool is_known = end == word.npos ? contains(targets, " " + word.substr(word.rfind('/') + 1) + " ")
                                           : contains(makefile, " " + word.substr(0, end + 1));
    CHECK(is_known, "make does not know ", word);
  }
}

// What ./predict prints, or ./train if this is `shown`; else only its options are read.
std::string output_of(const Lines& command, bool shown) {
  Lines arguments(command.begin() + 1, command.end());
  if (command[0] == "./predict" && arguments.size() < 2) arguments.push_back("--help");
  if (command[0] == "./predict") return test::predict(arguments).output;
  if (shown || command.back() == "--help") return test::train(arguments).output;
  std::vector<const char*> argv;
  for (const std::string& word : command) argv.push_back(word.c_str());
  if (argv.size() > 1) parse_options(static_cast<int>(argv.size()), argv.data());
  return "";
}

// A line without what differs from run to run: the processor, numbers, their bars and the mark of the best.
std::string shape_of(const std::string& line) {
  const std::string without = std::regex_replace(line + " ", std::regex("[0-9][0-9,.:]*"), "0");
  return line.starts_with("Device ") ? "Device" : std::regex_replace(without, std::regex("[#* ]+"), " ");
}

TEST("documents: what they say to type works, and prints what they show") {
  const std::string makefile = read_file("Makefile");
  const std::vector<Document> all = documents();
  const struct Back {
    fs::path folder = fs::current_path();
    ~Back() { fs::current_path(folder); }
  } back;
  fs::current_path(test::scratch_folder());
  fs::create_directories("data/mnist");
  const Dataset digits = draw_digits(600, 100, 1);
  test::write_idx("data/mnist/train", digits.train);
  test::write_idx("data/mnist/t10k", digits.test);
  Random random(1, 1);
  const GreyImage photo = photograph(&digits.test.pixels[784 * 12], test::kEverything, random);
  write_file_atomically("photo.png", test::grey_png(photo));
  test::train({"cnn", "--epochs", "1", "--save", "theirs.safetensors"});
  int shown = 0;
  for (const auto& [name, text, code] : all)
    for (const std::string& piece : code) {
      std::string output;  // of the command that is shown: the shapes of the lines that are still to come
      for (const std::string& line : matches(piece, "([^\n]+)")) try {
          const bool begins = line.starts_with("$ ");
          const std::string shape = "\n" + shape_of(line) + "\n";
          if (!begins && !output.empty() && line != "...") {
            CHECK(contains(output, shape), "this is not printed here, but: ", output);
            output.erase(0, output.find(shape) + shape.size());
            ++shown;
          }
          if (begins) output = "";
          for (const Lines& command : commands(line)) {
            if (command[0] == "make") check_make(command, makefile);
            const std::string printed = command[0] == "make" ? "" : output_of(command, begins);
            for (const std::string& its : matches(begins ? printed : "", "([^\n]+)"))
              output += "\n" + shape_of(its) + "\n";
          }
        } catch (const std::exception& error) {
          throw test::Failure(plainnet::text(name, ": ", line, "\n    ", error.what()));
        }
    }
  CHECK(shown > 40, shown);
}

}  // namespace
}  // namespace plainnet
