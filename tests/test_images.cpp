#include <algorithm>
#include <fstream>
#include <numeric>

#include "base/random.h"
#include "images/own_digit.h"
#include "base/files.h"
#include "images/image.h"
#include "images/png.h"
#include "tests/small_run.h"

namespace plainnet {

// A parser of PNG files that shares no code with src/png.cpp. It knows what encode_png() may write:
// one IDAT chunk of one block of deflate's fixed code, in which all repetitions are of one byte.

static uint32_t number_at(const std::string& bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = at; i < at + 4; ++i) value = value * 256 + static_cast<uint8_t>(bytes.at(i));
  return value;
}

/// The checksum of ISO 3309, bit by bit.
static uint32_t slow_crc(const std::string& bytes) {
  uint32_t crc = ~0u;
  for (const char c : bytes)
    for (int bit = 0; bit < 8; ++bit) {
      const bool carry = (crc ^ static_cast<uint8_t>(c) >> bit) & 1;
      crc = (crc >> 1) ^ (carry ? 0xEDB88320 : 0);
    }
  return ~crc;
}

static std::string inflate_runs(const std::string& bytes) {
  size_t bit = 0;
  const auto take = [&](int count, bool highest_first) {
    int value = 0;
    for (int i = 0; i < count; ++i, ++bit) {
      const int b = static_cast<uint8_t>(bytes.at(bit / 8)) >> (bit % 8) & 1;
      value = highest_first ? value * 2 + b : value + (b << i);
    }
    return value;
  };
  CHECK_EQUAL(take(16, false), 0x0178);  // deflate, no dictionary
  CHECK_EQUAL(take(3, false), 3);        // the last block, of the fixed code
  std::string out;
  while (true) {
    int code = take(7, true);
    int symbol = 256 + code;
    if (code >= 24) {
      code = code * 2 + take(1, true);
      symbol = code < 0xC0 ? code - 0x30 : code < 0xC8 ? 280 + code - 0xC0 : -1;
      if (symbol < 0) symbol = 144 + code * 2 + take(1, true) - 0x190;
    }
    if (symbol == 256) break;
    if (symbol < 256) {
      out += static_cast<char>(symbol);
      continue;
    }
    int extra = 0, length = 258;
    if (symbol < 265) length = symbol - 254;
    if (symbol >= 265 && symbol < 285) {
      extra = (symbol - 261) / 4;
      length = 3 + ((4 + (symbol - 261) % 4) << extra) + take(extra, false);
    }
    CHECK_EQUAL(take(5, true), 0);  // the distance: 1
    CHECK(!out.empty());
    out.append(static_cast<size_t>(length), char{out.back()});
  }
  uint64_t a = 1, b = 0;
  for (const char c : out) b = (b + (a = (a + static_cast<uint8_t>(c)) % 65521)) % 65521;
  CHECK_EQUAL(number_at(bytes, (bit + 7) / 8), b * 65536 + a);
  CHECK_EQUAL(bytes.size(), (bit + 7) / 8 + 4);
  return out;
}

static void check_png(const std::string& png, uint32_t width, uint32_t height,
                      const std::vector<uint8_t>& pixels) {
  CHECK_EQUAL(png.substr(0, 8), "\x89PNG\r\n\x1a\n");
  std::vector<std::string> types, data;
  size_t at = 8;
  while (at < png.size()) {
    const size_t length = number_at(png, at);
    CHECK(at + 12 + length <= png.size());
    CHECK_EQUAL(slow_crc(png.substr(at + 4, length + 4)), number_at(png, at + 8 + length));
    types.push_back(png.substr(at + 4, 4));
    data.push_back(png.substr(at + 8, length));
    at += 12 + length;
  }
  CHECK((types == std::vector<std::string>{"IHDR", "IDAT", "IEND"}));
  CHECK_EQUAL(data[0].size(), size_t{13});
  CHECK_EQUAL(number_at(data[0], 0), width);
  CHECK_EQUAL(number_at(data[0], 4), height);
  const std::string rest{8, 2, 0, 0, 0};  // RGB of 8 bits
  CHECK(data[0].substr(8) == rest);
  CHECK(data[2].empty());

  const std::string rows = inflate_runs(data[1]);
  const size_t row_size = 3 * width;
  CHECK_EQUAL(rows.size(), height * (row_size + 1));
  std::vector<uint8_t> got, above(row_size);
  for (size_t y = 0; y < height; ++y) {
    CHECK_EQUAL(int{rows[y * (row_size + 1)]}, 2);  // the filter "up"
    for (size_t x = 0; x < row_size; ++x) {
      above[x] = static_cast<uint8_t>(above[x] + rows[y * (row_size + 1) + 1 + x]);
      got.push_back(above[x]);
    }
  }
  CHECK(got == pixels);
}

/// Bytes in runs of all lengths, with all values.
static std::vector<uint8_t> sample(size_t size, uint64_t seed) {
  Random random(seed, 0);
  std::vector<uint8_t> bytes;
  while (bytes.size() < size) {
    const size_t run = random.below(3) ? 1 : random.below(300);
    bytes.insert(bytes.end(), run, static_cast<uint8_t>(random.bits()));
  }
  bytes.resize(size);
  return bytes;
}

TEST("png: what is written is valid and holds the pixels") {
  for (const int width : {1, 2, 7, 28, 300})
    for (const int height : {1, 3, 28}) {
      const size_t samples = static_cast<size_t>(3 * width * height);
      const RgbImage image{width, height, sample(samples, samples)};
      check_png(encode_png(image), width, height, image.pixels);
    }
  const RgbImage flat{600, 600, std::vector<uint8_t>(3 * 600 * 600, 200)};
  const std::string png = encode_png(flat);
  check_png(png, 600, 600, flat.pixels);
  CHECK(png.size() < 10000, png.size());
}

TEST("png: what is written is read again") {
  const GreyImage grey{37, 11, sample(37 * 11, 1)};
  const std::string path = test::scratch_folder() + "/x.png";
  write_file_atomically(path, test::grey_png(grey));
  const GreyImage again = read_image(path);
  CHECK_EQUAL(again.width, 37);
  CHECK_EQUAL(again.height, 11);
  CHECK(again.pixels == grey.pixels);
  const GreyImage red = decode_png(encode_png(RgbImage{2, 1, {255, 0, 0, 0, 255, 0}}), "x");
  CHECK((red.pixels == std::vector<uint8_t>{76, 150}));
}

// Files of all kinds, put together by hand.

static std::string number(uint32_t value) {
  std::string bytes;
  for (int i = 3; i >= 0; --i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}

static std::string chunk(const std::string& type, const std::string& data) {
  return number(static_cast<uint32_t>(data.size())) + type + data + number(slow_crc(type + data));
}

/// Bytes as zlib stores them, in two blocks that are not compressed.
static std::string stored(const std::string& bytes) {
  std::string result = "\x78\x01";
  const size_t half = bytes.size() / 2;
  for (const bool last : {false, true}) {
    const std::string part = last ? bytes.substr(half) : bytes.substr(0, half);
    const auto size = static_cast<uint32_t>(part.size());
    result += {static_cast<char>(last), static_cast<char>(size), static_cast<char>(size >> 8),
               static_cast<char>(~size), static_cast<char>(~size >> 8)};
    result += part;
  }
  uint32_t a = 1, b = 0;
  for (const char c : bytes) b = (b + (a = (a + static_cast<uint8_t>(c)) % 65521)) % 65521;
  return result + number(b * 65536 + a);
}

struct Kind {
  int depth, type, interlace = 0;
};

static std::string png_of(int width, int height, Kind kind, const std::string& compressed,
                          const std::string& more_chunks = "") {
  const std::string rest{static_cast<char>(kind.depth), static_cast<char>(kind.type), 0, 0,
                         static_cast<char>(kind.interlace)};
  const size_t half = compressed.size() / 2;  // two IDAT chunks, which are read as one
  return "\x89PNG\r\n\x1a\n" + chunk("IHDR", number(width) + number(height) + rest) +
         chunk("tEXt", std::string("a\0b", 3)) + more_chunks +
         chunk("IDAT", compressed.substr(0, half)) + chunk("IDAT", compressed.substr(half)) +
         chunk("IEND", "");
}

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
static std::string row(int width, Kind kind, const std::vector<int>& bytes,
                       const std::string& more_chunks = "") {
  return png_of(width, 1, kind, stored('\0' + bytes_of(bytes)), more_chunks);
}

TEST("png: every colour type and depth is read") {
  check_read(row(10, {1, 0}, {0b10110010, 0b01000000}), {255, 0, 255, 255, 0, 0, 255, 0, 0, 255});
  check_read(row(5, {2, 0}, {0b00011011, 0b01000000}), {0, 85, 170, 255, 85});
  check_read(row(3, {4, 0}, {0x0F, 0x80}), {0, 255, 136});
  check_read(row(2, {8, 0}, {7, 250}), {7, 250});
  check_read(row(3, {16, 0}, {0, 127, 0, 200, 255, 255}), {0, 1, 255});
  check_read(row(3, {8, 2}, {255, 0, 0, 0, 255, 0, 0, 0, 255}), {76, 150, 29});
  check_read(row(1, {16, 2}, {255, 255, 0, 0, 0, 0}), {76});
  check_read(row(3, {8, 4}, {0, 255, 0, 128, 100, 0}), {0, 127, 255});
  check_read(row(1, {16, 4}, {0, 0, 128, 128}), {127});
  check_read(row(2, {8, 6}, {255, 0, 0, 255, 0, 0, 0, 51}), {76, 204});
  check_read(row(1, {16, 6}, {255, 255, 0, 0, 0, 0, 255, 255}), {76});
  const std::string palette = chunk("PLTE", bytes_of({0, 0, 0, 255, 0, 0, 200, 200, 200}));
  check_read(row(3, {8, 3}, {2, 1, 0}, palette), {200, 76, 0});
  check_read(row(3, {2, 3}, {0b10010000}, palette + chunk("tRNS", bytes_of({0, 255}))),
             {200, 76, 255});
  // One grey, or one colour, declared transparent.
  check_read(row(3, {2, 0}, {0b00011000}, chunk("tRNS", bytes_of({0, 1}))), {0, 255, 170});
  check_read(row(2, {8, 2}, {1, 2, 3, 1, 2, 4}, chunk("tRNS", bytes_of({0, 1, 0, 2, 0, 3}))),
             {255, 2});
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

TEST("png: every filter, and blocks of fixed and dynamic codes") {
  std::vector<int> fixed, dynamic;
  for (int y = 0; y < 10; ++y)
    for (int x = 0; x < 7; ++x) fixed.push_back((3 * x * x + 40 * y + x * y) % 256);
  for (int y = 0; y < 15; ++y)
    for (int x = 0; x < 16; ++x) dynamic.push_back(x * y / 3 % 8 * 32);
  check_read(png_of(7, 10, {8, 0}, unhex(kFixedCode)), fixed);
  check_read(png_of(16, 15, {8, 0}, unhex(kDynamicCode)), dynamic);
  // "Left" is the pixel to the left, three bytes away.
  check_read(png_of(2, 1, {8, 2}, stored(bytes_of({1, 10, 10, 10, 1, 1, 1}))), {10, 11});
  // Paeth's guess where the corner is as near as the left, and as the one above.
  check_read(png_of(2, 2, {8, 0}, stored(bytes_of({0, 10, 12, 4, 252, 1}))), {10, 12, 6, 7});
  check_read(png_of(2, 2, {8, 0}, stored(bytes_of({0, 10, 6, 4, 2, 1}))), {10, 6, 12, 7});
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
  refused(row(1, {8, 0, 1}, {9}), "expected an image that is not interlaced");
  refused(row(1, {8, 1}, {9}), "found type 1 of 8 bits");
  refused(row(1, {4, 2}, {9, 9, 9}), "found type 2 of 4 bits");
  refused(row(1, {16, 3}, {9, 9}), "found type 3 of 16 bits");
  refused(row(1, {3, 0}, {9}), "found type 0 of 3 bits");
  refused(row(0, {8, 0}, {}), "expected 1 to 2^27 pixels, found 0x1");
  refused(png_of(1 << 14, (1 << 13) + 1, {8, 0}, ""), "found 16384x8193");
  refused(row(2, {8, 3}, {0, 1}, chunk("PLTE", "abc")),
          "expected one of the 1 colours of the palette, found number 1");
  refused(png_of(1, 1, {8, 0}, stored("\5\1")), "expected a filter from 0 to 4, found 5");
  refused(row(3, {8, 0}, {1, 2}), "expected 4 bytes of pixels, found 3");
  refused(row(1, {8, 0}, {1, 2}), "expected 2 bytes of pixels, found more");
  refused(png_of(1, 1, {8, 0}, ""), "expected the header of zlib data");
  refused(png_of(1, 1, {8, 0}, "zz"), "expected the header of zlib data");
  refused(png_of(1, 1, {8, 0}, "\x78\x01"), "cut short");
  refused(png_of(1, 1, {8, 0}, "\x78\x01\x07"), "found 3");
  refused(png_of(1, 1, {8, 0}, std::string("\x78\x01\x01\x02\0\0\0", 7)), "complement");
  std::string wrong_sum = stored(bytes_of({0, 9}));
  wrong_sum.back() ^= 1;
  refused(png_of(1, 1, {8, 0}, wrong_sum), "do not match their checksum");
  wrong_sum.resize(wrong_sum.size() - 3);
  refused(png_of(1, 1, {8, 0}, wrong_sum), "do not match their checksum");
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
    const Kind kind{1 << random.below(5), static_cast<int>(random.below(7))};
    try {
      decode_png(png_of(1 + static_cast<int>(random.below(20)), 10, kind, compressed), "x.png");
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(refused > 15000, "refused ", refused, " of 20000");
}

static std::vector<uint8_t> read_netpbm(const std::string& bytes) {
  const std::string path = test::scratch_folder() + "/x.pgm";
  std::ofstream(path, std::ios::binary) << bytes;
  return read_image(path).pixels;
}

TEST("netpbm: text and bytes, grey and colour, comments and depths") {
  using Pixels = std::vector<uint8_t>;
  CHECK((read_netpbm("P2\n# a comment 9\n 3 # width\n 1\n255\n0 128\n# another\n255\n") ==
         Pixels{0, 128, 255}));
  CHECK((read_netpbm("P2 2 2 15 0 5 10 15") == Pixels{0, 85, 170, 255}));
  CHECK((read_netpbm("P3 1 2 255 255 0 0 0 255 0") == Pixels{76, 150}));
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
  refused("", "expected a PNG, PGM or PPM image, found an empty file");
  refused("P4 1 1 x", "found another kind of file");
  refused("P5 a", "expected a width from 1 to 16777216 at byte 3, found no number");
  refused("P5 0 1 255 ", "expected a width from 1");
  refused("P5 1 99999999999 255 ", "expected a height from 1");
  refused("P5 1 1 65536 ", "expected a largest value from 1 to 65535");
  refused("P5 1 1 0 ", "expected a largest value from 1 to 65535 at byte 8, found 0");
  refused("P5 1 1 255", "cut short: expected at least 1 bytes of pixels for 1x1, found 0");
  refused("P5 2 2 255 abc", "expected at least 4 bytes of pixels for 2x2, found 3");
  refused("P6 2 1 300 abcdefghijk", "expected at least 12 bytes of pixels for 2x1, found 11");
  refused("P5 16777216 16777216 255 ", "cut short");
  refused("P5 1 1 3 x", "expected pixels of at most 3, found 120");
  refused("P2 2 1 255 1  ", "expected a pixel from 0 to 255 at byte 14, found no number");
  refused("P2 1 1 255 256", "expected a pixel from 0 to 255");
  refused("P2 1 1 255 -1", "expected a pixel from 0 to 255");
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

TEST("digit image: one of the right size is taken as it is, or inverted") {
  GreyImage image = rectangle(28, 28, 3, 4, 9, 20);
  image.pixels[150] = 77;
  const PreparedDigit same = prepare_digit(image, 28, 28, "x.png");
  CHECK(same.pixels == image.pixels);
  CHECK(same.done.empty());
  const PreparedDigit turned = prepare_digit(inverted(image), 28, 28, "x.png");
  CHECK(turned.pixels == image.pixels);
  CHECK((turned.done == std::vector<std::string>{"inverted: dark on light"}));
}

TEST("digit image: the ink is scaled to 20x20 and centred") {
  // 50x100 pixels of ink become 10x20; their centre goes to that of pixel 14, so that they lie
  // in columns 9 or 10 to 18 or 19 and rows 4 or 5 to 23 or 24: half a pixel either way.
  const PreparedDigit digit =
      prepare_digit(inverted(rectangle(640, 480, 500, 20, 550, 120)), 28, 28, "x.png");
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
                                                "scaled: the ink, 50x100 of 640x480, to 10x20",
                                                "centred in 28x28 by its centre of mass"}));
}

TEST("digit image: edges are grey, and the centre of mass is what is centred") {
  // A bar 1000 high and 975 wide, 25 wide below the first 250 rows: 20x20, with columns 50 apart.
  GreyImage image = rectangle(1200, 1200, 100, 100, 1075, 350);
  const GreyImage stem = rectangle(1200, 1200, 100, 100, 125, 1100);
  for (size_t i = 0; i < image.pixels.size(); ++i)
    image.pixels[i] = std::max(image.pixels[i], stem.pixels[i]);
  const PreparedDigit digit = prepare_digit(image, 28, 28, "x.png");
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
}

TEST("digit image: grain and a grey background are no ink") {
  GreyImage image = rectangle(200, 100, 80, 20, 120, 80);
  Random random(1, 0);
  for (uint8_t& pixel : image.pixels)
    pixel = static_cast<uint8_t>((pixel ? 60 : 180) + random.below(21) - 10);
  const PreparedDigit digit = prepare_digit(image, 28, 28, "x.png");
  CHECK_EQUAL(digit.done.at(1), "scaled: the ink, 40x60 of 200x100, to 13x20");
  const double mass = std::accumulate(digit.pixels.begin(), digit.pixels.end(), 0.0) / 255;
  CHECK_NEAR(mass, 260, 1);
}

TEST("digit image: sizes at the limits, and a blank image") {
  const auto inked = [](const GreyImage& image) {
    const PreparedDigit digit = prepare_digit(image, 28, 28, "x.png");
    return 784 - std::count(digit.pixels.begin(), digit.pixels.end(), 0);
  };
  CHECK_EQUAL(inked(rectangle(3, 3, 1, 1, 2, 2)), 400);       // one pixel becomes the box
  CHECK_EQUAL(inked(rectangle(9, 2000, 4, 1, 5, 1999)), 20);  // a hair becomes a line
  CHECK_EQUAL(inked(rectangle(2000, 9, 1, 4, 1999, 5)), 20);
  CHECK_ERROR(prepare_digit(rectangle(28, 28, 0, 0, 0, 0), 28, 28, "x.png"),
              "x.png: expected a digit, found nothing that stands out");
  CHECK_ERROR(prepare_digit(rectangle(1, 1, 0, 0, 1, 1), 28, 28, "x.png"), "x.png: ");
  CHECK_ERROR(prepare_digit(inverted(rectangle(50, 40, 0, 0, 0, 0)), 28, 28, "x.png"), "x.png: ");
}

}  // namespace plainnet
