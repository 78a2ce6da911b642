// The shapes at which the layers are tested. On the cpu target a tile is 8 or 4 rows (images, or weights)
// by 2 to 48 columns, on the others 32 rows by 16 to 48 columns, and a product walks along its sum in
// slices of 8, four at a time (a recurrence: of 128); sums over rows take 256 at a time, transpositions 32.
// So there are sizes of 1, odd and prime ones, and such that need several tiles with a rest.

#include "tests/layer_cases.h"

#include "base/error.h"

namespace plainnet {
namespace {

std::string window(Size size, int stride, Padding padding, bool relu) {
  return text(size.height, "x", size.width, padding == kSame ? " same" : " valid",
              stride > 1 ? text(" stride ", stride) : "", relu ? " relu" : "");
}
std::string options_of(const Conv2d& c) {
  return text(window(c.window, c.stride, c.padding, c.relu), " to ", c.filters);
}
std::string options_of(const DepthwiseConv2d& d) { return window(d.window, d.stride, d.padding, d.relu); }
std::string options_of(const MaxPool2d& p) { return window(p.window, p.stride, kValid, false); }
std::string options_of(const Dense& d) { return text("to ", d.units, d.relu ? " relu" : ""); }
std::string options_of(const Lstm& l) {
  return text("to ", l.units, l.return_sequences ? ", sequence" : ", last", l.go_backwards ? ", backwards" : "");
}
std::string options_of(const Bidirectional& b) { return options_of(b.onward); }

enum Cost { kLarge, kSmall };

LayerCase one(const LayerDescription& layer, int batch, Shape input, Cost cost) {
  return {{layer}, input, batch, batch + 2, cost == kSmall};
}

// A convolution with a pooling after it, which are one piece of fast code on the cpu target.
LayerCase pair(const Conv2d& conv2d, int batch, Shape input, Cost cost) {
  return {{conv2d, MaxPool2d{.window = 2, .stride = 2}}, input, batch, batch + 2, cost == kSmall};
}

LayerCase sequence(const LayerDescription& layer, int batch, int steps, int features, Cost cost) {
  return one(layer, batch, {steps, 1, features}, cost);
}

// The same in a batch that leaves most of the memory unused. How a layer splits the sums of a gradient over
// the images depends on the largest batch: here there are several parts, of several images each.
LayerCase with_max_batch(int max_batch, LayerCase layer_case) {
  layer_case.max_batch = max_batch;
  return layer_case;
}

}  // namespace

std::string LayerCase::name() const {
  std::string all;
  for (const LayerDescription& layer : layers)
    std::visit([&](const auto& l) { all += text(all.empty() ? "" : " + ", l.type(), " ", options_of(l)); }, layer);
  all += text(", ", batch, " of ", input.height, "x", input.width, "x", input.channels);
  if (max_batch != batch + 2) all += text(" (", max_batch, ")");
  return all;
}

bool LayerCase::has_fast_code() const {
  return layers.size() > 1 || !std::holds_alternative<MaxPool2d>(layers[0]);
}

std::vector<Kernels> LayerCase::kernels() const {
  return has_fast_code() ? std::vector<Kernels>{kPlain, kFast} : std::vector<Kernels>{kPlain};
}

const std::vector<LayerCase>& layer_cases() {
  static const std::vector<LayerCase> all = [] {
    std::vector<LayerCase> cases = {
        one(Conv2d{.filters = 1, .window = 1}, 1, {1, 1, 1}, kSmall),
        one(Conv2d{.filters = 3, .window = {3, 2}, .relu = true}, 2, {4, 3, 2}, kSmall),
        one(Conv2d{.filters = 2, .window = {2, 3}, .stride = 2, .padding = kSame}, 3, {2, 3, 1}, kSmall),
        one(Conv2d{.filters = 2, .window = 2, .stride = 3, .padding = kSame, .relu = true}, 1, {5, 4, 1}, kSmall),
        // "Same" padding where none is needed.
        one(Conv2d{.filters = 2, .window = 1, .padding = kSame}, 2, {2, 3, 2}, kSmall),
        one(Conv2d{.filters = 2, .window = 1, .stride = 3, .padding = kSame}, 2, {6, 5, 1}, kSmall),
        one(Conv2d{.filters = 49, .window = {2, 3}, .stride = 2, .padding = kSame}, 33, {2, 3, 1}, kLarge),
        one(Conv2d{.filters = 5, .window = 1, .relu = true}, 3, {3, 5, 17}, kLarge),
        one(Conv2d{.filters = 29, .window = 3, .relu = true}, 11, {5, 4, 5}, kLarge),
        one(Conv2d{.filters = 25, .window = 3, .stride = 2, .padding = kSame, .relu = true}, 3, {8, 7, 3}, kLarge),
        one(Conv2d{.filters = 3, .window = 5, .padding = kSame}, 1, {3, 4, 2}, kLarge),
        one(Conv2d{.filters = 3, .window = {4, 2}, .stride = 3}, 5, {9, 10, 2}, kLarge),
        one(Conv2d{.filters = 71, .window = 2}, 2, {3, 4, 3}, kLarge),
        one(Conv2d{.filters = 3, .window = {2, 3}, .padding = kSame}, 2, {3, 4, 53}, kLarge),
        one(Conv2d{.filters = 23, .window = 1, .stride = 2}, 9, {5, 6, 7}, kLarge),
        one(Conv2d{.filters = 140, .window = 1}, 2, {3, 1, 13}, kLarge),
        with_max_batch(2051,
                       one(Conv2d{.filters = 2, .window = 3, .padding = kSame}, 9, {2, 2, 1}, kSmall)),

        pair({.filters = 2, .window = 2}, 2, {3, 4, 1}, kSmall),
        pair({.filters = 3, .window = 1, .relu = true}, 1, {4, 3, 2}, kSmall),
        // Zeros below the image and to its right, under windows that are pooled; of few taps, and of many.
        pair({.filters = 3, .window = 3, .padding = kSame, .relu = true}, 2, {4, 6, 1}, kLarge),
        pair({.filters = 3, .window = 3, .padding = kSame, .relu = true}, 2, {4, 6, 5}, kLarge),
        pair({.filters = 5, .window = 2}, 3, {5, 8, 3}, kLarge),
        pair({.filters = 3, .window = 3, .padding = kSame, .relu = true}, 2, {5, 4, 4}, kLarge),
        pair({.filters = 6, .window = 2, .relu = true}, 2, {13, 47, 1}, kLarge),
        // More than 512 pooling windows, of more than 32 taps.
        pair({.filters = 2, .window = {1, 41}, .relu = true}, 1, {2, 1067, 1}, kLarge),
        pair({.filters = 33, .window = 2, .relu = true}, 2, {5, 7, 2}, kLarge),
        pair({.filters = 27, .window = 3, .stride = 2, .padding = kSame, .relu = true}, 5, {9, 11, 5}, kLarge),
        pair({.filters = 27, .window = 3, .stride = 2, .padding = kSame, .relu = true}, 5, {9, 11, 3}, kLarge),
        // A vector and a half of channels, where a vector has eight.
        pair({.filters = 12, .window = 3, .relu = true}, 5, {6, 5, 2}, kLarge),
        // Four rows of eight numbers: one too many in a row for the patches of small windows.
        pair({.filters = 3, .window = {4, 2}}, 2, {7, 5, 4}, kLarge),
        with_max_batch(300, pair({.filters = 2, .window = 5, .relu = true}, 37, {6, 7, 2}, kLarge)),
        with_max_batch(300, pair({.filters = 2, .window = 3, .relu = true}, 37, {6, 7, 1}, kLarge)),

        one(DepthwiseConv2d{.window = 1}, 1, {1, 1, 1}, kSmall),
        one(DepthwiseConv2d{.window = {3, 2}, .relu = true}, 2, {4, 3, 3}, kSmall),
        one(DepthwiseConv2d{.window = 3, .stride = 2, .padding = kSame}, 2, {3, 4, 2}, kSmall),
        one(DepthwiseConv2d{.window = 1, .stride = 4, .padding = kSame}, 1, {8, 6, 2}, kSmall),
        one(DepthwiseConv2d{.window = 3, .stride = 2, .padding = kSame}, 3, {4, 3, 37}, kLarge),
        one(DepthwiseConv2d{.window = 5, .relu = true}, 3, {6, 9, 29}, kLarge),
        one(DepthwiseConv2d{.window = {2, 3}, .padding = kSame, .relu = true}, 3, {5, 13, 24}, kLarge),
        one(DepthwiseConv2d{.window = 5, .padding = kSame}, 1, {3, 4, 2}, kLarge),
        one(DepthwiseConv2d{.window = {4, 2}, .stride = 3}, 5, {9, 10, 3}, kLarge),
        one(DepthwiseConv2d{.window = 3, .stride = 2, .padding = kSame}, 2, {6, 5, 131}, kLarge),
        with_max_batch(700, one(DepthwiseConv2d{.window = 2}, 5, {3, 4, 2}, kSmall)),

        one(MaxPool2d{.window = 1, .stride = 1}, 1, {1, 1, 1}, kSmall),
        one(MaxPool2d{.window = 2, .stride = 2}, 3, {3, 5, 2}, kSmall),
        one(MaxPool2d{.window = 3, .stride = 2}, 2, {7, 8, 3}, kLarge),
        one(MaxPool2d{.window = 2, .stride = 2}, 3, {6, 10, 24}, kLarge),
        one(MaxPool2d{.window = {2, 3}, .stride = 1}, 2, {3, 5, 2}, kSmall),
        one(MaxPool2d{.window = 2, .stride = 3}, 2, {9, 10, 3}, kLarge),
        one(MaxPool2d{.window = {3, 1}, .stride = 4}, 5, {12, 6, 2}, kLarge),

        one(Dense{.units = 1}, 1, {1, 1, 1}, kSmall),
        one(Dense{.units = 5, .relu = true}, 3, {1, 1, 7}, kSmall),
        one(Dense{.units = 5, .relu = true}, 37, {1, 1, 13}, kLarge),
        one(Dense{.units = 53}, 3, {3, 2, 7}, kLarge),
        one(Dense{.units = 71, .relu = true}, 19, {1, 1, 37}, kLarge),
        one(Dense{.units = 131}, 7, {1, 1, 23}, kLarge),
        one(Dense{.units = 3, .relu = true}, 323, {1, 1, 11}, kLarge),
        one(Dense{.units = 7}, 2, {2, 3, 83}, kLarge),
        // As many rows as one block sums, and one more.
        one(Dense{.units = 2, .relu = true}, 256, {1, 1, 3}, kLarge),
        one(Dense{.units = 2}, 257, {1, 1, 3}, kLarge),

        sequence(Bidirectional{Lstm{.units = 1, .return_sequences = true}}, 1, 2, 2, kSmall),
        sequence(Lstm{.units = 2}, 2, 2, 1, kSmall),
        sequence(Lstm{.units = 1, .go_backwards = true}, 1, 3, 2, kSmall),
        sequence(Lstm{.units = 37}, 5, 2, 3, kLarge),
        sequence(Lstm{.units = 1}, 1, 1, 1, kLarge),
        sequence(Lstm{.units = 3, .return_sequences = true, .go_backwards = true}, 3, 4, 2, kLarge),
        sequence(Bidirectional{Lstm{.units = 13}}, 11, 5, 7, kLarge),
        sequence(Lstm{.units = 17, .return_sequences = true}, 9, 3, 20, kLarge),
        sequence(Bidirectional{Lstm{.units = 11, .return_sequences = true}}, 2, 7, 3, kLarge),
    };
    for (const int steps : {1, 2, 5})
      for (const bool all_steps : {false, true}) {
        const Lstm lstm{.units = 5, .return_sequences = all_steps};
        cases.push_back(sequence(lstm, 3, steps, 4, kLarge));
        cases.push_back(sequence(Bidirectional{lstm}, 3, steps, 4, kLarge));
      }
    return cases;
  }();
  return all;
}

std::vector<LayerCase> layer_cases_of(std::string_view target) {
  std::vector<LayerCase> cases = layer_cases();
  if (target.starts_with("emulated"))
    std::erase_if(cases, [](const LayerCase& layer_case) { return !layer_case.small; });
  return cases;
}

}  // namespace plainnet
