#include "images/image.h"

#include <algorithm>
#include <cctype>
#include <tuple>

#include "base/error.h"
#include "base/files.h"
#include "base/numbers.h"

namespace plainnet {

/// Reads the binary formats of netpbm (http://netpbm.sourceforge.net/doc/pgm.html and ppm.html): a
/// header of numbers and comments, then the samples, of two bytes where the largest needs them.
static GreyImage read_netpbm(std::string_view bytes, const std::string& path) {
  size_t at = 2;
  // The next number, after white space and comments, which go from '#' to the end of the line.
  const auto number = [&](const char* what, int most) {
    const auto is = [&](int (*kind)(int)) { return at < bytes.size() && kind(byte_at(bytes, at)); };
    while (is(std::isspace) || (at < bytes.size() && bytes[at] == '#'))
      at = bytes[at] == '#' ? std::min(bytes.find_first_of("\r\n", at), bytes.size()) : at + 1;
    long value = -1;
    for (; is(std::isdigit) && value <= most; ++at) value = 10 * std::max(value, 0L) + (bytes[at] - '0');
    if (value < 1 || value > most)
      throw Error(path, ": expected ", what, " from 1 to ", most, " at byte ", at, ", found ",
                  value < 0 ? "no number" : text(value));
    return static_cast<int>(value);
  };
  GreyImage image{number("a width", 4096), number("a height", 4096), {}};
  const int largest = number("a largest value", 65535), channels = bytes[1] == '6' ? 3 : 1;
  ++at;  // a single white space
  const size_t pixels = static_cast<size_t>(image.width) * image.height;
  const size_t expected = pixels * channels * (largest > 255 ? 2 : 1);
  const size_t found = bytes.size() - std::min(at, bytes.size());
  if (found < expected)
    throw Error(path, ": cut short: expected at least ", expected, " bytes of pixels for ", image.width,
                "x", image.height, ", found ", found);
  const auto sample = [&] {
    int value = byte_at(bytes, at++);
    if (largest > 255) value = 256 * value + byte_at(bytes, at++);
    if (value > largest) throw Error(path, ": expected pixels of at most ", largest, ", found ", value);
    return (255 * value + largest / 2) / largest;
  };
  while (image.pixels.size() < pixels) {
    const int red = sample(), green = channels == 3 ? sample() : red, blue = channels == 3 ? sample() : red;
    image.pixels.push_back(luma(red, green, blue));
  }
  return image;
}

// Other kinds of file, by what stands at a byte.
constexpr std::tuple<size_t, const char*, const char*> kOtherKinds[] = {
    {0, "\xff\xd8\xff", "a JPEG"}, {4, "ftyp", "a HEIC"}, {8, "WEBP", "a WebP"},  {0, "GIF8", "a GIF"},
    {0, "BM", "a BMP"},            {0, "<svg", "an SVG"}, {0, "<?xml", "an SVG"}, {0, "%PDF", "a PDF"},
    {0, "<!", "HTML"},             {0, "<html", "HTML"},  {0, "P2", "text"},      {0, "P3", "text"}};

GreyImage read_image(const std::string& path) {
  const std::string bytes = read_file(path);
  if (bytes.starts_with("\x89PNG")) return decode_png(bytes, path);
  if (bytes.starts_with("P5") || bytes.starts_with("P6")) return read_netpbm(bytes, path);
  std::string found = bytes.empty() ? "an empty file" : "another kind of file";
  for (const auto& [at, part, name] : kOtherKinds)
    if (bytes.substr(0, 16).find(part, at) == at)
      found = text(name, ": magick ", path, " digit.png makes a PNG of it (older: convert)");
  throw Error(path, ": expected a PNG image, or a binary PGM or PPM, found ", found);
}

}  // namespace plainnet
