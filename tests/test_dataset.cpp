// The IDX reader on good and bad files, the built-in digits, and the script that downloads MNIST.

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <set>

#include "images/dataset.h"
#include "base/files.h"
#include "tests/big_endian.h"
#include "tests/test.h"

namespace plainnet {
namespace fs = std::filesystem;
namespace {

const std::string kTrainImages = "train-images-idx3-ubyte";
const std::string kTrainLabels = "train-labels-idx1-ubyte";
const std::string kTestImages = "t10k-images-idx3-ubyte";
const std::string kTestLabels = "t10k-labels-idx1-ubyte";

void write_file(const fs::path& path, const std::string& bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
  CHECK_EQUAL(fs::file_size(path), bytes.size());
}

// Header words, high byte first, then `elements`.
std::string idx(const std::vector<uint32_t>& header, const std::string& elements) {
  std::string bytes;
  for (const uint32_t word : header) bytes += test::big_endian_text(word);
  return bytes + elements;
}

// Three training images and two test images of 2x4 pixels in a folder of that name.
std::string good_folder(const std::string& name) {
  const fs::path folder = fs::path(test::scratch_folder()) / name;
  write_file(folder / kTrainImages, idx({0x803, 3, 2, 4}, "abcdefghijklmnopqrstuvw\xff"));
  write_file(folder / kTrainLabels, idx({0x801, 3}, std::string("\x09\x00\x04", 3)));
  write_file(folder / kTestImages, idx({0x803, 2, 2, 4}, "0123456789ABCDEF"));
  write_file(folder / kTestLabels, idx({0x801, 2}, "\x01\x02"));
  return folder.string();
}

// Replaces one file of a good folder and checks what the reader says: it must name that file, what
// was expected and what was found.
void check_bad_file(const std::string& file, const std::string& bytes, const std::string& expected,
                    const std::string& found) {
  const std::string folder = good_folder("bad");
  write_file(fs::path(folder) / file, bytes);
  CHECK_ERROR(read_idx_directory(folder), folder + "/" + file + ": ", "expected " + expected,
              "found " + found);
}

}  // namespace

TEST("dataset: IDX files read back") {
  const std::string folder = good_folder("mnist");
  const Dataset data = read_idx_directory(folder);
  CHECK_EQUAL(data.source, folder);
  CHECK_EQUAL(data.classes.size(), size_t{10});
  CHECK_EQUAL(data.classes[9], "9");
  CHECK_EQUAL(data.train.count, 3);
  CHECK_EQUAL(data.train.height, 2);
  CHECK_EQUAL(data.train.width, 4);
  CHECK_EQUAL(std::string(data.train.pixels.begin(), data.train.pixels.end()),
              "abcdefghijklmnopqrstuvw\xff");
  CHECK_EQUAL(int{data.train.pixels.back()}, 255);
  CHECK((data.train.labels == std::vector<uint8_t>{9, 0, 4}));
  CHECK_EQUAL(data.test.count, 2);
  CHECK_EQUAL(data.test.height, 2);
  CHECK_EQUAL(data.test.width, 4);
  CHECK_EQUAL(std::string(data.test.pixels.begin(), data.test.pixels.end()), "0123456789ABCDEF");
  CHECK((data.test.labels == std::vector<uint8_t>{1, 2}));
}

TEST("dataset: a missing IDX file is named") {
  for (const std::string& file : {kTrainImages, kTrainLabels, kTestImages, kTestLabels}) {
    const fs::path folder = good_folder("missing");
    fs::remove(folder / file);
    CHECK_ERROR(read_idx_directory(folder.string()), folder.string() + ": expected " + file, "found others, such as ");
    fs::create_directory(folder / file);
    CHECK_ERROR(read_idx_directory(folder.string()), folder.string() + ": expected " + file);
    fs::remove(folder / file);
  }
}

TEST("dataset: bad IDX headers") {
  check_bad_file(kTrainImages, "", "an IDX header of 16 bytes", "0 bytes");
  check_bad_file(kTestImages, idx({0x803, 2, 2}, "abc"), "an IDX header of 16 bytes", "15 bytes");
  check_bad_file(kTrainLabels, idx({0x801}, "abc"), "an IDX header of 8 bytes", "7 bytes");
  check_bad_file(kTrainImages, idx({0x801, 16}, "0123456789ABCDEF"), "the magic number 0x00000803",
                 "0x00000801");
  check_bad_file(kTrainLabels, idx({0x803, 1, 1, 1}, "a"), "the magic number 0x00000801",
                 "0x00000803");
  check_bad_file(kTestImages, idx({0xd03, 1, 1, 1}, "abcd"), "the magic number 0x00000803",
                 "0x00000d03");
  check_bad_file(kTrainImages, idx({0x803, 0, 2, 4}, ""), "dimension 1 of 3 to be 1 to", "0");
  check_bad_file(kTrainImages, idx({0x803, 3, 0, 4}, ""), "dimension 2 of 3 to be 1 to", "0");
  check_bad_file(kTrainImages, idx({0x803, 3, 2, 0}, ""), "dimension 3 of 3 to be 1 to", "0");
  check_bad_file(kTestLabels, idx({0x801, 0}, ""), "dimension 1 of 1 to be 1 to", "0");
  // 2^31 x 2^31 x 4 elements are 0 modulo 2^64, which a careless product would find in this file.
  check_bad_file(kTrainImages, idx({0x803, 0x80000000, 0x80000000, 4}, ""),
                 "dimension 1 of 3 to be 1 to 2147483647", "2147483648");
  check_bad_file(kTrainImages, idx({0x803, 3, 2, 4097}, ""), "dimension 3 of 3 to be 1 to 4096",
                 "4097");
}

TEST("dataset: IDX files that are too short or too long") {
  check_bad_file(kTrainImages, idx({0x803, 3, 2, 4}, "abcdefghijklmnopqrstuvw"), "40 bytes",
                 "39 bytes");
  check_bad_file(kTrainImages, idx({0x803, 3, 2, 4}, "abcdefghijklmnopqrstuvwxy"), "40 bytes",
                 "41 bytes");
  check_bad_file(kTestLabels, idx({0x801, 2}, "\x01"), "10 bytes", "9 bytes");
  check_bad_file(kTestLabels, idx({0x801, 2}, "\x01\x02\x03"), "10 bytes", "11 bytes");
  // The largest header: it must be refused before anything of its size is allocated.
  check_bad_file(kTrainImages, idx({0x803, 0x7fffffff, 4096, 4096}, "abc"),
                 "36028797002186768 bytes", "19 bytes");
}

TEST("dataset: IDX files that do not go together") {
  check_bad_file(kTrainLabels, idx({0x801, 2}, "\x01\x02"), "3 labels", "2");
  check_bad_file(kTestLabels, idx({0x801, 3}, "\x01\x02\x03"), "2 labels", "3");
  check_bad_file(kTestImages, idx({0x803, 2, 4, 2}, "0123456789ABCDEF"), "images of 2x4", "4x2");
  check_bad_file(kTestImages, idx({0x803, 2, 2, 3}, "0123456789AB"), "images of 2x4", "2x3");
  check_bad_file(kTestImages, idx({0x803, 2, 1, 4}, "01234567"), "images of 2x4", "1x4");
  check_bad_file(kTrainLabels, idx({0x801, 3}, "\x02\x02\x02"), "two classes or more", "only label 2");
}

TEST("digits: the same seed draws the same, another seed others") {
  const Dataset a = draw_digits(200, 100, 7), b = draw_digits(200, 100, 7);
  CHECK(a.train.pixels == b.train.pixels);
  CHECK(a.train.labels == b.train.labels);
  CHECK(a.test.pixels == b.test.pixels);
  CHECK(a.test.labels == b.test.labels);
  CHECK_EQUAL(a.source, "built-in digits, drawn with seed 7");
  // Seeds that agree in their lower 32 bits are others, too.
  for (const uint64_t seed : {uint64_t{8}, uint64_t{7} + (uint64_t{1} << 32)}) {
    const Dataset other = draw_digits(200, 100, seed);
    CHECK(a.train.pixels != other.train.pixels, "seed ", seed);
    CHECK(a.train.labels != other.train.labels, "seed ", seed);
    CHECK(a.test.pixels != other.test.pixels, "seed ", seed);
  }
}

// A single image is drawn by a single thread, many by as many threads as there are cores, so this
// also shows that the number of threads does not matter.
TEST("digits: an image does not depend on how many are drawn") {
  const Dataset many = draw_digits(150, 90, 3);
  const auto starts_with = [](const std::vector<uint8_t>& all, const std::vector<uint8_t>& start) {
    return start.size() < all.size() && std::equal(start.begin(), start.end(), all.begin());
  };
  for (const int count : {1, 2, 37}) {
    const Dataset few = draw_digits(count, count, 3);
    CHECK_EQUAL(few.train.count, count);
    CHECK_EQUAL(few.train.pixels.size(), size_t{28 * 28} * count);
    CHECK_EQUAL(few.test.labels.size(), size_t{1} * count);
    CHECK(starts_with(many.train.pixels, few.train.pixels), count);
    CHECK(starts_with(many.train.labels, few.train.labels), count);
    CHECK(starts_with(many.test.pixels, few.test.pixels), count);
    CHECK(starts_with(many.test.labels, few.test.labels), count);
  }
  const Dataset none = draw_digits(0, 0, 3);
  CHECK_EQUAL(none.train.count, 0);
  CHECK_EQUAL(none.test.pixels.size(), size_t{0});
}

TEST("digits: no image is drawn twice, for training or for testing") {
  const Dataset data = draw_digits(1000, 1000, 2);
  std::set<std::vector<uint8_t>> seen;
  for (const Images* images : {&data.train, &data.test})
    for (int i = 0; i < images->count; ++i) {
      const auto start = images->pixels.begin() + i * 28 * 28;
      CHECK(seen.insert({start, start + 28 * 28}).second, "image ", i);
    }
}

TEST("digits: all labels occur; black with a digit in the middle") {
  const Dataset data = draw_digits(2000, 1000, 1);
  for (const Images* images : {&data.train, &data.test}) {
    CHECK_EQUAL(images->height, 28);
    CHECK_EQUAL(images->width, 28);
    std::array<int, 10> times{};
    for (const uint8_t label : images->labels) ++times.at(label);
    for (int label = 0; label < 10; ++label)
      CHECK(times[label] > images->count / 20 && times[label] < images->count / 5, label,
            " occurs ", times[label], " times in ", images->count);

    double sum = 0, border_sum = 0;
    int black = 0;
    for (int i = 0; i < images->count; ++i) {
      int brightest = 0, inked = 0;
      for (int p = 0; p < 28 * 28; ++p) {
        const int pixel = images->pixels[i * 28 * 28 + p], row = p / 28, column = p % 28;
        brightest = std::max(brightest, pixel);
        inked += pixel > 64;
        black += pixel == 0;
        sum += pixel;
        if (row == 0 || row == 27 || column == 0 || column == 27) border_sum += pixel;
      }
      CHECK(brightest > 128, "image ", i, ", brightest pixel ", brightest);
      CHECK(inked >= 15 && inked <= 350, "image ", i, ", ", inked, " pixels inked");
    }
    const double pixels = images->count * 28.0 * 28.0;
    CHECK_NEAR(sum / pixels / 255, 0.12, 0.02);  // MNIST has 0.13
    CHECK_NEAR(black / pixels, 0.81, 0.03);      // MNIST has 0.81
    CHECK(border_sum < 0.01 * sum, "border ", border_sum, " of ", sum);
  }
}

// Each test image goes to the label whose mean training image is the nearest.
TEST("digits: can be learnt, but not by comparing with the mean image") {
  const Dataset data = draw_digits(3000, 1000, 1);
  constexpr int kPixels = 28 * 28;
  std::vector<double> mean(10 * kPixels);
  std::array<int, 10> times{};
  for (const uint8_t label : data.train.labels) ++times.at(label);
  for (int i = 0; i < data.train.count; ++i)
    for (int p = 0; p < kPixels; ++p) {
      const int label = data.train.labels[i];
      mean[label * kPixels + p] += data.train.pixels[i * kPixels + p] / double(times[label]);
    }
  int right = 0;
  for (int i = 0; i < data.test.count; ++i) {
    int nearest = 0;
    double least = std::numeric_limits<double>::infinity();
    for (int label = 0; label < 10; ++label) {
      double distance = 0;
      for (int p = 0; p < kPixels; ++p) {
        const double d = data.test.pixels[i * kPixels + p] - mean[label * kPixels + p];
        distance += d * d;
      }
      if (distance < least) least = distance, nearest = label;
    }
    right += nearest == data.test.labels[i];
  }
  CHECK(right > 550 && right < 850, right, " of 1000 right");
}

// A copy of data/get_mnist.sh in a folder of its own, with a space in its path, run against one
// mirror: a folder of this machine, so that no test waits for the network.
namespace {

struct Download {
  fs::path data = fs::path(test::scratch_folder()) / "a house" / "data";
  fs::path mirror = fs::path(test::scratch_folder()) / "a mirror";
  int status = 0;
  std::string output;

  Download() {
    fs::create_directories(data);
    fs::create_directories(mirror);
    const fs::path repository = fs::path(__FILE__).parent_path().parent_path();
    fs::copy_file(repository / "data" / "get_mnist.sh", data / "get_mnist.sh");
  }

  void run() {
    const fs::path log = fs::path(test::scratch_folder()) / "log";
    status = std::system(text("MNIST_ONLY=1 sh '", (data / "get_mnist.sh").string(), "' 'file://",
                              mirror.string(), "' >'", log.string(), "' 2>&1")
                             .c_str());
    output = read_file(log);
  }

  void check_failed(const std::string& expected, const std::string& found) {
    run();
    CHECK(status != 0, output);
    for (const std::string& part : {"file://" + (mirror / kTrainImages).string() + ".gz: ",
                                    "expected " + expected, "found " + found})
      CHECK(output.find(part) != std::string::npos, "\"", part, "\" in: ", output);
  }
};

}  // namespace

TEST("get_mnist.sh: bad mirrors fail and leave nothing behind") {
  Download download;
  download.check_failed("to download it", "cat: ");
  CHECK(!fs::exists(download.data / "mnist"));

  write_file(download.mirror / (kTrainImages + ".gz"), "<html>not found</html>");
  download.check_failed("a gzip file", "");
  CHECK(!fs::exists(download.data / "mnist"));

  const std::string packed = (download.mirror / (kTrainImages + ".gz")).string();
  CHECK_EQUAL(std::system(text("printf wrong | gzip >'", packed, "'").c_str()), 0);
  // The second is the SHA-256 of the five bytes "wrong".
  download.check_failed(
      "the SHA-256 ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
      "8810ad581e59f2bc3928b261707a71308f7e139eb04820366dc4d5c18d980225");
  CHECK(!fs::exists(download.data / "mnist"));
}

TEST("get_mnist.sh: a failure leaves the files that were there as they were") {
  Download download;
  write_file(download.data / "mnist" / kTrainImages, "mine");
  download.check_failed("to download it", "cat: ");
  CHECK_EQUAL(read_file(download.data / "mnist" / kTrainImages), "mine");
  const auto files = fs::directory_iterator(download.data / "mnist");
  CHECK_EQUAL(std::distance(fs::begin(files), fs::end(files)), 1);
}

}  // namespace plainnet
