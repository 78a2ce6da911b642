#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <bit>
#include <filesystem>
#include <fstream>
#include <limits>

#include "base/random.h"
#include "base/files.h"
#include "files/safetensors.h"
#include "tests/small_run.h"

namespace plainnet {

/// A path in the test's folder, where a file of these bytes lies.
static std::string file_of(const std::string& bytes) {
  const std::string path = test::scratch_folder() + "/x.safetensors";
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

/// A safetensors file of this header and data, the length before them.
static std::string framed(const std::string& header, const std::string& data) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(header.size() >> (8 * i));
  return bytes + header + data;
}

static TensorFile read_header(const std::string& header, size_t data_size) {
  return read_safetensors(file_of(framed(header, std::string(data_size, '\0'))));
}

static std::string entry(const std::string& name, const std::string& type, const std::string& shape,
                         int begin, int end) {
  return text("\"", name, "\":{\"dtype\":\"", type, "\",\"shape\":", shape, ",\"data_offsets\":[",
              begin, ",", end, "]}");
}

static std::vector<uint32_t> bits(const std::vector<float>& values) {
  std::vector<uint32_t> result;
  for (const float value : values) result.push_back(std::bit_cast<uint32_t>(value));
  return result;
}

TEST("safetensors: the bytes of a file are what the format says") {
  const std::string path = test::scratch_folder() + "/a.safetensors";
  write_safetensors(path, {{{"a", {2, 1}, {1.0f, -2.5f}}, {"b", {}, {0.5f}}}, {{"epoch", "3"}}});
  const std::string header =
      "{\"__metadata__\":{\"epoch\":\"3\"},"
      "\"a\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]},"
      "\"b\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[8,12]}}";
  const std::string padded = header + std::string((8 - header.size() % 8) % 8, ' ');
  const std::string data("\x00\x00\x80\x3f\x00\x00\x20\xc0\x00\x00\x00\x3f", 12);
  CHECK(read_file(path) == framed(padded, data));
}

TEST("safetensors: what is written is read again, bit for bit") {
  using Limits = std::numeric_limits<float>;
  TensorFile file;
  file.tensors.push_back({"odd",
                          {3, 1, 2},
                          {Limits::quiet_NaN(), Limits::infinity(), -Limits::infinity(), -0.0f,
                           Limits::denorm_min(), Limits::max()}});
  file.tensors.push_back({"scalar", {}, {7}});
  file.tensors.push_back({"empty", {4, 0}, {}});
  file.tensors.push_back({"a \"name\" with \\, \n, \x01 and \xc3\xa9", {1}, {1}});
  file.metadata = {{"", ""}, {"key \"\\\t", "value\r\n\x1f \xf0\x9f\x98\x80"}};
  const std::string path = test::scratch_folder() + "/x.safetensors";
  write_safetensors(path, file);
  const TensorFile again = read_safetensors(path);
  CHECK(again.metadata == file.metadata);
  CHECK_EQUAL(again.tensors.size(), file.tensors.size());
  for (size_t i = 0; i < file.tensors.size(); ++i) {
    CHECK_EQUAL(again.tensors[i].name, file.tensors[i].name);
    CHECK(again.tensors[i].shape == file.tensors[i].shape);
    CHECK(bits(again.tensors[i].values) == bits(file.tensors[i].values));
  }
  CHECK_EQUAL(again.tensors[0].shape_text(), "[3][1][2]");
  CHECK_EQUAL(again.tensors[0].size(), 6);

  write_safetensors(path, {});
  CHECK(read_safetensors(path).tensors.empty());
}

TEST("safetensors: a header in any order, with spaces and escapes") {
  const std::string header =
      " { \"second\" : {\"data_offsets\":[4, 8] ,\n\t\"shape\":[ 1 ],\"dtype\":\"F32\"}, "
      "\"\\u0066irst\": {\"shape\":[1],\"dtype\":\"\\u00463\\u0032\",\"data_offsets\":[0,4]},\r\n"
      "\"__metadata__\":{\"\\\"\\\\\\/\\b\\f\\n\\r\\t\":\"\\u007F\\u001f\xc3\xa9\"} }  ";
  const TensorFile file =
      read_safetensors(file_of(framed(header, std::string("\0\0\x80\x3f\0\0\0\x40", 8))));
  CHECK_EQUAL(file.tensors.size(), size_t{2});
  CHECK_EQUAL(file.tensors[0].name, "first");
  CHECK_EQUAL(file.tensors[0].values.at(0), 1.0f);
  CHECK_EQUAL(file.tensors[1].name, "second");
  CHECK_EQUAL(file.tensors[1].values.at(0), 2.0f);
  CHECK_EQUAL(file.metadata.at("\"\\/\b\f\n\r\t"), "\x7f\x1f\xc3\xa9");
}

TEST("safetensors: an empty tensor is one wherever it stands, whatever the order of its extents") {
  const std::string empty = entry("empty", "F32", "[0,4294967296,4294967296]", 8, 8);
  const std::string other = entry("other", "F32", "[4294967296,4294967296,0]", 8, 8);
  const std::string a = entry("a", "F32", "[2]", 0, 8), b = entry("b", "F32", "[1]", 8, 12);
  for (const std::string& header : {text("{", a, ",", empty, ",", other, ",", b, "}"),
                                    text("{", b, ",", other, ",", empty, ",", a, "}")}) {
    const TensorFile file = read_header(header, 12);
    CHECK_EQUAL(file.tensors.size(), size_t{4});
    CHECK_EQUAL(file.tensors[1].values.size() + file.tensors[2].values.size(), size_t{0});
    CHECK_EQUAL(file.tensors[3].name, "b");
  }
}

TEST("safetensors: a header that is not what the format says is refused") {
  const std::string a = entry("a", "F32", "[2]", 0, 8);
  read_header("{" + a + "}", 8);  // is not refused
  const auto refused = [](const std::string& header, size_t size, const std::string& part) {
    CHECK_ERROR(read_header(header, size), "x.safetensors: ", part);
  };
  refused("", 0, "expected '{', found the end");
  refused("[]", 0, "expected '{', found '['");
  refused("\x01", 0, "found byte 1");
  refused("{" + a, 8, "expected '}', found the end");
  refused("{" + a + ",}", 8, "expected '\"', found '}'");
  refused("{" + a + "} x", 8, "expected the end, found 'x'");
  refused("{\"a\" 1}", 0, "expected ':', found '1'");
  refused("{\"a\":1}", 0, "expected '{', found '1'");
  refused("{\"a", 0, "expected '\"', found the end");
  refused("{\"a\n\":{}}", 0, "expected no control character in a string, found byte 10");
  refused("{\"\\x\":{}}", 0, "(other characters as UTF-8), found 'x'");
  refused("{\"\\", 0, "(other characters as UTF-8), found the end");
  for (const std::string escape : {"\\u006g", "\\u00", "\\u", "\\u0080", "\\u20ac", "\\ud83d\\ude00", "\\u-001"})
    refused("{\"" + escape + "\":{}}", 0, "expected an escape sequence of one letter, or \\u0000 to \\u007f");
  refused("{\"\\u00", 0, "expected an escape sequence");
  refused("{" + a + "," + a + "}", 8, "found \"a\" twice");
  refused("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, "found \"k\" twice");
  refused("{\"__metadata__\":{\"k\":1}}", 0, "expected '\"', found '1'");
  refused("{\"a\":{\"dtype\":\"F32\"}}", 0, "found 1 of these and 0 data_offsets");
  refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 0,
          "found 3 of these and 1 data_offsets");
  refused("{\"a\":{\"dtype\":\"F32\",\"size\":[1]}}", 0, "found \"size\"");
  refused("{\"a\":{\"shape\":[-1]}}", 0, "expected a whole number below 2^53, found '-'");
  refused("{\"a\":{\"shape\":[01]}}", 0, "expected a whole number below 2^53");
  refused("{\"a\":{\"shape\":[1.5]}}", 0, "expected ']', found '.'");
  refused("{\"a\":{\"shape\":[9007199254740992]}}", 0, "expected a whole number below 2^53");
  refused("{\"a\":{\"shape\":[99999999999999999999]}}", 0, "expected a whole number below 2^53");
  refused("{" + entry("a", "I64", "[1]", 0, 8) + "}", 8,
          "tensor \"a\": expected type F32, found I64: save it as float32");
  for (const std::string type : {"F64", "F16", "BF16"})
    refused("{" + entry("a", type, "[1]", 0, 8) + "}", 8,
            text("expected type F32, found ", type, ": save it as float32 (x.astype(\"float32\") in NumPy"));
  refused("{" + entry("a", "F32", "[3]", 0, 8) + "}", 8,
          "tensor \"a\": expected 4 bytes for each element of [3], found 8 bytes");
  refused("{" + entry("a", "F32", "[1]", 0, 7) + "}", 7, "each element of [1], found 7 bytes");
  refused("{" + entry("a", "F32", "[]", 0, 8) + "}", 8, "each element of scalar, found 8 bytes");
  refused("{" + entry("a", "F32", "[4294967296,4294967296]", 0, 0) + "}", 0,
          "each element of [4294967296][4294967296], found 0 bytes");
  refused("{" + entry("a", "F32", "[1,1,1,1,1,1,1,1,1]", 0, 4) + "}", 4, "expected ']', found ','");
  refused("{\"a\":" + std::string(100000, '['), 0, "expected '{', found '['");
  refused("{\"a\":{\"shape\":" + std::string(100000, '['), 0, "expected a whole number below 2^53, found '['");
  refused("{" + entry("a", "F32", "[2]", 4, 12) + "}", 12, "to begin at 0");
  refused("{" + entry("a", "F32", "[2]", 8, 0) + "}", 8, "found data_offsets 8, 0");
  refused("{" + a + "," + entry("b", "F32", "[2]", 4, 12) + "}", 12, "to begin at 8");
  refused("{" + a + "," + entry("b", "F32", "[2]", 12, 20) + "}", 20, "to begin at 8");
  refused("{" + a + "}", 7, "cut short: expected 8 bytes of tensors, found 7");
  refused("{" + a + "}", 9, "too long: expected 8 bytes of tensors, found 9");
}

TEST("safetensors: a file that is something else is refused") {
  CHECK_ERROR(read_safetensors("/nowhere/x"), "/nowhere/x: ", "No such file");
  CHECK_ERROR(read_safetensors(test::scratch_folder()), "expected a plain file, found a folder");
  CHECK_ERROR(read_safetensors(file_of("")), "x.safetensors: expected a header length of 8 bytes");
  CHECK_ERROR(read_safetensors(file_of("PK\3\4 a zip archive")), "not a safetensors file?");
  CHECK_ERROR(read_safetensors(file_of(framed("{}", "").substr(0, 9))),
              "cut short: expected a header of 2 bytes, found 1");
}

TEST("safetensors: a file cut short anywhere is refused; changed bytes do no harm") {
  const std::string path = test::scratch_folder() + "/x.safetensors";
  write_safetensors(path, {{{"a", {3}, {1, 2, 3}}, {"b", {1, 1}, {4}}}, {{"k", "v\n"}}});
  const std::string bytes = read_file(path);
  for (size_t size = 0; size < bytes.size(); ++size)
    CHECK_ERROR(read_safetensors(file_of(bytes.substr(0, size))), "x.safetensors: ");
  Random random(1, 0);
  int refused = 0;
  for (int i = 0; i < 1000; ++i) {
    std::string changed = bytes;
    for (int n = 0; n < 1 + i % 3; ++n)
      changed[random.below(static_cast<uint32_t>(bytes.size()))] = static_cast<char>(random.bits());
    try {
      read_safetensors(file_of(changed));
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(refused > 500, "refused ", refused, " of 1000");
}

TEST("files: a folder and a device are not replaced") {
  const std::string folder = test::scratch_folder();
  CHECK_ERROR(write_file_atomically("/dev/null", "abc"), "/dev/null", "found a device");
  CHECK_ERROR(write_file_atomically(folder, "abc"), folder, "found a folder");
}

TEST("files: what has no end, or does not come, is not read") {
  const std::string folder = test::scratch_folder(), pipe = folder + "/pipe", huge = folder + "/huge";
  CHECK_ERROR(read_file("/dev/zero"), "/dev/zero: expected a plain file, found a device");
  CHECK_ERROR(read_file(folder), folder, "expected a plain file, found a folder");
  CHECK_EQUAL(mkfifo(pipe.c_str(), 0600), 0);
  CHECK_ERROR(read_file(pipe), pipe, "expected a plain file, found a device or a pipe");
  std::ofstream(huge) << "a file with a hole";
  std::filesystem::resize_file(huge, (uintmax_t{4} << 30) + 1);
  CHECK_ERROR(read_file(huge), huge, "expected a plain file of at most 4 GiB, found a larger one");
}

TEST("files: a folder is one run's") {
  const std::string folder = test::scratch_folder();
  {
    const FolderLock one(folder);
    CHECK_ERROR(FolderLock other(folder), folder, "no other run is writing");
  }
  const FolderLock other(folder);
}

TEST("files: writing replaces the file and leaves nothing beside it") {
  const std::string folder = test::scratch_folder(), path = folder + "/x";
  const std::string bytes("a\0b\xff", 4);
  write_file_atomically(path, "old and longer");
  write_file_atomically(path, bytes);
  CHECK(read_file(path) == bytes);
  CHECK_EQUAL(test::files_in(folder), size_t{1});
  write_file_atomically(path, "");
  CHECK_EQUAL(read_file(path), "");
}

TEST("files: where writing fails, the old file stays whole") {
  const std::string folder = test::scratch_folder(), path = folder + "/x";
  write_file_atomically(path, "old");

  // A limit on the size of a file fails in the middle of a write, as a full disk does.
  signal(SIGXFSZ, SIG_IGN);
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit limit{1000, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &limit);
  std::string message;
  try {
    write_file_atomically(path, std::string(5000, 'n'));
  } catch (const Error& error) {
    message = error.what();
  }
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, SIG_DFL);
  CHECK_EQUAL(message, path + ": cannot be written: File too large");
  CHECK_EQUAL(read_file(path), "old");
  CHECK_EQUAL(test::files_in(folder), size_t{1});

  CHECK_ERROR(write_file_atomically(folder + "/none/x", "new"), "/none/x: ", "No such file");
  CHECK_ERROR(write_file_atomically(path + "/y", "new"), "x/y: ", "Not a directory");
  std::filesystem::create_directory(folder + "/d");
  CHECK_ERROR(write_file_atomically(folder + "/d", "new"), "/d: ", "found a folder");
  CHECK_EQUAL(test::files_in(folder), size_t{2});
}

}  // namespace plainnet
