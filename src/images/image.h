#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace plainnet {

struct GreyImage {
  int width = 0, height = 0;
  std::vector<uint8_t> pixels;  // [height][width], 0 black to 255 white
};

struct RgbImage {
  int width = 0, height = 0;
  std::vector<uint8_t> pixels;  // [height][width][3]
};

/// Reads a PNG or a PGM or PPM file (P2, P3, P5, P6), told apart by its first bytes. Colour becomes
/// grey, what is transparent is laid on white. Throws Error naming the file, what was expected and
/// what was found.
GreyImage read_image(const std::string& path);

/// The brightness of a colour, as ITU-R BT.601 weighs it.
inline uint8_t luma(int red, int green, int blue) {
  return static_cast<uint8_t>((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16);
}

}  // namespace plainnet
