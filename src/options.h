#pragma once

#include <cstdint>
#include <string>

namespace plainnet {

/// What `./train` is told to do.
struct Options {
  bool help = false;
  std::string model;

  std::string device = "auto";
  int threads = 0;  // 0: as many as there are processors

  std::string data = "data/mnist";
  bool data_given = false;  // then missing files are an error, not a reason to draw digits
  int limit = 0;            // 0: all training images
  bool shuffle = true;

  int epochs = 30;
  int batch = 128;
  double learning_rate = 0;  // 0: the model's own
  double momentum = 0.9;
  bool nesterov = true;
  double weight_decay = 0;
  uint64_t seed = 1;

  std::string init, save, log, step_log;  // files; empty: none
};

/// Reads the command line. Throws UsageError, in one line that names the option and what is allowed,
/// for an unknown option (with the nearest one), a missing or superfluous value, or one out of range.
Options parse_options(int argc, const char* const* argv);

/// What --help prints.
std::string help_text();

}  // namespace plainnet
