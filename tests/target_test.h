#pragma once

// For tests that are compiled once for each target and number type.

#include <string_view>

#include "kernels/device.h"
#include "tests/test.h"

#define STRING_(x) #x
#define STRING(x) STRING_(x)

namespace plainnet::TARGET {

/// "cpu_double"
constexpr std::string_view kTargetName = STRING(TARGET);

/// Registers a test under the target's name and its own: "cpu_double dense: ...".
struct TargetRegistration {
  TargetRegistration(const std::string& name, std::function<void()> body) {
    test::Registration(STRING(TARGET) " " + name, std::move(body), device_problem);
  }
};

}  // namespace plainnet::TARGET

/// TEST for one target.
#define TARGET_TEST(name)                                                                                         \
  static void TEST_JOIN(test_body_, __LINE__)();                                                                  \
  [[maybe_unused]] static const ::plainnet::TARGET::TargetRegistration TEST_JOIN(test_registration_, __LINE__)(   \
      name, TEST_JOIN(test_body_, __LINE__));                                                                     \
  static void TEST_JOIN(test_body_, __LINE__)()
