#pragma once

#include "kernels/device.h"

namespace plainnet::TARGET {

/// The batch of step *step: the images order[*step * stride + b] for b < batch, with pixels from 0
/// to 1, and their labels. All pointers are to the device; count is that of all images.
void gather_batch(const uint8_t* pixels,  // [count][size], 0 to 255
                  const uint8_t* labels,  // [count]
                  int size,               // pixels of an image
                  const int* order,       // [count]: numbers of images
                  const int* step,
                  int stride,  // the size of a full batch
                  int batch,
                  real* x,          // [batch][size]
                  uint8_t* label);  // [batch]

/// *step += 1, on the device.
void advance(int* step);

}  // namespace plainnet::TARGET
