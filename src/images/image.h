#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace plainnet {

struct GreyImage {
  int width = 0, height = 0;
  std::vector<uint8_t> pixels;  // [height][width], 0 black to 255 white

  uint8_t& at(int y, int x) { return pixels[static_cast<size_t>(y) * width + x]; }
  uint8_t at(int y, int x) const { return pixels[static_cast<size_t>(y) * width + x]; }
};

/// Reads a PNG or a binary PGM or PPM file (P5, P6), told apart by its first bytes. Colour becomes grey. At
/// most 2^24 pixels; a PGM or PPM 4096 by 4096. Throws Error naming the file, what was expected and what
/// was found, with a command that converts other kinds of picture.
GreyImage read_image(const std::string& path);

/// The image in the PNG file `bytes` (https://www.w3.org/TR/png/): grey, colour or palette, with or without
/// an alpha channel, of 8 bits a channel, not interlaced, of at most 2^24 pixels. What is transparent is
/// laid on black if the rest is light, else on white. Throws Error, which begins with `name`, where the
/// file is broken, cut short or of another kind.
GreyImage decode_png(std::string_view bytes, const std::string& name);

/// The brightness of a colour, as ITU-R BT.601 weighs it.
inline uint8_t luma(int red, int green, int blue) {
  return static_cast<uint8_t>((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16);
}

}  // namespace plainnet
