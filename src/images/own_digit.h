#pragma once

#include "images/dataset.h"
#include "images/image.h"

namespace plainnet {

/// How digits look in the images of a data set; those of MNIST, if nothing else is said.
struct Ink {
  bool is_dark = false;     // on light, not light on dark
  double fill = 20.0 / 28;  // of the frame's side, how much the ink's longer side takes: 0.1 to 1
};

/// Measures it in at least one image: the medians of the first 200.
Ink ink_of(const Images& images);

struct PreparedDigit {
  std::vector<uint8_t> pixels;    // [height][width]
  std::vector<std::string> done;  // what was done to the image, in sentences for people
};

/// Makes any picture of one digit, a photograph too, look as those of MNIST were made
/// (http://yann.lecun.com/exdb/mnist/), or a data set with such `ink`: the ink without the paper, its
/// light, its lines and its dust, scaled to fit into a box of `ink.fill` of the size, its proportions kept,
/// with grey edges, and its centre of mass moved to the centre. docs/digits.md shows the steps. Throws Error,
/// which begins with `name`, where nothing stands out from the background.
PreparedDigit prepare_digit(const GreyImage& image, int height, int width, const std::string& name,
                            Ink ink = {});

}  // namespace plainnet
