#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/numbers.h"
#include "files/pictures.h"
#include "files/svg.h"

namespace plainnet {
namespace {

/// Ticks between which all from `low` to `high` lies. They are 1, 2 or 5 times a power of ten apart, which
/// goes into that range at most six times, and `least` (a power of ten, or 0) or more.
std::vector<double> ticks_around(double low, double high, double least = 0) {
  double step = std::max(least, std::pow(10, std::floor(std::log10((high - low) / 6))));
  for (const double factor : {2.0, 2.5, 2.0})  // from 1 to 2, to 5, to 10
    if (6 * step < (high - low) * (1 - 1e-9)) step *= factor;
  std::vector<double> ticks;
  // The 1e-6 keep a tick that low or high lies on where it is.
  for (double i = std::floor(low / step + 1e-6); i < high / step + 1 - 1e-6; ++i) ticks.push_back(i * step);
  return ticks;
}

struct Axis {
  std::vector<double> ticks;  // from one end to the other; of a logarithmic axis, the exponents of 10
  bool logarithmic = false;

  /// Where `value` lies between the ends, from 0 to 1.
  double position(double value) const {
    const double at = logarithmic ? std::log10(value) : value;
    return (at - ticks.front()) / (ticks.back() - ticks.front());
  }
};

/// What a panel shows: two numbers of each epoch.
struct Quantity {
  const char* name;
  double EpochRecord::*train;
  double EpochRecord::*test;
  bool is_share;  // in [0, 1], shown in percent; more is better

  std::string shown(double value, const char* pattern) const {
    return is_share ? format(pattern, 100 * value) + "%" : format(pattern, value);
  }
};

/// The axis for all values.
Axis value_axis(const Quantity& quantity, const std::vector<EpochRecord>& epochs) {
  double low = HUGE_VAL, high = -HUGE_VAL;
  for (const EpochRecord& epoch : epochs)
    for (const double value : {epoch.*quantity.train, epoch.*quantity.test})
      low = std::min(low, value), high = std::max(high, value);
  if (!quantity.is_share && low > 1e-100 && high > 20 * low)
    return {ticks_around(std::log10(low), std::log10(high), 1), true};
  if (high - low < 1e-3 * high) low -= 0.05 * high;  // a flat line, still with a scale beside it
  return {high - low > 1e-100 ? ticks_around(low, high) : ticks_around(0, 1)};  // no epoch: low is above high
}

/// One panel, whose plot begins at `left`.
std::string panel(const Quantity& quantity, const std::vector<EpochRecord>& epochs, double left) {
  const Axis x_axis{ticks_around(0, epochs.empty() ? 1 : epochs.back().epoch, 1)};
  const Axis y_axis = value_axis(quantity, epochs);
  const double top = 85, width = 390, height = 270;
  const double right = left + width, bottom = top + height;
  const auto x_of = [&](double epoch) { return left + width * x_axis.position(epoch); };
  const auto y_of = [&](double value) { return bottom - height * y_axis.position(value); };

  std::string svg;
  for (const double tick : y_axis.ticks) {
    const double value = y_axis.logarithmic ? std::pow(10, tick) : tick;
    svg += rectangle(left, y_of(value) - 0.5, width, 1, "#ddd") +
           label(left - 8, y_of(value) + 4, kRightAligned, quantity.shown(value, "%.6g"));
  }
  for (const double tick : x_axis.ticks)
    svg += rectangle(x_of(tick) - 0.5, bottom, 1, 5, "#333") +
           label(x_of(tick), bottom + 20, kCentred, format("%.0f", tick));
  svg += rectangle(left, bottom, width, 1, "#333") + rectangle(left, top, 1, height, "#333");
  svg += label(left + width / 2, bottom + 42, kCentred, "epoch");
  svg += label_upwards(left - 58, top + height / 2, kCentred,
                       text(quantity.name, y_axis.logarithmic ? " (logarithmic)" : ""));

  for (const bool test : {false, true}) {
    // Blue and orange differ for the colour-blind too (Okabe and Ito).
    const std::string colour = test ? "#d55e00" : "#0072b2", name = test ? "test" : "training";
    const double legend = left + (test ? 110 : 0);
    svg += rectangle(legend, top - 22, 18, 4, colour) + label(legend + 24, top - 16, "", name);

    std::string path, points, best;
    double best_value = quantity.is_share ? -HUGE_VAL : HUGE_VAL;
    for (const EpochRecord& epoch : epochs) {
      const double value = epoch.*(test ? quantity.test : quantity.train);
      const std::string x = at(x_of(epoch.epoch)), y = at(y_of(value));
      const std::string number = quantity.shown(value, "%.4g");
      path += text(path.empty() ? "M" : "L", x, " ", y);
      if (epochs.size() <= 100)
        points += text("<circle cx=\"", x, "\" cy=\"", y, "\" r=\"2.5\" fill=\"", colour, "\"><title>",
                       "epoch ", epoch.epoch, ", ", name, ": ", number, "</title></circle>\n");
      if (quantity.is_share ? value > best_value : value < best_value) {
        best_value = value;
        best = text("best on test: ", number, ", epoch ", epoch.epoch);
      }
    }
    if (!path.empty())
      svg += text("<path d=\"", path, "\" fill=\"none\" stroke=\"", colour, "\" stroke-width=\"1.5\" ",
                  "stroke-linejoin=\"round\" stroke-linecap=\"round\"/>\n", points);
    if (test) svg += label(right, top - 16, kRightAligned, best);
  }
  return svg;
}

}  // namespace

std::string curves_svg(const std::string& title, const std::vector<EpochRecord>& epochs) {
  const Quantity loss{"loss", &EpochRecord::train_loss, &EpochRecord::test_loss, false};
  const Quantity accuracy{"accuracy", &EpochRecord::train_accuracy, &EpochRecord::test_accuracy, true};
  return picture(1000, 420, label(500, 28, kCentred + " font-size=\"16\"", title) +
                                panel(loss, epochs, 80) + panel(accuracy, epochs, 580));
}

}  // namespace plainnet
