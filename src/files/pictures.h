#pragma once

#include "images/dataset.h"
#include "training/record.h"
#include "training/tensor.h"

namespace plainnet {

// SVG pictures of a run.

/// Two panels side by side: loss and accuracy over the epochs, training and test. The loss has a
/// logarithmic axis where it spans more than a factor of 20. Any number of epochs, in rising order; all their
/// numbers are finite, as EpochRecord says: a run ends at the first that is not, and parse_log() refuses it.
std::string curves_svg(const std::string& title, const std::vector<EpochRecord>& epochs);

/// The counts as a table: a row per label, a column per guess, the colour of a cell by its share of the
/// row, wrong ones bold, the share that is right beside each row. `names`: those of the classes.
std::string confusion_svg(const std::string& title, const Confusion& counts,
                          const std::vector<std::string>& names);

/// The images whose guess is not their label, three times enlarged, each with "3 read as 5" and its
/// index and the guess's probability, "247: 98.1%", beneath: the first 100 of them, under a line that
/// says how many there are. `guesses`: one for each image; `probabilities`: [images][classes]; `names`: those
/// of the classes.
std::string mistakes_svg(const Images& images, const std::vector<int>& guesses,
                         const std::vector<float>& probabilities, const std::vector<std::string>& names);

/// The kernel [height][width][in][out] of a convolution, a tile for each input and output channel, in rows
/// of eight. Each tile has its own scale, symmetric about 0: its largest magnitude is full blue (negative)
/// or full red (positive), and 0 is white. All its numbers are finite, as after Trainer::train().
std::string filters_svg(const Tensor& kernel);

}  // namespace plainnet
