#pragma once

#include <algorithm>
#include <vector>

namespace plainnet::bench {

/// The middle one of one or more values.
inline double median(std::vector<double> values) {
  const auto middle = values.begin() + values.size() / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace plainnet::bench
