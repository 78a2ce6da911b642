#pragma once

#include <string>
#include <vector>

#include "training/record.h"

namespace plainnet {

/// An SVG picture of two panels side by side: loss and accuracy over the epochs, training and test.
/// The loss has a logarithmic axis where it spans more than a factor of 20. Points that are not
/// finite are left out. Any number of epochs, in rising order.
std::string curves_svg(const std::string& title, const std::vector<EpochRecord>& epochs);

}  // namespace plainnet
