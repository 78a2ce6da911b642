#include <algorithm>
#include <limits>

#include "files/pictures.h"
#include "run/report.h"
#include "tests/memory_limit.h"
#include "tests/small_run.h"
#include "tests/test.h"

namespace plainnet {

/// Fails unless `xml` is well-formed, as far as our own pictures use XML: one root element, tags
/// that nest, attributes in quotes, the five entities. Returns the number of elements.
static int check_well_formed(const std::string& xml) {
  std::vector<std::string> open;
  int elements = 0;
  bool ended = false;
  for (size_t at = 0; at < xml.size();) {
    const std::string here = xml.substr(at, 40);
    if (xml[at] == '&') {
      const std::string entity = xml.substr(at + 1, xml.find(';', at) - at - 1);
      CHECK(entity == "amp" || entity == "lt" || entity == "gt" || entity == "quot", here);
    }
    CHECK(xml[at] != '>' && (xml[at] >= ' ' || xml[at] == '\n'), here);
    if (xml[at] != '<') {
      CHECK(!open.empty() || xml[at] == '\n', "text outside of the root: ", here);
      ++at;
      continue;
    }
    const bool closing = xml.at(at + 1) == '/';
    at += closing ? 2 : 1;
    std::string name;
    while (std::isalpha(static_cast<unsigned char>(xml.at(at)))) name += xml[at++];
    CHECK(!name.empty(), here);
    if (closing) {
      CHECK(!open.empty() && open.back() == name, here);
      open.pop_back();
      ended = open.empty();
      CHECK_EQUAL(xml.at(at), '>');
      ++at;
      continue;
    }
    CHECK(!ended, "a second root: ", here);
    ++elements;
    std::vector<std::string> attributes;
    while (xml.at(at) == ' ') {
      std::string attribute;
      while (xml.at(++at) != '=') attribute += xml[at];
      for (const std::string& other : attributes) CHECK(other != attribute, here);
      attributes.push_back(attribute);
      CHECK_EQUAL(xml.at(++at), '"');
      while (xml.at(++at) != '"') CHECK(xml[at] != '<' && xml[at] != '&', here);
      ++at;
    }
    if (xml.at(at) == '/')
      ++at;
    else
      open.push_back(name);
    CHECK_EQUAL(xml.at(at), '>');
    ++at;
  }
  CHECK(open.empty() && ended);
  return elements;
}

static int count(const std::string& where, const std::string& what) {
  int n = 0;
  for (size_t at = where.find(what); at != std::string::npos; at = where.find(what, at + 1)) ++n;
  return n;
}

static std::vector<EpochRecord> training(int epochs) {
  std::vector<EpochRecord> records;
  for (int i = 1; i <= epochs; ++i)
    records.push_back({i, 0.5 / i, 1 - 0.1 / i, 0.3 / i + 0.01, 0.99 - 0.05 / i, 2});
  return records;
}

/// Curves that are well-formed and whose coordinates all are numbers within the picture.
static std::string checked_curves(const std::vector<EpochRecord>& records) {
  const std::string svg = curves_svg("a title", records);
  check_well_formed(svg);
  CHECK(!test::contains(svg, "nan") && !test::contains(svg, "inf"), records.size(), " epochs");
  for (const std::string name :
       {" x=\"", " x1=\"", " x2=\"", " cx=\"", " y=\"", " y1=\"", " y2=\"", " cy=\""})
    for (size_t at = svg.find(name); at != std::string::npos; at = svg.find(name, at + 1)) {
      const double coordinate = std::stod(svg.substr(at + name.size(), 20));
      CHECK(coordinate >= 0 && coordinate <= (name[1] == 'y' || name[2] == 'y' ? 420 : 1000),
            svg.substr(at, 30));
    }
  return svg;
}

TEST("curves: from no epoch to a thousand") {
  for (const int epochs : {0, 1, 2, 3, 7, 30, 100, 101, 1000}) {
    const std::string svg = checked_curves(training(epochs));
    CHECK_EQUAL(count(svg, "<path"), epochs ? 4 : 0);
    CHECK_EQUAL(count(svg, "<circle"), epochs <= 100 ? 4 * epochs : 0);
  }
}

TEST("curves: titles, ticks, legend and the best epoch") {
  const std::string svg = checked_curves(training(3));
  for (const std::string part :
       {">a title<", ">training<", ">test<", ">loss<", ">accuracy<", ">epoch<", ">1<", ">2<", ">3<",
        ">0.1<", ">0.2<", ">0.5<", ">90%<", ">98%<", ">best on test: 0.11, epoch 3<",
        ">best on test: 97.33%, epoch 3<", ">epoch 2, training: 0.25<", ">epoch 1, test: 94%<"})
    CHECK(test::contains(svg, part), part);
  CHECK_EQUAL(count(svg, ">training<"), 2);

  std::vector<EpochRecord> records = training(3);
  records[1].test_loss = 0.02;
  records[1].test_accuracy = 0.999;
  const std::string peak = checked_curves(records);
  CHECK(test::contains(peak, ">best on test: 0.02, epoch 2<"));
  CHECK(test::contains(peak, ">best on test: 99.9%, epoch 2<"));
  CHECK(test::contains(curves_svg("<a & \"b\">", {}), ">&lt;a &amp; \"b\"&gt;<"));
}

TEST("curves: the axes begin where the values are") {
  const std::string svg = checked_curves({{1, 0.06, 0.98, 0.05, 0.985, 1}, {2, 0.02, 0.994, 0.03, 0.99, 1}});
  for (const std::string tick : {">98%<", ">98.5%<", ">99.5%<", ">0.02<", ">0.06<"})
    CHECK(test::contains(svg, tick), tick);
  for (const std::string tick : {">0%<", ">97.5%<", ">97%<", ">100%<"})
    CHECK(!test::contains(svg, tick), tick);
}

TEST("pictures: on white, also where the browser is dark") {
  const std::string white = "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>";
  Images image{1, 1, 1, {0}, {0}};
  for (const std::string& svg : {curves_svg("x", {}), confusion_svg("x", {{1, 0}, {0, 1}}, {"a", "b"}),
                                 mistakes_svg(image, {1}, {0, 1}, {"a", "b"}),
                                 filters_svg({"conv2d_1.kernel", {1, 1, 1, 1}, {1}})})
    CHECK_EQUAL(svg.find("<rect"), svg.find(white));  // the first one, beneath all others
}

TEST("curves: the loss is logarithmic beyond a factor of 20") {
  const auto curves = [](double low, double high) {
    return checked_curves({{1, high, 0.5, high, 0.5, 1}, {2, low, 0.5, low, 0.5, 1}});
  };
  CHECK(!test::contains(curves(0.1, 1.9), "logarithmic"));
  CHECK(test::contains(curves(0.1, 2.1), ">loss (logarithmic)<"));
  CHECK(test::contains(curves(0.1, 2.1), ">10<"));
  const std::string wide = curves(1e-12, 1e30);
  CHECK(test::contains(wide, "logarithmic") && !test::contains(wide, ">5e"));
  CHECK(count(wide, "<rect") < 40);
  CHECK(!test::contains(curves(0, 5), "logarithmic"));
  CHECK(test::contains(curves(1e-99, 1e99), "logarithmic"));
  checked_curves({{1, 2, 0, 2, 0, 1}});
  checked_curves({{1, 0, 1, 0, 1, 1}});
  checked_curves({{1, 1e-30, 1, 1e-30, 1, 1}});
}

TEST("curves: losses that are as far apart, or as near, as numbers can be") {
  const test::MemoryLimit limit(1 << 20);
  const std::pair<double, double> losses[] = {{0, 5e-324}, {0, 1e-320}, {0, 1e-90}, {0, 1e99}, {1e-323, 1e-300},
                                              {1e-99, 1e99}, {1e99, 1e99 + 1e84}, {0.3, 0.3 + 6e-17}};
  for (const auto& [train, test] : losses)
    check_well_formed(curves_svg("x", {{1, train, 0, test, 5e-324, 1}}));
}

/// The names of ten digits.
static const std::vector<std::string> kDigits = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};

TEST("confusion: counts, colours, recall and accuracy") {
  Confusion counts(10, std::vector<int64_t>(10));
  for (size_t i = 0; i < 10; ++i) counts[i][i] = 1000;
  counts[4][4] = 750;
  counts[4][9] = 250;
  counts[7][7] = 0;
  const std::string svg = confusion_svg("a < b", counts, kDigits);
  check_well_formed(svg);
  CHECK(test::contains(svg, ">a &lt; b: 8,750 of 9,000 right, 97.22%<"));
  CHECK(test::contains(svg, ">4 taken for 9: 250 of 1,000<"));
  CHECK(test::contains(svg, ">9 taken for 4: 0 of 1,000<"));
  CHECK_EQUAL(count(svg, "taken for"), 100);
  CHECK_EQUAL(count(svg, ">100.00%<"), 8);
  CHECK_EQUAL(count(svg, ">75.00%<"), 1);
  CHECK_EQUAL(count(svg, ">none<"), 1);
  CHECK_EQUAL(count(svg, "fill=\"rgb(0,90,160)\""), 8);      // the full diagonal
  CHECK_EQUAL(count(svg, "fill=\"rgb(255,255,255)\""), 90);  // nothing
  CHECK_EQUAL(count(svg, "fill=\"rgb(229,132,94)\""), 1);    // a quarter astray: cube root 0.63
  CHECK_EQUAL(count(svg, "\"bold\""), 1);  // to be seen without colours
  CHECK(test::contains(svg, "\"bold\" fill=\"white\">250<"));

  const std::string empty = confusion_svg("x", Confusion(3, std::vector<int64_t>(3)), {"a", "b & c", "ankle boot"});
  check_well_formed(empty);
  CHECK(test::contains(empty, ">x: 0 of 0 right<"));
  CHECK(test::contains(empty, ">b &amp; c taken for ankle boot: 0 of 0<"));
  CHECK_EQUAL(count(empty, ">ankle boot<"), 2);
  CHECK_EQUAL(count(empty, "rotate(-90)"), 3 + 1);  // these names are wider than a cell; so is none of the digits
  CHECK_EQUAL(count(svg, "rotate(-90)"), 1);
  CHECK(!test::contains(empty, "nan"));
}

static std::string printed(const Confusion& confusion, const std::vector<std::string>& names) {
  return test::outcome_of([&] { return print_confusion(confusion, names), 0; }).output;
}

TEST("confusion, printed: each class, and what is most often taken for what") {
  Confusion counts(10, std::vector<int64_t>(10));
  for (size_t i = 0; i < 10; ++i) counts[i][i] = 1000;
  counts[3][3] = 0;
  counts[7][2] = counts[4][9] = counts[2][7] = 1500;
  counts[9][4] = 2;
  CHECK_EQUAL(printed(counts, kDigits),
              "\n"
              "Right, by class:      0 100.00%   1 100.00%   2  40.00%   3    none   4  40.00%\n"
              "                      5 100.00%   6 100.00%   7  40.00%   8 100.00%   9  99.80%\n"
              "Most often confused:  2 taken for 7   1500\n"
              "                      4 taken for 9   1500\n"
              "                      7 taken for 2   1500\n");
  CHECK_EQUAL(printed({{3, 0}, {1, 2}}, {"Stiefel", "Schlüssel"}),
              "\n"
              "Right, by class:      Stiefel    100.00%   Schlüssel   66.67%\n"
              "Most often confused:  Schlüssel  taken for Stiefel         1\n");
  CHECK_EQUAL(printed({{3, 0}, {0, 2}}, {"a", "b"}), "\nRight, by class:      a 100.00%   b 100.00%\n");
}

// The columns of a terminal: a letter of UTF-8 is one.
static size_t columns_of(const std::string& line) {
  return static_cast<size_t>(std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

TEST("confusion, printed: within 80 columns for any names and numbers") {
  for (const size_t classes : {2, 3, 26, 256})
    for (const std::string letter : {"m", "ü", "語"})
      for (const size_t length : {1, 3, 19, 20, 500}) {
        std::string name;
        for (size_t i = 0; i < length; ++i) name += letter;
        const Confusion counts(classes, std::vector<int64_t>(classes, 9999999));
        const std::string all = printed(counts, std::vector<std::string>(classes, name));
        for (size_t begin = 0, end; begin < all.size(); begin = end + 1) {
          end = all.find('\n', begin);
          const std::string line = all.substr(begin, end - begin);
          CHECK(columns_of(line) <= 80, line);
          CHECK_EQUAL(shown(line), line);  // no letter is cut
        }
        CHECK_EQUAL(count(all, "%"), static_cast<int>(classes));
        CHECK_EQUAL(count(all, " taken for "), std::min(static_cast<int>(classes * (classes - 1)), 3));
      }
}

TEST("mistakes: the misread images, with label and guess") {
  Images images;
  images.count = 250;
  images.height = images.width = 4;
  for (int i = 0; i < images.count; ++i) {
    images.pixels.insert(images.pixels.end(), 16, static_cast<uint8_t>(i));
    images.labels.push_back(static_cast<uint8_t>(i % 10));
  }
  images.pixels[16 * 3 + 6] = 255;
  std::vector<int> guesses(images.labels.begin(), images.labels.end());
  std::vector<float> probabilities(10 * images.count);
  const std::string none = mistakes_svg(images, guesses, probabilities, kDigits);
  check_well_formed(none);
  CHECK(test::contains(none, ">0 of 250 misread<"));
  CHECK_EQUAL(count(none, "<path"), 0);

  guesses[3] = 5;
  guesses[140] = 1;
  probabilities[10 * 3 + 5] = 0.625f;
  probabilities[10 * 140 + 1] = 1;
  const std::string two = mistakes_svg(images, guesses, probabilities, kDigits);
  check_well_formed(two);
  CHECK(test::contains(two, ">2 of 250 misread. Beneath: index, and probability of the guess<"));
  CHECK(test::contains(two, ">3 read as 5<") && test::contains(two, ">3: 62.5%<"));
  CHECK(test::contains(two, ">0 read as 1<") && test::contains(two, ">140: 100.0%<"));
  // Neighbours of one shade are one stroke.
  CHECK(test::contains(two, "<path stroke=\"#000\" d=\"M0 0h4M0 1h2M3 1h1M0 2h4M0 3h4\"/>"));
  CHECK(test::contains(two, "<path stroke=\"#fff\" d=\"M2 1h1\"/>"));
  CHECK(test::contains(two, "<path stroke=\"#888\" d=\"M0 0h4M0 1h4M0 2h4M0 3h4\"/>"));

  for (int& guess : guesses) guess = (guess + 1) % 10;
  const std::string many = mistakes_svg(images, guesses, probabilities, kDigits);
  CHECK(test::contains(many, ">250 of 250 misread, the first 100. Beneath"));
  CHECK_EQUAL(count(many, " read as "), 100);
  const std::vector<std::string> names(10, std::string(300, 'x'));
  const std::string wide = mistakes_svg(images, guesses, probabilities, names);  // in one column
  CHECK_EQUAL(count(wide, "translate(12 "), 100);
}

TEST("filters: a tile each, with a scale of its own about 0") {
  Tensor kernel{"conv2d_1.kernel", {1, 2, 1, 10}, std::vector<float>(20)};
  const auto weight = [&](int x, int out) -> float& {
    return kernel.values[static_cast<size_t>(10 * x + out)];
  };
  weight(0, 0) = -0.5f;
  weight(1, 0) = 0.25f;
  weight(0, 1) = 1e-6f;
  weight(0, 9) = -1.5;
  weight(1, 9) = 3;
  const std::string svg = filters_svg(kernel);
  check_well_formed(svg);
  CHECK_EQUAL(count(svg, "<rect"), 2 + 20);
  CHECK(test::contains(svg, text("width=\"", 8 * 28 + 8, "\" height=\"", 2 * 18 + 8, "\"")));
  const auto check_tile = [&](int x, int out, const std::string& colour) {
    const std::string expected =
        text("<rect x=\"", 8 + out % 8 * 28 + 10 * x, ".0\" y=\"", 8 + out / 8 * 18,
             ".0\" width=\"10.0\" height=\"10.0\" fill=\"", colour, "\">");
    CHECK(test::contains(svg, expected), expected, " in ", svg);
  };
  check_tile(0, 0, "rgb(0,90,180)");
  check_tile(1, 0, "rgb(223,148,138)");
  check_tile(0, 1, "rgb(190,40,20)");
  check_tile(1, 1, "rgb(255,255,255)");
  check_tile(0, 5, "rgb(255,255,255)");
  check_tile(0, 9, "rgb(128,173,218)");
  check_tile(1, 9, "rgb(190,40,20)");

  kernel.shape = {1, 1, 2, 10};
  CHECK(test::contains(filters_svg(kernel), text("width=\"", 8 * 18 + 8, "\" height=\"", 3 * 18 + 8, "\"")));
}

}  // namespace plainnet
