#include <algorithm>
#include <cstdlib>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/numbers.h"
#include "images/image.h"
#include "images/inflate.h"

namespace plainnet {

constexpr std::string_view kSignature = "\x89PNG\r\n\x1a\n";

/// What the chunks hold that matter, those of a type one after the other.
static std::map<std::string_view, std::string> read_chunks(std::string_view bytes, const std::string& name) {
  std::map<std::string_view, std::string> chunks{{"IHDR", ""}, {"PLTE", ""}, {"tRNS", ""}, {"IDAT", ""}};
  std::string_view type;
  for (size_t at = kSignature.size(); type != "IEND";) {
    const size_t left = bytes.size() - at;
    const size_t length = left < 12 ? 0 : big_endian(bytes, at);
    if (left < 12 + length)
      throw Error(name, ": cut short: expected a chunk of ", 12 + length, " bytes at byte ", at,
                  ", found ", left);
    const std::string_view data = bytes.substr(at + 8, length);
    if (crc32(bytes.substr(at + 4, 4 + length)) != big_endian(bytes, at + 8 + length))
      throw Error(name, ": broken: the chunk at byte ", at, " does not match its checksum");
    type = bytes.substr(at + 4, 4);
    at += 12 + length;
    if (chunks["IHDR"].empty() != (type == "IHDR") || (type == "IHDR" && length != 13))
      throw Error(name, ": expected one header of 13 bytes at the beginning, found ", type, " of ", length);
    if (chunks.count(type)) chunks[type] += data;
  }
  return chunks;
}

/// Undoes the filters in place: each row is a filter's number and then its bytes, of which each was
/// replaced by its difference to a guess from its neighbours to the left, above and above left.
static void unfilter(std::string& rows, size_t row_size, size_t pixel_size, const std::string& name) {
  for (size_t i = 0, filter = 0; i < rows.size(); ++i) {
    const size_t row = i / (row_size + 1), column = i % (row_size + 1);
    if (column == 0) {
      filter = byte_at(rows, i);
      if (filter > 4) throw Error(name, ": expected a filter from 0 to 4, found ", filter);
      continue;
    }
    const bool first = column <= pixel_size;
    const int left = first ? 0 : byte_at(rows, i - pixel_size);
    const int above = row == 0 ? 0 : byte_at(rows, i - row_size - 1);
    const int corner = first || row == 0 ? 0 : byte_at(rows, i - row_size - 1 - pixel_size);
    // Paeth's guess is the neighbour that is nearest to left + above - corner, the first of equal ones.
    const auto distance = [&](int neighbour) { return std::abs(left + above - corner - neighbour); };
    const auto nearer = [&](int one, int other) { return distance(one) < distance(other); };
    // By the filter's number.
    const int guesses[] = {0, left, above, (left + above) / 2, std::min({left, above, corner}, nearer)};
    rows[i] = static_cast<char>(rows[i] + guesses[filter]);
  }
}

GreyImage decode_png(std::string_view bytes, const std::string& name) {
  if (!bytes.starts_with(kSignature)) throw Error(name, ": expected a PNG file, found another kind of file");
  const auto chunks = read_chunks(bytes, name);
  const std::string &header = chunks.at("IHDR"), &palette = chunks.at("PLTE"), &opacity = chunks.at("tRNS");
  const uint32_t width = big_endian(header, 0), height = big_endian(header, 4);
  const size_t pixels = size_t{width} * height;
  if (pixels == 0 || pixels > 1 << 24)
    throw Error(name, ": expected 1 to 2^24 pixels, found ", width, "x", height);
  constexpr size_t kChannels[] = {1, 0, 3, 1, 2, 0, 4};  // of each type of colour; 0: there is none
  const size_t depth = byte_at(header, 8), type = byte_at(header, 9);
  const size_t channels = type < std::size(kChannels) ? kChannels[type] : 0;
  const bool has_palette = type == 3, interlaced = byte_at(header, 12);
  if (depth != 8 || channels == 0 || interlaced)
    throw Error(name, ": expected PNG's colour type 0, 2, 3, 4 or 6 of 8 bits, found type ", type, " of ",
                depth, " bits", interlaced ? ", interlaced" : "",
                ": save it with 8 bits a channel, without interlacing");
  if (!has_palette && !opacity.empty())
    throw Error(name, ": expected transparency as a channel, found a transparent colour: ",
                "save it with an alpha channel");

  const size_t row_size = width * channels;
  std::string rows = inflate(chunks.at("IDAT"), height * (row_size + 1), name);
  unfilter(rows, row_size, channels, name);
  // The brightness and the opacity of pixel i.
  const auto pixel = [&](size_t i) {
    std::string colour = rows.substr(i / width * (row_size + 1) + 1 + i % width * channels, channels);
    const size_t number = byte_at(colour, 0);
    if (has_palette && 3 * number + 3 > palette.size())
      throw Error(name, ": expected one of the ", palette.size() / 3,
                  " colours of the palette, found number ", number);
    if (has_palette)  // an entry for which no opacity is said is opaque
      colour = palette.substr(3 * number, 3) + opacity.substr(std::min(number, opacity.size()), 1);
    const auto part = [&](size_t n) { return byte_at(colour, n); };
    return std::pair(colour.size() < 3 ? part(0) : luma(part(0), part(1), part(2)),
                     colour.size() % 2 == 0 ? part(colour.size() - 1) : 255);
  };
  int64_t lightness = 0;  // more than 0 where what is opaque is light
  for (size_t i = 0; i < pixels; ++i) lightness += (2 * pixel(i).first - 255) * pixel(i).second;
  const int behind = lightness > 0 ? 0 : 255;
  GreyImage image{static_cast<int>(width), static_cast<int>(height), {}};
  for (size_t i = 0; i < pixels; ++i) {
    const auto [brightness, alpha] = pixel(i);
    image.pixels.push_back(static_cast<uint8_t>((brightness * alpha + behind * (255 - alpha) + 127) / 255));
  }
  return image;
}

}  // namespace plainnet
