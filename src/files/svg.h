#pragma once

#include <string>

namespace plainnet {

// What pictures are made of (https://www.w3.org/TR/SVG2/). Coordinates are in pixels, from the top left.

inline const std::string kCentred = "text-anchor=\"middle\"", kRightAligned = "text-anchor=\"end\"";

/// A coordinate, to a tenth of a pixel.
std::string at(double coordinate);

/// Words that begin at (x, y), or end there, or have their middle there, as the attributes say.
std::string label(double x, double y, const std::string& attributes, const std::string& words);

/// The same, read upwards.
std::string label_upwards(double x, double y, const std::string& attributes, const std::string& words);

/// A rectangle; `hint` appears where the pointer rests on it.
std::string rectangle(double x, double y, double width, double height, const std::string& colour,
                      const std::string& hint = "");

/// A colour between white, 0, and {red, green, blue}, 1.
std::string tint(double strength, int red, int green, int blue);

/// The whole picture, on white.
std::string picture(int width, int height, const std::string& content);

}  // namespace plainnet
