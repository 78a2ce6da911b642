#include "tests/photographs.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "tests/png.h"

namespace plainnet::test {
namespace {

constexpr int kSize = 28;  // of the digit's image

// Numbers of a picture: the amount of ink, or the brightness.
struct Field {
  int height = 0, width = 0;
  std::vector<double> values;  // [height][width]

  Field(int height, int width, double value = 0)
      : height(height), width(width), values(static_cast<size_t>(height) * width, value) {}
  double& at(int y, int x) { return values[static_cast<size_t>(y) * width + x]; }
  double at(int y, int x) const { return values[static_cast<size_t>(y) * width + x]; }
  bool holds(int y, int x) const { return y >= 0 && x >= 0 && y < height && x < width; }
};

// The amount of ink of a pen's line, sharp: 0 or 1, with a step between. The image is enlarged `factor` times.
Field enlarge(const uint8_t* pixels, double factor) {
  const int size = static_cast<int>(kSize * factor);
  Field ink(size, size);
  const auto pixel = [&](int y, int x) {
    return y < 0 || x < 0 || y >= kSize || x >= kSize ? 0 : pixels[kSize * y + x] / 255.0;
  };
  for (int y = 0; y < size; ++y)
    for (int x = 0; x < size; ++x) {
      const double v = (y + 0.5) / factor - 0.5, u = (x + 0.5) / factor - 0.5;
      const int row = static_cast<int>(std::floor(v)), column = static_cast<int>(std::floor(u));
      const double down = v - row, right = u - column;
      const double between =
          (1 - down) * ((1 - right) * pixel(row, column) + right * pixel(row, column + 1)) +
          down * ((1 - right) * pixel(row + 1, column) + right * pixel(row + 1, column + 1));
      ink.at(y, x) = std::clamp((between - 0.38) * std::max(1.0, factor / 2) + 0.5, 0.0, 1.0);
    }
  return ink;
}

// The middle line of the ink (T. Y. Zhang and C. Y. Suen, "A fast parallel algorithm for thinning digital patterns",
// CACM 1984).
Field skeleton(Field ink) {
  for (double& value : ink.values) value = value > 0.5;
  constexpr int kDown[] = {-1, -1, 0, 1, 1, 1, 0, -1}, kRight[] = {0, 1, 1, 1, 0, -1, -1, -1};
  for (bool changed = true; changed;) {
    changed = false;
    for (const int half : {0, 1}) {
      std::vector<size_t> gone;
      for (int y = 1; y + 1 < ink.height; ++y)
        for (int x = 1; x + 1 < ink.width; ++x) {
          if (ink.at(y, x) == 0) continue;
          bool around[8];
          int count = 0, begins = 0;
          for (int i = 0; i < 8; ++i) count += around[i] = ink.at(y + kDown[i], x + kRight[i]) > 0;
          for (int i = 0; i < 8; ++i) begins += !around[i] && around[(i + 1) % 8];
          const bool up = around[0], right = around[2], down = around[4], left = around[6];
          const bool edge = half ? !(up && right && left) && !(up && down && left)
                                 : !(up && right && down) && !(right && down && left);
          if (count >= 2 && count <= 6 && begins == 1 && edge) gone.push_back(static_cast<size_t>(y) * ink.width + x);
        }
      for (const size_t i : gone) ink.values[i] = 0;
      changed |= !gone.empty();
    }
  }
  return ink;
}

// The same line drawn with another pen.
Field redraw(const Field& line, double radius) {
  Field ink(line.height, line.width);
  const int reach = static_cast<int>(std::ceil(radius)) + 1;
  for (int y = 0; y < line.height; ++y)
    for (int x = 0; x < line.width; ++x) {
      if (line.at(y, x) == 0) continue;
      for (int j = -reach; j <= reach; ++j)
        for (int i = -reach; i <= reach; ++i)
          if (ink.holds(y + j, x + i))
            ink.at(y + j, x + i) =
                std::max(ink.at(y + j, x + i), std::clamp(radius + 0.5 - std::hypot(i, j), 0.0, 1.0));
    }
  return ink;
}

// The rectangle that holds all of the ink.
Field cropped(const Field& ink) {
  int top = ink.height, left = ink.width, bottom = 0, right = 0;
  for (int y = 0; y < ink.height; ++y)
    for (int x = 0; x < ink.width; ++x)
      if (ink.at(y, x) > 0.5) {
        top = std::min(top, y), bottom = std::max(bottom, y + 1);
        left = std::min(left, x), right = std::max(right, x + 1);
      }
  Field part(bottom - top, right - left);
  for (int y = 0; y < part.height; ++y)
    for (int x = 0; x < part.width; ++x) part.at(y, x) = ink.at(top + y, left + x);
  return part;
}

// Ink covers what is there.
void lay(const Field& ink, int top, int left, double brightness, Field& picture) {
  for (int y = 0; y < ink.height; ++y)
    for (int x = 0; x < ink.width; ++x)
      if (picture.holds(top + y, left + x)) {
        double& here = picture.at(top + y, left + x);
        here += ink.at(y, x) * (brightness - here);
      }
}

// Lines `pitch` apart, `width` wide, that rise by `tilt`; across, or down the picture.
void rule(Field& picture, bool down, double pitch, double width, double tilt, double shade) {
  for (int y = 0; y < picture.height; ++y)
    for (int x = 0; x < picture.width; ++x) {
      const double at = down ? x - tilt * y : y + tilt * x;
      const double from_line = std::abs(at / pitch - std::floor(at / pitch) - 0.5) * pitch;
      picture.at(y, x) *= 1 - (1 - shade) * std::clamp(width / 2 + 0.5 - from_line, 0.0, 1.0);
    }
}

GreyImage rounded(const Field& picture) {
  GreyImage image{picture.width, picture.height, {}};
  for (const double value : picture.values)
    image.pixels.push_back(static_cast<uint8_t>(std::lround(std::clamp(value, 0.0, 255.0))));
  return image;
}

// The picture that a PNG shows whose ink is white and whose paper is transparent.
GreyImage transparent(const Field& ink) {
  std::string rows;
  for (int y = 0; y < ink.height; ++y) {
    rows += '\0';
    for (int x = 0; x < ink.width; ++x)
      rows += {ink.at(y, x) > 0 ? '\xff' : '\0', static_cast<char>(std::lround(255 * ink.at(y, x)))};
  }
  return decode_png(png_of(ink.width, ink.height, {8, 4}, stored(rows)), "transparent");
}

// A small drawing: the image itself, moved.
GreyImage moved(const uint8_t* pixels, int down, int right) {
  GreyImage image{kSize, kSize, std::vector<uint8_t>(kSize * kSize, 255)};
  for (int y = 0; y < kSize; ++y)
    for (int x = 0; x < kSize; ++x)
      if (y + down >= 0 && y + down < kSize && x + right >= 0 && x + right < kSize)
        image.pixels[kSize * (y + down) + x + right] = static_cast<uint8_t>(255 - pixels[kSize * y + x]);
  return image;
}

}  // namespace

const char* name_of(Photograph kind) {
  constexpr const char* kNames[] = {
      "plain",    "lamp",  "shadow", "vignette",   "noise",     "dark table",  "squared paper",
      "lined paper", "printed box", "specks", "ink at the edge", "fills the frame", "off-centre", "thin pen",
      "thick pen", "small in a corner", "white on transparent", "light on dark", "28x28 off-centre", "everything"};
  return kNames[kind];
}

GreyImage photograph(const uint8_t* pixels, Photograph kind, Random& random) {
  const auto whole = [&](double low, double high) { return static_cast<int>(random.uniform(low, high)); };
  if (kind == kSmall) return moved(pixels, whole(-3, 4), whole(-3, 4));
  const int height = whole(220, 420), width = whole(220, 420), side = std::min(height, width);
  const double share = kind == kCorner  ? random.uniform(0.12, 0.2)
                       : kind == kTable ? random.uniform(0.3, 0.5)
                                        : random.uniform(0.35, 0.7);
  Field ink = enlarge(pixels, kind == kTransparent ? random.uniform(2, 5) : share * side / 20);
  if (kind == kThin || kind == kThick) {
    const Field line = skeleton(enlarge(pixels, 7));
    ink = redraw(line, kind == kThin ? random.uniform(1.0, 2.2) : random.uniform(11, 14));
  }
  ink = cropped(ink);
  if (kind == kTransparent) {
    Field around(ink.height + 60, ink.width + 80);
    lay(ink, whole(0, 60), whole(0, 80), 1, around);
    return transparent(around);
  }
  Field picture(height, width, random.uniform(190, 245));
  if (kind == kFrame) picture = Field(ink.height + whole(0, 8), std::max(ink.width, ink.height / 2) + whole(0, 8), picture.at(0, 0));
  const double pen = random.uniform(20, 90);

  // Where the digit lies: near the middle, unless the kind says another place.
  const auto place = [&](int room, double low, double high) {
    return static_cast<int>(std::max(0, room) * random.uniform(low, high));
  };
  const bool anywhere = kind == kOffCentre;
  int top = place(picture.height - ink.height, anywhere ? 0.05 : 0.4, anywhere ? 0.95 : 0.6);
  int left = place(picture.width - ink.width, anywhere ? 0.05 : 0.4, anywhere ? 0.95 : 0.6);
  if (kind == kCorner) {
    top = random.below(2) ? whole(8, 24) : picture.height - ink.height - whole(8, 24);
    left = random.below(2) ? whole(8, 24) : picture.width - ink.width - whole(8, 24);
  }
  if (kind == kEdge) {
    const uint32_t edge = random.below(4);
    if (edge == 0) top = 0;
    if (edge == 1) left = 0;
    if (edge == 2) top = picture.height - ink.height;
    if (edge == 3) left = picture.width - ink.width;
  }
  if (kind == kFrame) top = (picture.height - ink.height) / 2, left = (picture.width - ink.width) / 2;

  const double tilt = random.uniform(-0.03, 0.03), pitch = random.uniform(0.06, 0.16) * side;
  const double line = random.uniform(1, 2.5), shade = random.uniform(0.5, 0.85);
  if (kind == kSquared || kind == kLined || kind == kEverything) rule(picture, false, pitch, line, tilt, shade);
  if (kind == kSquared || kind == kEverything) rule(picture, true, pitch, line, tilt, shade);
  if (kind == kBox) {
    const int margin = whole(8, 25), thick = whole(1, 5);
    for (int y = top - margin; y < top + ink.height + margin; ++y)
      for (int x = left - margin; x < left + ink.width + margin; ++x) {
        const int from_edge = std::min(std::min(y - top, x - left) + margin,
                                       std::min(top + ink.height + margin - y, left + ink.width + margin - x) - 1);
        if (from_edge < thick && picture.holds(y, x)) picture.at(y, x) = 60;
      }
  }
  if (kind == kSpecks || kind == kEverything)
    for (int i = 0; i < 25; ++i) {
      const int y = whole(0, height), x = whole(0, width);
      const double radius = random.uniform(0.5, 0.011 * side);
      Field speck(2 * 8 + 1, 2 * 8 + 1);
      speck.at(8, 8) = 1;
      lay(redraw(speck, radius), y - 8, x - 8, random.uniform(30, 150), picture);
    }
  lay(ink, top, left, pen, picture);

  // The light.
  const double angle = random.uniform(0, 6.283), dark = random.uniform(0.3, 0.5), grain = random.uniform(1, 4);
  const double edge = random.uniform(-0.15, 0.15), soft = random.uniform(0.005, 0.05);
  const double margin = random.uniform(0.03, 0.15), wood = random.uniform(15, 70);
  for (int y = 0; y < picture.height; ++y)
    for (int x = 0; x < picture.width; ++x) {
      double& here = picture.at(y, x);
      const double v = (y + 0.5) / picture.height - 0.5, u = (x + 0.5) / picture.width - 0.5;
      const double along = u * std::cos(angle) + v * std::sin(angle);  // -0.7 to 0.7
      const bool lamp = kind == kLamp || kind == kEverything;
      if (lamp) here *= 1 - (1 - dark) * (along + 0.7) / 1.4;
      if (kind == kShadow) here *= 1 - (1 - dark) * std::clamp(0.5 + (along - edge) / soft, 0.0, 1.0);
      if (kind == kVignette) here *= 1 - (1 - dark) * 2 * (u * u + v * v);
      const double tv = v + tilt * u, tu = u - tilt * v;
      if (kind == kTable && std::max(std::abs(tv), std::abs(tu)) > 0.5 - margin)
        here = wood * (1 + 0.15 * std::sin(60 * tv + 5 * tu));
      if (kind == kLightOnDark) here = 255 - here;
      here += random.normal() * (kind == kNoise ? 22 : grain);
    }
  return rounded(picture);
}

}  // namespace plainnet::test
