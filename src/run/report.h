#pragma once

#include "files/checkpoint.h"
#include "run/options.h"

namespace plainnet {

// What ./train prints, of which some also ./predict, and the pictures that it leaves in the run folder.

/// The layers, their shapes and parameters; the data; the device; the options.
void print_summary(const Options& options, const Dataset& dataset, const std::string& device);

/// What stands above the lines of print_epoch(), which all fit 80 columns.
inline const char* const kEpochHeading =
    "epoch      rate  train loss  accuracy  test loss  accuracy   seconds      left";

/// `rate`: the learning rate of the epoch's last step; `left`: seconds until the end of the run.
void print_epoch(const EpochRecord& record, bool is_best_so_far, double rate, double left);

/// On a terminal, unless TERM says that it is dumb: a line on the epoch that is running, cut to the
/// terminal's width, in place of the one before, or none at its end. `scores` are those of the steps that are
/// done, for which it took `seconds`, of an epoch of options.limit images.
void print_progress(const Options& options, int epoch, const std::vector<StepScore>& scores, double seconds);

/// What run.json says: the options, the data, the machine, the compiler, and what each epoch came to.
/// `device` as print_summary() has it; `checkpoint` has one epoch or more.
std::string run_json(const Options& options, const Checkpoint& checkpoint, const std::string& device);

/// The class of the highest of each image's probabilities, [images][classes].
std::vector<int> guesses_of(const std::vector<float>& probabilities, size_t classes);

/// Of the test images.
Confusion confusion_of(const Dataset& dataset, const std::vector<int>& guesses);

/// For people, within 80 columns: the share of each class that is right, "none" for one without images, and
/// the three pairs of label and guess that are confused most, if any. Of equal ones the first. `names`:
/// those of the classes, of which 19 letters are shown.
void print_confusion(const Confusion& confusion, const std::vector<std::string>& names);

/// confusion.svg, mistakes.svg and, if the first layer is a convolution, filters.svg, of the
/// trainer's weights; and prints the confusion. Throws Error where a file cannot be written.
void write_pictures(const Options& options, const Dataset& dataset, Trainer& trainer);

/// The best epoch, the time, a word on training accuracies below the test's, and what lies in the run folder.
void print_closing(const Options& options, const Checkpoint& checkpoint);

}  // namespace plainnet
