// Handwritten digits drawn from strokes, so that there is something to train on where nothing can
// be downloaded. First the table of strokes, then the style of one writer, then the drawing.

#include <algorithm>
#include <array>
#include <cmath>
#include <sstream>

#include "base/error.h"
#include "base/random.h"
#include "base/threads.h"
#include "images/dataset.h"

namespace plainnet {
namespace {

constexpr int kSize = 28;

struct Point {
  double x, y;  // of a shape: 0 to 1 across the digit's box and down; of a picture: pixels
};

// For each digit three ways in which people write it. Points are x,y in hundredths of the digit's
// box, from its top left; one given twice is a corner; | lifts the pen.
const char* const kShapes[10][3] = {
    // 0: closed; with the ends crossing at the top; open at the top
    {"50,0 20,12 5,50 20,88 50,100 80,88 95,50 80,12 50,0",
     "72,14 45,0 16,20 6,58 22,92 55,100 86,80 92,40 75,8 45,6 30,16",
     "38,4 10,32 10,75 45,100 85,82 94,40 78,8 55,3"},
    // 1: a plain stroke; with a serif; with serif and foot
    {"50,0 50,100", "22,24 42,13 56,0 56,0 54,100", "25,22 52,0 52,0 52,100 | 20,100 85,99"},
    // 2: with a sharp corner; with a loop; with a flowing foot
    {"10,22 25,5 55,0 86,16 84,40 50,74 8,100 8,100 95,98",
     "12,20 40,0 80,8 84,36 55,70 22,97 5,90 20,78 50,88 95,98",
     "8,10 40,2 75,14 75,40 42,72 14,95 40,97 92,90"},
    // 3: round; with a flat top; with a loop in the middle
    {"12,13 45,0 80,10 78,34 38,47 38,47 84,60 86,86 50,100 8,90",
     "10,3 88,2 88,2 42,40 42,40 80,50 90,78 55,100 8,90",
     "15,10 50,0 80,14 70,38 42,48 32,43 45,40 80,58 84,84 45,100 5,86"},
    // 4: open; closed; open and round
    {"20,5 8,56 8,56 95,54 | 74,8 70,100", "68,100 68,0 68,0 4,64 4,64 96,66",
     "14,0 10,36 28,52 80,42 | 84,2 80,45 70,100"},
    // 5: with the bar drawn last; in one stroke; flowing
    {"20,3 15,44 15,44 50,36 87,54 84,84 45,100 8,90 | 20,3 86,1",
     "90,2 24,3 24,3 18,46 18,46 60,40 90,64 70,95 10,97",
     "92,4 50,2 22,14 22,36 55,48 84,66 72,94 35,100 6,88"},
    // 6: curved; straight; with a curled top
    {"78,2 40,20 12,60 22,93 58,100 86,80 68,56 34,60 14,78",
     "60,0 28,40 12,76 40,100 82,92 84,66 50,56 18,74",
     "86,14 60,0 25,20 8,60 20,92 55,100 88,78 62,52 25,58 10,72"},
    // 7: plain; with a bar; with a serif and a curved stem
    {"8,5 92,3 92,3 60,50 40,100", "8,5 92,3 92,3 60,50 40,100 | 30,52 85,48",
     "6,20 10,4 10,4 50,8 92,2 92,2 55,42 42,100"},
    // 8: in one stroke, from the top right; two circles; open at the top
    {"80,14 50,0 18,16 34,42 68,58 86,82 50,100 12,82 34,56 70,38 80,14",
     "50,46 20,24 50,0 80,22 50,46 | 50,46 88,74 50,100 12,74 50,46",
     "86,6 50,2 16,14 30,40 70,60 80,86 45,100 14,84 36,58 92,12"},
    // 9: with a straight tail; with a curved tail; leaning, in one sweep
    {"86,14 50,0 14,18 24,46 60,46 86,14 86,14 80,100",
     "84,16 50,0 12,20 28,50 66,44 86,14 86,55 68,94 20,94",
     "88,10 55,2 16,22 30,46 70,32 88,10 66,60 36,100"},
};

// A wave of small displacements. This and the next are drawn from `random` member by member, in the order
// in which they stand, so every compiler draws the same digits.
struct Wave {
  Random& random;
  double amplitude = 0.05 * random.normal();
  double x = random.uniform(-5, 5), y = random.uniform(-5, 5);
  double phase = random.uniform(0, 2 * M_PI);

  double at(Point p) const { return amplitude * std::sin(x * p.x + y * p.y + phase); }
};

// What differs from one writer, pen and moment to the next.
struct Style {
  Random& random;
  double slant = 0.15 + 0.22 * random.normal();  // its tangent
  double rotation = 0.13 * random.normal();      // in radians
  // The digit's box and its centre, in pixels.
  double width = random.uniform(9, 16), height = random.uniform(14, 20);
  double x = kSize / 2.0 + 1.0 * random.normal(), y = kSize / 2.0 + 1.0 * random.normal();
  // The pen: half the line's width and its blurred edge, in pixels; how much its width and its grey vary.
  double radius = random.uniform(0.7, 1.7), softness = random.uniform(1.0, 1.6);
  double pressure = random.uniform(0, 0.3), grain = random.uniform(0, 0.3);
  // A smooth bend: two waves along each axis.
  Wave right[2] = {{random}, {random}}, down[2] = {{random}, {random}};

  // From a point of a shape to the picture.
  Point place(Point p) const {
    p = {p.x + right[0].at(p) + right[1].at(p), p.y + down[0].at(p) + down[1].at(p)};
    const double up = (p.y - 0.5) * height, along = (p.x - 0.5) * width - slant * up;
    const double c = std::cos(rotation), s = std::sin(rotation);
    return {x + c * along - s * up, y + s * along + c * up};
  }
};

using Ink = std::array<float, kSize * kSize>;  // 0 none to 1 full

// Lays ink wherever a line of the given radius from a to b leaves its mark.
void draw_line(Point a, Point b, double radius, double softness, Ink& ink) {
  const double dx = b.x - a.x, dy = b.y - a.y;
  const double per_length_squared = 1 / std::max(dx * dx + dy * dy, 1e-12);
  const double reach = radius + softness / 2;
  const auto pixel = [](double at) { return static_cast<int>(std::clamp(at, 0.0, kSize - 1.0)); };
  const int left = pixel(std::min(a.x, b.x) - reach), right = pixel(std::max(a.x, b.x) + reach);
  const int top = pixel(std::min(a.y, b.y) - reach), bottom = pixel(std::max(a.y, b.y) + reach);
  for (int row = top; row <= bottom; ++row)
    for (int column = left; column <= right; ++column) {
      const double x = column + 0.5 - a.x, y = row + 0.5 - a.y;
      const double t = std::clamp((x * dx + y * dy) * per_length_squared, 0.0, 1.0);
      const double across = x - t * dx, down = y - t * dy;  // from the nearest point of the line
      const double covered = (reach - std::sqrt(across * across + down * down)) / softness;
      float& here = ink[row * kSize + column];
      here = std::max(here, static_cast<float>(std::min(covered, 1.0)));
    }
}

// A Catmull-Rom spline, along one axis: from p1 (t = 0) to p2 (t = 1) a cubic whose slope at each is half the
// way from the point before it to the point after it.
double spline(double p0, double p1, double p2, double p3, double t) {
  return p1 + 0.5 * t * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0)));
}

// A smooth curve through the points of the stroke.
void draw_stroke(const std::vector<Point>& stroke, const Style& style, double phase, Ink& ink) {
  constexpr int kPieces = 6;  // straight lines per span
  for (size_t i = 0; i + 1 < stroke.size(); ++i) {
    const Point from = stroke[i], to = stroke[i + 1];
    if (from.x == to.x && from.y == to.y) continue;  // a corner
    const Point before = i == 0 ? from : stroke[i - 1];
    const Point after = i + 2 == stroke.size() ? to : stroke[i + 2];
    Point last = style.place(from);
    for (int piece = 1; piece <= kPieces; ++piece) {
      const double t = static_cast<double>(piece) / kPieces;
      const Point next = style.place({spline(before.x, from.x, to.x, after.x, t),
                                      spline(before.y, from.y, to.y, after.y, t)});
      const double pressure = 1 + style.pressure * std::sin(phase + 0.8 * (i + t));
      draw_line(last, next, style.radius * pressure, style.softness, ink);
      last = next;
    }
  }
}

void draw_digit(int digit, Random& random, uint8_t* pixels) {
  std::istringstream strokes(kShapes[digit][random.below(3)]);
  const Style style{random};
  Ink ink{};
  for (std::string points; std::getline(strokes, points, '|');) {
    // Nobody sets the pen down exactly where it belongs.
    const Point miss = {0.03 * random.normal(), 0.03 * random.normal()};
    std::vector<Point> stroke;
    std::istringstream numbers(points);
    char comma;
    for (double x, y; numbers >> x >> comma >> y;) stroke.push_back({x / 100 + miss.x, y / 100 + miss.y});
    draw_stroke(stroke, style, random.uniform(0, 2 * M_PI), ink);
  }
  for (int i = 0; i < kSize * kSize; ++i)
    if (ink[i] > 0)
      pixels[i] = static_cast<uint8_t>(255 * ink[i] * (1 - style.grain * random.uniform()));
}

Images draw_images(int count, uint64_t seed, uint64_t first_stream) {
  Images images{count, kSize, kSize, std::vector<uint8_t>(size_t{kSize} * kSize * count), {}};
  images.labels.resize(count);
  parallel_for(count, [&](int begin, int end) {
    for (int i = begin; i < end; ++i) {
      Random random(seed, first_stream + i);
      images.labels[i] = static_cast<uint8_t>(random.below(10));
      draw_digit(images.labels[i], random, &images.pixels[i * images.size()]);
    }
  });
  return images;
}

}  // namespace

Dataset draw_digits(int train_count, int test_count, uint64_t seed) {
  // Streams far from each other, and from those that anything else draws with the same seed.
  return {.source = text("built-in digits, drawn with seed ", seed),
          .train = draw_images(train_count, seed, uint64_t{0xd1617501} << 32),
          .test = draw_images(test_count, seed, uint64_t{0xd1617502} << 32),
          .classes = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}};
}

}  // namespace plainnet
