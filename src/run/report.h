#pragma once

#include <string>
#include <vector>

#include "files/checkpoint.h"
#include "images/dataset.h"
#include "run/options.h"
#include "training/trainer.h"

namespace plainnet {

// What ./train prints, and the pictures that it leaves in the run folder.

/// The layers, their shapes and parameters; the data; the device; the options.
void print_summary(const Options& options, const Dataset& dataset, const std::string& device);

/// The heading of the lines of print_epoch().
void print_epoch_heading();
void print_epoch(const EpochRecord& record, int epochs, int images);

/// For a terminal: a line on the epoch that is running, in place of the one before, or none at its end.
/// `scores` are those of the steps that are done, for which it took `seconds`.
void print_progress(const Options& options, int epoch, const std::vector<StepScore>& scores, int images,
                    double seconds);

/// confusion.svg, mistakes.svg and, if the first layer is a convolution, filters.svg, of the
/// trainer's weights. Throws Error where a file cannot be written.
void write_pictures(const Options& options, const Dataset& dataset, Trainer& trainer);

/// The best epoch, the time, and what lies in the run folder.
void print_closing(const Options& options, const Checkpoint& checkpoint);

}  // namespace plainnet
