#include "images/inflate.h"

#include <vector>

#include "base/error.h"
#include "base/numbers.h"

namespace plainnet {
namespace {

/// A Huffman code: for each length from 0 to 15 the symbols with a code of it, in the order of their codes.
/// Those of length 0 do not occur.
using Code = std::vector<std::vector<int>>;

struct Inflater {
  std::string_view in;
  size_t size;  // of what is unpacked, as far as that is known
  const std::string& name;
  const SizeOfWhole& whole;
  std::string out = {};
  size_t at = 0;  // the next bit of `in`

  std::string unpack() {
    const bool gzip = in.starts_with("\x1f\x8b");
    gzip ? gzip_header() : zlib_header();
    for (bool last = false; !last;) {
      last = bits(1);
      const int kind = bits(2);
      if (kind == 3) fail("expected a block of kind 0, 1 or 2, found 3");
      kind == 0 ? stored_block() : kind == 1 ? fixed_block() : dynamic_block();
    }
    if (out.size() != size) fail(text("expected ", size, " bytes, found ", out.size()));
    skip_to_whole_byte();
    if (gzip && static_cast<uint32_t>(bits(32)) != crc32(out)) fail("the bytes do not match their checksum");
    return std::move(out);
  }

  void zlib_header() {
    const int method = bits(8), flags = bits(8);
    if ((method & 15) != 8 || flags & 32 || (256 * method + flags) % 31)
      fail("expected the header of zlib data, found something else");
  }

  void gzip_header() {
    const int magic = bits(16), method = bits(8), flags = bits(8);
    if (magic != 0x8B1F || method != 8 || flags > 31)
      fail("expected the header of gzip data, found something else");
    for (int i = 0; i < 6; ++i) bits(8);                                  // when and where it was packed
    for (int left = flags & 4 ? bits(16) : 0; left > 0; --left) bits(8);  // further fields
    for (const int words : {8, 16})                                       // the file's name, a comment
      while (flags & words && bits(8) != 0) continue;
    if (flags & 2) bits(16);  // a checksum of the header
  }

  [[noreturn]] void fail(const std::string& problem) const {
    throw Error(name, ": broken compressed data: ", problem);
  }

  /// The next bits as a number, the lowest first.
  int bits(int count) {
    int value = 0;
    for (int i = 0; i < count; ++i, ++at) {
      if (at / 8 == in.size()) fail("cut short");
      value |= (byte_at(in, at / 8) >> at % 8 & 1) << i;
    }
    return value;
  }

  void skip_to_whole_byte() { at = (at + 7) / 8 * 8; }

  void put(char c) {
    if (out.size() == size && whole) size = whole(out);
    if (out.size() == size) fail(text("expected ", size, " bytes, found more"));
    out += c;
  }

  /// The canonical code: of the codes of one length the first symbols have the smallest, and a longer code
  /// follows on from the shorter ones. `lengths`: that of each symbol's code.
  Code code_of(const std::vector<int>& lengths) const {
    Code code(16);
    for (int symbol = 0; symbol < std::ssize(lengths); ++symbol) code[lengths[symbol]].push_back(symbol);
    for (size_t length = 1, unused = 2; length < 16; ++length, unused *= 2) {
      if (code[length].size() > unused) fail("more codes than their lengths allow");
      unused -= code[length].size();
    }
    return code;
  }

  int symbol(const Code& code) {
    size_t beyond = 0;  // how far the bits are beyond the first code of that length, as numbers
    for (size_t length = 1; length < 16; ++length) {
      beyond = 2 * beyond + bits(1);
      if (beyond < code[length].size()) return code[length][beyond];
      beyond -= code[length].size();
    }
    fail("expected a symbol, found an unused code");
  }

  void stored_block() {
    skip_to_whole_byte();
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
      if (distance > out.size()) fail("a distance reaches back before the beginning");
      for (int i = 0; i < length; ++i) put(out[out.size() - distance]);
    }
  }
};

}  // namespace

std::string inflate(std::string_view compressed, size_t size, const std::string& name,
                    const SizeOfWhole& whole) {
  return Inflater{compressed, size, name, whole}.unpack();
}

uint32_t crc32(std::string_view bytes) {
  uint32_t crc = 0xFFFFFFFF;
  for (size_t i = 0; i < bytes.size(); ++i) {
    crc ^= byte_at(bytes, i);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
  }
  return ~crc;
}

}  // namespace plainnet
