#include <algorithm>
#include <ctime>
#include <fstream>
#include <numeric>

#include "base/random.h"
#include "images/own_digit.h"
#include "base/files.h"
#include "images/image.h"
#include "tests/memory_limit.h"
#include "tests/png.h"
#include "tests/small_run.h"

namespace plainnet {

using test::chunk;
using test::png_of;
using test::stored;

static std::string bytes_of(const std::vector<int>& values) {
  return {values.begin(), values.end()};
}

static void check_read(const std::string& png, const std::vector<int>& expected) {
  const std::vector<uint8_t> pixels = decode_png(png, "x.png").pixels;
  CHECK_EQUAL(pixels.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i)
    CHECK(pixels[i] == expected[i], "pixel ", i, ": got ", int{pixels[i]}, ", expected ",
          expected[i]);
}

/// A file of one row, without a filter.
static std::string row(int width, test::PngKind kind, const std::vector<int>& bytes,
                       const std::string& more_chunks = "") {
  return png_of(width, 1, kind, stored('\0' + bytes_of(bytes)), more_chunks);
}

TEST("png: grey, colour and palette, with and without alpha") {
  check_read(row(2, {8, 0}, {7, 250}), {7, 250});
  check_read(row(3, {8, 2}, {255, 0, 0, 0, 255, 0, 0, 0, 255}), {76, 150, 29});
  check_read(row(3, {8, 4}, {0, 255, 0, 128, 100, 0}), {0, 127, 255});
  check_read(row(2, {8, 6}, {255, 0, 0, 255, 0, 0, 0, 51}), {76, 204});
  const std::string palette = chunk("PLTE", bytes_of({0, 0, 0, 255, 0, 0, 200, 200, 200}));
  check_read(row(3, {8, 3}, {2, 1, 0}, palette), {200, 76, 0});
  check_read(row(3, {8, 3}, {2, 1, 1}, palette + chunk("tRNS", bytes_of({0, 0}))), {200, 0, 0});
}

TEST("png: what is transparent is laid on black or on white, whichever the rest stands out from") {
  check_read(row(3, {8, 4}, {200, 255, 200, 128, 100, 0}), {200, 100, 0});
  check_read(row(3, {8, 4}, {50, 255, 50, 128, 200, 0}), {50, 152, 255});
  check_read(row(2, {8, 6}, {255, 255, 255, 255, 0, 0, 0, 0}), {255, 0});
  check_read(row(2, {8, 6}, {0, 0, 0, 255, 255, 255, 255, 0}), {0, 255});
}

static std::string unhex(const std::string& digits) {
  std::string bytes;
  for (size_t i = 0; i < digits.size(); i += 2)
    bytes += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  return bytes;
}

// Compressed by zlib; row y has the filter y % 5.
static const char* const kFixedCode =  // 7x10, pixel (3 x x + 40 y + x y) % 256
    "78da636060e69136f0ce61d460e11210935162d2d0d4d2d6d1d5630e9090965752d364d160e715969457653871e1"
    "de271e9d20c60f9cfca2d28aea70752652728aaa1a3a2c1a3c4212722a5a00fb2a0d1b";
static const char* const kDynamicCode =  // 16x15, pixel (x y / 3) % 8 * 32
    "78da5d8e611504210884d133c045308211268211886004a210c5084620c246d8f1ed8fdb93073e063f46458e48ac"
    "faceccaa1580aa9a99fb67ebd61a30d7ea9c16791042fbaca0549f02f51098474d82ffc872b8d21468bd53af3"
    "1c2acfcee49a8ba884eb8586056db7d126ebe331f1fa529a6ae7e69d835be1c95e7d58093702237105547df";

// The same, of 16x12 without filters, pixel (10 x x + 25 x y + 7 y y y) % 40: some lengths of codes repeat the one
// before.
static const char* const kRepeatedLengths =
    "78da5dc5570e80201405d16b6fa8a8d81b2ae0fe77e8d73362269303a4bf22b76273a72509ae14ff8ef56c86a4b87d12b1b1c39506a2"
    "dcc65748c9d87738d3cedb30532486d30e7d7d2c9ec9631210c25ebbb3acba88910fa6670e81";

TEST("png: every filter, and blocks of fixed and dynamic codes") {
  std::vector<int> fixed, dynamic;
  for (int y = 0; y < 10; ++y)
    for (int x = 0; x < 7; ++x) fixed.push_back((3 * x * x + 40 * y + x * y) % 256);
  for (int y = 0; y < 15; ++y)
    for (int x = 0; x < 16; ++x) dynamic.push_back(x * y / 3 % 8 * 32);
  check_read(png_of(7, 10, {8, 0}, unhex(kFixedCode)), fixed);
  check_read(png_of(16, 15, {8, 0}, unhex(kDynamicCode)), dynamic);
  std::vector<int> repeated;
  for (int y = 0; y < 12; ++y)
    for (int x = 0; x < 16; ++x) repeated.push_back((10 * x * x + 25 * x * y + 7 * y * y * y) % 40);
  check_read(png_of(16, 12, {8, 0}, unhex(kRepeatedLengths)), repeated);
  // "Left" is the pixel to the left, three bytes away.
  check_read(png_of(2, 1, {8, 2}, stored(bytes_of({1, 10, 10, 10, 1, 1, 1}))), {10, 11});
  // Paeth's guess where the corner is as near as the left, and as the one above.
  check_read(png_of(2, 2, {8, 0}, stored(bytes_of({0, 10, 12, 4, 252, 1}))), {10, 12, 6, 7});
  check_read(png_of(2, 2, {8, 0}, stored(bytes_of({0, 10, 6, 4, 2, 1}))), {10, 6, 12, 7});
}

// The tables of RFC 1951, section 3.2.5: from which length or distance on a symbol counts, and how many
// further bits it has.
constexpr int kLengths[] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                            31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
constexpr int kLengthBits[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
constexpr int kDistances[] = {1,    2,    3,    4,    5,    7,    9,    13,    17,    25,
                              33,   49,   65,   97,   129,  193,  257,  385,   513,   769,
                              1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
constexpr int kDistanceBits[] = {0, 0, 0, 0, 1, 1, 2, 2,  3,  3,  4,  4,  5,  5,  6,
                                 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13};

TEST("png: repetitions of every length and distance") {
  Random random(3, 0);
  std::string pixels(1, '\0');  // the filter of the only row
  while (pixels.size() < 32768) pixels += static_cast<char>(random.bits());
  std::string compressed = "\x78\x01" + std::string("\0\0\x80\xff\x7f", 5) + pixels;
  int bits = 0, used = 0;
  const auto put = [&](int value, int count) {  // the lowest bit first
    for (int i = 0; i < count; ++i) {
      bits |= (value >> i & 1) << used;
      if (++used < 8) continue;
      compressed += static_cast<char>(bits);
      bits = used = 0;
    }
  };
  const auto code = [&](int value, int length) {  // the highest bit first
    while (length > 0) put(value >> --length, 1);
  };
  put(3, 3);  // the last block, of the fixed code
  for (int l = 0; l < 29; ++l)
    for (int d = 0; d < 30; ++d) {
      // The first and the last length of the symbol, and of its distances.
      const int length_more = d % 2 ? (1 << kLengthBits[l]) - 1 : 0;
      const int distance_more = l % 2 ? (1 << kDistanceBits[d]) - 1 : 0;
      l < 23 ? code(1 + l, 7) : code(0xC0 + l - 23, 8);
      put(length_more, kLengthBits[l]);
      code(d, 5);
      put(distance_more, kDistanceBits[d]);
      for (int i = 0; i < kLengths[l] + length_more; ++i)
        pixels += char{pixels[pixels.size() - static_cast<size_t>(kDistances[d] + distance_more)]};
    }
  code(0, 7);
  put(0, 7);  // fills the last byte
  compressed += test::big_endian_text(test::adler32(pixels));
  const GreyImage image = decode_png(png_of(static_cast<int>(pixels.size()) - 1, 1, {8, 0}, compressed), "x");
  CHECK(std::string(image.pixels.begin(), image.pixels.end()) == pixels.substr(1));
}

TEST("png: what is broken or of another kind is refused") {
  const auto refused = [](const std::string& png, const std::string& part) {
    CHECK_ERROR(decode_png(png, "x.png"), "x.png: ", part);
  };
  const std::string good = row(1, {8, 0}, {9});
  check_read(good, {9});
  refused("GIF89a", "expected a PNG file");
  std::string changed = good;
  changed[20] ^= 1;
  refused(changed, "the chunk at byte 8 does not match its checksum");
  refused(good.substr(0, 8) + good.substr(8 + 25), "expected one header of 13 bytes");
  refused(good.substr(0, 8 + 25) + good.substr(8), "expected one header of 13 bytes");
  const std::string hint = ": save it with 8 bits a channel, without interlacing";
  refused(row(1, {8, 0, 1}, {9}), "found type 0 of 8 bits, interlaced" + hint);
  refused(row(1, {8, 1}, {9}), "found type 1 of 8 bits" + hint);
  refused(row(1, {8, 7}, {9}), "found type 7 of 8 bits" + hint);
  for (const int depth : {1, 2, 3, 4, 16})
    refused(row(1, {depth, 0}, {9, 9}), text("found type 0 of ", depth, " bits", hint));
  refused(row(1, {8, 0}, {9}, chunk("tRNS", bytes_of({0, 9}))),
          "found a transparent colour: save it with an alpha channel");
  refused(row(0, {8, 0}, {}), "expected 1 to 2^24 pixels, found 0x1");
  refused(png_of(1 << 13, (1 << 11) + 1, {8, 0}, ""), "found 8192x2049");
  refused(row(2, {8, 3}, {0, 1}, chunk("PLTE", "abc")),
          "expected one of the 1 colours of the palette, found number 1");
  refused(png_of(1, 1, {8, 0}, stored("\5\1")), "expected a filter from 0 to 4, found 5");
  refused(row(3, {8, 0}, {1, 2}), "expected 4 bytes, found 3");
  refused(row(1, {8, 0}, {1, 2}), "expected 2 bytes, found more");
  refused(png_of(1, 1, {8, 0}, ""), "cut short");
  refused(png_of(1, 1, {8, 0}, "zz"), "expected the header of zlib data");
  refused(png_of(1, 1, {8, 0}, "\x78\x01"), "cut short");
  refused(png_of(1, 1, {8, 0}, "\x78\x01\x07"), "found 3");
  refused(png_of(1, 1, {8, 0}, std::string("\x78\x01\x01\x02\0\0\0", 7)), "complement");
  // A dynamic block whose code lengths are all 1: four codes of one bit.
  refused(png_of(1, 1, {8, 0}, bytes_of({0x78, 1, 5, 0, 0x92, 4})), "more codes than");
  // A repetition at the very beginning: length 3, distance 1.
  refused(png_of(1, 1, {8, 0}, bytes_of({0x78, 1, 3, 2, 0})), "before the beginning");
}

TEST("png: a file cut short anywhere is refused; changed bytes do no harm") {
  const std::string png = png_of(16, 15, {8, 0}, unhex(kDynamicCode));
  for (size_t size = 0; size < png.size(); ++size)
    CHECK_ERROR(decode_png(png.substr(0, size), "x.png"), "x.png: ");

  // The chunks' checksums are right, so that what is within is looked at.
  int refused = 0;
  Random random(1, 0);
  for (int i = 0; i < 20000; ++i) {
    std::string compressed = unhex(i % 2 ? kDynamicCode : kFixedCode);
    const int changes = 1 + i % 4;
    for (int n = 0; n < changes; ++n)
      compressed[random.below(static_cast<uint32_t>(compressed.size()))] =
          static_cast<char>(random.bits());
    constexpr int kTypes[] = {0, 2, 3, 4, 6};
    const test::PngKind kind{8, kTypes[random.below(5)]};
    try {
      decode_png(png_of(1 + static_cast<int>(random.below(20)), 10, kind, compressed), "x.png");
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(refused > 15000, "refused ", refused, " of 20000");
}

// 2048 rows of 2049 zeros, as zlib packs them: into a thousandth.
static std::string packed_zeros() {
  return unhex("78daedc101010000008220ffaf6e484001") + std::string(4065, '\0') + unhex("7c190bc00001");
}

TEST("png: what unpacks to a thousand times its size takes no more memory than its image needs") {
  const std::string black = png_of(2048, 2048, {8, 0}, packed_zeros());
  CHECK(black.size() < 5000, black.size());
  {
    const test::MemoryLimit limit(size_t{6} << 22);
    CHECK_EQUAL(decode_png(black, "x").pixels.size(), size_t{1} << 22);
  }
  const test::MemoryLimit limit(1 << 20);
  CHECK_ERROR(decode_png(png_of(1, 1, {8, 0}, packed_zeros()), "x"), "expected 2 bytes, found more");
  CHECK_ERROR(decode_png(png_of(1 << 27, 1, {8, 0}, packed_zeros()), "x"), "found 134217728x1");
  CHECK_ERROR(decode_png(png_of(4096, 4096, {8, 6}, ""), "x"), "cut short");
}

TEST("png: blocks that hold nothing take no longer than they are read") {
  // Four empty blocks of the fixed code, and four with codes of their own, for nothing but their end.
  const std::string fixed = unhex("0208208000"), dynamic = unhex("04c081000000000090ff6b100007020000000040feaf41001c080000000000f9bf060170200000000000e4ff1a");
  for (const std::string& blocks : {fixed, dynamic}) {
    std::string compressed = "\x78\x01";
    while (compressed.size() < 200000) compressed += blocks;
    const std::clock_t start = std::clock();
    CHECK_ERROR(decode_png(png_of(1, 1, {8, 0}, compressed), "x"), "cut short");
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    CHECK(seconds < 1, seconds);
  }
}

static std::vector<uint8_t> read_netpbm(const std::string& bytes) {
  const std::string path = test::scratch_folder() + "/x.pgm";
  std::ofstream(path, std::ios::binary) << bytes;
  return read_image(path).pixels;
}

TEST("netpbm: grey and colour, comments and depths") {
  using Pixels = std::vector<uint8_t>;
  CHECK((read_netpbm("P5\n2 1\n255\n\x0a\x20") == Pixels{10, 32}));
  CHECK((read_netpbm("P5 2 1 3 \1\2") == Pixels{85, 170}));
  CHECK((read_netpbm("P5 2 1 65535 " + std::string("\xff\xff\x80\0", 4)) == Pixels{255, 128}));
  CHECK(
      (read_netpbm("P6#\n2#\n1#\n255\n" + std::string("\xff\0\0\0\xff\0", 6)) == Pixels{76, 150}));
}

TEST("netpbm: what is broken is refused") {
  const auto refused = [](const std::string& bytes, const std::string& part) {
    CHECK_ERROR(read_netpbm(bytes), "x.pgm: ", part);
  };
  refused("", "expected a PNG image, or a binary PGM or PPM, found an empty file");
  refused("P2 1 1 255 7", "found text: magick ");
  refused("P3 1 1 255 7 7 7", "found text: magick ");
  refused("P4 1 1 x", "found another kind of file");
  refused("P5 a", "expected a width from 1 to 4096 at byte 3, found no number");
  refused("P5 0 1 255 ", "expected a width from 1");
  refused("P5 1 99999999999 255 ", "expected a height from 1");
  refused("P5 1 1 65536 ", "expected a largest value from 1 to 65535");
  refused("P5 1 1 0 ", "expected a largest value from 1 to 65535 at byte 8, found 0");
  refused("P5 1 1 255", "cut short: expected at least 1 bytes of pixels for 1x1, found 0");
  refused("P5 2 2 255 abc", "expected at least 4 bytes of pixels for 2x2, found 3");
  refused("P6 2 1 300 abcdefghijk", "expected at least 12 bytes of pixels for 2x1, found 11");
  refused("P5 4096 4096 255 ", "cut short: expected at least 16777216 bytes");
  refused("P5 4097 4096 255 ", "expected a width from 1 to 4096 at byte 7, found 4097");
  refused("P5 4096 4097 255 ", "expected a height from 1 to 4096 at byte 12, found 4097");
  refused("P5 1 1 3 x", "expected pixels of at most 3, found 120");
}

TEST("images: other kinds of file are named, with a command that converts them") {
  const std::string path = test::scratch_folder() + "/photo";
  for (const auto& [bytes, name] : std::vector<std::pair<std::string, std::string>>{
           {"\xff\xd8\xff\xe0 and more", "a JPEG"},
           {std::string("\0\0\0\x18" "ftypheic", 12), "a HEIC"},
           {"RIFF....WEBPVP8 ", "a WebP"},
           {"GIF89a", "a GIF"},
           {"BM", "a BMP"},
           {"<svg>", "an SVG"},
           {"<?xml version", "an SVG"},
           {"%PDF-1.7", "a PDF"},
           {"<!DOCTYPE html>", "HTML"},
           {"<html>", "HTML"}}) {
    std::ofstream(path, std::ios::binary) << bytes;
    CHECK_ERROR(read_image(path), path, "found " + name + ": magick " + path + " digit.png makes a PNG of it");
  }
}

// Digits.

/// A light rectangle on black.
static GreyImage rectangle(int width, int height, int left, int top, int right, int bottom) {
  GreyImage image{width, height, std::vector<uint8_t>(static_cast<size_t>(width * height))};
  for (int y = top; y < bottom; ++y)
    for (int x = left; x < right; ++x) image.pixels[static_cast<size_t>(y * width + x)] = 255;
  return image;
}

static GreyImage inverted(GreyImage image) {
  for (uint8_t& pixel : image.pixels) pixel = static_cast<uint8_t>(255 - pixel);
  return image;
}

/// What lies on top of it makes an image darker.
static GreyImage darker(GreyImage image, const GreyImage& other) {
  for (size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = std::min(image.pixels[i], other.pixels[i]);
  return image;
}

/// A black rectangle on white.
static GreyImage dark(int width, int height, int left, int top, int right, int bottom) {
  return inverted(rectangle(width, height, left, top, right, bottom));
}

static PreparedDigit prepared(const GreyImage& image) { return prepare_digit(image, 28, 28, "x.png"); }

/// The sum of differences, in pixels from black to white.
static double difference(const PreparedDigit& a, const PreparedDigit& b) {
  double sum = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(a.pixels[i] - b.pixels[i]) / 255.0;
  return sum;
}

TEST("digit image: one of the right size goes the same way, wherever the ink lies") {
  const PreparedDigit corner = prepared(rectangle(28, 28, 2, 3, 8, 13));
  const PreparedDigit other = prepared(rectangle(28, 28, 9, 8, 15, 18));
  CHECK(corner.pixels == other.pixels);
  CHECK((corner.done == std::vector<std::string>{"scaled: the ink, 6x10 of 28x28, to 12x20",
                                                 "centred in 28x28 by its centre of mass"}));
  const PreparedDigit turned = prepared(dark(28, 28, 2, 3, 8, 13));
  CHECK(turned.pixels == corner.pixels);
  CHECK_EQUAL(turned.done.at(0), "inverted: dark on light");
}

TEST("digit image: the ink is scaled to 20x20 and centred") {
  // 20x40 pixels of ink become 10x20; their centre goes to that of pixel 14, so that they lie
  // in columns 9 or 10 to 18 or 19 and rows 4 or 5 to 23 or 24: half a pixel either way.
  const PreparedDigit digit = prepared(dark(240, 180, 190, 20, 210, 60));
  CHECK_EQUAL(digit.pixels.size(), size_t{28 * 28});
  int count = 0, sum_x = 0, sum_y = 0;
  for (int y = 0; y < 28; ++y)
    for (int x = 0; x < 28; ++x) {
      const int pixel = digit.pixels[static_cast<size_t>(28 * y + x)];
      CHECK(pixel == 0 || pixel == 255, pixel);
      count += pixel / 255;
      sum_x += pixel / 255 * x;
      sum_y += pixel / 255 * y;
    }
  CHECK_EQUAL(count, 200);
  CHECK_NEAR(sum_x / 200.0, 14, 0.5);
  CHECK_NEAR(sum_y / 200.0, 14, 0.5);
  CHECK((digit.done == std::vector<std::string>{"inverted: dark on light",
                                                "scaled: the ink, 20x40 of 240x180, to 10x20",
                                                "centred in 28x28 by its centre of mass"}));
}

TEST("digit image: edges are grey, and the centre of mass is what is centred") {
  // A bar 200 high and 195 wide, 5 wide below the first 50 rows: 20x20, with columns 10 apart.
  GreyImage image = rectangle(240, 240, 20, 20, 215, 70);
  const GreyImage stem = rectangle(240, 240, 20, 20, 25, 220);
  for (size_t i = 0; i < image.pixels.size(); ++i)
    image.pixels[i] = std::max(image.pixels[i], stem.pixels[i]);
  const PreparedDigit digit = prepared(image);
  // Masses: 5 rows of 19.5 or so at height 2.5, 15 rows of 0.5 or so at 12.5: about 3.2 down and
  // 9.2 across, so that the box begins at row 11, of which 8 has room, and column 5.
  const auto at = [&](int y, int x) { return int{digit.pixels[static_cast<size_t>(28 * y + x)]}; };
  CHECK_EQUAL(at(8, 5), 255);
  CHECK_EQUAL(at(7, 5), 0);
  CHECK_EQUAL(at(8, 4), 0);
  CHECK_EQUAL(at(12, 23), 255);
  CHECK_EQUAL(at(13, 23), 0);
  CHECK_NEAR(at(20, 5), 128, 5);
  CHECK_NEAR(at(27, 5), 128, 5);
  CHECK_EQUAL(at(27, 6), 0);

  // With rows and columns exchanged, the same.
  GreyImage turned = image;
  for (int y = 0; y < 240; ++y)
    for (int x = 0; x < 240; ++x) turned.at(x, y) = image.at(y, x);
  const PreparedDigit other = prepared(turned);
  for (int y = 0; y < 28; ++y)
    for (int x = 0; x < 28; ++x)
      CHECK(other.pixels[28 * x + y] == digit.pixels[28 * y + x], "row ", y, ", column ", x);
}

TEST("digit image: grain and a grey background are no ink") {
  GreyImage image = rectangle(200, 100, 80, 20, 120, 80);
  Random random(1, 0);
  for (uint8_t& pixel : image.pixels)
    pixel = static_cast<uint8_t>((pixel ? 60 : 180) + random.below(21) - 10);
  const PreparedDigit digit = prepared(image);
  CHECK_EQUAL(digit.done.at(1), "scaled: the ink, 40x60 of 200x100, to 13x20");
  const double mass = std::accumulate(digit.pixels.begin(), digit.pixels.end(), 0.0) / 255;
  CHECK_NEAR(mass, 260, 1);

  // A few light pixels make the paper look lighter than most of it is.
  GreyImage glitter = rectangle(200, 100, 80, 20, 120, 80);
  for (size_t i = 0; i < glitter.pixels.size(); ++i)
    glitter.pixels[i] = glitter.pixels[i] ? 60 : i % 97 == 0 ? 255 : 180;
  CHECK_EQUAL(prepared(glitter).done.at(1), "scaled: the ink, 40x60 of 200x100, to 13x20");
}

TEST("digit image: light that falls off, a shadow and a table change nothing") {
  const GreyImage plain = dark(200, 200, 90, 50, 110, 150);
  const PreparedDigit expected = prepared(plain);
  const auto lit = [&](const std::function<double(int y, int x)>& light) {
    GreyImage image = plain;
    for (int y = 0; y < 200; ++y)
      for (int x = 0; x < 200; ++x)
        image.at(y, x) = static_cast<uint8_t>(std::lround((image.at(y, x) ? 230 : 50) * light(y, x)));
    return prepared(image);
  };
  CHECK(difference(lit([](int, int) { return 1.0; }), expected) == 0);
  const double lamp = difference(lit([](int y, int x) { return 1 - 0.6 * (y + x) / 400; }), expected);
  CHECK(lamp < 2, lamp);
  const double shadow = difference(lit([](int y, int) { return y < 100 ? 0.4 : 1; }), expected);
  CHECK(shadow < 2, shadow);
  GreyImage table = dark(200, 200, 0, 0, 200, 200);
  for (int y = 20; y < 180; ++y)
    for (int x = 25; x < 180; ++x) table.at(y, x) = plain.at(y, x);
  CHECK(prepared(table).pixels == expected.pixels);
}

TEST("digit image: lines, a box and specks are not the digit, and a broken stroke is one") {
  const GreyImage plain = dark(200, 200, 90, 50, 110, 150);
  const PreparedDigit expected = prepared(plain);
  GreyImage squared = plain;
  for (int y = 0; y < 200; ++y)
    for (int x = 0; x < 200; ++x)
      if ((y + 10 + x / 40) % 25 < 2 || (x + 200 - y / 40) % 25 < 2) squared.at(y, x) = std::min<uint8_t>(120, plain.at(y, x));
  const double lines = difference(prepared(squared), expected);
  CHECK(lines < 3, lines);

  GreyImage boxed = darker(plain, inverted(rectangle(200, 200, 60, 30, 140, 170)));
  for (int y = 36; y < 164; ++y)
    for (int x = 66; x < 134; ++x) boxed.at(y, x) = plain.at(y, x);
  CHECK(prepared(boxed).pixels == expected.pixels);
  // Alone, it is what there is to be read.
  GreyImage box = boxed;
  for (int y = 36; y < 164; ++y)
    for (int x = 66; x < 134; ++x) box.at(y, x) = 255;
  CHECK_EQUAL(prepared(box).done.at(1), "scaled: the ink, 80x140 of 200x200, to 11x20");

  GreyImage dusty = plain;
  for (int i = 0; i < 12; ++i) dusty = darker(dusty, dark(200, 200, 12 * i, 10 + i, 12 * i + 4, 14 + i));
  CHECK(prepared(dusty).pixels == expected.pixels);

  const GreyImage broken = darker(dark(200, 200, 90, 50, 110, 99), dark(200, 200, 90, 101, 110, 150));
  CHECK_EQUAL(prepared(broken).done.at(1), "scaled: the ink, 20x100 of 200x200, to 4x20");
}

TEST("digit image: ink at the edge is read where there is nothing else, and a second thing is mentioned") {
  const GreyImage edge = dark(200, 200, 90, 0, 110, 100), middle = dark(200, 200, 40, 60, 60, 140);
  CHECK_EQUAL(prepared(edge).done.at(1), "scaled: the ink, 20x100 of 200x200, to 4x20");
  CHECK_EQUAL(prepared(darker(edge, middle)).done.at(1), "scaled: the ink, 20x80 of 200x200, to 5x20");
  const std::string sentence = "more than one thing stands out: this is the largest";
  const PreparedDigit two = prepared(darker(middle, dark(200, 200, 120, 60, 140, 130)));
  CHECK_EQUAL(two.done.at(1), sentence);
  CHECK_EQUAL(two.done.at(2), "scaled: the ink, 20x80 of 200x200, to 5x20");
  const PreparedDigit one = prepared(darker(middle, dark(200, 200, 120, 60, 140, 90)));
  CHECK(std::count(one.done.begin(), one.done.end(), sentence) == 0);
}

TEST("digit image: sizes at the limits, and a blank image") {
  const auto inked = [](const GreyImage& image) {
    const PreparedDigit digit = prepared(image);
    return 784 - std::count(digit.pixels.begin(), digit.pixels.end(), 0);
  };
  CHECK_EQUAL(inked(rectangle(3, 3, 1, 1, 2, 2)), 400);         // one pixel becomes the box
  CHECK_EQUAL(inked(rectangle(90, 2000, 40, 1, 45, 1999)), 20);  // a hair becomes a line
  CHECK_EQUAL(inked(rectangle(2000, 90, 1, 40, 1999, 45)), 20);
  CHECK_ERROR(prepared(rectangle(28, 28, 0, 0, 0, 0)), "x.png: expected a digit, found nothing that stands out");
  CHECK_ERROR(prepared(rectangle(1, 1, 0, 0, 1, 1)), "x.png: ");
  CHECK_ERROR(prepared(inverted(rectangle(50, 40, 0, 0, 0, 0))), "x.png: ");
  CHECK_ERROR(prepared(dark(200, 200, 100, 100, 108, 108)), "x.png: ");  // a speck
}

TEST("digit image: a large one takes little memory beside its own") {
  const GreyImage image = dark(4096, 4096, 1504, 1600, 1904, 3200);
  const test::MemoryLimit limit(4 << 20);
  CHECK_EQUAL(prepared(image).done.at(1), "scaled: the ink, 25x100 of 256x256, to 5x20");
}

}  // namespace plainnet
