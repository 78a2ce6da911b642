#pragma once

// Random numbers from a counter: Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random
// numbers: as easy as 1, 2, 3" (SC 2011). The n-th number of a stream is a function of (seed,
// stream, n) alone, so it does not matter which thread draws it, or when.

#include <array>
#include <cmath>
#include <cstdint>

namespace plainnet {

/// The 128 random bits at `counter` of `stream`: ten rounds of multiply and exchange.
inline std::array<uint32_t, 4> philox(uint64_t seed, uint64_t stream, uint64_t counter) {
  const auto low = [](uint64_t bits) { return static_cast<uint32_t>(bits); };
  const auto high = [](uint64_t bits) { return static_cast<uint32_t>(bits >> 32); };
  std::array<uint32_t, 4> c = {low(counter), high(counter), low(stream), high(stream)};
  uint32_t k0 = low(seed), k1 = high(seed);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * c[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57} * c[2];
    c = {high(p1) ^ c[1] ^ k0, low(p1), high(p0) ^ c[3] ^ k1, low(p0)};
    k0 += 0x9E3779B9;  // the golden ratio and the square root of 3, as Weyl sequences
    k1 += 0xBB67AE85;
  }
  return c;
}

/// One stream of random numbers, drawn in order.
class Random {
 public:
  Random(uint64_t seed, uint64_t stream) : seed_(seed), stream_(stream) {}

  /// 32 random bits.
  uint32_t bits() {
    if (drawn_ % 4 == 0) block_ = philox(seed_, stream_, drawn_ / 4);
    return block_[drawn_++ % 4];
  }

  /// Uniform in [0, 1), a multiple of 2^-32.
  double uniform() { return bits() * 0x1p-32; }

  /// Uniform in [low, high).
  double uniform(double low, double high) { return low + (high - low) * uniform(); }

  /// Standard normal, by the method of Box and Muller (1958).
  double normal() {
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return radius * std::cos(6.283185307179586 * uniform());
  }

  /// Uniform in {0, ..., n-1}, for 0 < n. The bias is below n / 2^32.
  uint32_t below(uint32_t n) { return static_cast<uint32_t>((uint64_t{bits()} * n) >> 32); }

 private:
  uint64_t seed_, stream_, drawn_ = 0;  // drawn_: how many numbers so far
  std::array<uint32_t, 4> block_{};     // those four of which the last is one
};

}  // namespace plainnet
