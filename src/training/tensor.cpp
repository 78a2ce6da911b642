#include "training/tensor.h"

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

}  // namespace plainnet
