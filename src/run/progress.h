#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "training/trainer.h"

namespace plainnet {

/// The bar for a running epoch on standard output, redrawn in place at most ten times a second.
/// Where that is no terminal, nothing.
class ProgressBar {
 public:
  /// `label` stands before the bar.
  ProgressBar(const std::string& label, int batch, int images);
  ~ProgressBar();  // wipes the bar away

  /// What Trainer::Progress is told.
  void show(const std::vector<StepScore>& scores);

 private:
  using Clock = std::chrono::steady_clock;

  std::string label_;
  int batch_, images_;
  bool visible_;
  Clock::time_point start_, next_;
};

/// The line of `columns` columns that the bar is.
std::string progress_line(const std::string& label, int done, int steps, double seconds_left,
                          double loss, double accuracy, int columns);

}  // namespace plainnet
