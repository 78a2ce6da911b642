#include "files/pictures.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "base/numbers.h"
#include "files/svg.h"

namespace plainnet {

std::string confusion_svg(const std::string& title, const Confusion& counts,
                          const std::vector<std::string>& names) {
  const int classes = static_cast<int>(names.size()), width = 8 * longest_name(names);  // of a name, at most
  const int cell = 52, left = 72 + width, top = width > cell ? 70 + width : 100, size = classes * cell;
  const std::string large = "font-size=\"14\"";
  std::string svg = rectangle(left - 1, top - 1, size + 1, size + 1, "#ccc");
  int64_t right = 0, total = 0;
  for (int row = 0; row < classes; ++row) {
    int64_t row_total = 0;
    for (const int64_t count : counts[row]) row_total += count;
    right += counts[row][row];
    total += row_total;
    const double y = top + row * cell, middle = y + cell / 2.0 + 5;
    for (int column = 0; column < classes; ++column) {
      const double x = left + column * cell;
      const std::string count = grouped(counts[row][column]);
      // The cube root makes the few that went astray visible.
      const double strength = std::cbrt(row_total ? 1.0 * counts[row][column] / row_total : 0);
      svg += rectangle(x, y, cell - 1, cell - 1,
                       column == row ? tint(strength, 0, 90, 160) : tint(strength, 213, 60, 0),
                       text(names[row], " taken for ", names[column], ": ", count, " of ",
                            grouped(row_total)));
      const char* const colour = count == "0" ? "#bbb" : strength > 0.6 ? "white" : "#222";
      const std::string weight = column != row && count != "0" ? "bold" : "normal";
      svg += label(x + cell / 2.0, middle, kCentred + " pointer-events=\"none\" font-weight=\"" + weight +
                                               "\" fill=\"" + colour + "\"", count);
    }
    svg += label(left - 10, middle, kRightAligned + " " + large, names[row]);
    svg += width > cell ? label_upwards(left + (row + 0.6) * cell, top - 10, large, names[row])
                        : label(left + (row + 0.5) * cell, top - 10, kCentred + " " + large, names[row]);
    svg += label(left + size + 60, middle, kRightAligned,
                 row_total ? format("%.2f%%", 100.0 * counts[row][row] / row_total) : "none");
  }
  svg += label(left + size / 2.0, 66, kCentred, "guess");
  svg += label(left + size + 60, top - 10, kRightAligned, "recall");
  svg += label_upwards(38, top + size / 2, kCentred, "label");
  svg += label(left, top + size + 24, "fill=\"#777\"",
               "Colour: the share of the row, by its cube root. Bold: wrong.");
  const std::string share = total ? format(", %.2f%%", 100.0 * right / total) : "";
  svg += label(left + size / 2.0, 32, kCentred + " font-size=\"16\"",
               text(title, ": ", grouped(right), " of ", grouped(total), " right", share));
  return picture(left + size + 80, top + size + 40, svg);
}

/// An image, each pixel `scale` wide, in 16 shades: for each a path of level strokes.
static std::string grey_image(const uint8_t* pixels, int height, int width, int left, int top, int scale) {
  std::array<std::string, 16> strokes;
  for (int y = 0; y < height; ++y)
    for (int x = 0, end; x < width; x = end) {
      const auto shade = [&](int column) { return (pixels[y * width + column] + 8) / 17; };
      for (end = x + 1; end < width && shade(end) == shade(x);) ++end;
      strokes[shade(x)] += text("M", x, " ", y, "h", end - x);
    }
  std::string svg = text("<g transform=\"translate(", left, " ", top + scale / 2.0, ") scale(", scale,
                         ")\" shape-rendering=\"crispEdges\">\n");
  for (int shade = 0; shade < 16; ++shade)
    if (!strokes[shade].empty())
      svg += format("<path stroke=\"#%x%x%x\" d=\"", shade, shade, shade) + strokes[shade] + "\"/>\n";
  return svg + "</g>\n";
}

std::string mistakes_svg(const Images& images, const std::vector<int>& guesses,
                         const std::vector<float>& probabilities, const std::vector<std::string>& names) {
  constexpr int kScale = 3, kGap = 12, kHeading = 36, kWidth = 1200, kMost = 100;
  const int column_width = std::max(kScale * images.width, 56 + 16 * longest_name(names)) + kGap;
  const int columns = std::max(1, kWidth / column_width), row_height = kScale * images.height + 4 * kGap;
  std::string svg;
  int count = 0;
  for (int i = 0; i < images.count; ++i) {
    if (guesses[i] == images.labels[i] || count++ >= kMost) continue;
    const int left = kGap + (count - 1) % columns * column_width;
    const int top = kHeading + (count - 1) / columns * row_height;
    svg += grey_image(&images.pixels[i * images.size()], images.height, images.width, left, top, kScale);
    svg += label(left, top + row_height - 2.7 * kGap, "",
                 text(names[images.labels[i]], " read as ", names[guesses[i]])) +
           label(left, top + row_height - 1.5 * kGap, "fill=\"#777\"",
                 text(i, format(": %.1f%%", 100 * probabilities[i * names.size() + guesses[i]])));
  }
  svg += label(kGap, kHeading - kGap, "",
               text(count, " of ", images.count, " misread", count > kMost ? text(", the first ", kMost) : "",
                    count ? ". Beneath: index, and probability of the guess" : ""));
  const int rows = (std::min(count, kMost) + columns - 1) / columns;
  return picture(columns * column_width + kGap, kHeading + rows * row_height, svg);
}

std::string filters_svg(const Tensor& kernel) {
  constexpr int kScale = 10, kGap = 8;
  const int height = static_cast<int>(kernel.shape[0]), width = static_cast<int>(kernel.shape[1]);
  const int count = static_cast<int>(kernel.shape[2] * kernel.shape[3]), columns = std::min(count, 8);
  const int tile_width = kScale * width + kGap, tile_height = kScale * height + kGap;
  const int sheet_width = columns * tile_width + kGap;
  const int sheet_height = (count + columns - 1) / columns * tile_height + kGap;
  std::string svg = rectangle(0, 0, sheet_width, sheet_height, "#c8c8c8");
  for (int n = 0; n < count; ++n) {
    const auto weight = [&](int tap) { return kernel.values[static_cast<size_t>(tap) * count + n]; };
    float largest = 0;
    for (int tap = 0; tap < height * width; ++tap)
      largest = std::max(largest, std::abs(weight(tap)));
    for (int tap = 0; tap < height * width; ++tap) {
      const float w = weight(tap), strength = largest > 0 ? std::abs(w) / largest : 0;
      svg += rectangle(kGap + n % columns * tile_width + kScale * (tap % width),
                       kGap + n / columns * tile_height + kScale * (tap / width), kScale, kScale,
                       w < 0 ? tint(strength, 0, 90, 180) : tint(strength, 190, 40, 20), format("%g", w));
    }
  }
  return picture(sheet_width, sheet_height, svg);
}

}  // namespace plainnet
