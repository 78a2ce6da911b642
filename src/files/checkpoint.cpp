#include "files/checkpoint.h"

#include "base/error.h"
#include "base/numbers.h"

namespace plainnet {
namespace {

// The names of the tensors that are no weights begin so.
const std::string kState = "state.", kScores = "scores.";

Tensor column(const std::string& name, const std::vector<StepScore>& scores,
              float (*value)(const StepScore&)) {
  Tensor tensor{kScores + name, {static_cast<int64_t>(scores.size())}, {}};
  for (const StepScore& score : scores) tensor.values.push_back(value(score));
  return tensor;
}

}  // namespace

void write_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
  TensorFile file{checkpoint.weights, checkpoint.options};
  file.metadata.insert(checkpoint.notes.begin(), checkpoint.notes.end());
  file.metadata["log"] = log_text(checkpoint.epochs);
  file.metadata["epoch_seconds"] = exact_text(checkpoint.epoch_seconds);
  file.metadata["total_seconds"] = exact_text(checkpoint.total_seconds);
  for (Tensor tensor : checkpoint.state) {
    tensor.name = kState + tensor.name;
    file.tensors.push_back(tensor);
  }
  file.tensors.push_back(column("loss", checkpoint.scores, [](auto& s) { return s.loss; }));
  // A float holds the whole numbers up to 2^24, more than any batch has images.
  file.tensors.push_back(
      column("correct", checkpoint.scores, [](auto& s) { return static_cast<float>(s.correct); }));
  write_safetensors(path, file);
}

Checkpoint read_checkpoint(const std::string& path) {
  const TensorFile file = read_safetensors(path);
  const auto metadata = [&](const std::string& key) {
    const auto found = file.metadata.find(key);
    if (found == file.metadata.end())
      throw Error(text(path, ": expected a checkpoint, found no metadata ", key));
    return found->second;
  };
  const auto seconds = [&](const std::string& key) {
    const std::string value = metadata(key);
    double number = 0;
    if (!read_number(value, &number))
      throw Error(text(path, ": metadata ", key, ": expected a number, found ", value));
    return number;
  };
  Checkpoint checkpoint;
  checkpoint.epochs = parse_log(metadata("log"), path);
  checkpoint.epoch_seconds = seconds("epoch_seconds");
  checkpoint.total_seconds = seconds("total_seconds");
  for (const auto& [key, value] : file.metadata)
    if (key != "log" && !key.ends_with("_seconds"))
      (key.starts_with("--") || key == "model" ? checkpoint.options : checkpoint.notes)[key] =
          value;

  const Tensor *loss = file.find(kScores + "loss"), *correct = file.find(kScores + "correct");
  if (!loss || !correct || loss->size() != correct->size())
    throw Error(text(path, ": expected ", kScores, "loss and as long ", kScores, "correct"));
  for (size_t i = 0; i < loss->values.size(); ++i)
    checkpoint.scores.push_back({loss->values[i], static_cast<int>(correct->values[i])});
  for (const Tensor& tensor : file.tensors)
    if (tensor.name.starts_with(kState))
      checkpoint.state.push_back({tensor.name.substr(kState.size()), tensor.shape, tensor.values});
    else if (!tensor.name.starts_with(kScores))
      checkpoint.weights.push_back(tensor);
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
