#pragma once

// Photographs of digits as people take them, made from images of a data set.

#include "base/random.h"
#include "images/image.h"

namespace plainnet::test {

/// What is difficult about a photograph.
enum Photograph {
  kPlain,        // nothing: dark ink on light paper
  kLamp,         // the paper gets darker from one side to the other
  kShadow,       // half of the paper lies in a shadow
  kVignette,     // the corners are darker than the middle
  kNoise,        // grain
  kTable,        // the paper lies on a dark table
  kSquared,      // lines across and down the paper
  kLined,        // lines across the paper
  kBox,          // the digit stands in a printed box
  kSpecks,       // dust
  kEdge,         // the ink touches the edge of the picture
  kFrame,        // the digit fills the picture
  kOffCentre,    // the digit is anywhere
  kThin,         // a thin pen
  kThick,        // a thick pen
  kCorner,       // the digit is small, in a corner
  kTransparent,  // white ink on nothing, a PNG with an alpha channel
  kLightOnDark,  // chalk
  kSmall,        // a drawing of 28x28, off its centre
  kEverything,   // lamplight, grain and dust, on squared paper that lies a little askew
  kPhotographs
};

/// What a kind is called.
const char* name_of(Photograph kind);

/// A photograph of the digit `pixels`, [28][28], of light ink on black.
GreyImage photograph(const uint8_t* pixels, Photograph kind, Random& random);

}  // namespace plainnet::test
