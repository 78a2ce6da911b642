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
  for (const Tensor& tensor : checkpoint.state)
    file.tensors.push_back({kState + tensor.name, tensor.shape, tensor.values});
  write_safetensors(path, file);
}

Checkpoint read_checkpoint(const std::string& path) {
  TensorFile file = read_safetensors(path);
  Checkpoint checkpoint{file.metadata, {}, 0, {}, {}};
  const std::string log = file.metadata["log"];  // empty where there is none
  if (log.empty() || !read_number(file.metadata["total_seconds"], &checkpoint.total_seconds) ||
      !(checkpoint.total_seconds >= 0 && checkpoint.total_seconds <= 1e12))
    throw Error(path, ": expected a checkpoint, found no log or no total_seconds from 0 to 1e12");
  checkpoint.epochs = parse_log(log, path);
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
