#include "training/tensor.h"

#include <cmath>

#include "base/error.h"

namespace plainnet {

/// -1 if the product is negative or not below 2^53, where a double is not exact: no memory holds so many.
int64_t Tensor::size() const {
  double product = 1;
  for (const int64_t dimension : shape) product *= static_cast<double>(dimension);
  return product >= 0 && product < 0x1p53 ? static_cast<int64_t>(product) : -1;
}

std::string Tensor::shape_text() const {
  std::string result;
  for (const int64_t dimension : shape) result += text("[", dimension, "]");
  return result.empty() ? "scalar" : result;
}

std::string first_not_finite(const std::vector<Tensor>& tensors) {
  for (const Tensor& tensor : tensors)
    for (size_t i = 0; i < tensor.values.size(); ++i)
      if (const float value = tensor.values[i]; !std::isfinite(value))
        return text(tensor.name, ": expected finite numbers, found ",
                    std::isnan(value) ? NAN : value,  // a NaN has a sign, which says nothing
                    " at ", i, " of ", tensor.shape_text());
  return "";
}

}  // namespace plainnet
