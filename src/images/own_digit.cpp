#include "images/own_digit.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace plainnet {
namespace {

struct Ink {
  int height = 0, width = 0;
  std::vector<double> amount;  // [height][width], 0 none to 1 full

  double at(int y, int x) const { return amount[static_cast<size_t>(y) * width + x]; }
};

/// The mean of the outermost pixels, or of all others; NaN where there are none.
double mean_of(const GreyImage& image, bool outermost) {
  double sum = 0, count = 0;
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x) {
      const bool edge = x == 0 || y == 0 || x == image.width - 1 || y == image.height - 1;
      if (edge != outermost) continue;
      sum += image.pixels[static_cast<size_t>(y) * image.width + x];
      ++count;
    }
  return sum / count;
}

/// The rectangle that holds all of the ink. What is near the background, such as the grain of a
/// photograph, counts as none; what is near the lightest, as full.
Ink crop_to_ink(const GreyImage& image, double background, double lightest) {
  Ink all{image.height, image.width, {}};
  // A quarter of the range becomes 0, three quarters become 1.
  for (const uint8_t pixel : image.pixels)
    all.amount.push_back(std::clamp(2 * (pixel - background) / (lightest - background) - 0.5, 0.0, 1.0));
  int top = all.height, bottom = 0, left = all.width, right = 0;
  for (int y = 0; y < all.height; ++y)
    for (int x = 0; x < all.width; ++x)
      if (all.at(y, x) > 0) {
        top = std::min(top, y), bottom = y + 1;
        left = std::min(left, x), right = std::max(right, x + 1);
      }
  Ink ink{bottom - top, right - left, {}};
  for (int y = top; y < bottom; ++y)
    for (int x = left; x < right; ++x) ink.amount.push_back(all.at(y, x));
  return ink;
}

/// Each pixel of the result is the mean of the area that it covers in `ink`.
Ink scale(const Ink& ink, int height, int width) {
  const auto overlap = [](double a, double b, int pixel) {
    return std::max(0.0, std::min(b, pixel + 1.0) - std::max<double>(a, pixel));
  };
  Ink scaled{height, width, {}};
  std::vector<double> inked;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const double top = 1.0 * y * ink.height / height, bottom = (y + 1.0) * ink.height / height;
      const double left = 1.0 * x * ink.width / width, right = (x + 1.0) * ink.width / width;
      double sum = 0;
      for (int j = static_cast<int>(top); j < bottom; ++j)
        for (int i = static_cast<int>(left); i < right; ++i)
          sum += overlap(top, bottom, j) * overlap(left, right, i) * ink.at(j, i);
      scaled.amount.push_back(sum / ((bottom - top) * (right - left)));
      if (sum > 0) inked.push_back(scaled.amount.back());
    }
  // A thin stroke in a large image comes out faint. The pixels of a thick one are mostly full.
  const auto quartile = inked.begin() + 3 * (inked.size() / 4);
  std::nth_element(inked.begin(), quartile, inked.end());
  for (double& amount : scaled.amount) amount = std::min(1.0, amount / *quartile);
  return scaled;
}

/// Where along an axis of `size` pixels to put what is `length` long so that its centre of mass
/// lies in the middle of pixel size / 2, counted from 0, as in MNIST, or as near as there is room.
int offset(double centre_of_mass, int length, int size) {
  const long wanted = std::lround(size / 2 + 0.5 - centre_of_mass);
  return static_cast<int>(std::clamp<long>(wanted, 0, size - length));
}

}  // namespace

PreparedDigit prepare_digit(const GreyImage& image, int height, int width, const std::string& name) {
  PreparedDigit result;
  GreyImage light = image;
  if (mean_of(image, true) > mean_of(image, false)) {
    for (uint8_t& pixel : light.pixels) pixel = static_cast<uint8_t>(255 - pixel);
    result.done.push_back("inverted: dark on light");
  }
  const double background = mean_of(light, true);
  const double lightest = *std::max_element(light.pixels.begin(), light.pixels.end());
  if (!(lightest - background >= 32))
    throw Error(name, ": expected a digit, found nothing that stands out from the background");
  result.pixels = light.pixels;
  if (image.height == height && image.width == width) return result;

  const Ink ink = crop_to_ink(light, background, lightest);
  const double box = 20.0 / 28.0;
  const double factor = std::min(box * height / ink.height, box * width / ink.width);
  const auto scaled = [&](int length) { return std::max(1, static_cast<int>(std::lround(length * factor))); };
  const Ink digit = scale(ink, scaled(ink.height), scaled(ink.width));
  result.done.push_back(text("scaled: the ink, ", ink.width, "x", ink.height, " of ", image.width, "x",
                             image.height, ", to ", digit.width, "x", digit.height));

  double mass = 0, y_moment = 0, x_moment = 0;
  for (int y = 0; y < digit.height; ++y)
    for (int x = 0; x < digit.width; ++x) {
      mass += digit.at(y, x);
      y_moment += digit.at(y, x) * (y + 0.5);
      x_moment += digit.at(y, x) * (x + 0.5);
    }
  const int top = offset(y_moment / mass, digit.height, height);
  const int left = offset(x_moment / mass, digit.width, width);
  result.pixels.assign(static_cast<size_t>(height) * width, 0);
  for (int y = 0; y < digit.height; ++y)
    for (int x = 0; x < digit.width; ++x)
      result.pixels[static_cast<size_t>(top + y) * width + left + x] =
          static_cast<uint8_t>(std::lround(255 * digit.at(y, x)));
  result.done.push_back(text("centred in ", width, "x", height, " by its centre of mass"));
  return result;
}

}  // namespace plainnet
