// Random numbers, and the initial weights that are made of them.

#include <set>

#include "base/random.h"
#include "training/initializers.h"
#include "tests/test.h"

namespace plainnet {
namespace {

// From kat_vectors of the Random123 distribution (Salmon et al.): philox4x32, 10 rounds. Its
// counter is our counter and stream, its key our seed, low words first.
TEST("philox: known answers") {
  const auto words = [](uint64_t seed, uint64_t stream, uint64_t counter) {
    const std::array<uint32_t, 4> p = philox(seed, stream, counter);
    return std::vector<uint32_t>(p.begin(), p.end());
  };
  CHECK(words(0, 0, 0) == std::vector<uint32_t>({0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  CHECK(words(~uint64_t{0}, ~uint64_t{0}, ~uint64_t{0}) ==
        std::vector<uint32_t>({0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  CHECK(words(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88) ==
        std::vector<uint32_t>({0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST("random: a stream is the same again; seeds and streams differ") {
  const auto draw = [](uint64_t seed, uint64_t stream) {
    Random random(seed, stream);
    std::vector<uint32_t> bits(9);
    for (uint32_t& word : bits) word = random.bits();
    return bits;
  };
  CHECK(draw(1, 2) == draw(1, 2));
  const std::vector<uint32_t> bits = draw(1, 2);
  CHECK(std::set<uint32_t>(bits.begin(), bits.end()).size() == bits.size(), "numbers repeat");
  CHECK(draw(1, 2) != draw(2, 2));
  CHECK(draw(1, 2) != draw(1, 3));
  CHECK(draw(1, 0) != draw(1 + (uint64_t{1} << 32), 0), "the high half of the seed is lost");
  CHECK(draw(1, 0) != draw(1, uint64_t{1} << 40), "the high half of the stream is lost");
}

// Computed from the paper's Philox in Python: two numbers of uniform(), two of normal(), six below 10.
TEST("random: known answers") {
  Random random(5, 3);
  CHECK_EQUAL(random.uniform(), 0.18611070001497865);
  CHECK_EQUAL(random.uniform(), 0.31775180506519973);
  CHECK_NEAR(random.normal(), 0.44413588308025365, 1e-15);
  CHECK_NEAR(random.normal(), -0.5678250855770001, 1e-15);
  for (const uint32_t expected : {0, 8, 1, 4, 4, 5}) CHECK_EQUAL(random.below(10), expected);
}

// The mean of many draws is about normal: it is off by five standard deviations once in two million
// times. The seed is fixed, so the test passes always or never.
TEST("random: uniform(), normal() and below() have their moments") {
  constexpr int kCount = 100000;
  const double sqrt_count = std::sqrt(kCount);
  Random random(3, 0);
  double mean = 0, square = 0;
  for (int i = 0; i < kCount; ++i) {
    const double u = random.uniform();
    CHECK(u >= 0 && u < 1, u);
    mean += u / kCount;
    square += u * u / kCount;
  }
  CHECK_NEAR(mean, 1.0 / 2, 5 * std::sqrt(1.0 / 12) / sqrt_count);
  CHECK_NEAR(square, 1.0 / 3, 5 * std::sqrt(4.0 / 45) / sqrt_count);

  double fourth = 0;
  mean = square = 0;
  for (int i = 0; i < kCount; ++i) {
    const double x = random.normal();
    mean += x / kCount;
    square += x * x / kCount;
    fourth += x * x * x * x / kCount;
  }
  CHECK_NEAR(mean, 0, 5 / sqrt_count);
  CHECK_NEAR(square, 1, 5 * std::sqrt(2.0) / sqrt_count);
  CHECK_NEAR(fourth, 3, 5 * std::sqrt(96.0) / sqrt_count);

  std::vector<int> counts(7);
  for (int i = 0; i < kCount; ++i) {
    const uint32_t k = random.below(7);
    CHECK(k < 7, k);
    ++counts[k];
  }
  for (int count : counts) CHECK_NEAR(count, kCount / 7.0, 5 * std::sqrt(kCount / 7.0 * 6 / 7));
  CHECK_EQUAL(random.below(1), 0u);
}

std::vector<float> draw(Initializer initializer, std::vector<int64_t> shape, long fan_in,
                        long fan_out, uint64_t seed = 1) {
  return initial_values({"", shape, initializer, fan_in, fan_out}, seed, 0);
}

double mean_of(const std::vector<float>& values, int power) {
  double sum = 0;
  for (const float value : values) sum += std::pow(value, power);
  return sum / values.size();
}

// As above, five standard deviations.
TEST("initializers: variances of He normal and Glorot uniform") {
  const std::vector<int64_t> shape = {5, 5, 24, 48};
  const double sqrt_count = std::sqrt(5.0 * 5 * 24 * 48);
  const long fan_in = 5 * 5 * 24, fan_out = 5 * 5 * 48;

  const std::vector<float> he = draw({Initializer::kHeNormal}, shape, fan_in, fan_out);
  CHECK_EQUAL(he.size(), 5u * 5 * 24 * 48);
  const double he_variance = 2.0 / fan_in;
  CHECK_NEAR(mean_of(he, 1), 0, 5 * std::sqrt(he_variance) / sqrt_count);
  CHECK_NEAR(mean_of(he, 2) / he_variance, 1, 5 * std::sqrt(2.0) / sqrt_count);
  CHECK_NEAR(mean_of(he, 4) / (he_variance * he_variance), 3, 5 * std::sqrt(96.0) / sqrt_count);

  const std::vector<float> glorot = draw({Initializer::kGlorotUniform}, shape, fan_in, fan_out);
  const double limit = std::sqrt(6.0 / (fan_in + fan_out)), glorot_variance = limit * limit / 3;
  CHECK_NEAR(glorot_variance, 2.0 / (fan_in + fan_out), 1e-12);
  CHECK_NEAR(mean_of(glorot, 1), 0, 5 * std::sqrt(glorot_variance) / sqrt_count);
  CHECK_NEAR(mean_of(glorot, 2) / glorot_variance, 1, 5 * std::sqrt(4.0 / 5) / sqrt_count);
  const auto [low, high] = std::minmax_element(glorot.begin(), glorot.end());
  CHECK(*low >= -limit * (1 + 1e-6) && *high <= limit * (1 + 1e-6), *low, " ", *high);
}

TEST("initializers: uniform, zero, forget bias") {
  const std::vector<float> uniform = draw({Initializer::kUniform, 0.01}, {100, 100}, 1, 1);
  const auto [low, high] = std::minmax_element(uniform.begin(), uniform.end());
  CHECK_NEAR(*low, -0.01, 1e-5);
  CHECK_NEAR(*high, 0.01, 1e-5);
  CHECK(*low >= -0.01f && *high <= 0.01f);
  CHECK(draw({Initializer::kZero}, {3}, 1, 1) == std::vector<float>(3));
  CHECK(draw({Initializer::kForgetBias}, {12}, 1, 1) ==
        std::vector<float>({0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0}));
}

TEST("initializers: orthogonal has unit vectors at right angles") {
  for (const auto& [rows, columns] : {std::pair(128, 512), std::pair(512, 128), std::pair(7, 7),
                                      std::pair(1, 4), std::pair(1, 1)}) {
    const std::vector<float> matrix = draw({Initializer::kOrthogonal}, {rows, columns}, 1, 1);
    CHECK_EQUAL(matrix.size(), static_cast<size_t>(rows) * columns);
    const bool by_rows = rows <= columns;
    const int count = by_rows ? rows : columns, length = by_rows ? columns : rows;
    const auto at = [&, c = columns](int vector, int i) -> double {
      return by_rows ? matrix[vector * c + i] : matrix[i * c + vector];
    };
    for (int a = 0; a < count; ++a)
      for (int b = 0; b <= a; ++b) {
        double dot = 0;
        for (int i = 0; i < length; ++i) dot += at(a, i) * at(b, i);
        CHECK_NEAR(dot, a == b ? 1 : 0, 1e-6);
      }
  }
}

TEST("initializers: orthogonal points in random directions") {
  const std::vector<float> matrix = draw({Initializer::kOrthogonal}, {128, 512}, 1, 1);
  // An element of a random unit vector has variance 1 / 512.
  CHECK_NEAR(mean_of(matrix, 1), 0, 5 / 512.0);
  CHECK_NEAR(mean_of(matrix, 4) * 512 * 512, 3, 0.2);
  CHECK(draw({Initializer::kOrthogonal}, {128, 512}, 1, 1, 2) != matrix);
}

TEST("initializers: the same seed and stream draw the same, others others") {
  for (const Initializer initializer :
       {Initializer{Initializer::kUniform, 1}, Initializer{Initializer::kHeNormal},
        Initializer{Initializer::kGlorotUniform}, Initializer{Initializer::kOrthogonal}}) {
    const std::vector<float> values = initial_values({"", {5, 7}, initializer, 5, 7}, 1, 3);
    CHECK(initial_values({"", {5, 7}, initializer, 5, 7}, 1, 3) == values);
    CHECK(initial_values({"", {5, 7}, initializer, 5, 7}, 2, 3) != values);
    CHECK(initial_values({"", {5, 7}, initializer, 5, 7}, 1, 4) != values);
  }
}

}  // namespace
}  // namespace plainnet
