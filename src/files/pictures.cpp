#include "files/pictures.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "base/error.h"

namespace plainnet {

namespace {

using Colour = std::array<uint8_t, 3>;

constexpr Colour kText = {60, 60, 60}, kLabel = {0, 130, 70}, kGuess = {200, 30, 30};

struct Glyph {
  char character;
  uint8_t rows[7];  // of 5 pixels, the leftmost in bit 4
};

// The characters that a sheet of mistakes needs.
constexpr Glyph kFont[] = {
    {'0', {0x0E, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0E}},
    {'1', {0x04, 0x0C, 0x04, 0x04, 0x04, 0x04, 0x0E}},
    {'2', {0x0E, 0x11, 0x01, 0x02, 0x04, 0x08, 0x1F}},
    {'3', {0x1F, 0x02, 0x04, 0x02, 0x01, 0x11, 0x0E}},
    {'4', {0x02, 0x06, 0x0A, 0x12, 0x1F, 0x02, 0x02}},
    {'5', {0x1F, 0x10, 0x1E, 0x01, 0x01, 0x11, 0x0E}},
    {'6', {0x06, 0x08, 0x10, 0x1E, 0x11, 0x11, 0x0E}},
    {'7', {0x1F, 0x01, 0x02, 0x04, 0x08, 0x08, 0x08}},
    {'8', {0x0E, 0x11, 0x11, 0x0E, 0x11, 0x11, 0x0E}},
    {'9', {0x0E, 0x11, 0x11, 0x0F, 0x01, 0x02, 0x0C}},
    {'>', {0x08, 0x04, 0x02, 0x01, 0x02, 0x04, 0x08}},
    {'a', {0x00, 0x00, 0x0E, 0x01, 0x0F, 0x11, 0x0F}},
    {'d', {0x01, 0x01, 0x0D, 0x13, 0x11, 0x11, 0x0F}},
    {'e', {0x00, 0x00, 0x0E, 0x11, 0x1F, 0x10, 0x0E}},
    {'f', {0x06, 0x09, 0x08, 0x1C, 0x08, 0x08, 0x08}},
    {'h', {0x10, 0x10, 0x16, 0x19, 0x11, 0x11, 0x11}},
    {'i', {0x04, 0x00, 0x0C, 0x04, 0x04, 0x04, 0x0E}},
    {'m', {0x00, 0x00, 0x1A, 0x15, 0x15, 0x11, 0x11}},
    {'n', {0x00, 0x00, 0x16, 0x19, 0x11, 0x11, 0x11}},
    {'o', {0x00, 0x00, 0x0E, 0x11, 0x11, 0x11, 0x0E}},
    {'r', {0x00, 0x00, 0x16, 0x19, 0x10, 0x10, 0x10}},
    {'s', {0x00, 0x00, 0x0E, 0x10, 0x0E, 0x01, 0x1E}},
    {'t', {0x08, 0x08, 0x1C, 0x08, 0x08, 0x09, 0x06}},
    {'w', {0x00, 0x00, 0x11, 0x11, 0x15, 0x15, 0x0A}},
    {',', {0x00, 0x00, 0x00, 0x00, 0x0C, 0x04, 0x08}},
};
constexpr int kFontScale = 2, kAdvance = 6 * kFontScale, kTextHeight = 7 * kFontScale;

RgbImage blank(int width, int height, uint8_t grey) {
  return {width, height, std::vector<uint8_t>(size_t{3} * width * height, grey)};
}

/// Fills a square of `size` pixels.
void square(RgbImage* image, int left, int top, int size, const Colour& colour) {
  for (int y = top; y < top + size; ++y)
    for (int x = left; x < left + size; ++x)
      std::copy(colour.begin(), colour.end(),
                image->pixels.begin() + 3 * (static_cast<int64_t>(y) * image->width + x));
}

void draw_text(RgbImage* image, int left, int top, const std::string& words, const Colour& colour) {
  for (const char c : words) {
    for (const Glyph& glyph : kFont)
      for (int y = 0; y < 7 && glyph.character == c; ++y)
        for (int x = 0; x < 5; ++x)
          if (glyph.rows[y] >> (4 - x) & 1)
            square(image, left + x * kFontScale, top + y * kFontScale, kFontScale, colour);
    left += kAdvance;
  }
}

}  // namespace

RgbImage mistakes_picture(const Images& images, const std::vector<int>& guesses, int most) {
  constexpr int kScale = 3, kGap = 12, kMostColumns = 10;
  std::vector<int> wrong;
  for (int i = 0; i < images.count; ++i)
    if (guesses[i] != images.labels[i]) wrong.push_back(i);
  const int count = static_cast<int>(wrong.size()), shown = std::min(count, most);
  const std::string heading = text(count ? std::to_string(count) : "none", " of ", images.count,
                                   " misread", shown < count ? text(", the first ", shown) : "");

  const int columns = std::clamp(shown, 1, kMostColumns), rows = (shown + columns - 1) / columns;
  const int column_width = kScale * images.width + kGap;
  const int row_height = kScale * images.height + kTextHeight + 2 * kGap;
  const int heading_width = kAdvance * static_cast<int>(heading.size());
  RgbImage sheet = blank(std::max(columns * column_width, heading_width + kGap) + kGap,
                         kTextHeight + 2 * kGap + rows * row_height, 255);
  draw_text(&sheet, kGap, kGap, heading, kText);
  for (int n = 0; n < shown; ++n) {
    const int i = wrong[n];
    const int left = kGap + n % columns * column_width;
    const int top = kTextHeight + 2 * kGap + n / columns * row_height;
    const uint8_t* pixel = &images.pixels[static_cast<size_t>(i) * images.height * images.width];
    for (int y = 0; y < images.height; ++y)
      for (int x = 0; x < images.width; ++x, ++pixel)
        square(&sheet, left + kScale * x, top + kScale * y, kScale, {*pixel, *pixel, *pixel});
    const int text_left = left + (kScale * images.width - 3 * kAdvance) / 2;
    const int text_top = top + kScale * images.height + kGap / 2;
    draw_text(&sheet, text_left, text_top, text(int{images.labels[i]}), kLabel);
    draw_text(&sheet, text_left + kAdvance, text_top, ">", kText);
    draw_text(&sheet, text_left + 2 * kAdvance, text_top, text(guesses[i]), kGuess);
  }
  return sheet;
}

RgbImage filters_picture(const Tensor& kernel) {
  if (kernel.shape.size() != 4 || kernel.size() <= 0)
    throw Error(text("tensor \"", kernel.name,
                     "\": expected a convolution's kernel [height][width][in][out], found ",
                     kernel.shape_text()));
  constexpr int kScale = 10, kGap = 8;
  const int height = static_cast<int>(kernel.shape[0]), width = static_cast<int>(kernel.shape[1]);
  const int in = static_cast<int>(kernel.shape[2]), out = static_cast<int>(kernel.shape[3]);
  const int columns = in == 1 ? std::min(out, 8) : out, rows = (in * out + columns - 1) / columns;
  const int tile_width = kScale * width + kGap, tile_height = kScale * height + kGap;
  RgbImage sheet = blank(columns * tile_width + kGap, rows * tile_height + kGap, 200);
  for (int n = 0; n < in * out; ++n) {
    const auto weight = [&](int y, int x) {
      return kernel.values[(static_cast<size_t>(y) * width + x) * in * out + n];
    };
    float largest = 0;
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        if (std::isfinite(weight(y, x))) largest = std::max(largest, std::abs(weight(y, x)));
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x) {
        const float w = weight(y, x), strength = largest > 0 ? std::abs(w) / largest : 0;
        const auto fade = [&](int c) {
          return static_cast<uint8_t>(std::lround(255 + strength * (c - 255)));
        };
        Colour colour = {0, 0, 0};
        if (std::isfinite(w)) {
          if (w < 0)
            colour = {fade(0), fade(90), fade(180)};
          else
            colour = {fade(190), fade(40), fade(20)};
        }
        square(&sheet, kGap + n % columns * tile_width + kScale * x,
               kGap + n / columns * tile_height + kScale * y, kScale, colour);
      }
  }
  return sheet;
}

}  // namespace plainnet
