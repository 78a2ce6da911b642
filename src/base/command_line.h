#pragma once

#include <algorithm>
#include <functional>
#include <set>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace plainnet {

/// "a, b or c".
std::string listed(const std::vector<std::string>& words);

/// Where an option's value goes: a variable that must outlive this, and what it may hold.
struct Value {
  std::function<void(const std::string& name, const std::string& value)> set;  // or UsageError
  std::function<std::string()> get;  // a text that set() takes
};

/// A number from `low` to `high`, a whole one unless it is a double. T: int, uint64_t or double.
template <class T>
Value number(T* variable, std::type_identity_t<T> low, std::type_identity_t<T> high);
Value choice(std::string* variable, const std::vector<std::string>& allowed);
Value path(std::string* variable);

/// A choice of a value of an enum, by one of `names`, which stand in the enum's order.
template <class Enum>
Value choice_of(Enum* variable, const std::vector<std::string>& names) {
  const auto set = [=](const std::string& option, const std::string& value) {
    std::string name;
    choice(&name, names).set(option, value);
    *variable = Enum(std::find(names.begin(), names.end(), name) - names.begin());
  };
  return {set, [=] { return names[*variable]; }};
}

inline Value on_off(bool* variable) { return choice_of(variable, {"off", "on"}); }

struct Option {
  std::string name, value_name, help;  // "--epochs", "N", what it does, with its default
  Value value;                         // without a value_name, the option sets it to "on"
  std::string title = "";              // of a group of options, which begins with this one
};

/// No error, but what --help asks for: run_program() prints it.
struct Help : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Sets what the command line gives, --epochs 3 or --epochs=3, and returns the names of these
/// options; what is no option goes to `arguments`. Throws UsageError, in one line that names the
/// option and what is allowed, for an unknown option or choice (with the nearest one), a missing or
/// superfluous value, or one out of range; else Help for --help and -h: `usage`, and the options, a line for
/// each, by groups.
std::set<std::string> parse_command_line(int argc, const char* const* argv, const std::string& usage,
                                         std::vector<Option> options, std::vector<std::string>* arguments);

/// `word` as one types it into a shell: a backslash stands before a blank and all else that means something
/// there.
std::string shell_word(const std::string& word);

/// Throws Error if what was printed could not be written.
void check_output();

/// Calls `run` and returns what it returns, the exit status; prints the Help that it throws and returns 0, or
/// an Error, with the name of the program before it, and returns 2 for a UsageError, 1 for any other. A
/// standard stream that is closed is /dev/null.
int run_program(const std::string& name, const std::function<int()>& run);

}  // namespace plainnet
