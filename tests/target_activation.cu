// The exponential function and its kin against the standard library's, in double.

#include "kernels/fast/activation.h"
#include "tests/target_test.h"

namespace plainnet::TARGET {
namespace {

__global__ void activation_kernel(const real* x, int count, real* e, real* s, real* t) {
  for (int i = threadIdx.x * kVectorLanes; i < count; i += blockDim.x * kVectorLanes) {
    store(e + i, exponential(load(x + i)), count - i);
    store(s + i, sigmoid(load(x + i)), count - i);
    store(t + i, hyperbolic_tangent(load(x + i)), count - i);
  }
}

struct Activations {
  std::vector<real> exponential, sigmoid, tanh;
};

Activations activations_of(const std::vector<real>& x) {
  const Buffer<real> in(x), e(x.size()), s(x.size()), t(x.size());
  launch(activation_kernel, 1, threads(128), in.data(), static_cast<int>(x.size()), e.data(),
         s.data(), t.data());
  return {e.download(), s.download(), t.download()};
}

constexpr double kEpsilon = std::numeric_limits<real>::epsilon();
// Units in the last place by which an exponential may be wrong: CUDA's own function promises no better.
#if defined TARGET_GPU
constexpr int kUnits = 2;
#else
constexpr int kUnits = 1;
#endif

TARGET_TEST("activation: functions are exact to rounding") {
  std::vector<real> x;
  for (double value = -87; value <= 88; value += 0.0137) x.push_back(static_cast<real>(value));
  for (int i = 1; i < 40; ++i)
    for (const double sign : {-1, 1}) x.push_back(static_cast<real>(sign * std::pow(0.5, i)));
  x.push_back(0);
  const Activations got = activations_of(x);
  for (size_t i = 0; i < x.size(); ++i) {
    const double at = x[i], s = 1 / (1 + std::exp(-at));
    CHECK(std::abs(got.exponential[i] / std::exp(at) - 1) <= kUnits * kEpsilon, "e^", at, ": got ",
          got.exponential[i]);
    // That, and the rounding of what is made of it.
    CHECK(std::abs(got.sigmoid[i] / s - 1) <= 4 * kEpsilon, "sigmoid ", at, ": got ",
          got.sigmoid[i]);
    CHECK(std::abs(got.tanh[i] - std::tanh(at)) <= 4 * kEpsilon, "tanh ", at, ": got ",
          got.tanh[i]);
  }
}

TARGET_TEST("activation: infinities and NaN") {
  const Activations got =
      activations_of({-INFINITY, -1e6, -100, 100, 1e6, INFINITY, static_cast<real>(NAN)});
  for (int i = 0; i < 3; ++i) {
    CHECK(got.exponential[i] >= 0 && got.exponential[i] < 1e-37, i, ": ", got.exponential[i]);
    CHECK(got.sigmoid[i] >= 0 && got.sigmoid[i] < 1e-37, i, ": ", got.sigmoid[i]);
    CHECK_EQUAL(got.tanh[i], -1);
  }
  for (int i = 3; i < 6; ++i) {
    CHECK(got.exponential[i] > 1e38, i, ": ", got.exponential[i]);
    CHECK_EQUAL(got.sigmoid[i], 1);
    CHECK_EQUAL(got.tanh[i], 1);
  }
  CHECK(std::isnan(got.exponential[6]) && std::isnan(got.sigmoid[6]) && std::isnan(got.tanh[6]));
}

}  // namespace
}  // namespace plainnet::TARGET
