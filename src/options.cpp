#include "options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <vector>

#include "error.h"

namespace plainnet {
namespace {

// Sets one option from its value. `name` is for the error message.
using Setter = std::function<void(Options&, const std::string& name, const std::string& value)>;

struct Option {
  std::string name, value, help;  // "--epochs", "N", what it does
  Setter set;
};

struct Group {
  std::string title;
  std::vector<Option> options;
};

[[noreturn]] void refuse(const std::string& name, const std::string& expected,
                         const std::string& found) {
  throw UsageError(text(name, ": expected ", expected, ", found ", found.empty() ? "''" : found));
}

template <class T>
Setter whole(T Options::*field, T low, T high) {
  return [=](Options& options, const std::string& name, const std::string& value) {
    T number{};
    const char* end = value.data() + value.size();
    const auto result = std::from_chars(value.data(), end, number);
    if (result.ec != std::errc() || result.ptr != end || number < low || number > high)
      refuse(name, text("a whole number from ", low, " to ", high), value);
    options.*field = number;
  };
}

Setter number(double Options::*field, double low, double high) {
  return [=](Options& options, const std::string& name, const std::string& value) {
    double number = 0;
    const char* end = value.data() + value.size();
    const auto result = std::from_chars(value.data(), end, number);
    if (result.ec != std::errc() || result.ptr != end || !(number >= low && number <= high))
      refuse(name, text("a number from ", low, " to ", high), value);
    options.*field = number;
  };
}

Setter on_off(bool Options::*field) {
  return [=](Options& options, const std::string& name, const std::string& value) {
    if (value != "on" && value != "off") refuse(name, "on or off", value);
    options.*field = value == "on";
  };
}

std::string join(const std::vector<std::string>& words) {
  std::string all;
  for (size_t i = 0; i < words.size(); ++i)
    all += text(i == 0 ? "" : i + 1 < words.size() ? ", " : " or ", words[i]);
  return all;
}

Setter choice(std::string Options::*field, const std::vector<std::string>& allowed) {
  return [=](Options& options, const std::string& name, const std::string& value) {
    if (std::find(allowed.begin(), allowed.end(), value) == allowed.end())
      refuse(name, join(allowed), value);
    options.*field = value;
  };
}

Setter path(std::string Options::*field) {
  return [=](Options& options, const std::string& name, const std::string& value) {
    if (value.empty()) refuse(name, "a path", value);
    options.*field = value;
  };
}

const std::vector<std::string> kModels = {"cnn", "separable", "bilstm"};

const std::vector<Group>& groups() {
  static const std::vector<Group> all = {
      {"Training",
       {{"--epochs", "N", "how often to see every image (30)",
         whole(&Options::epochs, 1, 1000000)},
        {"--batch", "N", "images per update (128)", whole(&Options::batch, 1, 65536)},
        {"--learning-rate", "X", "0.05; for bilstm 0.5", number(&Options::learning_rate, 0, 1000)},
        {"--momentum", "X", "0 to 0.9999 (0.9)", number(&Options::momentum, 0, 0.9999)},
        {"--nesterov", "on|off", "momentum in Nesterov's form (on)", on_off(&Options::nesterov)},
        {"--weight-decay", "X", "L2 penalty on all weights (0)",
         number(&Options::weight_decay, 0, 1)},
        {"--seed", "N", "of initial weights, shuffling, built-in digits (1)",
         whole<uint64_t>(&Options::seed, 0, UINT64_MAX)}}},
      {"Data",
       {{"--data", "DIR", "four IDX files (data/mnist; without it, built-in digits)",
         [](Options& options, const std::string& name, const std::string& value) {
           path (&Options::data)(options, name, value);
           options.data_given = true;
         }},
        {"--limit", "N", "only the first N training images",
         whole(&Options::limit, 1, 1000000000)},
        {"--shuffle", "on|off", "a new order every epoch (on)", on_off(&Options::shuffle)}}},
      {"Machine",
       {{"--device", "D", "gpu, cpu, emulated or auto: gpu if there is one (auto)",
         choice(&Options::device, {"gpu", "cpu", "emulated", "auto"})},
        {"--threads", "N", "of the cpu target (one a processor)",
         whole(&Options::threads, 1, 1024)}}},
      {"Files",
       {{"--init", "FILE", "start from the weights in a safetensors file", path(&Options::init)},
        {"--save", "FILE", "write the weights at the end", path(&Options::save)},
        {"--log", "FILE", "a line of CSV for every epoch", path(&Options::log)},
        {"--step-log", "FILE", "step,loss for every batch before its update",
         path(&Options::step_log)}}},
      {"",
       {{"--help", "", "print this",
         [](Options& options, const std::string&, const std::string&) { options.help = true; }}}},
  };
  return all;
}

// The least number of letters to insert, delete or change to make b of a (Levenshtein, 1966).
size_t distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({change, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

const Option& find_option(const std::string& name) {
  const Option* nearest = nullptr;
  for (const Group& group : groups())
    for (const Option& option : group.options) {
      if (option.name == name) return option;
      if (!nearest || distance(name, option.name) < distance(name, nearest->name))
        nearest = &option;
    }
  throw UsageError(text("unknown option ", name, ": did you mean ", nearest->name,
                        "? (./train --help lists them all)"));
}

}  // namespace

Options parse_options(int argc, const char* const* argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    std::string name = argv[i];
    if (name == "-h") name = "--help";
    if (name.empty() || name[0] != '-') {
      if (!options.model.empty())
        throw UsageError(text("expected one model, found ", options.model, " and ", name));
      choice(&Options::model, kModels)(options, "model", name);
      continue;
    }
    const size_t equals = name.find('=');  // --epochs=3 is --epochs 3
    const Option& option = find_option(name.substr(0, equals));
    std::string value;
    if (option.value.empty()) {
      if (equals != std::string::npos) refuse(option.name, "no value", name.substr(equals + 1));
    } else if (equals != std::string::npos) {
      value = name.substr(equals + 1);
    } else {
      if (++i == argc) throw UsageError(text(option.name, ": expected a value, found none"));
      value = argv[i];
    }
    option.set(options, option.name, value);
  }
  if (options.model.empty() && !options.help)
    throw UsageError("expected a model: ./train " + join(kModels) + " (./train --help says more)");
  if (options.learning_rate == 0) options.learning_rate = options.model == "bilstm" ? 0.5 : 0.05;
  return options;
}

std::string help_text() {
  std::string help = "usage: ./train cnn|separable|bilstm [options]\n";
  for (const Group& group : groups()) {
    help += text("\n", group.title, group.title.empty() ? "" : "\n");
    for (const Option& option : group.options) {
      std::string left = text("  ", option.name, " ", option.value);
      left.resize(std::max<size_t>(left.size() + 1, 24), ' ');
      help += left + option.help + "\n";
    }
  }
  return help;
}

}  // namespace plainnet
