#include "tests/fuzz/targets.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/files.h"
#include "base/numbers.h"
#include "files/checkpoint.h"
#include "files/pictures.h"
#include "images/inflate.h"
#include "images/own_digit.h"
#include "run/options.h"
#include "tests/memory_limit.h"
#include "tests/png.h"
#include "tests/small_run.h"

namespace plainnet::test {
namespace {

namespace fs = std::filesystem;

// Some file systems write a file that is cut to nothing and written again to the disk at once. A new file they do
// not, which takes a hundredth of the time.
std::string scratch_file(const std::string& name, const std::string& bytes) {
  const std::string path = scratch_folder() + "/" + name;
  fs::remove(path);
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

// One of the files of a data set, labels if its fourth byte says so, else images; the others are good. It may be
// packed.
void read_as_idx(const std::string& input) {
  const bool is_labels = input.size() > 3 && input[3] == 1;
  const fs::path folder = fs::path(scratch_folder()) / (is_labels ? "labels" : "images");
  if (fs::create_directory(folder))
    for (const char* part : {"train", "t10k"}) {
      const std::string name = folder.filename().string() + "/" + part;
      scratch_file(name + "-images-idx3-ubyte",
                   std::string("\0\0\x08\3\0\0\0\3\0\0\0\2\0\0\0\4", 16) + std::string(24, 'x'));
      scratch_file(name + "-labels-idx1-ubyte", std::string("\0\0\x08\1\0\0\0\3\1\2\3", 11));
    }
  scratch_file(is_labels ? "labels/train-labels-idx1-ubyte" : "images/train-images-idx3-ubyte", input);
  read_idx_directory(folder);
}

// Two bytes that say to how many the rest unpacks, of zlib or gzip.
void read_as_packed(const std::string& input) {
  if (input.size() >= 2)
    inflate(std::string_view(input).substr(2), 256 * byte_at(input, 0) + byte_at(input, 1), "input");
}

void read_as_image(const std::string& input) {
  const std::string path = scratch_file("image", input);
  prepare_digit(read_image(path), 28, 28, path);
}

// The same file with every chunk's checksum put right, so that what is within is looked at.
std::string with_checksums(const std::string& png) {
  std::string result = png.substr(0, 8);
  for (size_t at = 8; at + 12 <= png.size();) {
    const size_t size = std::min<size_t>(big_endian(png, at), png.size() - at - 12);
    result += chunk(png.substr(at + 4, 4), png.substr(at + 8, size));
    at += 12 + size;
  }
  return result;
}

// As it is; with its checksums put right; and as the rows of an image, not compressed, after its size and type.
void read_as_png(const std::string& input) {
  try {
    read_as_image(input);
  } catch (const Error&) {
  }
  if (!input.starts_with("\x89PNG") && input.size() >= 4) {
    constexpr int kTypes[] = {0, 2, 3, 4, 6};
    const PngKind kind{8, kTypes[byte_at(input, 0) % 5]};
    const std::string more = kind.type == 3 ? chunk("PLTE", input.substr(0, 60)) : "";
    const std::string rows = input.substr(3, 100000);
    read_as_image(png_of(byte_at(input, 1), byte_at(input, 2), kind, stored(rows), more));
  } else {
    read_as_image(with_checksums(input));
  }
}

// As it is; and with a length before the header, up to the last brace, that is right.
void read_as_safetensors(const std::string& input) {
  try {
    read_safetensors(scratch_file("weights", input));
  } catch (const Error&) {
  }
  const std::string rest = input.substr(std::min<size_t>(input.size(), 8));
  const size_t length = rest.rfind('}') + 1;
  std::string framed;
  for (int i = 0; i < 8; ++i) framed += static_cast<char>(length >> (8 * i));
  read_weights(scratch_file("weights", framed + rest));
}

// What ./train --resume makes of it before it looks at the data.
void read_as_checkpoint(const std::string& input) {
  const Checkpoint checkpoint = read_checkpoint(scratch_file("checkpoint.safetensors", input));
  Options options;
  options.resume = scratch_folder();
  take_over(options, checkpoint.metadata);
  curves_svg(options.model, checkpoint.epochs);
  clock_text(checkpoint.total_seconds);
}

// A file of weights, and a picture of a white bar.
void read_as_weights(const std::string& input) {
  const std::string image = scratch_file("image", "P5 3 3 255 " + std::string("\0\xff\0\0\xff\0\0\xff\0", 9));
  predict({scratch_file("weights", input), image, "--device", "cpu"});
}

// A command line, each word on a line of its own; the first names the program.
void read_as_command_line(const std::string& input) {
  std::vector<std::string> words;
  for (size_t begin = 0, end; begin < input.size(); begin = end + 1) {
    end = std::min(input.find('\n', begin), input.size());
    words.push_back(input.substr(begin, end - begin));
  }
  if (words.empty()) return;
  if (words[0] == "predict") {
    std::error_code ignored;  // a file that is there by chance, such as ./predict itself, is no part of the input
    for (size_t i = 1; i < words.size(); ++i)
      if (fs::exists(words[i], ignored)) return;
    predict({words.begin() + 1, words.end()});
    return;
  }
  std::vector<const char*> argv;
  for (const std::string& word : words) argv.push_back(word.c_str());
  try {
    parse_options(static_cast<int>(argv.size()), argv.data());
  } catch (const Help&) {
  }
}

}  // namespace

const std::vector<FuzzTarget>& fuzz_targets() {
  // Deflate packs at most 1032 bytes into one; a pixel of one byte becomes an index of four, twice.
  static const std::vector<FuzzTarget> all = {{"idx", read_as_idx, 4 * 1032},
                                              {"inflate", read_as_packed, 4 * 1032},
                                              {"netpbm", read_as_image, 40},
                                              {"png", read_as_png, 40 * 1032},
                                              {"safetensors", read_as_safetensors, 40},
                                              {"checkpoint", read_as_checkpoint, 200},
                                              {"weights", read_as_weights, 200},
                                              {"command_line", read_as_command_line, 100}};
  return all;
}

std::vector<std::string> corpus_files(const FuzzTarget& target) {
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator("tests/fuzz/corpus/" + target.name))
    files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  return files;
}

std::string answer_to(const FuzzTarget& target, const std::string& input) {
  const MemoryLimit limit((size_t{1} << 20) + target.memory_per_byte * input.size());
  try {
    target.read(input);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace plainnet::test
