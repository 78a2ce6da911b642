#pragma once

#include <map>

#include "base/command_line.h"
#include "training/schedule.h"
#include "training/trainer.h"

namespace plainnet {

/// What `./train` is told to do; the learning rate and the weight decay are what suits the optimizer, unless
/// they are given.
struct Options : TrainerOptions, Schedule {
  std::set<std::string> given;  // the names of the options on the command line, and "model"

  std::string device = "auto";
  int threads = 0;  // 0: as many as there are processors

  std::string data = "data/mnist";  // "digits": built-in ones, also if not given and not there
  int limit = 0, test_limit = 0;    // 0: all images
  bool shuffle = true;
  int steps() const { return (limit + batch - 1) / batch; }  // of an epoch of `limit` images

  std::string out;                        // the run folder; empty: runs/MODEL
  std::string resume;                     // the run folder to go on with; empty: none
  std::string init, save, log, step_log;  // files; empty: none
};

/// Reads the command line and, unless it resumes a run, sets what has no fixed default. Throws as
/// parse_command_line() does, UsageError also for a missing model or an option that has no meaning beside the
/// others.
Options parse_options(int argc, const char* const* argv);

/// The options that shape a run, as texts by name: what a checkpoint keeps.
std::map<std::string, std::string> shaping_options(Options options);

/// Sets all options that are not given to those in `saved`. Throws UsageError, naming the option,
/// where one is given that contradicts `saved`. Only --data may, and --epochs unless the schedule is
/// the cosine. Throws Error, naming the folder, where one is missing in `saved` or has no meaning there.
void take_over(Options& options, const std::map<std::string, std::string>& saved);

}  // namespace plainnet
