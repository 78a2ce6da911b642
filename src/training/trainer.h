#pragma once

// What the command line needs of a target: a network and its data on a device, with no kernel in
// sight. Each target implements it, in target_trainer.cpp; targets.cpp chooses one.

#include <algorithm>
#include <functional>
#include <memory>

#include "images/dataset.h"
#include "kernels/layers.h"
#include "training/tensor.h"
#include "kernels/update_rule.h"

namespace plainnet {

struct TrainerOptions {
  std::string model;
  int batch = 128;
  UpdateRule rule;
  uint64_t seed = 1;
  Kernels kernels = kFast;
};

/// How one batch did, before its update.
struct StepScore {
  float loss;   // mean over the batch, in nats
  int correct;  // images whose largest logit is their label's
};

/// The scores of a whole data set.
struct Score {
  double loss = 0, accuracy = 0;  // means over the images
};

class Trainer {
 public:
  virtual ~Trainer() = default;

  /// The weights under the names of docs/files.md: conv2d_1.kernel, ...
  virtual std::vector<Tensor> weights() = 0;
  /// Sets them. Throws Error, naming `source` and all that does not fit, unless the names and shapes
  /// are exactly the network's, and all numbers finite.
  virtual void set_weights(const std::vector<Tensor>& tensors, const std::string& source) = 0;

  /// What the update rule keeps from step to step: "momentum.conv2d_1.kernel", ..., and
  /// "square.conv2d_1.kernel", ..., as far as the rule has them.
  virtual std::vector<Tensor> state() = 0;
  /// Sets it to what it was after `updates` updates; throws as set_weights() does.
  virtual void set_state(const std::vector<Tensor>& tensors, long updates, const std::string& source) = 0;

  /// Is told the scores of the steps that are done of the epoch, now and then.
  using Progress = std::function<void(const std::vector<StepScore>& scores)>;

  /// Trains for an epoch on the images order[0], order[1], ... in batches, the last one smaller;
  /// `rates`: the learning rate of each step. Returns the scores by step. Throws Error where a number is NaN
  /// or infinite: it names the step, counted over all epochs, and the tensor where that began.
  virtual std::vector<StepScore> train(const std::vector<int>& order, const std::vector<double>& rates,
                                       const Progress& progress) = 0;

  /// The scores of all test images. Throws Error as train() does.
  virtual Score evaluate() = 0;

  /// The probabilities of the classes for each test image: [images][classes].
  virtual std::vector<float> predict() = 0;
};

/// The mean over the images of batches of `batch` images, the last one smaller, `images` in all.
inline Score mean_score(const std::vector<StepScore>& scores, int batch, int images) {
  double loss = 0;
  long correct = 0;
  const long seen = std::min<long>(images, static_cast<long>(scores.size()) * batch);
  for (size_t step = 0; step < scores.size(); ++step) {
    loss += static_cast<double>(scores[step].loss) * std::min(batch, images - static_cast<int>(step) * batch);
    correct += scores[step].correct;
  }
  return seen > 0 ? Score{loss / seen, static_cast<double>(correct) / seen} : Score{};
}

/// The code of a target that this program was built with.
struct Target {
  std::string (*problem)();  // why there is no such device; empty if there is one
  std::string (*device)();   // what it is
  std::unique_ptr<Trainer> (*make_trainer)(const TrainerOptions&, const Dataset&);
};

namespace cpu_float { Target target(); }
namespace emulated_float { Target target(); }
namespace gpu_float { Target target(); }  // only where the CUDA toolkit was found

struct ChosenTarget : Target {
  std::string name;  // "gpu", "cpu" or "emulated"
  std::string note;  // why it is not the GPU; empty if there is nothing to say
};

/// The target of that name; for "auto", the GPU where one answers, else the CPU. The CPU gets so many
/// `threads`, or keeps those that it has where that is 0. Throws Error if the GPU is asked for and cannot be
/// had.
ChosenTarget choose_target(const std::string& name, int threads = 0);

}  // namespace plainnet
