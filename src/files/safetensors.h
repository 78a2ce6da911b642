#pragma once

#include <map>

#include "training/tensor.h"

namespace plainnet {

/// What a safetensors file holds (https://github.com/huggingface/safetensors, "Format"): an 8-byte
/// length, a JSON header, the bytes of the tensors.
struct TensorFile {
  std::vector<Tensor> tensors;
  std::map<std::string, std::string> metadata;
};

/// Reads `path`, whose tensors are of type F32. Throws Error, naming the file, what was expected and
/// what was found, when it cannot be read, is cut short, holds tensors of another type, or its header
/// is not what the format says.
TensorFile read_safetensors(const std::string& path);

/// A string of JSON (RFC 8259): in quotes, with what must be escaped. `s` is in UTF-8.
std::string quoted(const std::string& s);

/// Writes `path` as write_file_atomically() does, and throws as it does. Each name must occur once, and
/// each tensor have as many values as its shape says.
void write_safetensors(const std::string& path, const TensorFile& file);

}  // namespace plainnet
