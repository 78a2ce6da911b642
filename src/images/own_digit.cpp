#include "images/own_digit.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/error.h"

namespace plainnet {

namespace {

/// The mean of the outermost pixels and that of the others.
struct Means {
  double border = 0, inside = 0;
};

Means means_of(const GreyImage& image) {
  double sums[2] = {}, counts[2] = {};
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x) {
      const bool inside = x > 0 && y > 0 && x < image.width - 1 && y < image.height - 1;
      sums[inside] += image.pixels[static_cast<size_t>(y) * image.width + x];
      ++counts[inside];
    }
  return {sums[0] / counts[0], counts[1] ? sums[1] / counts[1] : sums[0] / counts[0]};
}

struct Ink {
  int height = 0, width = 0;
  std::vector<double> amount;  // [height][width], 0 none to 1 full
};

/// The rectangle that holds all of the ink. What is near the background, such as the grain of a
/// photograph, counts as none; what is near the lightest, as full.
Ink crop_to_ink(const GreyImage& image, double background, double lightest) {
  const double range = lightest - background;
  int top = image.height, bottom = 0, left = image.width, right = 0;
  std::vector<double> amount(image.pixels.size());
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x) {
      const size_t i = static_cast<size_t>(y) * image.width + x;
      // A quarter of the range becomes 0, three quarters become 1.
      amount[i] = std::clamp(2 * (image.pixels[i] - background) / range - 0.5, 0.0, 1.0);
      if (amount[i] == 0) continue;
      top = std::min(top, y);
      bottom = std::max(bottom, y + 1);
      left = std::min(left, x);
      right = std::max(right, x + 1);
    }
  Ink ink{bottom - top, right - left, {}};
  for (int y = top; y < bottom; ++y)
    for (int x = left; x < right; ++x)
      ink.amount.push_back(amount[static_cast<size_t>(y) * image.width + x]);
  return ink;
}

/// Each pixel of the result is the mean of the area that it covers in `ink`.
Ink scale(const Ink& ink, int height, int width) {
  const auto overlap = [](double a, double b, int pixel) {
    return std::max(0.0, std::min(b, pixel + 1.0) - std::max<double>(a, pixel));
  };
  Ink scaled{height, width, {}};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const double top = static_cast<double>(y) * ink.height / height;
      const double bottom = (y + 1.0) * ink.height / height;
      const double left = static_cast<double>(x) * ink.width / width;
      const double right = (x + 1.0) * ink.width / width;
      double sum = 0;
      for (int j = static_cast<int>(top); j < std::min<double>(bottom, ink.height); ++j)
        for (int i = static_cast<int>(left); i < std::min<double>(right, ink.width); ++i)
          sum += overlap(top, bottom, j) * overlap(left, right, i) *
                 ink.amount[static_cast<size_t>(j) * ink.width + i];
      scaled.amount.push_back(sum / ((bottom - top) * (right - left)));
    }
  // A thin stroke in a large image comes out faint. The pixels of a thick one are mostly full.
  std::vector<double> inked;
  std::copy_if(scaled.amount.begin(), scaled.amount.end(), std::back_inserter(inked),
               [](double amount) { return amount > 0; });
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

PreparedDigit prepare_digit(const GreyImage& image, int height, int width,
                            const std::string& name) {
  PreparedDigit result;
  GreyImage light = image;
  Means means = means_of(image);
  if (means.border > means.inside) {
    for (uint8_t& pixel : light.pixels) pixel = static_cast<uint8_t>(255 - pixel);
    means = {255 - means.border, 255 - means.inside};
    result.done.push_back("inverted: dark on light");
  }
  const double lightest = *std::max_element(light.pixels.begin(), light.pixels.end());
  if (!(lightest - means.border >= 32))
    throw Error(
        text(name, ": expected a digit, found nothing that stands out from the background"));
  if (image.height == height && image.width == width) {
    result.pixels = light.pixels;
    return result;
  }

  const Ink ink = crop_to_ink(light, means.border, lightest);
  const double box = 20.0 / 28.0;
  const double factor = std::min(box * height / ink.height, box * width / ink.width);
  const auto scaled_length = [&](int length) {
    return std::max(1, static_cast<int>(std::lround(length * factor)));
  };
  const Ink digit = scale(ink, scaled_length(ink.height), scaled_length(ink.width));
  result.done.push_back(text("scaled: the ink, ", ink.width, "x", ink.height, " of ", image.width,
                             "x", image.height, ", to ", digit.width, "x", digit.height));

  double mass = 0, y_moment = 0, x_moment = 0;
  for (int y = 0; y < digit.height; ++y)
    for (int x = 0; x < digit.width; ++x) {
      const double amount = digit.amount[static_cast<size_t>(y) * digit.width + x];
      mass += amount;
      y_moment += amount * (y + 0.5);
      x_moment += amount * (x + 0.5);
    }
  const int top = offset(y_moment / mass, digit.height, height);
  const int left = offset(x_moment / mass, digit.width, width);
  result.pixels.assign(static_cast<size_t>(height) * width, 0);
  for (int y = 0; y < digit.height; ++y)
    for (int x = 0; x < digit.width; ++x)
      result.pixels[static_cast<size_t>(top + y) * width + left + x] = static_cast<uint8_t>(
          std::lround(255 * digit.amount[static_cast<size_t>(y) * digit.width + x]));
  result.done.push_back(text("centred in ", width, "x", height, " by its centre of mass"));
  return result;
}

}  // namespace plainnet
