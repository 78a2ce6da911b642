#include "files/safetensors.h"

#include <algorithm>
#include <bit>
#include <cctype>
#include <cstring>
#include <set>

#include "base/error.h"
#include "base/files.h"
#include "base/numbers.h"

namespace plainnet {

// The numbers of a file are little-endian; they are copied to and from memory as they stand.
static_assert(std::endian::native == std::endian::little);

static const char* const kMetadata = "__metadata__";

namespace {

/// A tensor of float32 as the header describes it: its bytes are [begin, end) of what follows the header.
struct Entry {
  Tensor tensor;  // without its values
  int64_t begin, end;
};

/// Reads the header, which is one JSON object (RFC 8259) of a known form:
/// {"__metadata__": {"key": "value"},
///  "name": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
struct HeaderReader {
  const std::string& path;
  std::string_view header;
  size_t at = 0;  // the byte at hand

  std::vector<Entry> read(std::map<std::string, std::string>* metadata) {
    std::vector<Entry> entries;
    object([&](const std::string& name) {
      if (name == kMetadata) object([&](const std::string& key) { (*metadata)[key] = string(); });
      else entries.push_back(entry(name));
    });
    if (next() >= 0) fail("the end");
    return entries;
  }

  /// The byte at hand, or -1 at the end.
  int here() const { return at < header.size() ? byte_at(header, at) : -1; }

  /// The same after white space.
  int next() {
    while (here() > 0 && std::strchr(" \t\r\n", here())) ++at;
    return here();
  }

  [[noreturn]] void fail(const std::string& expected) const {
    const std::string byte = std::isprint(here()) ? format("'%c'", here()) : text("byte ", here());
    throw Error(path, ": broken header at byte ", 8 + at, ": expected ", expected, ", found ",
                here() < 0 ? "the end" : byte);
  }

  /// Skips `c`, if it comes next.
  bool accept(char c) {
    if (next() != c) return false;
    ++at;
    return true;
  }

  void expect(char c) {
    if (!accept(c)) fail(text("'", c, "'"));
  }

  /// Reads an object, calling `value` with each key to read what belongs to it. Returns the number
  /// of keys.
  template <class Value>
  size_t object(Value value) {
    std::set<std::string> keys;
    expect('{');
    if (accept('}')) return 0;
    do {
      const std::string key = string();
      if (!keys.insert(key).second)
        throw Error(path, ": expected each name once in the header, found \"", key, "\" twice");
      expect(':');
      value(key);
    } while (accept(','));
    expect('}');
    return keys.size();
  }

  std::vector<int64_t> numbers() {
    std::vector<int64_t> all;
    expect('[');
    if (accept(']')) return all;
    do {
      next();
      const std::string digits(header.substr(at, header.find_first_not_of("0123456789", at) - at));
      int64_t value = 0;
      // Beyond 2^53 JSON's numbers are not exact.
      if (!read_number(digits, &value) || digits != text(value) || value >> 53)
        fail("a whole number below 2^53");
      at += digits.size();
      all.push_back(value);
    } while (all.size() < 8 && accept(','));  // no tensor of ours has more than 4 dimensions
    expect(']');
    return all;
  }

  std::string string() {
    expect('"');
    std::string result;
    for (; here() != '"'; ++at) {
      if (here() < 0x20) fail(here() < 0 ? "'\"'" : "no control character in a string");
      result += here() == '\\' ? escape() : header[at];
    }
    ++at;
    return result;
  }

  /// What an escape sequence stands for, which ends at the byte at hand then.
  char escape() {
    constexpr std::string_view kEscapes = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
    ++at;
    const size_t i = here() < 0 ? kEscapes.npos : kEscapes.find(header[at]);
    if (i != kEscapes.npos) return kMeanings[i];
    const std::string digits(header.substr(std::min(at + 1, header.size()), 4));
    uint32_t code = 0;
    if (here() != 'u' || digits.size() != 4 || !read_number(digits, &code, 16) || code > 127)
      fail("an escape sequence of one letter, or \\u0000 to \\u007f (other characters as UTF-8)");
    at += 4;
    return static_cast<char>(code);
  }

  Entry entry(const std::string& name) {
    std::string type;
    std::vector<int64_t> shape, offsets;
    const std::string expected = text(path, ": tensor \"", name, "\": expected ");
    const size_t keys = object([&](const std::string& key) {
      if (key == "dtype") type = string();
      else if (key == "shape") shape = numbers();
      else if (key == "data_offsets") offsets = numbers();
      else throw Error(expected, "dtype, shape and two data_offsets, found \"", key, "\"");
    });
    if (keys != 3 || offsets.size() != 2)
      throw Error(expected, "dtype, shape and two data_offsets, found ", keys, " of these and ",
                  offsets.size(), " data_offsets");
    if (type != "F32")
      throw Error(expected, "type F32, found ", type,
                  ": save it as float32 (x.astype(\"float32\") in NumPy, x.float() in PyTorch)");
    return {{name, shape, {}}, offsets[0], offsets[1]};
  }
};

}  // namespace

std::string quoted(const std::string& s) {
  std::string result = "\"";
  for (const char c : s)
    result += static_cast<unsigned char>(c) < 0x20 ? format("\\u%04x", c)
                                                   : text(c == '"' || c == '\\' ? "\\" : "", c);
  return result + "\"";
}

TensorFile read_safetensors(const std::string& path) {
  const std::string bytes = read_file(path);
  uint64_t length = 0;
  if (bytes.size() < sizeof length)
    throw Error(path, ": expected a header length of 8 bytes, found ", bytes.size(),
                " bytes in the whole file");
  std::memcpy(&length, bytes.data(), sizeof length);
  if (length > 100'000'000)  // the format's own limit
    throw Error(path, ": expected a header of at most 100000000 bytes, found a length of ", length,
                "; not a safetensors file?");
  const std::string_view rest = std::string_view(bytes).substr(sizeof length);
  if (length > rest.size())
    throw Error(path, ": cut short: expected a header of ", length, " bytes, found ", rest.size());

  TensorFile file;
  std::vector<Entry> entries = HeaderReader{path, rest.substr(0, length)}.read(&file.metadata);
  const std::string_view data = rest.substr(length);

  // The header may name the tensors in any order; their bytes must fill the rest of the file.
  std::ranges::stable_sort(entries, {}, [](const Entry& entry) { return std::pair(entry.begin, entry.end); });
  int64_t at = 0;
  for (const auto& [tensor, begin, end] : entries) {
    const std::string expected = text(path, ": tensor \"", tensor.name, "\": expected ");
    if (begin != at || end < at)
      throw Error(expected, "its bytes to begin at ", at, ", where the tensor before ends, ",
                  "found data_offsets ", begin, ", ", end);
    const int64_t size = tensor.size(), found = end - begin;
    if (size < 0 || found % 4 || found / 4 != size)
      throw Error(expected, "4 bytes for each element of ", tensor.shape_text(), ", found ", found, " bytes");
    at = end;
  }
  if (const auto found = static_cast<int64_t>(data.size()); at != found)
    throw Error(path, found < at ? ": cut short" : ": too long", ": expected ", at,
                " bytes of tensors, found ", found);
  for (auto& [tensor, begin, end] : entries) {
    tensor.values.resize(tensor.size());
    data.copy(reinterpret_cast<char*>(tensor.values.data()), end - begin, begin);
    file.tensors.push_back(std::move(tensor));
  }
  return file;
}

void write_safetensors(const std::string& path, const TensorFile& file) {
  std::string header, data, metadata;
  for (const auto& [key, value] : file.metadata)
    metadata += text(metadata.empty() ? "" : ",", quoted(key), ":", quoted(value));
  if (!metadata.empty()) header = text(",", quoted(kMetadata), ":{", metadata, "}");
  for (const Tensor& tensor : file.tensors) {
    const size_t begin = data.size();
    data.append(reinterpret_cast<const char*>(tensor.values.data()), tensor.values.size() * sizeof(float));
    std::string shape;
    for (const int64_t dimension : tensor.shape) shape += text(shape.empty() ? "" : ",", dimension);
    header += text(",", quoted(tensor.name), ":{\"dtype\":\"F32\",\"shape\":[", shape,
                   "],\"data_offsets\":[", begin, ",", data.size(), "]}");
  }
  header = text("{", header.substr(!header.empty()), "}");  // without the first comma
  header.resize((header.size() + 7) / 8 * 8, ' ');          // so that the tensors lie aligned
  const uint64_t length = header.size();
  const std::string frame(reinterpret_cast<const char*>(&length), sizeof length);
  write_file_atomically(path, frame + header + data);
}

}  // namespace plainnet
