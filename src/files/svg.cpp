#include "files/svg.h"

#include <cmath>

#include "base/error.h"
#include "base/numbers.h"

namespace plainnet {

std::string at(double coordinate) { return format("%.1f", coordinate); }

/// Words without control characters, which have no place in XML, as the content of an element.
static std::string escaped(const std::string& words) {
  std::string result;
  for (const char c : words)
    result += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
  return result;
}

std::string label(double x, double y, const std::string& attributes, const std::string& words) {
  return text("<text x=\"", at(x), "\" y=\"", at(y), "\"", attributes.empty() ? "" : " ", attributes,
              ">", escaped(words), "</text>\n");
}

std::string label_upwards(double x, double y, const std::string& attributes, const std::string& words) {
  return label(0, 0, text(attributes, " transform=\"translate(", at(x), " ", at(y), ") rotate(-90)\""),
               words);
}

std::string rectangle(double x, double y, double width, double height, const std::string& colour,
                      const std::string& hint) {
  const std::string title = hint.empty() ? "" : text("<title>", escaped(hint), "</title>");
  return text("<rect x=\"", at(x), "\" y=\"", at(y), "\" width=\"", at(width), "\" height=\"", at(height),
              "\" fill=\"", colour, "\">", title, "</rect>\n");
}

std::string tint(double strength, int red, int green, int blue) {
  const auto mix = [&](int c) { return std::lround(255 + strength * (c - 255)); };
  return text("rgb(", mix(red), ",", mix(green), ",", mix(blue), ")");
}

std::string picture(int width, int height, const std::string& content) {
  return text("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"", width, "\" height=\"", height,
              "\" viewBox=\"0 0 ", width, " ", height,
              "\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#333\">\n",
              "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n", content, "</svg>\n");
}

}  // namespace plainnet
