#pragma once

// Independent values to test against: PyTorch's, in float64, as tests/references/make_references.py
// wrote them.

#include <map>
#include <string>
#include <vector>

namespace plainnet::test {

struct ReferenceTensor {
  std::vector<int> shape;
  std::vector<double> values;  // row-major, as many as the product of the shape
};

/// One case: its settings and its tensors, by name.
struct Reference {
  std::string path;
  std::map<std::string, std::string> parameters;
  std::map<std::string, ReferenceTensor> tensors;

  /// A parameter as an integer, a real or a word: parameter("stride"), real("momentum"),
  /// word("padding"). Throws Error when it is missing.
  int parameter(const std::string& name) const;
  double real(const std::string& name) const;
  const std::string& word(const std::string& name) const;

  /// Throws Error when there is none of that name.
  const ReferenceTensor& tensor(const std::string& name) const;
};

/// Reads tests/references/NAME.txt, relative to the working directory, the repository's root. A
/// line is a comment (`# ...`), a setting (`parameter NAME VALUE`), or the start of a tensor
/// (`tensor NAME d0 d1 ...`), whose values follow, any number on a line. Throws Error, naming the
/// file, on anything else, on a value that is no finite number, and on too few or too many.
Reference read_reference(const std::string& name);

/// The names of the references of one kind, "conv2d" or "sgd", sorted: KIND and KIND_*. Throws Error
/// if there is none.
std::vector<std::string> reference_names(const std::string& kind);

}  // namespace plainnet::test
