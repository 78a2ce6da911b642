#include "tests/reference.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/error.h"

namespace plainnet::test {

const std::string& Reference::word(const std::string& name) const {
  const auto found = parameters.find(name);
  if (found == parameters.end())
    throw Error(path, ": expected a parameter ", name, ", found none");
  return found->second;
}

int Reference::parameter(const std::string& name) const { return std::stoi(word(name)); }

double Reference::real(const std::string& name) const { return std::stod(word(name)); }

const ReferenceTensor& Reference::tensor(const std::string& name) const {
  const auto found = tensors.find(name);
  if (found == tensors.end()) throw Error(path, ": expected a tensor ", name, ", found none");
  return found->second;
}

Reference read_reference(const std::string& name) {
  Reference reference;
  reference.path = "tests/references/" + name + ".txt";
  std::ifstream file(reference.path);
  if (!file)
    throw Error(reference.path, ": cannot be opened; run from the repository's root");

  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string kind, key;
    words >> kind >> key;
    if (kind == "parameter") {
      words >> reference.parameters[key];
    } else if (kind == "tensor") {
      ReferenceTensor& tensor = reference.tensors[key];
      size_t count = 1;
      for (int size; words >> size; count *= size) tensor.shape.push_back(size);
      tensor.values.resize(count);
      for (double& value : tensor.values) file >> value;  // takes no nan and no inf
      if (!std::getline(file, line) || !line.empty())
        throw Error(reference.path, ": expected ", count, " numbers for tensor ", key);
    } else if (kind != "#") {
      throw Error(reference.path, ": expected a parameter or a tensor, found ", line);
    }
  }
  return reference;
}

std::vector<std::string> reference_names(const std::string& kind) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator("tests/references")) {
    const std::string name = entry.path().stem().string();
    if (entry.path().extension() == ".txt" && (name == kind || name.starts_with(kind + "_")))
      names.push_back(name);
  }
  if (names.empty()) throw Error("expected tests/references/", kind, "*.txt, found none");
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace plainnet::test
