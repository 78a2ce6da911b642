#include "files/safetensors.h"

#include <algorithm>
#include <bit>
#include <cctype>
#include <charconv>
#include <cstring>
#include <set>
#include <string_view>

#include "base/error.h"
#include "base/files.h"

namespace plainnet {

// The numbers of a file are little-endian; they are copied to and from memory as they stand.
static_assert(std::endian::native == std::endian::little);

static const char* const kMetadata = "__metadata__";

const Tensor* TensorFile::find(const std::string& name) const {
  for (const Tensor& tensor : tensors)
    if (tensor.name == name) return &tensor;
  return nullptr;
}

namespace {

/// A tensor as the header describes it: its bytes are [begin, end) of what follows the header.
struct Entry {
  std::string name, type;
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;
};

/// Reads the header, which is one JSON object (RFC 8259) of a known form:
/// {"__metadata__": {"key": "value"},
///  "name": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
class HeaderReader {
 public:
  HeaderReader(const std::string& path, std::string_view header) : path_(path), text_(header) {}

  std::vector<Entry> read(std::map<std::string, std::string>* metadata) {
    std::vector<Entry> entries;
    object([&](const std::string& name) {
      if (name == kMetadata)
        object([&](const std::string& key) { (*metadata)[key] = string(); });
      else
        entries.push_back(entry(name));
    });
    space();
    if (at_ != text_.size()) fail("the end");
    return entries;
  }

 private:
  [[noreturn]] void fail(const std::string& expected) const {
    std::string found = "the end";
    if (at_ < text_.size()) found = text("byte ", int{static_cast<unsigned char>(text_[at_])});
    if (at_ < text_.size() && std::isprint(static_cast<unsigned char>(text_[at_])))
      found = text("'", text_[at_], "'");
    throw Error(text(path_, ": broken header at byte ", 8 + at_, ": expected ", expected,
                     ", found ", found));
  }

  void space() {
    while (at_ < text_.size() && std::strchr(" \t\r\n", text_[at_]) && text_[at_]) ++at_;
  }

  /// Skips `c` and the space before it, if it comes next.
  bool accept(char c) {
    space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
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
        throw Error(
            text(path_, ": expected each name once in the header, found \"", key, "\" twice"));
      expect(':');
      value(key);
    } while (accept(','));
    expect('}');
    return keys.size();
  }

  template <class Number>
  std::vector<Number> numbers() {
    std::vector<Number> result;
    expect('[');
    if (accept(']')) return result;
    do result.push_back(static_cast<Number>(number()));
    while (accept(','));
    expect(']');
    return result;
  }

  /// Reads digits of `base` into *value and returns how many there were, at most `most`.
  template <class Number>
  size_t digits(int base, size_t most, Number* value) {
    const std::string_view next = text_.substr(at_, most);
    const auto result = std::from_chars(next.data(), next.data() + next.size(), *value, base);
    if (result.ec != std::errc()) return 0;
    const size_t count = static_cast<size_t>(result.ptr - next.data());
    at_ += count;
    return count;
  }

  uint64_t number() {
    space();
    const bool leading_zero = at_ < text_.size() && text_[at_] == '0';
    uint64_t value = 0;
    const size_t count = digits(10, 20, &value);
    // Beyond 2^53 JSON's numbers are not exact.
    if (count == 0 || (leading_zero && count > 1) || value >> 53) fail("a whole number below 2^53");
    return value;
  }

  uint32_t hex4() {
    uint32_t value = 0;
    if (digits(16, 4, &value) != 4) fail("four hexadecimal digits");
    return value;
  }

  /// What follows \u, as UTF-8. A character above 0xFFFF is written as two, a surrogate pair.
  std::string unicode() {
    uint32_t c = hex4();
    if (c >= 0xD800 && c < 0xDC00 && text_.substr(at_, 2) == "\\u") {
      at_ += 2;
      const uint32_t low = hex4();
      if (low < 0xDC00 || low > 0xDFFF) fail("the second half of a surrogate pair");
      c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
    }
    if (c >= 0xD800 && c < 0xE000) fail("a whole surrogate pair");
    const auto tail = [c](int shift) { return static_cast<char>(0x80 | ((c >> shift) & 0x3F)); };
    if (c < 0x80) return {static_cast<char>(c)};
    if (c < 0x800) return {static_cast<char>(0xC0 | c >> 6), tail(0)};
    if (c < 0x10000) return {static_cast<char>(0xE0 | c >> 12), tail(6), tail(0)};
    return {static_cast<char>(0xF0 | c >> 18), tail(12), tail(6), tail(0)};
  }

  std::string string() {
    expect('"');
    std::string result;
    while (at_ < text_.size() && text_[at_] != '"') {
      const char c = text_[at_];
      if (static_cast<unsigned char>(c) < 0x20) fail("no control character in a string");
      ++at_;
      if (c != '\\') {
        result += c;
        continue;
      }
      const char escape = at_ < text_.size() ? text_[at_] : '\0';
      const char* const escapes = "\"\\/bfnrt";
      const char* const found = std::strchr(escapes, escape);
      if (escape == '\0' || (!found && escape != 'u')) fail("an escape sequence");
      ++at_;
      if (found)
        result += "\"\\/\b\f\n\r\t"[found - escapes];
      else
        result += unicode();
    }
    if (at_ == text_.size()) fail("'\"'");
    ++at_;
    return result;
  }

  Entry entry(const std::string& name) {
    Entry entry;
    entry.name = name;
    std::vector<uint64_t> offsets;
    const std::string expected =
        text(path_, ": tensor \"", name, "\": expected dtype, shape and two data_offsets, found ");
    const size_t keys = object([&](const std::string& key) {
      if (key == "dtype")
        entry.type = string();
      else if (key == "shape")
        entry.shape = numbers<int64_t>();
      else if (key == "data_offsets")
        offsets = numbers<uint64_t>();
      else
        throw Error(text(expected, "\"", key, "\""));
    });
    if (keys != 3) throw Error(text(expected, keys, " of these"));
    if (offsets.size() != 2) throw Error(text(expected, offsets.size(), " data_offsets"));
    entry.begin = offsets[0];
    entry.end = offsets[1];
    return entry;
  }

  const std::string& path_;
  std::string_view text_;
  size_t at_ = 0;
};

template <class Stored>
Stored load(const char* bytes) {
  Stored stored;
  std::memcpy(&stored, bytes, sizeof stored);
  return stored;
}

/// IEEE 754's 16-bit format: 1 bit sign, 5 exponent, 10 fraction.
float load_half(const char* bytes) {
  const uint32_t half = load<uint16_t>(bytes), sign = (half & 0x8000) << 16,
                 exponent = half >> 10 & 31, fraction = half & 0x3FF;
  if (exponent == 0) {  // zero and the numbers below 2^-14
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  const uint32_t wide = exponent == 31 ? 255 : exponent + 127 - 15;  // the biases of the exponents
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

/// The upper half of a float.
float load_bfloat(const char* bytes) {
  return std::bit_cast<float>(uint32_t{load<uint16_t>(bytes)} << 16);
}

float load_double(const char* bytes) { return static_cast<float>(load<double>(bytes)); }

struct Type {
  const char* name;
  uint64_t size;  // in bytes
  float (*to_float)(const char* bytes);
};
constexpr Type kTypes[] = {{"F32", 4, load<float>},
                           {"F64", 8, load_double},
                           {"F16", 2, load_half},
                           {"BF16", 2, load_bfloat}};

/// The tensor of `entry`, whose bytes lie within `data`.
Tensor tensor_of(const std::string& path, const Entry& entry, std::string_view data) {
  Tensor tensor{entry.name, entry.shape, {}};
  const std::string name = text(path, ": tensor \"", entry.name, "\"");
  const Type* type = std::find_if(std::begin(kTypes), std::end(kTypes),
                                  [&](const Type& known) { return entry.type == known.name; });
  if (type == std::end(kTypes))
    throw Error(text(name, ": expected type F32, F64, F16 or BF16, found ", entry.type));
  const int64_t size = tensor.size();
  const uint64_t bytes = entry.end - entry.begin;
  if (size < 0 || bytes % type->size || bytes / type->size != static_cast<uint64_t>(size))
    throw Error(text(name, ": expected ", type->size, " bytes for each element of ",
                     tensor.shape_text(), ", found ", bytes, " bytes"));
  for (uint64_t at = entry.begin; at < entry.end; at += type->size)
    tensor.values.push_back(type->to_float(data.data() + at));
  return tensor;
}

std::string quoted(const std::string& s) {
  std::string result = "\"";
  for (const char c : s) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      result += {'\\', c};
    } else if (code < 0x20) {
      const char* hex = "0123456789abcdef";
      result += {'\\', 'u', '0', '0', hex[code >> 4], hex[code & 15]};
    } else {
      result += c;
    }
  }
  return result + "\"";
}

}  // namespace

TensorFile read_safetensors(const std::string& path) {
  const std::string bytes = read_file(path);
  uint64_t length = 0;
  if (bytes.size() < sizeof length)
    throw Error(text(path, ": expected a header length of 8 bytes, found ", bytes.size(),
                     " bytes in the whole file"));
  std::memcpy(&length, bytes.data(), sizeof length);
  if (length > 100'000'000)  // the format's own limit
    throw Error(text(path, ": expected a header of at most 100000000 bytes, found a length of ",
                     length, "; not a safetensors file?"));
  const std::string_view rest = std::string_view(bytes).substr(sizeof length);
  if (length > rest.size())
    throw Error(
        text(path, ": cut short: expected a header of ", length, " bytes, found ", rest.size()));

  TensorFile file;
  std::vector<Entry> entries = HeaderReader(path, rest.substr(0, length)).read(&file.metadata);
  const std::string_view data = rest.substr(length);

  // The header may name the tensors in any order; their bytes must fill the rest of the file.
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  uint64_t end = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != end || entry.end < end)
      throw Error(text(path, ": tensor \"", entry.name, "\": expected its bytes to begin at ", end,
                       ", where the tensor before ends, found data_offsets ", entry.begin, ", ",
                       entry.end));
    end = entry.end;
  }
  if (end != data.size())
    throw Error(text(path, data.size() < end ? ": cut short" : ": too long", ": expected ", end,
                     " bytes of tensors, found ", data.size()));
  for (const Entry& entry : entries) file.tensors.push_back(tensor_of(path, entry, data));
  return file;
}

void write_safetensors(const std::string& path, const TensorFile& file) {
  std::string header = "{";
  const char* separator = "";
  if (!file.metadata.empty()) {
    header += text(quoted(kMetadata), ":{");
    for (const auto& [key, value] : file.metadata) {
      header += text(separator, quoted(key), ":", quoted(value));
      separator = ",";
    }
    header += "}";
  }
  uint64_t offset = 0;
  for (const Tensor& tensor : file.tensors) {
    std::string shape;
    for (const int64_t dimension : tensor.shape) shape += text(shape.empty() ? "" : ",", dimension);
    const uint64_t end = offset + tensor.values.size() * sizeof(float);
    header += text(separator, quoted(tensor.name), ":{\"dtype\":\"F32\",\"shape\":[", shape,
                   "],\"data_offsets\":[", offset, ",", end, "]}");
    separator = ",";
    offset = end;
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');  // so that the tensors lie aligned

  const uint64_t length = header.size();
  std::string bytes(reinterpret_cast<const char*>(&length), sizeof length);
  bytes.reserve(sizeof length + header.size() + offset);
  bytes += header;
  for (const Tensor& tensor : file.tensors)
    bytes.append(reinterpret_cast<const char*>(tensor.values.data()),
                 tensor.values.size() * sizeof(float));
  write_file_atomically(path, bytes);
}

}  // namespace plainnet
