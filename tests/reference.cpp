#include "reference.h"

#include <charconv>
#include <cmath>
#include <fstream>
#include <sstream>

#include "../src/error.h"

namespace plainnet::test {

/// Whether all of `word` is one number of type T.
template <class T>
static bool parse(const std::string& word, T& number) {
  const char* end = word.data() + word.size();
  const auto result = std::from_chars(word.data(), end, number);
  return result.ec == std::errc() && result.ptr == end;
}

const std::string& Reference::word(const std::string& name) const {
  const auto found = parameters.find(name);
  if (found == parameters.end())
    throw Error(text(path, ": expected a parameter ", name, ", found none"));
  return found->second;
}

int Reference::parameter(const std::string& name) const {
  int value;
  if (!parse(word(name), value))
    throw Error(text(path, ": parameter ", name, ": expected an integer, found ", word(name)));
  return value;
}

double Reference::real(const std::string& name) const {
  double value;
  if (!parse(word(name), value))
    throw Error(text(path, ": parameter ", name, ": expected a number, found ", word(name)));
  return value;
}

const ReferenceTensor& Reference::tensor(const std::string& name) const {
  const auto found = tensors.find(name);
  if (found == tensors.end()) throw Error(text(path, ": expected a tensor ", name, ", found none"));
  return found->second;
}

Reference read_reference(const std::string& name) {
  Reference reference;
  reference.path = "tests/references/" + name + ".txt";
  std::ifstream file(reference.path);
  if (!file)
    throw Error(text(reference.path, ": cannot be opened; run from the repository's root"));

  ReferenceTensor* tensor = nullptr;  // the one whose values are being read
  std::string tensor_name;
  size_t missing = 0;  // values that it still lacks
  int number = 0;
  const auto fail = [&](const auto&... parts) {
    throw Error(text(reference.path, ":", number, ": ", parts...));
  };
  const auto check_complete = [&] {
    if (missing > 0) fail("expected ", missing, " more values of tensor ", tensor_name);
  };

  std::string line;
  while (std::getline(file, line)) {
    ++number;
    if (line.starts_with('#')) continue;
    std::istringstream words(line);
    std::string word;
    if (line.starts_with("parameter ")) {
      check_complete();
      std::string key, value, rest;
      if (!(words >> word >> key >> value) || words >> rest)
        fail("expected parameter NAME VALUE, found ", line);
      if (!reference.parameters.emplace(key, value).second) fail("a second parameter ", key);
    } else if (line.starts_with("tensor ")) {
      check_complete();
      words >> word >> tensor_name;
      const auto [place, is_first] = reference.tensors.try_emplace(tensor_name);
      if (!is_first) fail("a second tensor ", tensor_name);
      tensor = &place->second;
      missing = 1;
      while (words >> word) {
        int size;
        if (!parse(word, size) || size < 1) fail("expected a size of 1 or more, found ", word);
        tensor->shape.push_back(size);
        missing *= size;
      }
      if (tensor->shape.empty()) fail("expected tensor NAME and its shape, found ", line);
    } else {
      while (words >> word) {
        double value;
        if (!parse(word, value) || !std::isfinite(value))
          fail("expected parameter, tensor or a finite number, found ", word);
        if (missing == 0)
          fail("expected no more values", tensor ? " of tensor " + tensor_name : "", ", found ",
               word);
        tensor->values.push_back(value);
        --missing;
      }
    }
  }
  check_complete();
  if (reference.tensors.empty()) fail("expected at least one tensor, found none");
  return reference;
}

}  // namespace plainnet::test
