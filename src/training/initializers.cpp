#include "training/initializers.h"

#include <algorithm>
#include <cmath>
#include <valarray>

#include "base/random.h"

namespace plainnet {

// Random directions, made orthonormal one after the other (Gram and Schmidt). Each is freed from the
// earlier ones twice, since once leaves rounding errors.
static std::vector<float> orthogonal(int64_t rows, int64_t columns, Random& random) {
  const int64_t count = std::min(rows, columns), length = std::max(rows, columns);
  std::vector<std::valarray<double>> vectors;
  while (std::ssize(vectors) < count) {
    std::valarray<double> v(length);
    for (double& value : v) value = random.normal();
    for (int pass = 0; pass < 2; ++pass)
      for (const auto& earlier : vectors) v -= (v * earlier).sum() * earlier;
    vectors.push_back(v / std::sqrt((v * v).sum()));
  }
  std::vector<float> values(rows * columns);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c)
      values[r * columns + c] = static_cast<float>(rows <= columns ? vectors[r][c] : vectors[c][r]);
  return values;
}

std::vector<float> initial_values(const ParameterDescription& parameter, uint64_t seed, uint64_t stream) {
  const auto& [kind, scale] = parameter.initializer;
  Random random(seed, stream);
  if (kind == Initializer::kOrthogonal)
    return orthogonal(parameter.shape.at(0), parameter.shape.at(1), random);

  std::vector<float> values(parameter.size());  // zeros
  const auto uniform = [&](double bound) {
    for (float& value : values) value = static_cast<float>(random.uniform(-bound, bound));
  };
  const double deviation = std::sqrt(2.0 / parameter.fan_in);
  if (kind == Initializer::kUniform) uniform(scale);
  if (kind == Initializer::kGlorotUniform) uniform(std::sqrt(6.0 / (parameter.fan_in + parameter.fan_out)));
  if (kind == Initializer::kHeNormal)
    for (float& value : values) value = static_cast<float>(deviation * random.normal());
  if (kind == Initializer::kForgetBias)
    std::fill(values.begin() + values.size() / 4, values.begin() + values.size() / 2, 1.0f);
  return values;
}

}  // namespace plainnet
