#include "files/checkpoint.h"

#include "base/error.h"
#include "base/numbers.h"

namespace plainnet {
namespace {

// The names of the tensors that are no weights begin so; the scores of steps are in older checkpoints.
const std::string kState = "state.", kScores = "scores.";

}  // namespace

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
      !read_number(seconds->second, &checkpoint.total_seconds))
    throw Error(path, ": expected a checkpoint, found no log or no number total_seconds in its metadata");
  checkpoint.epochs = parse_log(log->second, path);
  for (const Tensor& tensor : file.tensors)
    if (tensor.name.starts_with(kState))
      checkpoint.state.push_back({tensor.name.substr(kState.size()), tensor.shape, tensor.values});
    else if (!tensor.name.starts_with(kScores))
      checkpoint.weights.push_back(tensor);
    else if (tensor.size() > 0)
      throw Error(path, ": expected a checkpoint after a whole epoch, found one after ", tensor.size(),
                  " steps of epoch ", checkpoint.epochs.size() + 1,
                  ": finish that epoch with the version that wrote it, or train anew");
  return checkpoint;
}

TensorFile read_weights(const std::string& path) {
  TensorFile file = read_safetensors(path);
  std::erase_if(file.tensors, [](const Tensor& tensor) {
    return tensor.name.starts_with(kState) || tensor.name.starts_with(kScores);
  });
  return file;
}

}  // namespace plainnet
