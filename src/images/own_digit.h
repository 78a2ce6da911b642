#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "images/image.h"

namespace plainnet {

struct PreparedDigit {
  std::vector<uint8_t> pixels;    // [height][width], light ink on black
  std::vector<std::string> done;  // what was done to the image, in sentences for people
};

/// Makes any picture of one digit, a photograph too, look as those of MNIST were made
/// (http://yann.lecun.com/exdb/mnist/): the ink without the paper, its light, its lines and its dust,
/// scaled to fit into a box of 20/28 of the size, its proportions kept, with grey edges, and its centre of
/// mass moved to the centre. docs/digits.md shows the steps. Throws Error, which begins with `name`, where
/// nothing stands out from the background.
PreparedDigit prepare_digit(const GreyImage& image, int height, int width, const std::string& name);

}  // namespace plainnet
