#pragma once

#include <string>
#include <string_view>

#include "images/image.h"

namespace plainnet {

// PNG is described at https://www.w3.org/TR/png/, its compression in RFC 1950 (zlib) and RFC 1951
// (deflate).

/// The bytes of a PNG file of 8 bits per channel.
std::string encode_png(const RgbImage& image);

/// Whether `bytes` begin as every PNG file does.
bool is_png(std::string_view bytes);

/// The image in the PNG file `bytes`: grey, colour or palette, with or without transparency, of any
/// depth, not interlaced, of at most 2^27 pixels. Throws Error, which begins with `name`, where the
/// file is broken, cut short or of another kind.
GreyImage decode_png(std::string_view bytes, const std::string& name);

}  // namespace plainnet
