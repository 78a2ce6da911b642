#include "files/checkpoint.h"

#include "base/error.h"
#include "base/numbers.h"

namespace plainnet {

// The names of the tensors that are no weights begin so.
static const std::string kState = "state.";

void write_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
  TensorFile file{checkpoint.weights, checkpoint.metadata};
  file.metadata["log"] = log_text(checkpoint.epochs);
  file.metadata["total_seconds"] = exact_text(checkpoint.total_seconds);
  for (Tensor tensor : checkpoint.state) {
    tensor.name = kState + tensor.name;
    file.tensors.push_back(tensor);
  }
  write_safetensors(path, file);
}

Checkpoint read_checkpoint(const std::string& path) {
  const TensorFile file = read_safetensors(path);
  const auto log = file.metadata.find("log"), seconds = file.metadata.find("total_seconds");
  Checkpoint checkpoint{file.metadata, {}, 0, {}, {}};
  if (log == file.metadata.end() || seconds == file.metadata.end() ||
      !read_number(seconds->second, &checkpoint.total_seconds) ||
      !(checkpoint.total_seconds >= 0 && checkpoint.total_seconds <= 1e12))
    throw Error(path, ": expected a checkpoint, found no log or no total_seconds from 0 to 1e12");
  checkpoint.epochs = parse_log(log->second, path);
  for (const Tensor& tensor : file.tensors)
    if (tensor.name.starts_with(kState))
      checkpoint.state.push_back({tensor.name.substr(kState.size()), tensor.shape, tensor.values});
    else
      checkpoint.weights.push_back(tensor);
  return checkpoint;
}

TensorFile read_weights(const std::string& path) {
  TensorFile file = read_safetensors(path);
  std::erase_if(file.tensors, [](const Tensor& tensor) { return tensor.name.starts_with(kState); });
  return file;
}

}  // namespace plainnet
