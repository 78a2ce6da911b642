#include "images/png.h"

#include <array>
#include <cstdlib>

#include "images/inflate.h"
#include "base/error.h"
#include "base/numbers.h"

namespace plainnet {

static constexpr std::string_view kSignature = "\x89PNG\r\n\x1a\n";

/// The checksum of a chunk: the remainder of a division of polynomials over GF(2).
static uint32_t crc32(std::string_view bytes) {
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> remainders;
    for (uint32_t i = 0; i < 256; ++i) {
      remainders[i] = i;
      for (int bit = 0; bit < 8; ++bit)
        remainders[i] = remainders[i] >> 1 ^ (remainders[i] & 1 ? 0xEDB88320 : 0);
    }
    return remainders;
  }();
  uint32_t crc = 0xFFFFFFFF;
  for (const char c : bytes) crc = table[(crc ^ static_cast<unsigned char>(c)) & 255] ^ crc >> 8;
  return ~crc;
}

std::string encode_png(const RgbImage& image) {
  const auto chunk = [](const std::string& type_and_data) {
    return big_endian_text(static_cast<uint32_t>(type_and_data.size() - 4)) + type_and_data +
           big_endian_text(crc32(type_and_data));
  };
  // Every row is filtered "up", into its difference to the row above: rows that repeat become
  // zeros.
  const std::vector<uint8_t>& pixels = image.pixels;
  const size_t row_size = size_t{3} * image.width;
  std::string rows;
  for (size_t i = 0; i < pixels.size(); ++i) {
    if (i % row_size == 0) rows += '\2';
    rows += static_cast<char>(pixels[i] - (i < row_size ? 0 : pixels[i - row_size]));
  }
  std::string header = "IHDR" + big_endian_text(image.width) + big_endian_text(image.height);
  header += {8, 2, 0, 0, 0};  // 8 bits a sample, of type 2: RGB
  return std::string(kSignature) + chunk(header) + chunk("IDAT" + deflate(rows)) + chunk("IEND");
}

namespace {

struct Header {
  uint32_t width = 0, height = 0;
  int depth = 0;  // bits of a sample: 1, 2, 4, 8, 16
  bool has_palette = false, has_colour = false, has_alpha = false;
  int channels = 0;  // samples of a pixel
};

Header parse_header(std::string_view bytes, const std::string& name) {
  const int depth = byte_at(bytes, 8), type = byte_at(bytes, 9);
  Header header;
  header.width = big_endian(bytes, 0);
  header.height = big_endian(bytes, 4);
  header.depth = depth;
  header.has_palette = type == 3;
  header.has_colour = type == 2 || type == 6;
  header.has_alpha = type == 4 || type == 6;
  header.channels = (header.has_colour ? 3 : 1) + (header.has_alpha ? 1 : 0);
  if (header.width == 0 || header.height == 0 || uint64_t{header.width} * header.height > 1 << 27)
    throw Error(
        text(name, ": expected 1 to 2^27 pixels, found ", header.width, "x", header.height));
  const bool low_depth = depth == 1 || depth == 2 || depth == 4;
  if (!((type == 0 && (low_depth || depth == 8 || depth == 16)) ||
        (type == 3 && (low_depth || depth == 8)) ||
        ((type == 2 || type == 4 || type == 6) && (depth == 8 || depth == 16))))
    throw Error(text(name, ": expected one of PNG's colour types and depths, found type ", type,
                     " of ", depth, " bits"));
  if (byte_at(bytes, 10) || byte_at(bytes, 11))
    throw Error(text(name, ": expected compression and filter method 0, found ", byte_at(bytes, 10),
                     " and ", byte_at(bytes, 11)));
  if (byte_at(bytes, 12))
    throw Error(text(
        name, ": expected an image that is not interlaced, found an interlaced one; save it anew"));
  return header;
}

/// Undoes the filters in place: each row is a filter's number and then its bytes, of which each was
/// replaced by its difference to a guess from its neighbours to the left, above and above left.
void unfilter(std::string* rows, size_t row_size, size_t pixel_size, const std::string& name) {
  const std::string none(row_size + 1, '\0');
  for (size_t start = 0; start < rows->size(); start += row_size + 1) {
    char* row = rows->data() + start;
    const char* above_row = start ? row - row_size - 1 : none.data();
    const int filter = static_cast<unsigned char>(row[0]);
    if (filter > 4) throw Error(text(name, ": expected a filter from 0 to 4, found ", filter));
    for (size_t i = 1; i <= row_size; ++i) {
      const bool first = i <= pixel_size;
      const int left = first ? 0 : static_cast<unsigned char>(row[i - pixel_size]);
      const int above = static_cast<unsigned char>(above_row[i]);
      const int corner = first ? 0 : static_cast<unsigned char>(above_row[i - pixel_size]);
      int guess = 0;
      if (filter == 1) guess = left;
      if (filter == 2) guess = above;
      if (filter == 3) guess = (left + above) / 2;
      if (filter == 4) {  // Paeth: whichever is nearest to left + above - corner
        const int to_left = std::abs(above - corner), to_above = std::abs(left - corner);
        const int to_corner = std::abs(left + above - 2 * corner);
        guess = to_left <= to_above && to_left <= to_corner ? left
                : to_above <= to_corner                     ? above
                                                            : corner;
      }
      row[i] = static_cast<char>(row[i] + guess);
    }
  }
}

/// The pixels of a row, as grey.
class Row {
 public:
  Row(const Header& header, std::string_view palette, std::string_view transparency,
      const std::string& name)
      : header_(header), palette_(palette), transparency_(transparency), name_(name) {}

  uint8_t grey(std::string_view row, size_t x) const {
    const int largest = (1 << header_.depth) - 1;
    int samples[4] = {};
    for (int c = 0; c < header_.channels; ++c) samples[c] = sample(row, x * header_.channels + c);
    const auto scaled = [&](int c) { return (2 * 255 * samples[c] + largest) / (2 * largest); };

    int brightness, alpha = header_.has_alpha ? scaled(header_.channels - 1) : 255;
    if (header_.has_palette) {
      const size_t i = samples[0];
      if (3 * i + 3 > palette_.size())
        throw Error(text(name_, ": expected one of the ", palette_.size() / 3,
                         " colours of the palette, found number ", i));
      brightness = luma(byte_at(palette_, 3 * i), byte_at(palette_, 3 * i + 1),
                        byte_at(palette_, 3 * i + 2));
      if (i < transparency_.size()) alpha = byte_at(transparency_, i);
    } else {
      brightness = header_.has_colour ? luma(scaled(0), scaled(1), scaled(2)) : scaled(0);
      if (is_transparent(samples)) alpha = 0;
    }
    return static_cast<uint8_t>((brightness * alpha + 255 * (255 - alpha) + 127) / 255);
  }

 private:
  int sample(std::string_view row, size_t i) const {
    if (header_.depth == 16) return 256 * byte_at(row, 2 * i) + byte_at(row, 2 * i + 1);
    const size_t bit = i * header_.depth;
    return byte_at(row, bit / 8) >> (8 - header_.depth - bit % 8) & ((1 << header_.depth) - 1);
  }

  /// Without an alpha channel, one grey or colour can be declared transparent.
  bool is_transparent(const int* samples) const {
    if (header_.has_alpha || transparency_.size() != 2u * header_.channels) return false;
    for (int c = 0; c < header_.channels; ++c)
      if (samples[c] != 256 * byte_at(transparency_, 2 * c) + byte_at(transparency_, 2 * c + 1))
        return false;
    return true;
  }

  const Header& header_;
  std::string_view palette_, transparency_;
  const std::string& name_;
};

}  // namespace

bool is_png(std::string_view bytes) { return bytes.substr(0, 8) == kSignature; }

GreyImage decode_png(std::string_view bytes, const std::string& name) {
  if (!is_png(bytes)) throw Error(text(name, ": expected a PNG file, found another kind of file"));
  std::string_view type, header_bytes, palette, transparency;
  std::string compressed;
  for (size_t at = kSignature.size(); type != "IEND";) {
    const size_t left = bytes.size() - at;
    const size_t length = left < 12 ? 0 : big_endian(bytes, at);
    if (left < 12 + length)
      throw Error(text(name, ": cut short: expected a chunk of ", 12 + length, " bytes at byte ",
                       at, ", found ", left));
    const std::string_view data = bytes.substr(at + 8, length);
    if (crc32(bytes.substr(at + 4, 4 + length)) != big_endian(bytes, at + 8 + length))
      throw Error(text(name, ": broken: the chunk at byte ", at, " does not match its checksum"));
    type = bytes.substr(at + 4, 4);
    at += 12 + length;
    if (header_bytes.empty() != (type == "IHDR") || (type == "IHDR" && length != 13))
      throw Error(text(name, ": expected one header of 13 bytes at the beginning, found ", type,
                       " of ", length));
    if (type == "IHDR") header_bytes = data;
    if (type == "PLTE") palette = data;
    if (type == "tRNS") transparency = data;
    if (type == "IDAT") compressed += data;
  }
  const Header header = parse_header(header_bytes, name);
  const size_t pixel_bits = static_cast<size_t>(header.channels) * header.depth;
  const size_t row_size = (header.width * pixel_bits + 7) / 8;
  std::string rows = inflate(compressed, header.height * (row_size + 1), name);
  unfilter(&rows, row_size, (pixel_bits + 7) / 8, name);

  GreyImage image{static_cast<int>(header.width), static_cast<int>(header.height), {}};
  const Row row(header, palette, transparency, name);
  for (size_t y = 0; y < header.height; ++y) {
    const std::string_view samples =
        std::string_view(rows).substr(y * (row_size + 1) + 1, row_size);
    for (size_t x = 0; x < header.width; ++x) image.pixels.push_back(row.grey(samples, x));
  }
  return image;
}

}  // namespace plainnet
