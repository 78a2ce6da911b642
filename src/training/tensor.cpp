#include "training/tensor.h"

#include <cmath>

#include "base/error.h"

namespace plainnet {

/// -1 if a dimension is negative or the product is beyond an int64_t.
int64_t Tensor::size() const {
  int64_t product = 1;
  for (const int64_t dimension : shape)
    if (dimension < 0 || __builtin_mul_overflow(product, dimension, &product)) return -1;
  return product;
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
