#include "base/command_line.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <new>
#include <regex>

#include "base/error.h"
#include "base/numbers.h"

namespace plainnet {
namespace {

[[noreturn]] void refuse(const std::string& name, const std::string& expected, const std::string& found) {
  throw UsageError(name, ": expected ", expected, ", found ", found.empty() ? "''" : found);
}

// Whether b is a with at most `most` letters changed, left out or added.
bool is_near(std::string_view a, std::string_view b, int most) {
  while (!a.empty() && !b.empty() && a[0] == b[0]) a.remove_prefix(1), b.remove_prefix(1);
  if (a == b || most == 0) return a == b;
  const auto rest_of_a = a.substr(!a.empty()), rest_of_b = b.substr(!b.empty());
  return is_near(rest_of_a, rest_of_b, most - 1) || is_near(rest_of_a, b, most - 1) ||
         is_near(a, rest_of_b, most - 1);
}

// ": did you mean X?" of the first of the nearest words that are at most two letters away from `word`, which
// has more letters than that, or end as it does (--rate); nothing if there is none.
std::string suggestion(const std::string& word, const std::vector<std::string>& words) {
  for (int most = 1; most <= 2; ++most)
    for (const std::string& meant : words)
      if (word.size() > 2 && (is_near(word, meant, most) || (most == 2 && meant.ends_with(word.substr(1)))))
        return ": did you mean " + meant + "?";
  return "";
}

const Option& find_option(const std::vector<Option>& options, const std::string& name) {
  const auto found = std::ranges::find(options, name, &Option::name);
  if (found != options.end()) return *found;
  std::vector<std::string> names;
  for (const Option& option : options) names.push_back(option.name);
  throw UsageError("unknown option ", name, suggestion(name, names), " (--help lists them all)");
}

// A line for each, by groups.
std::string describe(const std::vector<Option>& options) {
  std::string all;
  for (const Option& option : options) {
    if (!option.title.empty()) all += option.title + "\n";
    const std::string left = text("  ", option.name, " ", option.value_name);
    all += format("%-23s %s\n", left.c_str(), option.help.c_str());
  }
  return all;
}

}  // namespace

std::string listed(const std::vector<std::string>& words) {
  std::string all;
  for (size_t i = 0; i < words.size(); ++i)
    all += text(i == 0 ? "" : i + 1 < words.size() ? ", " : " or ", words[i]);
  return all;
}

template <class T>
Value number(T* variable, std::type_identity_t<T> low, std::type_identity_t<T> high) {
  const auto set = [=](const std::string& name, const std::string& value) {
    T number{};
    if (!read_number(value, &number) || !(number >= low && number <= high))
      refuse(name, text(std::is_integral_v<T> ? "a whole" : "a", " number from ", low, " to ", high), value);
    *variable = number;
  };
  return {set, [=] { return exact_text(*variable); }};
}
template Value number(int*, int, int);
template Value number(uint64_t*, uint64_t, uint64_t);
template Value number(double*, double, double);

Value choice(std::string* variable, const std::vector<std::string>& allowed) {
  const auto set = [=](const std::string& name, const std::string& value) {
    if (std::find(allowed.begin(), allowed.end(), value) == allowed.end())
      refuse(name, listed(allowed), value + suggestion(value, allowed));
    *variable = value;
  };
  return {set, [=] { return *variable; }};
}

Value path(std::string* variable) {
  const auto set = [=](const std::string& name, const std::string& value) {
    if (value.empty() || value.find('\0') != value.npos) refuse(name, "a path", value);
    *variable = value;
  };
  return {set, [=] { return *variable; }};
}

std::set<std::string> parse_command_line(int argc, const char* const* argv, const std::string& usage,
                                         std::vector<Option> options, std::vector<std::string>* arguments) {
  bool help = false;
  options.push_back({"--help", "", "print this", on_off(&help)});
  std::set<std::string> given;
  for (int i = 1; i < argc; ++i) {
    std::string name = argv[i];
    if (name == "-h") name = "--help";
    if (!name.starts_with('-')) {
      arguments->push_back(name);
      continue;
    }
    const size_t equals = name.find('=');
    const Option option = find_option(options, name.substr(0, equals));
    std::string value = "on";
    if (equals != std::string::npos) {
      value = name.substr(equals + 1);
      if (option.value_name.empty()) refuse(option.name, "no value", value);
    } else if (!option.value_name.empty()) {
      if (++i == argc) throw UsageError(option.name, ": expected a value, found none");
      value = argv[i];
      if (value.starts_with("--")) refuse(option.name, "a value", value);
    }
    option.value.set(option.name, value);
    given.insert(option.name);
  }
  if (help) throw Help(usage + describe(options));
  return given;
}

std::string shell_word(const std::string& word) {
  return std::regex_replace(word, std::regex(R"([ \t'"\\$`&|;<>()*?[\]{}#~!])"), "\\$&");
}

void check_output() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout)) throw Error("standard output cannot be written");
}

int run_program(const std::string& name, const std::function<int()>& run) {
  const auto say = [&](const std::string& problem) {
    std::fflush(stdout);
    std::fprintf(stderr, "%s: %s\n", name.c_str(), shown(problem).c_str());
  };
  // A file that is opened where a standard stream is closed would take its number, and what is printed.
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (fcntl(stream, F_GETFD) < 0) open("/dev/null", O_RDWR);  // takes the lowest number that is free
  try {
    const int status = run();
    check_output();
    return status;
  } catch (const Help& help) {
    return run_program(name, [&] { return std::fputs(help.what(), stdout) == EOF; });
  } catch (const UsageError& error) {
    say(error.what());
    return 2;
  } catch (const std::bad_alloc&) {
    say("not enough memory: a smaller batch, or fewer images, take less");
  } catch (const std::exception& error) {
    say(error.what());
  }
  return 1;
}

}  // namespace plainnet
