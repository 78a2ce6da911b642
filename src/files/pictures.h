#pragma once

#include <vector>

#include "images/dataset.h"
#include "images/image.h"
#include "training/tensor.h"

namespace plainnet {

/// A sheet of the images whose guess is not their label, three times enlarged, each with "3>5"
/// beneath: the label, then the guess. The first `most` of them, under a line that says how many
/// there are. `guesses`: one for each image, 0 to 9.
RgbImage mistakes_picture(const Images& images, const std::vector<int>& guesses, int most = 100);

/// The kernel [height][width][in][out] of a convolution as tiles: a row per input channel and a
/// column per output channel; of a single input channel, rows of eight. Each tile has its own
/// scale, symmetric about 0: its largest magnitude is full blue (negative) or full red (positive),
/// 0 is white, and a number that is not finite is black. Throws Error for a tensor of another rank.
RgbImage filters_picture(const Tensor& kernel);

}  // namespace plainnet
