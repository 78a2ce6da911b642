// The first kernel of a training step: it gathers the images of a batch, in the shuffled order of the
// epoch, and scales their pixels from 0 ... 255 to 0 ... 1. The data set, the order and the number of
// the step lie on the device, so that steps follow each other without the host.

#include "kernels/batch.h"

#include "kernels/common.h"

namespace plainnet::TARGET {
namespace {

// A block copies one image, which stands at place *step * stride + b of the order.
__global__ void gather_images(const uint8_t* pixels,  // [count][size]: those of all images
                              const uint8_t* labels,  // [count]
                              int size,               // pixels of an image
                              const int* order,       // [count]: the numbers of the images, shuffled
                              const int* step,        // how many batches have been taken
                              int stride,             // images of a full batch
                              real* x,                // [batch][size]
                              uint8_t* label) {       // [batch]
  const int b = blockIdx.x;
  const int image = order[at(*step, b, stride)];
  for (int i = threadIdx.x; i < size; i += blockDim.x)
    x[at(b, i, size)] = pixels[at(image, i, size)] / real(255);
  if (threadIdx.x == 0) label[b] = labels[image];
}

__global__ void advance_step(int* step) { *step += 1; }

}  // namespace

void gather_batch(const uint8_t* pixels, const uint8_t* labels, int size, const int* order,
                  const int* step, int stride, int batch, real* x, uint8_t* label) {
  launch(gather_images, batch, threads(128), pixels, labels, size, order, step, stride, x, label);
}

void advance(int* step) { launch(advance_step, 1, threads(1), step); }

}  // namespace plainnet::TARGET
