#include "images/inflate.h"

#include <vector>

#include "base/error.h"
#include "base/numbers.h"

namespace plainnet {
namespace {

/// The checksum of the decompressed bytes.
uint32_t adler32(std::string_view bytes) {
  uint32_t a = 1, b = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    a = (a + byte_at(bytes, i)) % 65521;
    b = (b + a) % 65521;
  }
  return b << 16 | a;
}

/// A Huffman code: how many symbols have a code of each length from 0 to 15, then these symbols in the order
/// of their codes.
using Code = std::vector<int>;

class Inflater {
 public:
  Inflater(std::string_view in, size_t size, const std::string& name) : in_(in), size_(size), name_(name) {}

  std::string decompress() {
    if (in_.size() < 2 || (byte_at(in_, 0) & 15) != 8 || byte_at(in_, 1) & 32 ||
        (256 * byte_at(in_, 0) + byte_at(in_, 1)) % 31)
      fail("expected the header of zlib data, found something else");
    bool last = false;
    while (!last) {
      last = bits(1);
      const int kind = bits(2);
      if (kind == 0) stored_block();
      if (kind == 1) fixed_block();
      if (kind == 2) dynamic_block();
      if (kind == 3) fail("expected a block of kind 0, 1 or 2, found 3");
    }
    if (out_.size() != size_) fail(text("expected ", size_, " bytes of pixels, found ", out_.size()));
    if (in_.size() - at_ < 4 || big_endian(in_, at_) != adler32(out_))
      fail("the pixels do not match their checksum");
    return std::move(out_);
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const {
    throw Error(name_, ": broken compressed data: ", problem);
  }

  /// The next bits as a number, the lowest first.
  int bits(int count) {
    int value = 0;
    for (int i = 0; i < count; ++i) {
      if (used_ == 8) {
        if (at_ == in_.size()) fail("cut short");
        current_ = byte_at(in_, at_++);
        used_ = 0;
      }
      value |= (current_ >> used_++ & 1) << i;
    }
    return value;
  }

  void put(char c) {
    if (out_.size() == size_) fail(text("expected ", size_, " bytes of pixels, found more"));
    out_ += c;
  }

  /// The canonical code: of the codes of one length the first symbols have the smallest, and a longer code
  /// follows on from the shorter ones. `lengths`: that of each symbol's code, 0 for one that does not occur.
  Code code_of(const std::vector<int>& lengths) const {
    Code code(16);
    for (int length = 1, unused = 2; length < 16; ++length, unused *= 2)
      for (size_t symbol = 0; symbol < lengths.size(); ++symbol) {
        if (lengths[symbol] != length) continue;
        if (unused-- == 0) fail("more codes than their lengths allow");
        code.push_back(static_cast<int>(symbol));
        ++code[length];
      }
    return code;
  }

  int symbol(const Code& code) {
    // Of the codes of each length: how far the bits are beyond the first, as numbers, and its symbol's place.
    int beyond = 0, first = 16;
    for (int length = 1; length < 16; ++length) {
      beyond = 2 * beyond + bits(1);
      if (beyond < code[length]) return code[first + beyond];
      beyond -= code[length];
      first += code[length];
    }
    fail("expected a symbol, found an unused code");
  }

  void stored_block() {
    used_ = 8;  // it begins at a whole byte
    const int length = bits(16), check = bits(16);
    if (length != (check ^ 0xFFFF)) fail("a block's length does not match its complement");
    for (int i = 0; i < length; ++i) put(static_cast<char>(bits(8)));
  }

  void fixed_block() {
    std::vector<int> lengths(288, 8);
    for (int i = 144; i < 280; ++i) lengths[i] = i < 256 ? 9 : 7;
    static const Code literals = code_of(lengths), distances = code_of(std::vector<int>(30, 5));
    block(literals, distances);
  }

  void dynamic_block() {
    const size_t literals = bits(5) + 257, all = literals + bits(5) + 1, count = bits(4) + 4;
    // The lengths of the codes are themselves coded; those codes' lengths come in this order.
    constexpr int kOrder[] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    std::vector<int> lengths(19);
    for (size_t i = 0; i < count; ++i) lengths[kOrder[i]] = bits(3);
    const Code length_code = code_of(lengths);
    lengths.clear();
    while (lengths.size() < all) {
      const int s = symbol(length_code);
      if (s == 16 && lengths.empty()) fail("a code length repeats nothing");
      if (s < 16) lengths.push_back(s);
      if (s == 16) lengths.insert(lengths.end(), 3 + bits(2), int{lengths.back()});
      if (s == 17) lengths.insert(lengths.end(), 3 + bits(3), 0);
      if (s == 18) lengths.insert(lengths.end(), 11 + bits(7), 0);
    }
    if (lengths.size() > all) fail("too many code lengths");
    block(code_of({lengths.begin(), lengths.begin() + literals}),
          code_of({lengths.begin() + literals, lengths.end()}));
  }

  /// A number that is coded as a symbol and further bits: none for the first 2 `group` symbols, and for
  /// each `group` of symbols after them one more.
  int extended(int symbol, int group) {
    if (symbol < group) return symbol;
    const int extra = symbol / group - 1;
    return ((group + symbol % group) << extra) + bits(extra);
  }

  /// Bytes as they are, and repetitions: a length, and a distance back to what is repeated.
  void block(const Code& literals, const Code& distances) {
    constexpr int kEndOfBlock = 256, kLongest = 285, kFarthest = 29;
    for (int s = symbol(literals); s != kEndOfBlock; s = symbol(literals)) {
      if (s < 256) {
        put(static_cast<char>(s));
        continue;
      }
      if (s > kLongest) fail("expected a length, found an unused symbol");
      const int length = s == kLongest ? 258 : 3 + extended(s - 257, 4);
      const int d = symbol(distances);
      if (d > kFarthest) fail("expected a distance, found an unused symbol");
      const size_t distance = 1 + extended(d, 2);
      if (distance > out_.size()) fail("a distance reaches back before the beginning");
      for (int i = 0; i < length; ++i) put(out_[out_.size() - distance]);
    }
  }

  std::string_view in_;
  size_t size_;
  const std::string& name_;
  std::string out_;
  size_t at_ = 2;
  int current_ = 0, used_ = 8;  // the byte at hand, and how many of its bits are used
};

}  // namespace

std::string inflate(std::string_view compressed, size_t size, const std::string& name) {
  return Inflater(compressed, size, name).decompress();
}

}  // namespace plainnet
