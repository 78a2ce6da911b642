#include "images/inflate.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/numbers.h"

namespace plainnet {

namespace {

/// The checksum of the decompressed bytes.
uint32_t adler32(std::string_view bytes) {
  uint32_t a = 1, b = 0;
  for (const char c : bytes) {
    a = (a + static_cast<unsigned char>(c)) % 65521;
    b = (b + a) % 65521;
  }
  return b << 16 | a;
}

// Deflate codes a repetition as a length and a distance back. Symbol 257 + i stands for the lengths
// from kLengthBase[i] on, told apart by kLengthExtra[i] further bits; distances likewise.
constexpr int kLengthBase[] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                               31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
constexpr int kLengthExtra[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
constexpr int kDistanceBase[] = {1,    2,    3,    4,    5,    7,    9,    13,    17,    25,
                                 33,   49,   65,   97,   129,  193,  257,  385,   513,   769,
                                 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
constexpr int kDistanceExtra[] = {0, 0, 0, 0, 1, 1, 2, 2,  3,  3,  4,  4,  5,  5,  6,
                                  6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13};
constexpr int kEndOfBlock = 256;

/// Compresses with the fixed code of RFC 1951, section 3.2.6, finding no repetitions but runs of
/// one byte: enough for pictures of flat squares.
class Deflater {
 public:
  std::string compress(std::string_view bytes) {
    put(1, 1);  // the last block
    put(1, 2);  // of the fixed code
    for (size_t i = 0; i < bytes.size();) {
      const size_t last = std::min(bytes.size(), i + 258);
      size_t end = i;
      while (i > 0 && end < last && bytes[end] == bytes[i - 1]) ++end;
      const int run = static_cast<int>(end - i);
      if (run < 3) {
        symbol(byte_at(bytes, i++));
        continue;
      }
      int code = 28;
      while (kLengthBase[code] > run) --code;
      symbol(257 + code);
      put(run - kLengthBase[code], kLengthExtra[code]);
      put(0, 5);  // distance 1
      i = end;
    }
    symbol(kEndOfBlock);
    put(0, 7);  // fills the last byte
    return "\x78\x01" + out_ + big_endian_text(adler32(bytes));
  }

 private:
  /// Appends bits, the lowest first.
  void put(int value, int count) {
    for (int i = 0; i < count; ++i) {
      bits_ |= (value >> i & 1) << used_;
      if (++used_ < 8) continue;
      out_ += static_cast<char>(bits_);
      bits_ = used_ = 0;
    }
  }

  void symbol(int s) {
    if (s < 144)
      code(0x30 + s, 8);
    else if (s < 256)
      code(0x190 + s - 144, 9);
    else if (s < 280)
      code(s - 256, 7);
    else
      code(0xC0 + s - 280, 8);
  }

  /// Appends the bits of a code, the highest first.
  void code(int value, int length) {
    while (length > 0) put(value >> --length, 1);
  }

  std::string out_;
  int bits_ = 0, used_ = 0;
};

/// A canonical Huffman code: of the codes of one length the first symbols have the smallest, and a
/// longer code follows on from the shorter ones.
struct Huffman {
  int count[16] = {};        // [length]: how many codes have it
  std::vector<int> symbols;  // sorted by length

  /// `lengths`: that of each symbol's code, 0 for a symbol that does not occur.
  explicit Huffman(const std::vector<int>& lengths) {
    for (int length = 1; length < 16; ++length)
      for (size_t symbol = 0; symbol < lengths.size(); ++symbol)
        if (lengths[symbol] == length) {
          symbols.push_back(static_cast<int>(symbol));
          ++count[length];
        }
  }

  bool over_subscribed() const {
    int left = 1;
    for (int length = 1; length < 16; ++length)
      if ((left = 2 * left - count[length]) < 0) return true;
    return false;
  }
};

/// Decompresses what zlib compressed.
class Inflater {
 public:
  Inflater(std::string_view in, const std::string& name) : in_(in), name_(name) {}

  /// The decompressed bytes, which must be `size` in number.
  std::string decompress(size_t size) {
    size_ = size;
    if (in_.size() < 2 || (byte_at(in_, 0) & 15) != 8 || byte_at(in_, 1) & 32 ||
        (256 * byte_at(in_, 0) + byte_at(in_, 1)) % 31)
      fail("expected the header of zlib data, found something else");
    at_ = 2;
    bool last = false;
    while (!last) {
      last = bits(1);
      switch (bits(2)) {
        case 0:
          stored_block();
          break;
        case 1:
          fixed_block();
          break;
        case 2:
          dynamic_block();
          break;
        default:
          fail("expected a block of kind 0, 1 or 2, found 3");
      }
    }
    if (out_.size() != size_)
      fail(text("expected ", size_, " bytes of pixels, found ", out_.size()));
    if (in_.size() - at_ < 4 || big_endian(in_, at_) != adler32(out_))
      fail("the pixels do not match their checksum");
    return std::move(out_);
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const {
    throw Error(text(name_, ": broken compressed data: ", problem));
  }

  int bits(int count) {
    int value = 0;
    for (int i = 0; i < count; ++i) {
      if (used_ == 0 && at_ == in_.size()) fail("cut short");
      if (used_ == 0) current_ = byte_at(in_, at_++);
      value |= (current_ >> used_ & 1) << i;
      used_ = (used_ + 1) % 8;
    }
    return value;
  }

  void put(char c) {
    if (out_.size() == size_) fail(text("expected ", size_, " bytes of pixels, found more"));
    out_ += c;
  }

  int symbol(const Huffman& huffman) {
    int code = 0, first = 0, index = 0;  // of the codes of this length: the first, and its index
    for (int length = 1; length < 16; ++length) {
      code |= bits(1);
      const int count = huffman.count[length];
      if (code - first < count) return huffman.symbols[static_cast<size_t>(index + code - first)];
      index += count;
      first = (first + count) * 2;
      code *= 2;
    }
    fail("expected a symbol, found an unused code");
  }

  void stored_block() {
    used_ = 0;  // it begins at a whole byte
    const int length = bits(16), check = bits(16);
    if (length != (check ^ 0xFFFF)) fail("a block's length does not match its complement");
    for (int i = 0; i < length; ++i) put(static_cast<char>(bits(8)));
  }

  void fixed_block() {
    std::vector<int> lengths(288, 8);
    std::fill(lengths.begin() + 144, lengths.begin() + 256, 9);
    std::fill(lengths.begin() + 256, lengths.begin() + 280, 7);
    block(Huffman(lengths), Huffman(std::vector<int>(30, 5)));
  }

  void dynamic_block() {
    const int literals = bits(5) + 257, distances = bits(5) + 1, count = bits(4) + 4;
    // The lengths of the codes are themselves coded; those codes' lengths come in this order.
    constexpr int kOrder[] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    std::vector<int> lengths(19);
    for (int i = 0; i < count; ++i) lengths[kOrder[i]] = bits(3);
    const Huffman length_code = checked(lengths);
    lengths.clear();
    while (static_cast<int>(lengths.size()) < literals + distances) {
      const int s = symbol(length_code);
      if (s == 16 && lengths.empty()) fail("a code length repeats nothing");
      if (s < 16) lengths.push_back(s);
      if (s == 16) lengths.insert(lengths.end(), 3 + bits(2), int{lengths.back()});
      if (s == 17) lengths.insert(lengths.end(), 3 + bits(3), 0);
      if (s == 18) lengths.insert(lengths.end(), 11 + bits(7), 0);
    }
    if (static_cast<int>(lengths.size()) > literals + distances) fail("too many code lengths");
    block(checked({lengths.begin(), lengths.begin() + literals}),
          checked({lengths.begin() + literals, lengths.end()}));
  }

  Huffman checked(const std::vector<int>& lengths) {
    Huffman huffman(lengths);
    if (huffman.over_subscribed()) fail("more codes than their lengths allow");
    return huffman;
  }

  void block(const Huffman& literals, const Huffman& distances) {
    for (int s = symbol(literals); s != kEndOfBlock; s = symbol(literals)) {
      if (s < 256) {
        put(static_cast<char>(s));
        continue;
      }
      s -= 257;
      if (s > 28) fail("expected a length, found an unused symbol");
      const int length = kLengthBase[s] + bits(kLengthExtra[s]);
      const int d = symbol(distances);
      if (d > 29) fail("expected a distance, found an unused symbol");
      const size_t distance = static_cast<size_t>(kDistanceBase[d] + bits(kDistanceExtra[d]));
      if (distance > out_.size()) fail("a distance reaches back before the beginning");
      for (int i = 0; i < length; ++i) put(out_[out_.size() - distance]);
    }
  }

  std::string_view in_;
  const std::string& name_;
  std::string out_;
  size_t at_ = 0, size_ = 0;
  int current_ = 0, used_ = 0;  // the byte at hand, and how many of its bits are used
};

}  // namespace

std::string deflate(std::string_view bytes) { return Deflater().compress(bytes); }

std::string inflate(std::string_view compressed, size_t size, const std::string& name) {
  return Inflater(compressed, name).decompress(size);
}

}  // namespace plainnet
