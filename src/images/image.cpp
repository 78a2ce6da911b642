#include "images/image.h"

#include <algorithm>
#include <cctype>
#include <string_view>

#include "base/error.h"
#include "base/files.h"
#include "images/png.h"

namespace plainnet {

/// Reads the formats of netpbm (http://netpbm.sourceforge.net/doc/pgm.html and ppm.html): a header
/// of numbers and comments, then the samples, as text (P2, P3) or as bytes (P5, P6).
class NetpbmReader {
 public:
  NetpbmReader(const std::string& path, std::string_view bytes) : path_(path), bytes_(bytes) {}

  GreyImage read() {
    const bool binary = bytes_[1] >= '5', colour = bytes_[1] == '3' || bytes_[1] == '6';
    at_ = 2;
    GreyImage image;
    image.width = number("a width", 1, 1 << 24);
    image.height = number("a height", 1, 1 << 24);
    const int largest = number("a largest value", 1, 65535);
    if (binary) ++at_;  // a single white space

    const size_t pixels = static_cast<size_t>(image.width) * static_cast<size_t>(image.height);
    const size_t samples = pixels * (colour ? 3 : 1);
    const size_t expected = binary && largest > 255 ? 2 * samples : samples;
    const size_t found = bytes_.size() - std::min(at_, bytes_.size());
    if (found < expected)
      throw Error(text(path_, ": cut short: expected at least ", expected, " bytes of pixels for ",
                       image.width, "x", image.height, ", found ", found));
    const auto sample = [&] {
      int value = 0;
      if (binary)
        for (int i = 0; i < (largest > 255 ? 2 : 1); ++i) value = 256 * value + byte();
      else
        value = number("a pixel", 0, largest);
      if (value > largest)
        throw Error(text(path_, ": expected pixels of at most ", largest, ", found ", value));
      return (255 * value + largest / 2) / largest;
    };
    image.pixels.resize(pixels);
    for (uint8_t& pixel : image.pixels) {
      const int red = sample();
      const int green = colour ? sample() : red;
      const int blue = colour ? sample() : red;
      pixel = luma(red, green, blue);
    }
    return image;
  }

 private:
  int byte() { return static_cast<unsigned char>(bytes_[at_++]); }

  /// The next number, after white space and comments, which go from '#' to the end of the line.
  int number(const char* what, int least, int most) {
    for (bool comment = false; at_ < bytes_.size(); ++at_) {
      const char c = bytes_[at_];
      if (c == '#') comment = true;
      if (!comment && !std::isspace(static_cast<unsigned char>(c))) break;
      if (c == '\n' || c == '\r') comment = false;
    }
    int64_t value = -1;
    while (at_ < bytes_.size() && std::isdigit(static_cast<unsigned char>(bytes_[at_])) &&
           value <= most)
      value = 10 * std::max<int64_t>(value, 0) + (bytes_[at_++] - '0');
    if (value < least || value > most)
      throw Error(text(path_, ": expected ", what, " from ", least, " to ", most, " at byte ", at_,
                       ", found ", value < 0 ? "no number" : text(value)));
    return static_cast<int>(value);
  }

  const std::string& path_;
  std::string_view bytes_;
  size_t at_ = 0;
};

GreyImage read_image(const std::string& path) {
  const std::string bytes = read_file(path);
  if (is_png(bytes)) return decode_png(bytes, path);
  if (bytes.size() > 2 && bytes[0] == 'P' && std::string_view("2356").find(bytes[1]) < 4)
    return NetpbmReader(path, bytes).read();
  throw Error(text(path, ": expected a PNG, PGM or PPM image, found ",
                   bytes.empty() ? "an empty file" : "another kind of file"));
}

}  // namespace plainnet
