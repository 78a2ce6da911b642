// What messages show of words that come from outside.

#include <fcntl.h>
#include <unistd.h>

#include <new>

#include "base/command_line.h"
#include "base/files.h"
#include "base/numbers.h"
#include "files/safetensors.h"
#include "tests/test.h"

namespace plainnet {
namespace {

TEST("errors: control characters and broken UTF-8 are shown as numbers, letters of all languages as they are") {
  const std::string seen = "gewichte/größe \\ ~ \u00a0\u0950\u20ac\uffff\U00010000\U0010ffff";
  CHECK_EQUAL(shown(seen), seen);
  CHECK_EQUAL(shown(std::string("a\0b\x1b[2J\n\x7f", 9)), "a\\x00b\\x1b[2J\\x0a\\x7f");
  CHECK_EQUAL(shown("\u0080\u009b1m"), "\\xc2\\x80\\xc2\\x9b1m");  // Unicode's control characters
  for (const std::string broken : {"\x80", "\xbf", "\xff", "\xc3", "\xe2\x82", "\xc0\xaf", "\xf5\x90\x80\x80",
                                   "\xf8\x88\x80\x80\x80"}) {
    std::string expected;
    for (const char byte : broken) expected += format("\\x%02x", static_cast<unsigned char>(byte));
    CHECK_EQUAL(shown(broken), expected);
    CHECK_EQUAL(shown(broken + "a"), expected + "a");
  }
}

TEST("errors: of a long message the middle is left out") {
  const std::string begin(1000, 'b'), end(1000, 'e');
  CHECK_EQUAL(shown(begin + end), begin + end);
  CHECK_EQUAL(shown(begin + std::string(12345, '\x1b') + end), begin + " [12345 bytes left out] " + end);
}

TEST("errors: every message shows its words so, however they came into it") {
  const std::string bad("\x1b[2J\0x", 6);
  CHECK_EQUAL(std::string(Error("file ", bad, ": broken").what()), "file \\x1b[2J\\x00x: broken");
  CHECK_ERROR(read_file("/none/\x1b[2J"), "/none/\\x1b[2J: cannot be opened");

  // A tensor whose name is a megabyte: the message keeps what is before the name and after it.
  const std::string path = test::scratch_folder() + "/x.safetensors", name(1 << 20, 'n');
  const std::string header = text("{\"", name, "\":{\"dtype\":\"I8\",\"shape\":[4],\"data_offsets\":[0,4]}}");
  std::string length;
  for (int i = 0; i < 8; ++i) length += static_cast<char>(header.size() >> (8 * i));
  write_file_atomically(path, length + header + "abcd");
  try {
    read_safetensors(path);
    CHECK(false);
  } catch (const Error& error) {
    const std::string message = error.what();
    CHECK(message.size() < 2100, message.size());
    CHECK(message.starts_with(path) && test::contains(message, "expected type F32, found I8"), message);
  }
}

TEST("errors: what a program says of its end goes to the terminal as it may be shown") {
  const std::string path = test::scratch_folder() + "/stderr";
  const auto said = [&](const std::function<int()>& program) {
    std::fflush(stderr);
    const int kept = dup(STDERR_FILENO), file = open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0644);
    dup2(file, STDERR_FILENO);
    run_program("predict", program);
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(file);
    return read_file(path);
  };
  CHECK_EQUAL(said([]() -> int { throw std::runtime_error("from a \x1b[2J library"); }),
              "predict: from a \\x1b[2J library\n");
  // Both programs say it, and have other options.
  const std::string memory = said([]() -> int { throw std::bad_alloc(); });
  CHECK(memory.starts_with("predict: not enough memory") && !test::contains(memory, "--"), memory);
}

}  // namespace
}  // namespace plainnet
