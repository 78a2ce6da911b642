// The images of a batch: which, in which order, and how bright.

#include "kernels/batch.h"
#include "tests/layer_run.h"

namespace plainnet::TARGET {
namespace {

TARGET_TEST("batch: images in the order given, from 0 to 1") {
  constexpr int kImages = 11, kPixels = 131, kStride = 4;
  std::vector<uint8_t> pixels(kImages * kPixels), labels(kImages);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i * 7);
  for (int i = 0; i < kImages; ++i) labels[i] = static_cast<uint8_t>(kImages - i);
  const Buffer<uint8_t> device_pixels(pixels), device_labels(labels);
  const std::vector<int> order = {3, 1, 4, 10, 5, 9, 2, 6, 0, 8, 7};
  const Buffer<int> device_order(order), step(std::vector<int>{0});

  for (int s = 0; s < 3; ++s) {
    const int batch = s < 2 ? kStride : kImages - 2 * kStride;
    GuardedBuffer x(kStride * kPixels);
    Buffer<uint8_t> label(std::vector<uint8_t>(kStride, 99));
    CHECK_EQUAL(step.download()[0], s);
    gather_batch(device_pixels.data(), device_labels.data(), kPixels, device_order.data(), step.data(),
                 kStride, batch, x.data(), label.data());
    Values expected;
    std::vector<uint8_t> expected_labels(kStride, 99);
    for (int b = 0; b < batch; ++b) {
      const int image = order[s * kStride + b];
      for (int i = 0; i < kPixels; ++i) expected.push_back(pixels[image * kPixels + i] / real(255));
      expected_labels[b] = labels[image];
    }
    CHECK(x.get(batch * kPixels, "x") == expected, "step ", s);
    CHECK(label.download() == expected_labels, "step ", s);
    advance(step.data());
  }
}

}  // namespace
}  // namespace plainnet::TARGET
