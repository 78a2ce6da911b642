#pragma once

#include "files/safetensors.h"
#include "training/record.h"

namespace plainnet {

/// All that a run needs to go on after an epoch, to the same bits: a safetensors file, the numbers as
/// tensors, the rest as its metadata.
struct Checkpoint {
  std::map<std::string, std::string> metadata;  // shaping_options(), "data", "device" and more of the run
  std::vector<EpochRecord> epochs;              // those that are done
  double total_seconds = 0;                     // spent on the whole run, evaluation and pictures too
  std::vector<Tensor> weights, state;
};

/// Replaces the file at once, so that a run that is killed at any moment leaves the last one. Throws
/// Error as write_safetensors() does.
void write_checkpoint(const std::string& path, const Checkpoint& checkpoint);

/// Throws Error where the file is no checkpoint.
Checkpoint read_checkpoint(const std::string& path);

/// The weights in a file of any origin: all tensors but those of a checkpoint that are none. Throws
/// Error as read_safetensors() does.
TensorFile read_weights(const std::string& path);

}  // namespace plainnet
