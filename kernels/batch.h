#pragma once

#include <cstdint>

#include "kernels/device.h"

namespace plainnet::TARGET {

/// Images with labels, on the device.
struct DeviceImages {
  Buffer<uint8_t> pixels;  // [count][pixels of an image], 0 to 255; count is that of all images
  Buffer<uint8_t> labels;  // [count]
};

/// The batch of step *step: the images order[*step * stride + b] for b < batch, with pixels from 0
/// to 1, and their labels.
void gather_batch(const DeviceImages& images,
                  int pixels,        // of an image
                  const int* order,  // on the device, [count]: numbers of images
                  const int* step,   // on the device
                  int stride,        // the size of a full batch
                  int batch,
                  real* x,          // [batch][pixels]
                  uint8_t* label);  // [batch]

/// *step += 1, on the device.
void advance(int* step);

}  // namespace plainnet::TARGET
