#include "images/own_digit.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace plainnet {
namespace {

// The steps, in the order in which prepare_digit() at the end takes them. Lengths are shares of the
// picture's, so that its size does not matter.

GreyImage blank(int height, int width) {
  return {width, height, std::vector<uint8_t>(static_cast<size_t>(height) * width)};
}

/// The value that `share` of the pixels do not exceed.
int quantile(std::vector<uint8_t> pixels, double share) {
  const auto at = pixels.begin() + std::lround(share * (pixels.size() - 1));
  std::nth_element(pixels.begin(), at, pixels.end());
  return *at;
}

/// Rows become columns, of `length` pixels each, which are the means of what they cover.
GreyImage turned(const GreyImage& image, int length) {
  GreyImage result = blank(length, image.height);
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < length; ++x) {
      const double left = 1.0 * x * image.width / length, right = (x + 1.0) * image.width / length;
      double sum = 0;
      for (int i = static_cast<int>(left); i < right; ++i)
        sum += (std::min(right, i + 1.0) - std::max<double>(left, i)) * image.at(y, i);
      result.at(x, y) = static_cast<uint8_t>(std::lround(sum / (right - left)));
    }
  return result;
}

/// Sides `factor` times as long. Each pixel is the mean of the area that it covers.
GreyImage scaled(const GreyImage& image, double factor) {
  const auto times = [&](int side) { return std::max(1, static_cast<int>(std::lround(side * factor))); };
  return turned(turned(image, times(image.width)), times(image.height));
}

// The parts of a picture that say what is paper: the quarters, with and without a table around the paper,
// and, of double weight, the strips along the edges, for a digit that fills the picture.
constexpr double kParts[][5] = {
    {0, 0, 0.5, 0.5, 1},     {0, 0.5, 0.5, 1, 1},     {0.5, 0, 1, 0.5, 1},     {0.5, 0.5, 1, 1, 1},
    {0.1, 0.1, 0.5, 0.5, 1}, {0.1, 0.5, 0.5, 0.9, 1}, {0.5, 0.1, 0.9, 0.5, 1}, {0.5, 0.5, 0.9, 0.9, 1},
    {0, 0, 0.02, 1, 2},      {0.98, 0, 1, 1, 2},      {0, 0, 1, 0.02, 2},      {0, 0.98, 1, 1, 2}};

/// Most of a part is paper: its median. If that is nearer to the part's lightest than to its darkest, as a
/// ratio, since light multiplies, the ink is dark. Parts at the edge of a shadow say little, and the others
/// decide.
bool is_dark_on_light(const GreyImage& image) {
  double sum = 0;
  for (const auto& [top, left, bottom, right, weight] : kParts) {
    std::vector<uint8_t> pixels;
    for (int y = static_cast<int>(top * image.height); y < bottom * image.height; ++y)
      for (int x = static_cast<int>(left * image.width); x < right * image.width; ++x)
        pixels.push_back(image.at(y, x));
    const auto level = [&](double share) { return std::log(quantile(pixels, share) + 16); };
    sum += weight * (2 * level(0.5) - level(0.005) - level(0.995));
  }
  return sum > 0;
}

/// The paper as it would be without ink: what is dark and narrower than 2 * reach + 1 is filled with what
/// is around it, and a wide shadow stays as it is. It is called a closing: the lightest pixel of the square
/// around each, and then of these the darkest; first along the rows, then along the columns.
GreyImage paper_of(GreyImage image, int reach) {
  for (const bool lightest : {true, true, false, false}) {
    const GreyImage before = image;
    for (int y = 0; y < image.height; ++y)
      for (int x = 0; x < image.width; ++x) {
        const auto row = before.pixels.begin() + y * image.width;
        const auto from = row + std::max(0, x - reach), to = row + std::min(image.width, x + reach + 1);
        image.at(y, x) = lightest ? *std::max_element(from, to) : *std::min_element(from, to);
      }
    image = turned(image, image.width);
  }
  return image;
}

/// `none` becomes 0, `full` becomes 255, and what is between lies between.
GreyImage spread(GreyImage image, int none, int full) {
  for (uint8_t& pixel : image.pixels)
    pixel = static_cast<uint8_t>(std::clamp(255 * (pixel - none) / (full - none), 0, 255));
  return image;
}

/// How much darker than the paper each pixel is, 0 to 255 for black; it divides, since light multiplies.
/// Grain makes the paper look lighter than it is, and so all of it a little dark, which is taken off.
GreyImage contrast_of(const GreyImage& image) {
  GreyImage contrast = paper_of(image, 1 + std::max(image.height, image.width) / 6);
  for (size_t i = 0; i < contrast.pixels.size(); ++i) {
    const int paper = contrast.pixels[i], darker = paper - image.pixels[i];
    contrast.pixels[i] = static_cast<uint8_t>(255 * darker / std::max(64, paper));
  }
  return spread(contrast, std::min(254, quantile(contrast.pixels, 0.25)), 255);
}

/// Without the lines of squared and lined paper, which are dark, however faint, nearly all the way from the
/// left edge to the right, a little askew perhaps. Where a stroke crosses a line, it is higher than one,
/// and stays. Rows become columns, for the lines that go down.
GreyImage without_lines(const GreyImage& contrast) {
  const int most = contrast.height / 50, askew = contrast.width / 20;
  GreyImage result = contrast;
  const auto is_dark = [&](int y, int x) { return y >= 0 && y < contrast.height && contrast.at(y, x) >= 20; };
  for (int left = 0; left < contrast.height; ++left)
    for (int rise = -askew; rise <= askew; ++rise) {
      const auto line = [&](int x) { return left + rise * x / contrast.width; };
      int count = 0;
      for (int x = 0; x < contrast.width; ++x) count += is_dark(line(x), x);
      for (int x = 0; x < contrast.width && count > 0.85 * contrast.width; ++x) {
        int top = line(x), bottom = top;
        while (bottom - top <= most && is_dark(top - 1, x)) --top;
        while (bottom - top <= most && is_dark(bottom, x)) ++bottom;
        for (int y = top; y < bottom && bottom - top <= most; ++y) result.at(y, x) = 0;
      }
    }
  return turned(result, result.width);
}

/// Ink that hangs together.
struct Component {
  int top, left, bottom, right;  // the rectangle around it, [top, bottom) x [left, right)
  std::vector<int> pixels;       // their indices

  int size() const { return static_cast<int>(pixels.size()); }
  int side() const { return std::max(bottom - top, right - left); }
  bool is_within(const Component& o) const {
    return top > o.top && left > o.left && bottom < o.bottom && right < o.right;
  }
};

/// All but specks, the largest first. Pixels hang together that are not far apart: a stroke may be broken.
std::vector<Component> components_of(GreyImage ink) {
  std::vector<Component> all;
  const int side = std::max(ink.height, ink.width), near = std::max(2, side / 60);
  for (int start = 0; start < ink.width * ink.height; ++start) {
    if (ink.pixels[start] == 0) continue;
    Component one{ink.height, ink.width, 0, 0, {start}};
    ink.pixels[start] = 0;
    for (int i = 0; i < one.size(); ++i) {
      const int y = one.pixels[i] / ink.width, x = one.pixels[i] % ink.width;
      one.top = std::min(one.top, y), one.bottom = std::max(one.bottom, y + 1);
      one.left = std::min(one.left, x), one.right = std::max(one.right, x + 1);
      for (int v = std::max(0, y - near); v <= std::min(ink.height - 1, y + near); ++v)
        for (int u = std::max(0, x - near); u <= std::min(ink.width - 1, x + near); ++u)
          if (ink.at(v, u) > 0) ink.at(v, u) = 0, one.pixels.push_back(v * ink.width + u);
    }
    if (20 * one.side() >= side) all.push_back(std::move(one));
  }
  std::stable_sort(all.begin(), all.end(), [](auto& a, auto& b) { return a.size() > b.size(); });
  return all;
}

/// The digit's ink alone: the largest component. Neither what reaches the picture's edge, such as the
/// paper's rim, nor a box printed around something is one if there is anything else.
GreyImage digit_of(const GreyImage& ink, std::vector<std::string>& done) {
  const Component whole{0, 0, ink.height, ink.width, {}};
  const std::vector<Component> all = components_of(ink);
  std::vector<Component> digits = all;
  std::erase_if(digits, [&](const Component& one) {
    const bool is_thin = 4 * one.size() < (one.bottom - one.top) * (one.right - one.left);
    const auto is_inside = [&](const Component& other) { return other.is_within(one); };
    return !one.is_within(whole) || (is_thin && std::any_of(all.begin(), all.end(), is_inside));
  });
  if (digits.empty()) digits = all;
  if (digits.empty()) return {};
  if (digits.size() > 1 && 2 * digits[1].size() > digits[0].size())
    done.push_back("more than one thing stands out: this is the largest");
  const auto& [top, left, bottom, right, pixels] = digits[0];
  GreyImage digit = blank(bottom - top, right - left);
  for (const int i : pixels) digit.at(i / ink.width - top, i % ink.width - left) = ink.pixels[i];
  return digit;
}

/// In which column of `width` to begin so that the centre of mass lies in the middle of column width / 2,
/// counted from 0, as in MNIST, or as near as there is room.
int first_column(const GreyImage& digit, int width) {
  double mass = 0, moment = 0;
  for (int y = 0; y < digit.height; ++y)
    for (int x = 0; x < digit.width; ++x) mass += digit.at(y, x), moment += digit.at(y, x) * (x + 0.5);
  return std::clamp(static_cast<int>(std::lround(width / 2 + 0.5 - moment / mass)), 0, width - digit.width);
}

/// At most 256 pixels a side.
GreyImage shrunk(const GreyImage& image) {
  return scaled(image, std::min(1.0, 256.0 / std::max(image.height, image.width)));
}

/// The digit's ink alone; empty where nothing stands out.
GreyImage found_in(GreyImage picture, bool is_dark, std::vector<std::string>& done) {
  if (!is_dark) picture = spread(picture, 255, 0);
  const GreyImage ink = without_lines(without_lines(contrast_of(picture)));
  const int darkest = quantile(ink.pixels, 0.9995);
  // Grain is none, and a stroke is full to its edge.
  return darkest < 32 ? GreyImage{} : digit_of(spread(ink, darkest / 3, darkest * 2 / 3 + 1), done);
}

}  // namespace

Ink ink_of(const Images& images) {
  const auto begin = images.pixels.begin(), end = begin + std::min(images.count, 200) * images.size();
  const bool is_dark = quantile({begin, end}, 0.5) > 127;  // paper is most, and light
  std::vector<uint8_t> sides;                              // the longer ones, in 255ths of the frame's
  std::vector<std::string> ignored;
  for (auto at = begin; at != end; at += images.size()) {
    const GreyImage image = shrunk({images.width, images.height, {at, at + images.size()}});
    const GreyImage found = found_in(image, is_dark, ignored);
    sides.push_back(std::max(255 * found.height / image.height, 255 * found.width / image.width));
  }
  return {is_dark, std::max(0.1, quantile(sides, 0.5) / 255.0)};
}

PreparedDigit prepare_digit(const GreyImage& image, int height, int width, const std::string& name, Ink ink) {
  std::vector<std::string> done;
  const GreyImage picture = shrunk(image);
  const bool is_dark = is_dark_on_light(picture);
  if (is_dark != ink.is_dark)
    done.push_back(is_dark ? "inverted: dark on light" : "inverted: light on dark");
  const GreyImage found = found_in(picture, is_dark, done);
  if (found.pixels.empty())
    throw Error(name, ": expected a digit, found nothing that stands out from the background");

  const double longest = std::max(1.0 * found.height / height, 1.0 * found.width / width);
  GreyImage digit = scaled(found, ink.fill / longest);
  digit = spread(digit, 0, std::max(1, quantile(digit.pixels, 0.8)));  // a thin stroke comes out faint
  done.push_back(text("scaled: the ink, ", found.width, "x", found.height, " of ", picture.width, "x",
                      picture.height, ", to ", digit.width, "x", digit.height));
  GreyImage centred = blank(height, width);
  const int left = first_column(digit, width), top = first_column(turned(digit, digit.width), height);
  for (int y = 0; y < digit.height; ++y)
    for (int x = 0; x < digit.width; ++x) centred.at(top + y, left + x) = digit.at(y, x);
  done.push_back(text("centred in ", width, "x", height, " by its centre of mass"));
  if (ink.is_dark) centred = spread(centred, 255, 0);
  return {centred.pixels, done};
}

}  // namespace plainnet
