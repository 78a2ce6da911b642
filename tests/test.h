#pragma once

// The test runner: TEST("name") { ... } registers a test, CHECK and its kin end it with a message.

#include <cmath>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/error.h"

namespace plainnet::test {

struct Test {
  std::string name;
  std::function<void()> body;
  std::string (*problem)() = nullptr;  // why this machine cannot; null or empty: it can
};

/// All tests, in the order of registration. They are registered before main() begins, when CUDA cannot
/// be asked yet what there is.
std::vector<Test>& tests();

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Registration {
  Registration(std::string name, std::function<void()> body, std::string (*problem)() = nullptr) {
    tests().push_back({std::move(name), std::move(body), problem});
  }
};

inline bool contains(const std::string& all, const std::string& part) {
  return all.find(part) != std::string::npos;
}

/// A line that is printed below the running test's own.
void note(const std::string& line);

/// An empty folder for the running test, removed after it.
std::string scratch_folder();

/// The path of this program, as it was called.
std::string& own_path();

/// Fails unless `f`, which is written `expression`, throws an Error whose message contains every one of
/// `parts`.
void check_error(const char* file, int line, const char* expression, const std::function<void()>& f,
                 const std::vector<std::string>& parts);

}  // namespace plainnet::test

#define TEST_JOIN_(a, b) a##b
#define TEST_JOIN(a, b) TEST_JOIN_(a, b)

#define TEST(name)                                                                                                \
  static void TEST_JOIN(test_body_, __LINE__)();                                                                  \
  [[maybe_unused]] static const ::plainnet::test::Registration TEST_JOIN(test_registration_, __LINE__)(           \
      name, TEST_JOIN(test_body_, __LINE__));                                                                     \
  static void TEST_JOIN(test_body_, __LINE__)()

/// Fails unless `condition`; what follows is printed: CHECK(a == b, "a ", a, ", b ", b).
#define CHECK(condition, ...)                                                               \
  do {                                                                                      \
    if (!(condition))                                                                       \
      throw ::plainnet::test::Failure(::plainnet::text(                                     \
          __FILE__, ":", __LINE__, ": expected " #condition __VA_OPT__(, ": ", ) __VA_ARGS__)); \
  } while (false)

/// Fails unless got == expected.
#define CHECK_EQUAL(got, expected)                                                          \
  do {                                                                                      \
    const auto got_ = (got);                                                                \
    const auto expected_ = (expected);                                                      \
    if (!(got_ == expected_))                                                               \
      throw ::plainnet::test::Failure(::plainnet::text(__FILE__, ":", __LINE__, ": " #got   \
                                      ": expected ", expected_, ", got ", got_));           \
  } while (false)

/// Fails unless |got - expected| <= tolerance; a NaN on either side fails.
#define CHECK_NEAR(got, expected, tolerance)                                                \
  do {                                                                                      \
    const double got_ = (got), expected_ = (expected);                                      \
    if (!(std::abs(got_ - expected_) <= (tolerance)))                                       \
      throw ::plainnet::test::Failure(::plainnet::text(__FILE__, ":", __LINE__, ": " #got   \
                    ": expected ", expected_, ", got ", got_, ", tolerance ", (tolerance))); \
  } while (false)

/// Fails unless the expression throws an Error whose message contains every part.
#define CHECK_ERROR(expression, ...) \
  ::plainnet::test::check_error(__FILE__, __LINE__, #expression, [&] { expression; }, {__VA_ARGS__})
